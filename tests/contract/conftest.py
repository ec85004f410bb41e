"""What the contract tests share: they run against the whole application, on a real store."""

import logging
from collections.abc import Iterator

import pytest


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


@pytest.fixture(scope="session")
def session_log() -> SessionLog:
    """The log of this session's contract tests."""
    return SessionLog()


@pytest.fixture(autouse=True)
def listening(session_log: SessionLog) -> Iterator[None]:
    """What is logged during a contract test, and nobody has provoked, is a failure of it."""
    before = len(session_log.failures)
    logging.getLogger().addHandler(session_log)
    yield
    logging.getLogger().removeHandler(session_log)
    assert session_log.failures[before:] == []
