"""Settling what is settled already changes nothing more."""

import pytest

from gateway.jobs import rows
from gateway.jobs.rows import Held
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Session
from tests.engine import Engine

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
