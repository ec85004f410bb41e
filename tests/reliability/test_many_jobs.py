"""Many jobs at once: all are accepted, all run, in order of priority, and none holds up others."""

import contextlib
import dataclasses
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.agents.desk import AgentSession
from gateway.agents.protocol import Report, RunFinished, RunOrder, TaskFinished, TaskStarted
from gateway.jobs.states import JobStatus
from storage import models
from tests import engine as engines
from tests.conftest import SqlitePlace, StorePlace
from tests.engine import Engine

PENDING = 5000
BURST = 400
_AT_ONCE = 50
_PATIENCE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Asked:
    """A job that was accepted, in the order of their acceptance."""

    agent: int
    definition: uuid.UUID
    priority: int


@pytest.fixture
def pending(sqlite_place: SqlitePlace, tmp_path: Path) -> Iterator[Engine]:
    """Not on PostgreSQL too: what is in question is decided by the same statements there."""
    with contextlib.closing(sqlite_place.open()) as store:
        yield engines.make(store, tmp_path)


def work_off(engine: Engine, agent: AgentSession, orders: Sequence[RunOrder]) -> None:
    """Report all these runs as ended, together."""
    at = engine.now()
    reports: list[Report] = []
    for order in orders:
        one = (order.run, order.attempt)
        reports.append(TaskStarted(*one, 0, at))
        reports.append(TaskFinished(*one, 0, at, at, JobStatus.COMPLETED))
        reports.append(RunFinished(*one, at, JobStatus.COMPLETED))
    assert engine.reception.report(agent, reports) == []


def ends(engine: Engine) -> dict[JobStatus, int]:
    found: dict[JobStatus, int] = defaultdict(int)
    with engine.store.reading() as session:
        for row in session.rows(models.Job.select(models.Job.status)):
            found[JobStatus(row["status"])] += 1
    return dict(found)


def test_five_thousand_pending_jobs_drain_in_order_of_priority(pending: Engine) -> None:
    engine, chance = pending, random.Random(5)
    agents = [engine.agent(f"agent {number}", _AT_ONCE) for number in range(3)]
    flood, single = engine.module(), engine.module()
    others = [engine.module() for _ in range(3)]
    asked: dict[uuid.UUID, Asked] = {}
    accepted = []
    for number in range(PENDING):
        # One that is alone among the many of its priority comes last of all.
        last = number == PENDING - 1
        what = single if last else chance.choice([flood] * 12 + others)
        priority = 5 if last else chance.choice((1, 5, 5, 5, 9))
        agent = number % len(agents)
        order = engine.order(what, agents[agent], priority=priority)
        view, future = engine.jobs.accept_soon(order, engine.caller)
        asked[view.guid] = Asked(agent, what, priority)
        accepted.append(future)
    for future in accepted:
        future.result(_PATIENCE_SECONDS)

    begun: dict[int, list[Asked]] = defaultdict(list)
    guids: dict[tuple[int, uuid.UUID, int], list[uuid.UUID]] = defaultdict(list)
    left = set(range(len(agents)))
    while left:
        for agent in sorted(left):
            orders = engine.reception.claim(agents[agent], _AT_ONCE)
            if not orders:
                left.discard(agent)
                continue
            for order in orders:
                one = asked[order.job]
                begun[agent].append(one)
                guids[agent, one.definition, one.priority].append(order.job)
            work_off(engine, agents[agent], orders)

    assert ends(engine) == {JobStatus.COMPLETED: PENDING}
    for agent, jobs in begun.items():
        assert {one.agent for one in jobs} == {agent}
        priorities = [one.priority for one in jobs]
        assert priorities == sorted(priorities, reverse=True)
    # Those of one definition keep their order.
    places = {guid: place for place, guid in enumerate(asked)}
    for found in guids.values():
        assert [places[guid] for guid in found] == sorted(places[guid] for guid in found)
    # The single one was accepted last, after a thousand of its priority, and was among the first.
    same = [one for one in begun[(PENDING - 1) % 3] if one.priority == 5]
    assert len(same) > PENDING // 6
    assert [one.definition for one in same].index(single) < 10


def test_a_burst_is_accepted_and_all_of_it_runs(store_place: StorePlace, tmp_path: Path) -> None:
    """Four hundred at once, while three agents work: the acceptance of "400 jobs in a second"."""
    with contextlib.closing(store_place.open()) as store:
        engine = engines.make(store, tmp_path)
        agents = [engine.agent(f"agent {number}", _AT_ONCE) for number in range(3)]
        what = engine.module()
        done = threading.Event()
        ran: list[uuid.UUID] = []

        def work(agent: AgentSession) -> None:
            while True:
                last = done.is_set()
                orders = engine.reception.claim(agent, _AT_ONCE)
                work_off(engine, agent, orders)
                ran.extend(order.job for order in orders)
                if not orders and last:
                    return
                if not orders:
                    time.sleep(0.01)

        workers = [threading.Thread(target=work, args=(agent,)) for agent in agents]
        for worker in workers:
            worker.start()
        with ThreadPoolExecutor(8) as clients:
            orders = [engine.order(what, agents[number % 3]) for number in range(BURST)]
            accepted = list(clients.map(engine.accept, orders))
        done.set()
        for worker in workers:
            worker.join(_PATIENCE_SECONDS)
            assert not worker.is_alive()
        assert sorted(ran) == sorted(view.guid for view in accepted)
        assert ends(engine) == {JobStatus.COMPLETED: BURST}
