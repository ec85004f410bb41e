"""Locks against a plain model, and with two gateways that race for them."""

import dataclasses
import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.agents.protocol import RunOrder
from gateway.catalog.policies import Concurrency, Policy
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import Timing
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from storage.database import Store
from tests import engine as engines
from tests.conftest import PostgresPlace, SqlitePlace
from tests.engine import HOUR, Engine
from tests.unit.jobs.test_policies import SECOND, holders, module

LOCKS = ("one", "two")
_LONG = 10_000 * HOUR
_PRIORITIES = (1, 5, 9)


@dataclasses.dataclass(eq=False)
class Modelled:
    """A job as the model has it."""

    view: JobView
    lock: str
    how: Concurrency
    priority: int
    due: int
    retries: int
    status: JobStatus = JobStatus.SCHEDULED
    came: bool = False
    order: RunOrder | None = None

    @property
    def age(self) -> tuple[int, int]:
        return self.due, self.view.id


class Model:
    """What becomes of jobs with locks, said as plainly as can be."""

    def __init__(self) -> None:
        self.jobs: list[Modelled] = []
        self.holder: dict[str, Modelled | None] = dict.fromkeys(LOCKS)

    def waiting(self, lock: str) -> list[Modelled]:
        return [
            job
            for job in self.jobs
            if job.lock == lock
            and job.came
            and job.status is JobStatus.SCHEDULED
            and job is not self.holder[lock]
        ]

    def arrive(self, now: int) -> None:
        """All that are due by now come, one after the other."""
        coming = [
            job
            for job in self.jobs
            if not job.came and job.due <= now and job.status is JobStatus.SCHEDULED
        ]
        for job in sorted(coming, key=lambda job: job.age):
            job.came = True
            self.come(job)

    def come(self, job: Modelled) -> None:
        holder = self.holder[job.lock]
        if holder is None:
            self.holder[job.lock] = job
        elif job.how is Concurrency.SKIP:
            job.status = JobStatus.SKIPPED
        elif job.how is Concurrency.REPLACE and holder.age < job.age:
            for other in self.waiting(job.lock):
                if other.age < job.age:
                    other.status = JobStatus.CANCELED
            self.abort(holder)

    def end(self, job: Modelled, status: JobStatus) -> None:
        job.status, job.order = status, None
        if self.holder[job.lock] is job:
            self.next(job.lock)

    def next(self, lock: str) -> None:
        waiting = self.waiting(lock)
        self.holder[lock] = min(waiting, key=lambda job: (-job.priority, job.view.id), default=None)

    def abort(self, job: Modelled) -> None:
        if job.order is not None:
            job.status = JobStatus.ABORTING
        else:
            self.end(job, JobStatus.ABORTED)


