"""Runs after all other contract tests: what did the server log while they ran?"""

import pytest

from tests.contract.conftest import SessionLog


def test_no_request_of_this_session_met_an_uncaught_exception(
    session_log: SessionLog, request: pytest.FixtureRequest
) -> None:
    others = [item for item in request.session.items if "dispatcher" in item.path.parts]
    contract = [item for item in others if "contract" in item.path.parts]
    assert bool(session_log.requests) is bool(contract)
    assert session_log.failures == []
