"""Policies at work: further attempts, timeouts, locks, priorities and turns."""

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import moments
from gateway.agents.protocol import RunFinished
from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.definitions import Module, Task
from gateway.catalog.policies import LONGEST_DELAY, Concurrency, Policy, RetryOn
from gateway.catalog.run_books import RunBook, RunBookJob, RunBookWhat, WhatKind
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import (
    JobOrder,
    OrderRefused,
    Recurrence,
    RecurrenceKind,
    Timing,
    What,
    Who,
)
from gateway.jobs.states import JobStatus
from gateway.jobs.turns import QUANTUM, Turns
from gateway.jobs.views import JobView
from storage import models
from tests import engine as engines
from tests.conftest import StorePlace
from tests.engine import HOUR, MINUTE, Engine

SECOND = moments.SECOND


@pytest.fixture
def engine(store_place: StorePlace, tmp_path: Path) -> Iterator[Engine]:
    store = store_place.open()
    yield engines.make(store, tmp_path)
    store.close()


def module(engine: Engine, policy: Policy | None = None, name: str = "") -> uuid.UUID:
    made = Module(
        guid=uuid.uuid4(),
        name=name or f"Module {uuid.uuid4()}",
        policy=policy or Policy(),
        tasks=(Task(guid=uuid.uuid4(), name="task", type="command", settings={"argv": ["true"]}),),
    )
    engine.catalog.save(made, MACHINE)
    return made.guid


def accept(engine: Engine, what: uuid.UUID, agent: Any, **order: Any) -> JobView:
    asked = dataclasses.replace(engine.order(what, agent), priority=None, **order)
    return engine.accept(asked)


def status(engine: Engine, job: JobView) -> JobStatus:
    return engine.jobs.get(job.guid).status


def reason(engine: Engine, job: JobView) -> str:
    return engine.jobs.get(job.guid).reason


def history(engine: Engine, job: JobView) -> list[str]:
    return [event.reason for event in engine.jobs.events(job.guid)]