class LockMachine(RuleBasedStateMachine):
    """Does the same with an engine and with the model, and compares them."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        super().__init__()
        self.engine = make()
        self.agent = self.engine.agent(max_runs=100)
        self.module = module(self.engine)
        self.model = Model()

    def teardown(self) -> None:
        self.engine.store.close()

    @rule(
        lock=st.sampled_from(LOCKS),
        how=st.sampled_from([Concurrency.SKIP, Concurrency.REPLACE]),
        priority=st.sampled_from(_PRIORITIES),
        later=st.integers(0, 1),
    )
    def submit_other(self, lock: str, how: Concurrency, priority: int, later: int) -> None:
        self.submit(lock, how, priority, later, 0)

    @rule(
        lock=st.sampled_from(LOCKS),
        priorities=st.lists(st.sampled_from(_PRIORITIES), min_size=1, max_size=4),
        later=st.integers(0, 1),
        retries=st.integers(0, 1),
    )
    def submit_queue(self, lock: str, priorities: list[int], later: int, retries: int) -> None:
        for priority in priorities:
            self.submit(lock, Concurrency.QUEUE, priority, later, retries)

    def submit(self, lock: str, how: Concurrency, priority: int, later: int, retries: int) -> None:
        due = self.engine.now() + later * HOUR
        asked = dataclasses.replace(
            self.engine.order(self.module, self.agent, priority=priority),
            policy=Policy(concurrency=how, lock=lock, retries=retries),
            timing=Timing(immediate=False, scheduled_at=due),
            launch_timeout=_LONG,
        )
        view = self.engine.accept(asked)
        with self.engine.store.reading() as session:
            number = session.scalar(
                models.Job.select(models.Job.id).where(models.Job.guid == view.guid)
            )
        view = dataclasses.replace(view, id=number)
        self.model.jobs.append(Modelled(view, lock, how, priority, due, retries))
        self.settle()

    @rule()
    def claim(self) -> None:
        claimed = {order.job: order for order in self.engine.reception.claim(self.agent, 100)}
        for holder in self.model.holder.values():
            if holder is not None and holder.order is None and holder.status in _OPEN:
                holder.order = claimed.pop(holder.view.guid)
                holder.status = JobStatus.ACTIVE
        assert claimed == {}
        self.settle()

    @precondition(lambda self: self.under_way())
    @rule(data=st.data(), status=st.sampled_from([JobStatus.COMPLETED, JobStatus.FAILED]))
    def finish(self, data: st.DataObject, status: JobStatus) -> None:
        job = data.draw(st.sampled_from(self.under_way()))
        assert job.order is not None
        again = job.retries and status is JobStatus.FAILED and job.status is JobStatus.ACTIVE
        self.engine.finish(self.agent, job.order, status)
        if again:
            job.retries, job.order = 0, None
        else:
            self.model.end(job, status)
        self.settle()

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.under_way()))
        assert job.order is not None
        attempt = (job.order.run, job.order.attempt)
        self.engine.reception.lost(self.agent, [attempt], "gone")
        if job.status is JobStatus.ABORTING:
            self.model.end(job, JobStatus.ABORTED)
        elif job.retries:
            job.retries, job.order = 0, None
        else:
            self.model.end(job, JobStatus.FAILED)
        self.settle()

    @precondition(lambda self: self.open())
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.open()))
        self.engine.jobs.abort(job.view.guid, MACHINE)
        self.model.abort(job)
        self.settle()

    @precondition(lambda self: self.queued())
    @rule(data=st.data())
    def hold_and_resume(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.queued()))
        self.engine.jobs.hold(job.view.guid, MACHINE)
        self.engine.clock.tick()
        self.engine.jobs.resume(job.view.guid, MACHINE)
        self.settle()

    @rule(seconds=st.sampled_from([1, 40, 3600]))
    def pass_time(self, seconds: int) -> None:
        until = self.engine.now() + seconds * SECOND
        # The clock meets each due time by itself: of those met together the newest begins.
        for due in sorted(job.due for job in self.model.jobs if not job.came):
            if due <= until:
                self.engine.now.advance(max(0, due - self.engine.now()))
                self.settle()
        self.engine.now.advance(max(0, until - self.engine.now()))
        self.settle()

    def under_way(self) -> list[Modelled]:
        return [job for job in self.model.jobs if job.order is not None]

    def open(self) -> list[Modelled]:
        return [job for job in self.model.jobs if not job.status.finished]

    def queued(self) -> list[Modelled]:
        return [
            job
            for lock in LOCKS
            for job in self.model.waiting(lock)
            if job.how is Concurrency.QUEUE
        ]

    def settle(self) -> None:
        """Let the clock do all that is due, and compare."""
        for _ in range(3):
            # Not the same moment for any two jobs: which of them comes first is then known.
            self.engine.now.advance(SECOND)
            self.engine.clock.tick()
        self.model.arrive(self.engine.now())
        expected = [job.status for job in self.model.jobs]
        assert [self.engine.jobs.get(job.view.guid).status for job in self.model.jobs] == expected
        having = sorted(one.view.id for one in self.model.holder.values() if one is not None)
        assert sorted(holders(self.engine)) == having


_OPEN = (JobStatus.SCHEDULED, JobStatus.ACTIVE)


def _examples(opened: Callable[[], Store], folder: Path, examples: int) -> None:
    numbers = itertools.count()

    def make() -> LockMachine:
        own = folder / f"keys-{next(numbers)}"
        own.mkdir()
        return LockMachine(lambda: engines.make(opened(), own))

    run_state_machine_as_test(
        make,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, phases=[Phase.generate]
        ),
    )


def test_locks_do_what_the_model_does(sqlite_template: Path, tmp_path: Path) -> None:
    numbers = itertools.count()

    def opened() -> Store:
        place = SqlitePlace(tmp_path / f"{next(numbers)}.sqlite3")
        shutil.copy(sqlite_template, place.path)
        return place.open()

    _examples(opened, tmp_path, 40)


def test_locks_do_what_the_model_does_on_postgresql(
    postgres_server: Any, postgres_template: str, tmp_path: Path
) -> None:
    made: list[str] = []

    def opened() -> Store:
        made.append(postgres_server.create(postgres_template))
        return PostgresPlace(postgres_server, made[-1]).open()

    try:
        _examples(opened, tmp_path, 8)
    finally:
        for name in made:
            postgres_server.drop(name)


@pytest.mark.parametrize("how", [Concurrency.QUEUE, Concurrency.SKIP])
def test_one_has_the_lock_whichever_gateway_is_faster(
    postgres_place: PostgresPlace, tmp_path: Path, how: Concurrency
) -> None:
    first = engines.make(postgres_place.open(), tmp_path)
    second = engines.make(postgres_place.open(), tmp_path, first)
    houses = (first, second)
    agent = first.agent(max_runs=100)
    what = module(first, Policy(concurrency=how, lock="shared"))
    jobs = 24
    views = [houses[place % 2].accept(first.order(what, agent)) for place in range(jobs)]
    ended, together = 0, []
    for _ in range(jobs + 3):
        begin = threading.Barrier(2)

        def tick(house: Engine, begin: threading.Barrier = begin) -> None:
            begin.wait()
            house.clock.tick()

        threads = [threading.Thread(target=tick, args=(house,)) for house in houses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        orders = first.reception.claim(agent, 100)
        together.append(len(orders))
        for place, order in enumerate(orders):
            houses[place % 2].finish(agent, order)
            ended += 1
        # Whoever was missed by a release looks again by then.
        first.now.advance(31 * SECOND)
    statuses = [first.jobs.get(view.guid).status for view in views]
    for house in houses:
        house.store.close()
    assert max(together) == 1
    expected = {JobStatus.COMPLETED} if how is Concurrency.QUEUE else _ENDS_OF_SKIPPING
    assert set(statuses) == expected
    assert statuses.count(JobStatus.COMPLETED) == ended


_ENDS_OF_SKIPPING = {JobStatus.COMPLETED, JobStatus.SKIPPED}
