"""The clock as a thread: whatever happens in one round, the next comes."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from gateway import moments
from gateway.jobs.clock import Clock
from gateway.jobs.orders import Timing
from storage.database import Store, Work
from storage.errors import StoreUnavailable
from storage.session import Session
from tests.engine import HOUR, MINUTE, Engine

WAIT = 30


class Troubled(Store):
    """A store that fails with ``trouble`` as long as there is one."""

    def __init__(self, store: Store, trouble: Exception) -> None:
        super().__init__()
        self._store = store
        self.trouble: Exception | None = trouble
        self.failed = threading.Semaphore(0)

    def submit(self, work: Work[Any]) -> "Future[Any]":
        return self._store.submit(work)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        if self.trouble is not None:
            self.failed.release()
            raise self.trouble
        with self._store.reading() as session:
            yield session

    def check(self, *, full: bool) -> list[str]:
        return self._store.check(full=full)

    def free_bytes(self) -> int | None:
        return None

    def close(self) -> None:
        self._store.close()


@contextlib.contextmanager
def running(clock: Clock) -> Iterator[None]:
    clock.start()
    try:
        yield
    finally:
        clock.stop()


@pytest.mark.parametrize("trouble", [StoreUnavailable("full"), ValueError("a mistake")])
def test_trouble_passes_and_due_jobs_start(engine: Engine, trouble: Exception) -> None:
    agent = engine.agent()
    timing = Timing(immediate=False, scheduled_at=engine.now() + MINUTE)
    engine.accept(engine.order(engine.module(), agent, timing=timing))
    engine.now.advance(MINUTE)
    store, woken = Troubled(engine.store, trouble), threading.Event()
    clock = Clock(store, MINUTE, woken.set, engine.now)
    with running(clock):
        for _ in range(2):
            assert store.failed.acquire(timeout=WAIT)
        assert engine.reception.claim(agent, 1) == []
        store.trouble = None
        assert woken.wait(WAIT)
    assert len(engine.reception.claim(agent, 1)) == 1


def test_housekeeping_goes_on_when_the_clock_was_set_back(engine: Engine) -> None:
    done, offset = threading.Event(), [0]
    clock = Clock(engine.store, MINUTE, lambda: None, lambda: moments.now() + offset[0])
    clock.every(HOUR / moments.SECOND, done.set, "housekeeping")
    with running(clock):
        offset[0] = -HOUR
        clock.wake_by(moments.now() - HOUR)
        assert done.wait(WAIT)


def test_a_moment_long_past_wakes_the_clock_once_and_at_once(engine: Engine) -> None:
    """It is not worked off in steps of some seconds from then on: that would take minutes."""
    agent, woken = engine.agent(), threading.Event()
    timing = Timing(immediate=False, scheduled_at=engine.now() + moments.SECOND)
    clock = Clock(engine.store, MINUTE, woken.set, engine.now)
    with running(clock):
        clock.wake_by(engine.now() - 50 * 365 * 24 * HOUR)
        engine.accept(engine.order(engine.module(), agent, timing=timing))
        engine.now.advance(moments.SECOND)
        clock.wake_by(engine.now())
        assert woken.wait(WAIT)
    assert len(engine.reception.claim(agent, 1)) == 1


def test_what_was_missed_is_done_once(engine: Engine) -> None:
    """As after a machine without a clock of its own has been told the time."""
    done = threading.Semaphore(0)
    clock = Clock(engine.store, MINUTE, lambda: None, moments.now)
    clock.every(1, done.release, "housekeeping")
    with running(clock):
        (job,) = [one for one in clock._scheduler.get_jobs() if one.id == "housekeeping"]
        job.modify(next_run_time=moments.to_datetime(86_400 * moments.SECOND))
        for _ in range(2):
            assert done.acquire(timeout=WAIT)


def test_what_is_to_be_done_once_is_done_when_the_clock_runs(engine: Engine) -> None:
    done = threading.Semaphore(0)
    clock = Clock(engine.store, MINUTE, lambda: None)
    clock.once(done.release, "once")
    assert not done.acquire(blocking=False)
    with running(clock):
        assert done.acquire(timeout=WAIT)
    assert not done.acquire(blocking=False)
