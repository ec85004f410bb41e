"""Runs of several modules on a real agent: parameters, conditions, captures, evaluators, ends."""

import dataclasses
import uuid
from typing import Any

import pytest

from gateway.agents.embedded import EmbeddedAgent
from gateway.agents.protocol import ModuleOrder, ParameterValue, RunOrder, TaskOrder
from gateway.catalog.definitions import Capture, Effect, Evaluator, OnFailure, ParameterType
from gateway.jobs.states import JobStatus
from tests.unit.agents.memory_desk import MemoryDesk, Record, condition, order, sh, task

DONE, PARTLY, FAILED, HALTED, SKIPPED, ABORTED = (
    JobStatus.COMPLETED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.FAILED,
    JobStatus.FAILED_HALTED,
    JobStatus.SKIPPED,
    JobStatus.ABORTED,
)
STOP, CONTINUE = OnFailure.STOP, OnFailure.CONTINUE
HERE = condition(subject="file", name="/", operator="exists")
NOT_HERE = condition(subject="file", name="/no/such/file", operator="exists")
FAIL = HERE.model_copy(update={"effect": Effect.FAIL})


def part(number: int, *tasks: TaskOrder) -> list[TaskOrder]:
    return [dataclasses.replace(one, part=number) for one in tasks]


def module(number: int, **members: Any) -> ModuleOrder:
    return ModuleOrder(number, uuid.uuid4(), f"M{number}", **members)


def capture(kind: str, parameter: str, expression: str = "", required: bool = False) -> Capture:
    return Capture.model_validate(
        {"kind": kind, "parameter": parameter, "expression": expression, "required": required}
    )


def evaluator(subject: str, operator: str, value: str, verdict: str, name: str = "") -> Evaluator:
    return Evaluator.model_validate(
        {"subject": subject, "operator": operator, "value": value, "verdict": verdict, "name": name}
    )


def ended(desk: MemoryDesk, run: RunOrder) -> tuple[JobStatus, list[JobStatus], Record]:
    record = desk.finish(run)
    return record.status, [end.status for end in record.tasks], record


