"""The desk on the store: fencing, leases, lost runs, output."""

import uuid

import pytest

from gateway.agents.protocol import (
    LogChunk,
    ProcessIdentity,
    RunFinished,
    TaskFinished,
    TaskStarted,
)
from gateway.agents.reception import STOPPED, SessionOver
from gateway.jobs.states import JobStatus
from storage import models
from tests.engine import LEASE, Engine


def test_a_run_is_claimed_once(engine: Engine) -> None:
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    assert len(engine.reception.claim(agent, 10)) == 1
    assert engine.reception.claim(agent, 10) == []


def test_an_agent_gets_its_own_runs_only(engine: Engine) -> None:
    one, two = engine.agent("one"), engine.agent("two")
    engine.accept(engine.order(engine.module(), one))
    assert engine.reception.claim(two, 10) == []


def test_a_new_session_loses_the_runs_of_the_old_one(engine: Engine) -> None:
    old = engine.agent()
    job = engine.accept(engine.order(engine.module(), old))
    (order,) = engine.reception.claim(old, 1)
    new = engine.agent()
    assert (new.agent_id, new.agent) == (old.agent_id, old.agent)
    ended = engine.jobs.get(job.guid)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, STOPPED)
    with pytest.raises(SessionOver):
        engine.reception.claim(old, 1)
    late = RunFinished(order.run, order.attempt, engine.now(), JobStatus.COMPLETED)
    (refusal,) = engine.reception.report(old, [late])
    assert refusal.run == order.run
    assert engine.jobs.get(job.guid).status is JobStatus.FAILED


def test_a_lost_run_is_tried_again_when_its_module_says_so(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(retries=1), agent))
    (first,) = engine.reception.claim(agent, 1)
    engine.reception.lost(agent, [(first.run, first.attempt)], "the supervisor died")
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    (second,) = engine.reception.claim(agent, 1)
    assert (second.run, second.attempt) == (first.run, 2)
    assert "attempt 2: the supervisor died" in [e.reason for e in engine.jobs.events(job.guid)]
    late = RunFinished(first.run, first.attempt, engine.now(), JobStatus.COMPLETED)
    assert len(engine.reception.report(agent, [late])) == 1
    engine.reception.lost(agent, [(second.run, second.attempt)], "it died again")
    ended = engine.jobs.get(job.guid)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, "it died again")


def test_a_lost_run_that_was_to_be_aborted_is_aborted(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(retries=5), agent))
    (order,) = engine.reception.claim(agent, 1)
    engine.jobs.abort(job.guid, engine.caller)
    engine.reception.lost(agent, [(order.run, order.attempt)], "gone")
    assert engine.jobs.get(job.guid).status is JobStatus.ABORTED


def test_an_agent_that_falls_silent_loses_its_runs(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    engine.reception.claim(agent, 1)
    engine.now.advance(LEASE - 1)
    engine.reception.renew(agent)
    engine.now.advance(LEASE - 1)
    engine.reception.expire()
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    engine.now.advance(2)
    engine.reception.expire()
    assert engine.jobs.get(job.guid).status is JobStatus.FAILED


def test_output_is_kept_in_order_and_sealed(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    at = engine.now()
    engine.reception.report(
        agent,
        [
            TaskStarted(order.run, 1, 0, at, ProcessIdentity(4711, at, "boot")),
            LogChunk(order.run, 1, 0, 0, b"one\n"),
            LogChunk(order.run, 1, 0, 1, b"two\n", truncated=True),
        ],
    )
    seen: dict[tuple[uuid.UUID, int], int] = {}
    assert [piece.data for piece in engine.jobs.output(job.guid, seen)] == [b"one\n", b"two\n"]
    assert list(engine.jobs.output(job.guid, seen)) == []
    engine.reception.report(
        agent,
        [
            TaskFinished(order.run, 1, 0, at, at, JobStatus.COMPLETED, 0, "", {"x": "y"}),
            RunFinished(order.run, 1, at, JobStatus.COMPLETED),
        ],
    )
    (run,) = engine.jobs.runs(job.guid, tasks=True)
    (task,) = run.tasks
    assert (task.status, task.exit_code, task.outputs) == (JobStatus.COMPLETED, 0, {"x": "y"})
    assert task.log_truncated
    assert run.tasks_done == 1
    assert task.log_id is not None
    assert engine.jobs.log(task.log_id, 100) == b"one\ntwo\n"
    with engine.store.reading() as session:
        (blob,) = session.rows(models.Blob.select())
    assert blob["size"] == 8
    assert len(blob["sha256"]) == 64


def test_a_new_server_knows_what_the_old_one_left_running(engine: Engine) -> None:
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    process = ProcessIdentity(4711, 1, "boot")
    engine.reception.report(agent, [TaskStarted(order.run, 1, 0, engine.now(), process)])
    assert engine.reception.left_behind("agent") == ([process], [order.run])
    assert engine.reception.left_behind("unknown") == ([], [])


def test_a_run_whose_definition_is_unreadable_ends_with_the_reason(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    other = engine.accept(engine.order(engine.module(name="Other"), agent))
    version = job.what[0].version
    engine.store.unit_of_work(
        lambda session: session.execute(
            models.DefinitionVersion.update(body={"guid": "nonsense"}).where(
                models.DefinitionVersion.id == version
            )
        )
    )
    engine.catalog._modules.clear()
    claimed = engine.reception.claim(agent, 10)
    assert [order.job for order in claimed] == [other.guid]
    ended = engine.jobs.get(job.guid)
    assert ended.status is JobStatus.FAILED
    assert "could not be prepared" in ended.reason