class TestRetries:
    """Another attempt after a failure."""

    POLICY = Policy(retries=2, retry_delay=10, retry_factor=3, retry_on=RetryOn.FAILED)

    def test_each_waits_longer_and_all_stay_visible(self, engine: Engine) -> None:
        agent = engine.agent()
        job = accept(engine, module(engine, self.POLICY), agent)
        for pause in (10, 30):
            (order,) = engine.reception.claim(agent, 1)
            engine.finish(agent, order, JobStatus.FAILED)
            assert status(engine, job) is JobStatus.ACTIVE
            engine.now.advance((pause - 1) * SECOND)
            engine.clock.tick()
            assert engine.reception.claim(agent, 1) == []
            engine.now.advance(2 * SECOND)
            engine.clock.tick()
        (order,) = engine.reception.claim(agent, 1)
        assert order.attempt == 3
        engine.finish(agent, order)
        assert status(engine, job) is JobStatus.COMPLETED
        texts = " ".join(history(engine, job))
        assert "attempt 2 in 10 s: failed" in texts
        assert "attempt 3 in 30 s: failed" in texts
        with engine.store.reading() as session:
            found = session.rows(models.TaskResult.select().order_by(models.TaskResult.attempt))
        assert [row["attempt"] for row in found] == [1, 2, 3]

    def test_the_last_failure_is_the_end(self, engine: Engine) -> None:
        agent = engine.agent()
        job = accept(engine, module(engine, Policy(retries=1)), agent)
        for _ in range(2):
            assert status(engine, job) is not JobStatus.FAILED
            (order,) = engine.reception.claim(agent, 1)
            engine.finish(agent, order, JobStatus.FAILED)
        assert status(engine, job) is JobStatus.FAILED
        assert engine.reception.claim(agent, 1) == []

    @pytest.mark.parametrize(
        ("on", "lost"), [(RetryOn.LOST, True), (RetryOn.FAILED, False), (RetryOn.BOTH, True)]
    )
    def test_a_loss_counts_where_the_policy_says_so(
        self, engine: Engine, on: RetryOn, lost: bool
    ) -> None:
        agent = engine.agent()
        job = accept(engine, module(engine, Policy(retries=1, retry_on=on)), agent)
        (order,) = engine.reception.claim(agent, 1)
        engine.reception.lost(agent, [(order.run, 1)], "gone")
        assert status(engine, job) is (JobStatus.ACTIVE if lost else JobStatus.FAILED)

    def test_an_abort_in_the_pause_ends_it(self, engine: Engine) -> None:
        agent = engine.agent()
        job = accept(engine, module(engine, self.POLICY), agent)
        (order,) = engine.reception.claim(agent, 1)
        engine.finish(agent, order, JobStatus.TIMED_OUT)
        engine.jobs.abort(job.guid, MACHINE)
        assert status(engine, job) is JobStatus.ABORTED
        engine.now.advance(HOUR)
        engine.clock.tick()
        assert engine.reception.claim(agent, 1) == []

    def test_an_attempt_that_is_over_is_refused(self, engine: Engine) -> None:
        agent = engine.agent()
        job = accept(engine, module(engine, self.POLICY), agent)
        (order,) = engine.reception.claim(agent, 1)
        engine.finish(agent, order, JobStatus.FAILED)
        late = RunFinished(order.run, 1, engine.now(), JobStatus.COMPLETED)
        (refusal,) = engine.reception.report(agent, [late])
        assert (refusal.run, refusal.attempt) == (order.run, 1)
        assert status(engine, job) is JobStatus.ACTIVE

    def test_an_abort_is_no_failure(self, engine: Engine) -> None:
        agent = engine.agent()
        job = accept(engine, module(engine, self.POLICY), agent)
        (order,) = engine.reception.claim(agent, 1)
        engine.jobs.abort(job.guid, MACHINE)
        engine.finish(agent, order, JobStatus.FAILED)
        assert status(engine, job) is JobStatus.FAILED

    def test_the_launch_timeout_counts_from_the_pause(self, engine: Engine) -> None:
        agent = engine.agent()
        policy = Policy(retries=1, retry_delay=3600)
        job = accept(engine, module(engine, policy), agent, launch_timeout=MINUTE)
        (order,) = engine.reception.claim(agent, 1)
        engine.finish(agent, order, JobStatus.FAILED)
        engine.now.advance(HOUR + 30 * SECOND)
        engine.clock.tick()
        assert status(engine, job) is JobStatus.ACTIVE
        engine.now.advance(MINUTE)
        engine.clock.tick()
        assert status(engine, job) is JobStatus.CANCELED

    @given(
        st.floats(0, LONGEST_DELAY),
        st.floats(1, 100),
        st.floats(0, LONGEST_DELAY) | st.none(),
        st.integers(1, 100),
    )
    def test_pauses_grow_up_to_their_bound(
        self, delay: float, factor: float, longest: float | None, attempt: int
    ) -> None:
        policy = Policy(retry_delay=delay, retry_factor=factor, retry_longest=longest)
        bound = LONGEST_DELAY if longest is None else longest
        assert 0 <= policy.pause(attempt) <= policy.pause(attempt + 1) <= bound
        assert policy.pause(1) == min(delay, bound)


def test_what_an_order_says_wins_member_by_member(engine: Engine) -> None:
    agent = engine.agent()
    what = module(engine, Policy(retries=5, timeout=60, priority=8))
    job = accept(engine, what, agent, policy=Policy(retries=0, timeout=None))
    assert job.priority == 8
    (order,) = engine.reception.claim(agent, 1)
    assert order.timeout == 60
    engine.finish(agent, order, JobStatus.FAILED)
    assert status(engine, job) is JobStatus.FAILED
    other = engine.accept(dataclasses.replace(engine.order(what, agent), priority=2))
    assert other.priority == 2


