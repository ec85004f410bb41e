"""From what a job has stored to the order that an agent gets."""

import uuid
from typing import Any

import pytest

from gateway.agents.desk import AgentSession
from gateway.agents.protocol import FinalValue, ModuleOrder, RunFinished, RunOrder
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
    Subject,
    Task,
    Verdict,
)
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Session
from tests.engine import Engine

PROJECT = uuid.uuid4()
SKIP = Condition(subject=Subject.PLATFORM, operator=Operator.EQUALS, value="VMS")
FAIL = SKIP.model_copy(update={"effect": Effect.FAIL})
JUDGE = Evaluator(
    subject=Evidence.STATUS, operator=Operator.EQUALS, value="failed", verdict=Verdict.COMPLETED
)


def stored_module(engine: Engine, name: str, *tasks: str, **members: Any) -> dict[str, Any]:
    """A module with a parameter X; as a project pins it."""
    capture = Capture(parameter="X", kind=CaptureKind.EXIT_CODE)
    module = Module(
        guid=uuid.uuid4(),
        name=name,
        parameters=(Parameter(name="X", default=f"of {name}"),),
        tasks=tuple(
            Task(
                guid=uuid.uuid4(),
                name=task,
                type="command",
                settings={"argv": ["true"]},
                captures=(capture,),
                evaluators=(JUDGE,),
            )
            for task in tasks
        ),
        **members,
    )
    engine.catalog.save(module, MACHINE)
    with engine.store.reading() as session:
        version = engine.catalog.find(session, module.guid).version_id
    return {"guid": str(module.guid), "version": version}


def job_of(
    engine: Engine,
    agent: AgentSession,
    what: list[dict[str, Any]],
    sets: list[dict[str, Any]] | None = None,
    origin: Origin = Origin.USER,
    **options: Any,
) -> RunOrder:
    """The order of a job whose request is changed to this before it is claimed."""
    job = engine.accept(engine.order(engine.module(), agent))
    table = models.JobRequest

    def change(session: Session) -> None:
        mine = table.job_id == job.id
        row = session.first(table.select().where(mine))
        assert row is not None
        query = table.update(what=what, parameters=sets or [], options=row["options"] | options)
        session.execute(query.where(mine))
        session.execute(models.Job.update(origin=origin).where(models.Job.id == job.id))

    engine.store.unit_of_work(change)
    (order,) = engine.reception.claim(agent, 1)
    return order


def project(*modules: dict[str, Any]) -> dict[str, Any]:
    return {
        "guid": str(PROJECT), "kind": "project", "name": "P", "version": 0, "modules": modules
    }  # fmt: skip


def given(definition: object, value: str, **members: Any) -> dict[str, Any]:
    named = None if definition is None else str(definition)
    return {"definition": named, "values": [{"name": "x", "value": value}], **members}


def test_a_project_among_modules(engine: Engine) -> None:
    agent = engine.agent()
    a = stored_module(engine, "A", "a1", conditions=(SKIP,), evaluators=(JUDGE,))
    b = stored_module(engine, "B", "b1", "b2")
    pinned = {
        "enabled": True,
        "on_failure": "continue",
        "conditions": [FAIL.model_dump(mode="json")],
    }
    order = job_of(
        engine,
        agent,
        [{"name": "B", **b}, project(a | pinned, a | {"enabled": False}, b)],
        conditions=[SKIP.model_dump(mode="json")],
        evaluators=[JUDGE.model_dump(mode="json")],
    )
    assert order.name == "B"
    assert order.conditions == (SKIP,)
    assert order.evaluators == (JUDGE,)
    assert [(task.seq, task.part, task.name) for task in order.tasks] == [
        (0, 0, "b1"), (1, 0, "b2"), (2, 1, "a1"), (3, 2, "b1"), (4, 2, "b2")
    ]  # fmt: skip
    assert order.tasks[0].captures[0].parameter == "X"
    assert order.tasks[0].evaluators == (JUDGE,)
    guids = [uuid.UUID(one["guid"]) for one in (b, a, b)]
    assert order.modules == (
        ModuleOrder(0, guids[0], "B"),
        ModuleOrder(
            1,
            guids[1],
            "A",
            on_failure=OnFailure.CONTINUE,
            conditions=(FAIL, SKIP),
            evaluators=(JUDGE,),
        ),
        ModuleOrder(2, guids[2], "B", on_failure=OnFailure.STOP),
    )


def test_plain_modules_need_no_word_of_them(engine: Engine) -> None:
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    assert order.modules == ()
    assert not order.all_values


@pytest.mark.parametrize(
    ("levels", "expected", "is_given"),
    [
        ("", "of A", False),
        ("all", "all", True),
        ("all project", "project", True),
        ("project all", "project", True),
        ("module project all", "module", True),
        ("step", "of A", False),
        ("other", "of A", False),
    ],
)
def test_which_value_counts(engine: Engine, levels: str, expected: str, is_given: bool) -> None:
    a = stored_module(engine, "A", "a1")
    sets = {
        "all": given(None, "all", step=None),
        "project": given(PROJECT, "project"),
        "module": given(a["guid"], "module"),
        "step": given(a["guid"], "step", step=str(uuid.uuid4())),
        "other": given(uuid.uuid4(), "other"),
    }
    order = job_of(engine, engine.agent(), [project(a)], [sets[one] for one in levels.split()])
    (value,) = order.parameters
    assert (value.value, value.given, value.part) == (expected, is_given, 0)


def outputs_of(engine: Engine, order: RunOrder) -> list[dict[str, Any]] | None:
    table, run = models.RunOutput, models.Run
    query = table.select(table.outputs).join(run, on=(run.id == table.run_id))
    with engine.store.reading() as session:
        row = session.first(query.where(run.guid == order.run))
    return None if row is None else row["outputs"]


@pytest.mark.parametrize("origin", [Origin.USER, Origin.RUN_BOOK])
@pytest.mark.parametrize("valued", [False, True])
def test_last_values_are_stored(engine: Engine, origin: Origin, valued: bool) -> None:
    agent = engine.agent()
    a = stored_module(engine, "A", "a1")
    order = job_of(engine, agent, [{"name": "A", **a}], origin=origin)
    assert order.all_values is (origin is Origin.RUN_BOOK)
    value = FinalValue(0, uuid.UUID(a["guid"]), "X", "0", changed=True)
    end = RunFinished(
        order.run, 1, engine.now(), JobStatus.COMPLETED, "", (value,) if valued else ()
    )
    assert engine.reception.report(agent, [end]) == []
    # The answer may have been lost on its way.
    assert engine.reception.report(agent, [end]) == []
    plain = {"part": 0, "module": a["guid"], "name": "X", "value": "0", "changed": True}
    expected = [plain] if valued else [] if origin is Origin.RUN_BOOK else None
    assert outputs_of(engine, order) == expected
