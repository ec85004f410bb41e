from typing import Any

import pytest

from gateway.agents.evaluators import deciding, describe, status
from gateway.agents.evidence import Evidence
from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import ParameterValue
from gateway.catalog.definitions import Evaluator
from gateway.jobs.states import JobStatus
from gateway.tasks.base import Kept, TaskFailed

PARAMETERS = RunParameters([ParameterValue("Count", value="10"), ParameterValue("Empty")]).of_part(
    0
)
FULL = Evidence(
    JobStatus.FAILED_HALTED, exit_code=3, output=Kept(b"one\ntwo\n"), answer=Kept(b'{"a":1}')
)
BARE = Evidence(JobStatus.COMPLETED)


def evaluator(subject: str, operator: str, value: str = "", **members: Any) -> Evaluator:
    return Evaluator.model_validate(
        {"subject": subject, "operator": operator, "value": value, "verdict": "failed", **members}
    )


@pytest.mark.parametrize(
    ("subject", "operator", "value", "name", "full", "bare"),
    [
        ("exit_code", "equals", "3", "", True, False),
        ("exit_code", "greater", "2", "", True, False),
        ("exit_code", "not_equals", "0", "", True, False),
        ("output", "contains", "two", "", True, False),
        ("output", "equals", "one\ntwo", "", True, False),
        ("output", "matches", "(?m)^one$", "", True, False),
        ("output", "not_equals", "x", "", True, True),
        ("answer", "matches", '"a":\\d', "", True, False),
        ("answer", "not_equals", "x", "", True, False),
        ("status", "equals", "Failed Halted", "", True, False),
        ("status", "matches", "^failed", "", True, False),
        ("status", "not_equals", "completed", "", True, False),
        ("parameter", "equals", "10", "count", True, True),
        ("parameter", "exists", "", "Count", True, True),
        ("parameter", "not_exists", "", "Empty", True, True),
        ("parameter", "less", "$[Count]", "Count", False, False),
    ],
)
def test_what_holds(
    subject: str, operator: str, value: str, name: str, full: bool, bare: bool
) -> None:
    one = evaluator(subject, operator, value, name=name)
    assert (deciding((one,), FULL, PARAMETERS) is not None) is full
    assert (deciding((one,), BARE, PARAMETERS) is not None) is bare


def test_the_first_that_holds_decides() -> None:
    found = deciding(
        (
            evaluator("exit_code", "equals", "4"),
            evaluator("exit_code", "equals", "3", verdict="completed_with_errors"),
            evaluator("exit_code", "equals", "3", verdict="skipped"),
        ),
        FULL,
        PARAMETERS,
    )
    assert found is not None
    assert status(found) is JobStatus.COMPLETED_WITH_ERRORS
    assert describe(found) == "Completed with errors, since exit code equals '3'."


@pytest.mark.parametrize(
    ("subject", "operator", "value", "name"),
    [
        ("parameter", "equals", "x", "Missing"),
        ("parameter", "equals", "$[Missing]", "Count"),
        ("output", "less", "5", ""),
        ("output", "matches", "$[Count](", ""),
    ],
)
def test_what_cannot_be_judged(subject: str, operator: str, value: str, name: str) -> None:
    with pytest.raises(TaskFailed):
        deciding((evaluator(subject, operator, value, name=name),), FULL, PARAMETERS)
