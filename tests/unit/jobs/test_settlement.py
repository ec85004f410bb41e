"""Settling what is settled already changes nothing more."""

import dataclasses
import uuid

import pytest

from gateway.agents.desk import AgentSession
from gateway.catalog.policies import Policy
from gateway.jobs import rows
from gateway.jobs.rows import Held
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Session
from tests.engine import MINUTE, Engine

_RUN = models.Run


def held(session: Session) -> Held:
    (only,) = rows.lock_runs(session, session.rows(_RUN.select(_RUN.id, _RUN.job_id)))
    return only


@pytest.mark.parametrize("retries", [0, 3])
def test_a_run_left_under_way_by_a_finished_job_ends(engine: Engine, retries: int) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(retries=retries), agent))
    (order,) = engine.reception.claim(agent, 1)
    engine.finish(agent, order)
    reopened = _RUN.update(status=JobStatus.ACTIVE, finished_at=None, lease_until=engine.now())
    engine.store.unit_of_work(lambda session: session.execute(reopened))
    # So does the start of a server, which must not fail at it.
    assert engine.agent().agent_id == agent.agent_id
    (run,) = engine.jobs.runs(job.guid)
    assert run.status is JobStatus.FAILED
    ended = engine.jobs.get(job.guid)
    assert ended.status is JobStatus.COMPLETED
    with engine.store.reading() as session:
        assert session.scalar(models.Job.select(models.Job.runs_open)) == 0


def retried(engine: Engine, *agents: AgentSession) -> uuid.UUID:
    """A job whose run on the first agent waits for its second attempt."""
    order = engine.order(engine.module(), *agents)
    order = dataclasses.replace(order, policy=Policy(retries=1), launch_timeout=10 * MINUTE)
    job = engine.accept(order)
    (run,) = engine.reception.claim(agents[0], 1)
    engine.now.advance(9 * MINUTE)
    engine.finish(agents[0], run, JobStatus.FAILED)
    return job.guid


def test_a_later_attempt_that_is_given_back_leaves_its_job_active(engine: Engine) -> None:
    agent = engine.agent()
    job = retried(engine, agent)
    (run,) = engine.reception.claim(agent, 1)
    engine.reception.give_back(agent, [(run.run, run.attempt)])
    assert engine.jobs.get(job).status is JobStatus.ACTIVE
    assert engine.jobs.get(job).started_at == engine.now() - 9 * MINUTE


@pytest.mark.parametrize("minutes", [1, 10])
def test_another_attempt_of_one_run_gives_the_others_no_more_time(
    engine: Engine, minutes: int
) -> None:
    agent, other = engine.agent("one"), engine.agent("two")
    job = retried(engine, agent, other)
    engine.now.advance(minutes * MINUTE)
    engine.clock.tick()
    first, second = engine.jobs.runs(job)
    assert second.status is JobStatus.CANCELED
    assert first.status is (JobStatus.SCHEDULED if minutes < 10 else JobStatus.CANCELED)


def test_a_run_that_is_late_is_given_up_though_another_is_tried_again(engine: Engine) -> None:
    agent, other = engine.agent("one"), engine.agent("two")
    order = engine.order(engine.module(), agent, other)
    order = dataclasses.replace(order, policy=Policy(retries=1), launch_timeout=10 * MINUTE)
    job = engine.accept(order)
    (run,) = engine.reception.claim(agent, 1)
    # The clock has not looked at it yet.
    engine.now.advance(11 * MINUTE)
    engine.finish(agent, run, JobStatus.FAILED)
    engine.clock.tick()
    first, second = engine.jobs.runs(job.guid)
    assert (first.status, second.status) == (JobStatus.SCHEDULED, JobStatus.CANCELED)


def test_runs_are_taken_with_their_jobs_in_the_order_of_ids(engine: Engine) -> None:
    agents = [engine.agent(str(number)) for number in range(5)]
    for _ in range(3):
        engine.accept(engine.order(engine.module(), *agents))

    def take(session: Session) -> list[Held]:
        query = _RUN.select(_RUN.id, _RUN.job_id).order_by(_RUN.id.desc())
        return rows.lock_runs(session, session.rows(query))

    taken = engine.store.unit_of_work(take)
    assert [one.run.id for one in taken] == sorted(one.run.id for one in taken)
    assert len(taken) == 15
    assert len({id(one.job) for one in taken}) == 3
    assert all(one.run.job_id == one.job.id for one in taken)


def test_nothing_is_taken_of_nothing(engine: Engine) -> None:
    assert engine.store.unit_of_work(lambda session: rows.lock_runs(session, [])) == []
    engine.accept(engine.order(engine.module(), engine.agent()))
    assert engine.store.unit_of_work(held).run.status is JobStatus.SCHEDULED