class TestLocks:
    """Of those that share a lock one is under way."""

    def two(self, engine: Engine, how: Concurrency, lock: str | None = None) -> Any:
        agent = engine.agent()
        policy = Policy(concurrency=how, lock=lock)
        first, second = module(engine, policy), module(engine, policy)
        return agent, first, first if lock is None else second

    @pytest.mark.parametrize("lock", [None, "Shared"])
    def test_the_second_waits_for_the_first(self, engine: Engine, lock: str | None) -> None:
        agent, first, second = self.two(engine, Concurrency.QUEUE, lock)
        holder, waiting = accept(engine, first, agent), accept(engine, second, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        assert order.job == holder.guid
        assert str(holder.guid) in reason(engine, waiting)
        engine.finish(agent, order)
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [waiting.guid]
        assert holders(engine) == [waiting.id]

    def test_the_most_urgent_of_the_waiting_comes_next(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        accept(engine, first, agent)
        late = [
            engine.accept(dataclasses.replace(engine.order(first, agent), priority=priority))
            for priority in (1, 9, 5, 9)
        ]
        engine.clock.tick()
        begun = []
        while orders := engine.reception.claim(agent, 10):
            (order,) = orders
            begun.append(order.job)
            engine.finish(agent, order)
            engine.clock.tick()
        wanted = [late[place].guid for place in (1, 3, 2, 0)]
        assert begun[1:] == wanted

    def test_the_second_is_skipped(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.SKIP)
        holder, other = accept(engine, first, agent), accept(engine, first, agent)
        engine.clock.tick()
        assert status(engine, holder) is JobStatus.SCHEDULED
        assert status(engine, other) is JobStatus.SKIPPED
        assert str(holder.guid) in reason(engine, other)

    def test_the_second_replaces_the_first_and_who_waited(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.REPLACE)
        holder = accept(engine, first, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        waiting = accept(engine, first, agent)
        engine.clock.tick()
        newest = accept(engine, first, agent)
        engine.clock.tick()
        assert status(engine, holder) is JobStatus.ABORTING
        assert status(engine, waiting) is JobStatus.CANCELED
        engine.finish(agent, order, JobStatus.ABORTED)
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [newest.guid]

    @pytest.mark.parametrize("ends", ["abort", "lost", "launch timeout", "hold and abort"])
    def test_the_lock_is_given_back_however_its_holder_ends(
        self, engine: Engine, ends: str
    ) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        holder = accept(engine, first, agent, launch_timeout=MINUTE)
        engine.clock.tick()
        waiting = accept(engine, first, agent)
        engine.clock.tick()
        if ends == "lost":
            (order,) = engine.reception.claim(agent, 10)
            engine.reception.lost(agent, [(order.run, 1)], "gone")
        elif ends == "launch timeout":
            engine.now.advance(2 * MINUTE)
        else:
            if ends == "hold and abort":
                engine.jobs.hold(holder.guid, MACHINE)
            engine.jobs.abort(holder.guid, MACHINE)
        engine.clock.tick()
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [waiting.guid]

    def test_who_waits_too_long_is_given_up(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        accept(engine, first, agent)
        engine.clock.tick()
        engine.reception.claim(agent, 1)
        waiting = accept(engine, first, agent, launch_timeout=MINUTE)
        engine.clock.tick()
        engine.now.advance(2 * MINUTE)
        engine.clock.tick()
        assert status(engine, waiting) is JobStatus.CANCELED

    def test_a_schedule_that_fires_too_often_skips(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.SKIP)
        rule = Recurrence(RecurrenceKind.INTERVAL, "60")
        accept(engine, first, agent, timing=Timing(immediate=False, recurrence=rule))
        for _ in range(3):
            engine.now.advance(MINUTE)
            engine.clock.tick()
            engine.clock.tick()
        assert len(engine.reception.claim(agent, 10)) == 1
        with engine.store.reading() as session:
            jobs = session.rows(models.Job.select().where(~models.Job.recurring))
        assert sorted(row["status"] for row in jobs) == [
            JobStatus.ACTIVE,
            JobStatus.SKIPPED,
            JobStatus.SKIPPED,
        ]

    def test_a_job_of_a_run_book_waits_for_its_lock(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        holder = accept(engine, first, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        book = run_book(engine, first)
        job = engine.accept(
            JobOrder(what=(What(book, DefinitionKind.RUN_BOOK),), who=(Who(str(agent.agent)),))
        )
        engine.clock.tick()
        engine.clock.tick()
        assert engine.reception.claim(agent, 10) == []
        (child,) = engine.jobs.children(job.guid)
        assert str(holder.guid) in child.reason
        engine.finish(agent, order)
        engine.clock.tick()
        engine.run_all(agent)
        engine.clock.tick()
        assert status(engine, job) is JobStatus.COMPLETED
        assert holders(engine) == []

    def test_who_is_due_later_does_not_wait_yet(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        accept(engine, first, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        tomorrow = accept(engine, first, agent, timing=in_a_day(engine))
        engine.finish(agent, order)
        engine.clock.tick()
        assert engine.reception.claim(agent, 10) == []
        engine.now.advance(24 * HOUR)
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [tomorrow.guid]

    def test_who_is_due_later_is_not_replaced(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.REPLACE)
        tomorrow = accept(engine, first, agent, timing=in_a_day(engine))
        for _ in range(2):
            accept(engine, first, agent)
            engine.clock.tick()
        assert status(engine, tomorrow) is JobStatus.SCHEDULED

    def test_nobody_comes_in_before_the_next(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        accept(engine, first, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        # This one looks again by itself just before the other is woken.
        engine.accept(dataclasses.replace(engine.order(first, agent), priority=1))
        engine.clock.tick()
        engine.now.advance(15 * SECOND)
        urgent = engine.accept(dataclasses.replace(engine.order(first, agent), priority=9))
        engine.clock.tick()
        engine.now.advance(15 * SECOND + 1)
        engine.finish(agent, order)
        assert holders(engine) == [urgent.id]
        engine.now.advance(SECOND)
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [urgent.guid]

    def test_who_is_held_as_it_gets_the_lock_lets_the_next_have_it(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        accept(engine, first, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        held, following = accept(engine, first, agent), accept(engine, first, agent)
        engine.clock.tick()
        engine.finish(agent, order)
        engine.jobs.hold(held.guid, MACHINE)
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [following.guid]

    def test_who_replaces_one_that_has_not_begun_begins_at_once(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.REPLACE)
        holder = accept(engine, first, agent)
        engine.clock.tick()
        newest = accept(engine, first, agent)
        engine.clock.tick()
        assert status(engine, holder) is JobStatus.ABORTED
        assert [one.job for one in engine.reception.claim(agent, 10)] == [newest.guid]

    def test_who_came_later_is_not_replaced(self, engine: Engine) -> None:
        agent, first, other = self.two(engine, Concurrency.QUEUE, "shared")
        holder = accept(engine, first, agent)
        engine.clock.tick()
        (order,) = engine.reception.claim(agent, 10)
        own = Policy(concurrency=Concurrency.REPLACE)
        replacing = accept(engine, other, agent, policy=own)
        engine.clock.tick()
        later = accept(engine, first, agent)
        engine.clock.tick()
        engine.now.advance(MINUTE)
        engine.clock.tick()
        assert status(engine, holder) is JobStatus.ABORTING
        assert status(engine, later) is JobStatus.SCHEDULED
        engine.finish(agent, order, JobStatus.ABORTED)
        assert holders(engine) == [replacing.id]

    def test_of_those_due_together_the_newest_replaces(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.REPLACE)
        engine.accept(dataclasses.replace(engine.order(first, agent), priority=1))
        engine.clock.tick()
        older = engine.accept(dataclasses.replace(engine.order(first, agent), priority=5))
        newest = engine.accept(dataclasses.replace(engine.order(first, agent), priority=9))
        engine.clock.tick()
        assert status(engine, older) is JobStatus.CANCELED
        assert [one.job for one in engine.reception.claim(agent, 10)] == [newest.guid]

    def test_a_run_book_that_would_wait_for_itself_is_refused(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE, "Shared")
        book = run_book(engine, first)
        order = JobOrder(what=(What(book, DefinitionKind.RUN_BOOK),), who=(Who(str(agent.agent)),))
        own = Policy(concurrency=Concurrency.QUEUE, lock="SHARED")
        with pytest.raises(OrderRefused, match="'one' would wait for the lock 'shared'"):
            engine.accept(dataclasses.replace(order, policy=own))
        engine.accept(order)

    def test_of_several_each_has_the_lock_of_its_definition(self, engine: Engine) -> None:
        agent, first, _ = self.two(engine, Concurrency.QUEUE)
        book = run_book(engine, module(engine))
        what = (What(first), What(book, DefinitionKind.RUN_BOOK))
        job = engine.accept(JobOrder(what=what, who=(Who(str(agent.agent)),)))
        for _ in range(4):
            engine.clock.tick()
            engine.run_all(agent)
        engine.clock.tick()
        assert status(engine, job) is JobStatus.COMPLETED
        assert holders(engine) == []


def in_a_day(engine: Engine) -> Timing:
    return Timing(immediate=False, scheduled_at=engine.now() + 24 * HOUR)


def holders(engine: Engine) -> list[int]:
    with engine.store.reading() as session:
        return [row["job_id"] for row in session.rows(models.LockHolder.select())]


def run_book(
    engine: Engine,
    what: uuid.UUID,
    policy: Policy | None = None,
    kind: WhatKind = WhatKind.MODULE,
) -> uuid.UUID:
    made = RunBook(
        guid=uuid.uuid4(),
        name=f"Book {uuid.uuid4()}",
        policy=policy or Policy(),
        jobs=(
            RunBookJob(
                guid=uuid.uuid4(),
                name="one",
                what=(RunBookWhat(kind=kind, guid=what),),
            ),
        ),
    )
    engine.catalog.save(made, MACHINE)
    return made.guid


def test_a_run_book_that_takes_too_long_is_timed_out(engine: Engine) -> None:
    agent = engine.agent()
    book = run_book(engine, module(engine), Policy(timeout=60))
    job = engine.accept(
        JobOrder(what=(What(book, DefinitionKind.RUN_BOOK),), who=(Who(str(agent.agent)),))
    )
    engine.clock.tick()
    (order,) = engine.reception.claim(agent, 10)
    engine.now.advance(59 * SECOND)
    engine.clock.tick()
    assert status(engine, job) is JobStatus.ACTIVE
    engine.now.advance(2 * SECOND)
    engine.clock.tick()
    assert status(engine, job) is JobStatus.ABORTING
    engine.finish(agent, order, JobStatus.ABORTED)
    engine.clock.tick()
    assert status(engine, job) is JobStatus.TIMED_OUT
    assert "timeout" in reason(engine, job)


class TestTurns:
    """Who of those of equal priority begins."""

    def test_a_flood_of_one_definition_holds_up_no_other(self, engine: Engine) -> None:
        agent = engine.agent()
        flood, single = module(engine), module(engine)
        for _ in range(30):
            accept(engine, flood, agent)
        late = accept(engine, single, agent)
        orders = engine.reception.claim(agent, 3)
        assert late.guid in [order.job for order in orders]

    def test_priority_counts_more(self, engine: Engine) -> None:
        agent = engine.agent()
        flood, single = module(engine), module(engine)
        urgent = [
            engine.accept(dataclasses.replace(engine.order(flood, agent), priority=9))
            for _ in range(3)
        ]
        accept(engine, single, agent)
        orders = engine.reception.claim(agent, 3)
        assert [order.job for order in orders] == [job.guid for job in urgent]

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=60))
    def test_each_definition_keeps_its_order(self, taken: list[tuple[int, int]]) -> None:
        moment = 0
        turns = Turns(lambda: moment)
        given_out: dict[int, list[int]] = {}
        for definition, passes in taken:
            moment += passes * QUANTUM // 3
            given_out.setdefault(definition, []).append(turns.take(1, definition, dict))
        for own in given_out.values():
            assert own == sorted(set(own))

    def test_jobs_from_before_a_restart_come_first(
        self, engine: Engine, store_place: StorePlace, tmp_path: Path
    ) -> None:
        agent, what = engine.agent(), module(engine)
        jobs = [accept(engine, what, agent) for _ in range(4)]
        engine.store.close()
        store = store_place.open()
        again = engines.make(store, tmp_path, engine)
        jobs += [accept(again, what, agent) for _ in range(2)]
        orders = again.reception.claim(agent, 10)
        store.close()
        assert [order.job for order in orders] == [job.guid for job in jobs]

    def test_an_agent_without_work_begins_anew(self) -> None:
        turns = Turns(lambda: 100)
        first = [turns.take(1, 7, dict) for _ in range(3)]
        turns.forget(1)
        assert first == [100, 100 + QUANTUM, 100 + 2 * QUANTUM]
        assert turns.take(1, 7, dict) == 100
