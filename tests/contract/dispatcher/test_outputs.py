"""A project on a real agent: what its tasks set, and how it ends (Dispatcher contract 2.9, 6)."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import application
from gateway.catalog.definitions import (
    Capture,
    CaptureKind,
    Condition,
    Effect,
    Evaluator,
    Evidence,
    Module,
    OnFailure,
    Operator,
    Parameter,
    ParameterType,
    Subject,
    Task,
    Verdict,
)
from gateway.catalog.projects import Project, ProjectModule
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import DefinitionKind, JobOrder, Timing, What, Who
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import House, braced
from tests.contract.dispatcher.test_results import results, values

ID = Parameter(name="Id")
TOKEN = Parameter(name="Token", type=ParameterType.PASSWORD)
THERE = Condition(subject=Subject.FILE, name="/", operator=Operator.EXISTS)


@pytest.fixture
def house(tmp_path: Path, session_log: SessionLog) -> Iterator[House]:
    house = houses.build(tmp_path, session_log, embedded_agent=True, agent_name="PC1234")
    with application.running(house.gateway):
        yield house


def sh(name: str, text: str, **members: Any) -> Task:
    return Task(
        guid=uuid.uuid4(),
        name=name,
        type="command",
        settings={"argv": ["sh", "-c", text]},
        **members,
    )


def module(name: str, *tasks: Task, **members: Any) -> Module:
    return Module(guid=uuid.uuid4(), name=name, parameters=(ID, TOKEN), tasks=tasks, **members)


def run(house: House, *modules: Module, **rules: Any) -> tuple[str, Any]:
    """Run a project of these modules to its end: its status, and the document of its results."""
    for one in modules:
        house.gateway.catalog.save(one, MACHINE)
    project = Project(
        guid=uuid.uuid4(),
        name=f"Project {uuid.uuid4()}",
        modules=tuple(
            ProjectModule(guid=uuid.uuid4(), module=one.guid, **rules) for one in modules
        ),
    )
    house.gateway.catalog.save(project, MACHINE)
    what = What(project.guid, DefinitionKind.PROJECT)
    job = house.engine.accept(JobOrder((what,), (Who("PC1234"),), Timing()))
    deadline = time.monotonic() + 30
    while not house.gateway.jobs.get(job.guid).status.finished:
        assert time.monotonic() < deadline, "it did not end"
        time.sleep(0.05)
    root = results(house.client(), job.guid)
    return values(root, "//masterjobresult/status/text()")[0], root


def statuses(root: Any, *modules: Module) -> list[str]:
    return [
        status
        for one in modules
        for task in one.tasks
        for status in values(root, f'//task[guid="{braced(task.guid)}"]//result/status/text()')
    ]


def capture(kind: CaptureKind, parameter: str, expression: str = "") -> Capture:
    return Capture(parameter=parameter, kind=kind, expression=expression, required=True)


def test_6_output_parameters_flow_and_are_shown_without_secrets(house: House) -> None:
    first = module(
        "First",
        sh(
            "Ask",
            """echo '{"id": 17, "token": "hunter2"}'""",
            captures=(
                capture(CaptureKind.JSON_PATH, "Id", "$.id"),
                capture(CaptureKind.JSON_PATH, "Token", "$.token"),
            ),
        ),
    )
    second = module("Second", sh("Use", "echo 'id $[Id], token $[Token]'"))
    status, root = run(house, first, second)
    assert status == "Completed"
    shown = "//task[description='Ask']//outputparameters/parameter"
    assert values(root, f"{shown}/name/text()") == ["Id", "Token"]
    assert values(root, f"{shown}/value/text()") == ["17", "********"]
    assert values(root, "//task[description='Use']//output/text()") == ["id 17, token ********\n"]


def test_6_conditions_skip_or_fail_a_module(house: House) -> None:
    first = module("First", sh("a", "true"), conditions=(THERE,))
    second = module("Second", sh("b", "true"))
    status, root = run(house, first, second)
    assert (status, statuses(root, first, second)) == ("Completed", ["Skipped", "Completed"])
    failing = THERE.model_copy(update={"effect": Effect.FAIL})
    third = module("Third", sh("c", "true"), conditions=(failing,))
    status, root = run(house, third, second)
    assert status == "Failed (job stopped)"
    assert statuses(root, third, second) == ["Skipped", "Skipped"]
    assert values(root, "//masterjobresult/reason/text()") == [
        "The module 'Third' has failed, since file / exists."
    ]
    status, root = run(house, third, second, on_failure=OnFailure.CONTINUE)
    assert status == "Completed with errors"
    status, _ = run(house, first)
    assert status == "Skipped"


def test_6_evaluators_set_the_status(house: House) -> None:
    mended = Evaluator(
        subject=Evidence.EXIT_CODE,
        operator=Operator.EQUALS,
        value="3",
        verdict=Verdict.COMPLETED,
    )
    spoilt = Evaluator(
        subject=Evidence.PARAMETER,
        name="Id",
        operator=Operator.EQUALS,
        value="bad",
        verdict=Verdict.FAILED,
    )
    first = module(
        "First",
        sh(
            "a",
            "echo bad; exit 3",
            evaluators=(mended,),
            captures=(capture(CaptureKind.OUTPUT, "Id", "b.d"),),
        ),
        evaluators=(spoilt,),
    )
    second = module("Second", sh("b", "true"))
    status, root = run(house, first, second)
    assert status == "Failed (job stopped)"
    assert statuses(root, first, second) == ["Completed", "Skipped"]