def test_a_captured_value_reaches_the_next_module(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    first = sh("echo id=7; echo id=42", captures=(capture("output", "Id", r"id=(\d+)"),))
    code = sh(
        "exit 3",
        exit_codes=[3],
        captures=(capture("exit_code", "Code"), capture("output", "Key", "nothing")),
    )
    shown = task("command", argv=["echo", "$[Id] $[Code] $[Key]"])
    run = order(
        *part(0, first, code),
        *part(1, shown),
        parameters=(
            *(ParameterValue(name, part=p) for p in (0, 1) for name in ("Id", "Code")),
            *(
                ParameterValue("Key", ParameterType.PASSWORD, "s3cret", secret=True, part=p)
                for p in (0, 1)
            ),
        ),
    )
    desk.submit(run)
    status, _, record = ended(desk, run)
    assert status is DONE
    assert record.log(2) == "42 3 ********\n"
    assert [end.outputs for end in record.tasks] == [{"Id": "42"}, {"Code": "3"}, {}]
    assert record.end is not None
    finals = {(one.part, one.name): (one.value, one.module) for one in record.end.parameters}
    modules = [run.tasks[1].module_guid, run.tasks[2].module_guid]
    assert finals == {
        (0, "Id"): ("42", modules[0]),
        (0, "Code"): ("3", modules[0]),
        (1, "Id"): ("42", modules[1]),
        (1, "Code"): ("3", modules[1]),
    }


def test_secrets_that_are_captured_are_masked(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(
        sh("echo token=hunter2", captures=(capture("output", "Key", "token=(.*)"),)),
        task("command", argv=["echo", "$[Key]"]),
        sh("true", captures=(capture("output", "Key", "x", required=True),)),
        parameters=(ParameterValue("Key", ParameterType.PASSWORD, "", secret=True),),
    )
    desk.submit(run)
    status, tasks, record = ended(desk, run)
    assert (status, tasks) == (HALTED, [DONE, DONE, FAILED])
    assert record.tasks[0].outputs == {"Key": "********"}
    assert record.log(1) == "********\n"
    assert record.tasks[2].detail == "No value for 'Key': 'x' finds nothing in the output."
    assert record.end is not None
    assert record.end.parameters == ()


def test_evaluators_decide(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    good = evaluator("exit_code", "equals", "3", "completed")
    bad = evaluator("output", "contains", "ERROR", "failed")
    partly = evaluator("parameter", "equals", "9", "completed_with_errors", "N")
    run = order(
        sh("exit 3", evaluators=(good,)),
        sh("echo ERROR", evaluators=(bad, good), on_failure=CONTINUE),
        sh("echo n=9", captures=(capture("output", "N", "n=(.)"),), evaluators=(partly,)),
        sh("true", evaluators=(evaluator("status", "equals", "Completed", "skipped"),)),
        sh(
            "sleep 60",
            timeout=0.2,
            evaluators=(evaluator("status", "equals", "timed out", "completed"),),
        ),
        parameters=(ParameterValue("N"),),
    )
    desk.submit(run)
    status, tasks, record = ended(desk, run)
    assert tasks == [DONE, FAILED, PARTLY, SKIPPED, DONE]
    assert status is PARTLY
    assert record.tasks[0].exit_code == 3
    assert record.tasks[0].detail.endswith("Completed, since exit code equals '3'.")
    assert record.tasks[1].detail == "Failed, since output contains 'ERROR'."


def test_an_evaluator_that_cannot_be_judged_fails_its_task(
    desk: MemoryDesk, agent: EmbeddedAgent
) -> None:
    run = order(sh("echo x", evaluators=(evaluator("output", "less", "5", "skipped"),)))
    desk.submit(run)
    status, _, record = ended(desk, run)
    assert status is HALTED
    assert "numbers are compared" in record.tasks[0].detail


def test_conditions_of_tasks(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    execute = NOT_HERE.model_copy(update={"effect": Effect.EXECUTE})
    run = order(
        sh("true", conditions=(FAIL,), on_failure=CONTINUE),
        sh("true", conditions=(execute,)),
        sh("true", conditions=(HERE.model_copy(update={"effect": Effect.EXECUTE}),)),
    )
    desk.submit(run)
    status, tasks, record = ended(desk, run)
    assert (status, tasks) == (PARTLY, [FAILED, SKIPPED, DONE])
    assert record.tasks[0].detail == "Failed, since file / exists."
    assert record.tasks[1].detail == "Skipped, since file /no/such/file exists does not hold."


@pytest.mark.parametrize(
    ("first", "second", "expected", "tasks"),
    [
        ({"conditions": (HERE,)}, {}, DONE, [SKIPPED, SKIPPED, DONE]),
        ({"conditions": (HERE,)}, {"conditions": (HERE,)}, SKIPPED, [SKIPPED] * 3),
        ({"conditions": (FAIL,), "on_failure": STOP}, {}, HALTED, [SKIPPED] * 3),
        ({"conditions": (FAIL,), "on_failure": CONTINUE}, {}, PARTLY, [SKIPPED, SKIPPED, DONE]),
        ({"conditions": (FAIL,)}, {}, PARTLY, [SKIPPED, SKIPPED, DONE]),
        ({}, {"conditions": (NOT_HERE,)}, DONE, [DONE] * 3),
        (
            {"evaluators": (evaluator("status", "equals", "completed", "failed"),),
             "on_failure": STOP},
            {}, HALTED, [DONE, DONE, SKIPPED],
        ),
    ],
)  # fmt: skip
def test_modules(
    desk: MemoryDesk,
    agent: EmbeddedAgent,
    first: dict[str, Any],
    second: dict[str, Any],
    expected: JobStatus,
    tasks: list[JobStatus],
) -> None:
    run = order(
        *part(0, sh("true"), sh("true")),
        *part(1, sh("true")),
        modules=(module(0, **first), module(1, **second)),
    )
    desk.submit(run)
    assert ended(desk, run)[:2] == (expected, tasks)


@pytest.mark.parametrize(
    ("rule", "expected", "last"),
    [(STOP, HALTED, SKIPPED), (CONTINUE, PARTLY, DONE), (None, HALTED, SKIPPED)],
)
def test_a_module_that_its_task_has_halted(
    desk: MemoryDesk,
    agent: EmbeddedAgent,
    rule: OnFailure | None,
    expected: JobStatus,
    last: JobStatus,
) -> None:
    run = order(
        *part(0, sh("false"), sh("true")),
        *part(1, sh("true")),
        modules=(module(0, on_failure=rule), module(1, on_failure=rule)),
    )
    desk.submit(run)
    status, tasks, record = ended(desk, run)
    assert (status, tasks) == (expected, [FAILED, SKIPPED, last])
    if last is SKIPPED:
        assert record.tasks[2].detail == "Not run: the module 'M0' did not end well."


def test_a_module_sees_how_the_one_before_ended(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    after_failure = condition(
        subject="previous_status", operator="matches", value="^failed", effect="execute"
    )
    run = order(
        *part(0, sh("false")),
        *part(1, sh("echo mend")),
        modules=(module(0, on_failure=CONTINUE), module(1, conditions=(after_failure,))),
    )
    desk.submit(run)
    assert ended(desk, run)[:2] == (PARTLY, [FAILED, DONE])


@pytest.mark.parametrize(
    ("judged", "expected", "detail"),
    [(HERE, SKIPPED, ""), (FAIL, FAILED, "The job has failed, since file / exists."),
     (NOT_HERE, DONE, "")],
)  # fmt: skip
def test_conditions_of_the_run(
    desk: MemoryDesk, agent: EmbeddedAgent, judged: Any, expected: JobStatus, detail: str
) -> None:
    run = order(*part(0, sh("true")), *part(1, sh("true")), conditions=(judged,))
    desk.submit(run)
    status, tasks, record = ended(desk, run)
    assert status is expected
    assert set(tasks) == {DONE if expected is DONE else SKIPPED}
    assert record.end is not None
    assert record.end.detail == detail


def test_evaluators_of_the_run_see_the_last_values(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(
        *part(0, task("set_parameter", settings={"name": "State", "value": "bad"})),
        *part(1, sh("true")),
        parameters=(ParameterValue("State"), ParameterValue("State", part=1)),
        evaluators=(
            evaluator("status", "equals", "failed", "completed"),
            evaluator("parameter", "equals", "bad", "completed_with_errors", "State"),
        ),
    )
    desk.submit(run)
    assert ended(desk, run)[:2] == (PARTLY, [DONE, DONE])


def test_an_abort_in_the_first_module_ends_the_run(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    judging = (evaluator("status", "equals", "aborted", "completed"),)
    run = order(
        *part(0, sh("echo begun; sleep 1000", evaluators=judging), sh("true")),
        *part(1, sh("true")),
        modules=(module(0, on_failure=CONTINUE, evaluators=judging), module(1)),
        evaluators=judging,
    )
    desk.submit(run)
    desk.until(lambda: bool(desk.record(run).chunks))
    desk.abort(run)
    status, tasks, record = ended(desk, run)
    assert (status, tasks) == (ABORTED, [ABORTED, SKIPPED, SKIPPED])
    assert "aborted (on request)" in record.tasks[2].detail


def test_a_module_without_tasks_can_fail(desk: MemoryDesk, agent: EmbeddedAgent) -> None:
    run = order(*part(1, sh("true")), modules=(module(0, conditions=(FAIL,), on_failure=STOP),))
    desk.submit(run)
    assert ended(desk, run)[:2] == (HALTED, [SKIPPED])
