"""Two gateways on one PostgreSQL: whatever they do at once, each run has one fate."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.agents.desk import AgentFacts, AgentSession
from gateway.agents.protocol import Report, RunFinished, RunOrder, TaskStarted
from gateway.jobs import rows, settlement
from gateway.jobs.orders import Boot, Timing
from gateway.jobs.service import JobFilter
from gateway.jobs.states import JobStatus, MoveRefused
from storage import models, postgres
from storage.session import Session
from tests import engine as engines
from tests.conftest import PostgresPlace
from tests.engine import LEASE, Engine
from tests.unit.agents.memory_desk import eventually

ROUNDS = 15


@pytest.fixture
def gateways(postgres_place: PostgresPlace, tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    with (
        contextlib.closing(postgres_place.open()) as one,
        contextlib.closing(postgres_place.open()) as other,
    ):
        first = engines.make(one, tmp_path)
        yield first, engines.make(other, tmp_path, clock_of=first)


def meanwhile(other: Engine, order: RunOrder, act: Callable[[], object]) -> None:
    """Let the other gateway settle a run while ``act`` waits for its lock."""
    query = models.Run.select(models.Run.id, models.Run.job_id)
    thread = threading.Thread(target=act)

    def settle(session: Session) -> None:
        (held,) = rows.lock_runs(session, session.rows(query.where(models.Run.guid == order.run)))
        settlement.lose_run(session, held.job, held.run, other.now(), "silent")
        thread.start()
        eventually(lambda: waiting(other) > 0)

    other.store.unit_of_work(settle)
    thread.join(30)
    assert not thread.is_alive()


def waiting(engine: Engine) -> int:
    """How many sessions of the database wait for a lock."""
    table = models.StoreFact
    blocked = table.raw("SELECT count(*) AS name FROM pg_locks WHERE NOT granted")
    with engine.store.reading() as session:
        return int(session.rows(blocked)[0]["name"])


def finished(engine: Engine, order: RunOrder) -> RunFinished:
    return RunFinished(order.run, order.attempt, engine.now(), JobStatus.COMPLETED)


def test_a_report_that_waits_for_a_settlement_is_refused(
    gateways: tuple[Engine, Engine],
) -> None:
    one, other = gateways
    a, b = one.agent("a"), other.agent("b")
    job = one.accept(one.order(one.module(), a, b))
    (at_a,), (at_b,) = one.reception.claim(a, 1), other.reception.claim(b, 1)
    refused: list[object] = []
    meanwhile(other, at_a, lambda: refused.extend(one.reception.report(a, [finished(one, at_a)])))
    assert len(refused) == 1
    assert one.jobs.get(job.guid).status is JobStatus.ACTIVE
    other.finish(b, at_b)
    assert one.jobs.get(job.guid).status is JobStatus.COMPLETED_WITH_ERRORS
    assert other.agent("b").agent_id == b.agent_id


def test_a_late_report_does_not_overwrite_the_next_attempt(
    gateways: tuple[Engine, Engine],
) -> None:
    one, other = gateways
    agent = one.agent()
    job = one.accept(one.order(one.module(retries=1), agent))
    (first,) = one.reception.claim(agent, 1)
    late: list[Report] = [TaskStarted(first.run, 1, 0, one.now()), finished(one, first)]
    meanwhile(other, first, lambda: one.reception.report(agent, late))
    (run,) = one.jobs.runs(job.guid)
    assert (run.attempt, run.status) == (2, JobStatus.SCHEDULED)
    (second,) = one.reception.claim(agent, 1)
    one.finish(agent, second)
    assert one.jobs.get(job.guid).status is JobStatus.COMPLETED


def test_a_claim_that_waits_for_an_abort_gets_nothing(gateways: tuple[Engine, Engine]) -> None:
    one, other = gateways
    agent = one.agent()
    job = one.accept(one.order(one.module(), agent))
    claimed: list[RunOrder] = []
    thread = threading.Thread(target=lambda: claimed.extend(one.reception.claim(agent, 1)))

    def abort(session: Session) -> None:
        row = rows.lock_job_by_guid(session, job.guid)
        assert row is not None
        settlement.close_waiting(session, row, JobStatus.ABORTED, other.now(), "no more")
        thread.start()
        eventually(lambda: waiting(other) > 0)

    other.store.unit_of_work(abort)
    thread.join(30)
    assert claimed == []
    assert one.jobs.get(job.guid).status is JobStatus.ABORTED


def test_a_boot_that_both_hear_of_is_met_once(gateways: tuple[Engine, Engine]) -> None:
    one, other = gateways
    agent = one.agent("a")
    every = Timing(boot=Boot.EVERY)
    jobs = [one.accept(one.order(one.module(), agent, timing=every)) for _ in range(3)]
    for number in range(ROUNDS):
        facts = AgentFacts("a", "linux", "1", f"boot {number}", (), ("sh",), 10, embedded=True)
        with ThreadPoolExecutor(4) as pool:
            coming = [
                pool.submit(gateway.reception.open_session, facts) for gateway in (one, other) * 2
            ]
            assert len({session.result().session for session in coming}) == len(coming)
    made = one.jobs.page(JobFilter(recurring_jobs=False), 1, 1000).jobs
    assert len(made) == ROUNDS * len(jobs)


def test_nobody_waits_for_each_other(
    gateways: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A deadlock would be raised here instead of being tried again.
    monkeypatch.setattr(postgres, "_RETRIED", frozenset())
    one, other = gateways
    agents = [one.agent(f"agent {number}") for number in range(3)]
    module = one.module(tasks=2, retries=1)
    jobs = [one.accept(one.order(module, *random.sample(agents, 3))) for _ in range(3 * ROUNDS)]
    guids = [job.guid for job in jobs]

    def work(agent: AgentSession) -> None:
        while orders := one.reception.claim(agent, 5):
            one.reception.renew(agent, [(order.run, order.attempt) for order in orders])
            random.shuffle(orders)
            one.reception.give_back(agent, [(orders[0].run, orders[0].attempt)] * (len(orders) > 4))
            one.reception.report(agent, [finished(one, order) for order in orders])

    def disturb(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(ROUNDS):
            other.jobs.abort(rng.choice(guids), other.caller)
            with contextlib.suppress(MoveRefused):
                other.jobs.hold(rng.choice(guids), other.caller)
            other.reception.expire()
            one.now.advance(LEASE // 4)

    with ThreadPoolExecutor(5) as threads:
        tasks = [threads.submit(work, agent) for agent in agents]
        tasks += [threads.submit(disturb, seed) for seed in range(2)]
        for task in tasks:
            task.result(60)
    for guid in guids:
        with contextlib.suppress(MoveRefused):
            one.jobs.resume(guid, one.caller)
    for agent in agents:
        work(agent)
        work(agent)
    one.now.advance(LEASE)
    for _ in range(2):
        other.reception.expire()
        one.now.advance(LEASE)
    for agent in agents:
        work(agent)
    assert {one.jobs.get(guid).status.finished for guid in guids} == {True}
