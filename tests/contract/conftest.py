"""What the contract tests share: they run against the whole application, on a real store."""

import logging
from collections.abc import Iterator

import pytest

LAST = "test_log.py"


class SessionLog(logging.Handler):
    """Keeps what was logged of failures while the contract tests ran."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.failures: list[str] = []
        self.requests = 0

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, Provoked) and (error or record.levelno >= logging.ERROR):
            self.failures.append(f"{record.name}: {record.getMessage()}: {error!r}")


class Provoked(Exception):
    """Raised by a test that wants to see how a mistake of ours is answered."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Read the log when all that writes to it has run."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session")
def session_log() -> SessionLog:
    """The log of this session's contract tests."""
    return SessionLog()


@pytest.fixture(autouse=True)
def listening(session_log: SessionLog) -> Iterator[None]:
    """Note what is logged during each contract test, and during no other."""
    logging.getLogger().addHandler(session_log)
    yield
    logging.getLogger().removeHandler(session_log)
