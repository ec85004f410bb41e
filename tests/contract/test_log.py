"""Whether a contract test during which something went wrong in the server would fail."""

import logging

import pytest

from tests.contract.conftest import Provoked, SessionLog


def logged(error: Exception | None, level: int) -> list[str]:
    log = SessionLog()
    info = None if error is None else (type(error), error, None)
    log.emit(logging.LogRecord("gateway", level, __file__, 1, "met", (), info))
    return log.failures


@pytest.mark.parametrize(
    ("error", "level", "failures"),
    [
        (ValueError("nobody expected it"), logging.ERROR, 1),
        (ValueError("nobody expected it"), logging.DEBUG, 1),
        (None, logging.ERROR, 1),
        (None, logging.WARNING, 0),
        (Provoked("by a test"), logging.ERROR, 0),
    ],
)
def test_errors_count_unless_they_were_provoked(
    error: Exception | None, level: int, failures: int
) -> None:
    assert len(logged(error, level)) == failures
