"""The security epoch."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.identity.epoch import SecurityEpoch
from storage.database import Store
from storage.session import Session
from tests.conftest import StorePlace
from tests.unit.identity.conftest import Clock, Parts


def test_a_local_change_is_known_when_the_unit_of_work_returns(parts: Parts) -> None:
    before = parts.epoch.current()
    parts.store.unit_of_work(parts.epoch.advance)
    assert parts.epoch.current() == before + 1


def test_a_change_that_fails_advances_nothing(parts: Parts) -> None:
    before = parts.epoch.current()

    def failing(session: Session) -> None:
        parts.epoch.advance(session)
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        parts.store.unit_of_work(failing)
    parts.clock.seconds += 10
    assert parts.epoch.current() == before


def test_anothers_change_is_noticed_within_a_second(parts: Parts) -> None:
    other = SecurityEpoch(parts.store, Clock())
    before = parts.epoch.current()
    parts.store.unit_of_work(other.advance)
    parts.clock.seconds += 0.9
    assert parts.epoch.current() == before
    parts.clock.seconds += 0.1
    assert parts.epoch.current() == before + 1


def test_the_store_is_asked_once_a_second_by_however_many(sqlite_store: Store) -> None:
    clock = Clock()
    counting = CountingStore(sqlite_store)
    epoch = SecurityEpoch(counting, clock)
    with ThreadPoolExecutor(8) as pool:
        for second in range(3):
            clock.seconds = float(second)
            answers = set(pool.map(lambda _: epoch.current(), range(200)))
            assert len(answers) == 1
    assert counting.readings == 3


class CountingStore(Store):
    """Counts readings of another store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.readings = 0

    def submit(self, work):  # type: ignore[no-untyped-def]
        return self._store.submit(work)

    def reading(self) -> contextlib.AbstractContextManager[Session]:
        with self._lock:
            self.readings += 1
        return self._store.reading()

    def check(self, *, full: bool) -> list[str]:
        return self._store.check(full=full)

    def free_bytes(self) -> int | None:
        return self._store.free_bytes()

    def close(self) -> None:
        self._store.close()


def test_no_advance_is_lost_among_many_threads_and_processes(store_place: StorePlace) -> None:
    with contextlib.closing(store_place.open()) as store:
        epochs = [SecurityEpoch(store, Clock()) for _ in range(2)]
        before = epochs[0].current()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: store.unit_of_work(epochs[i % 2].advance), range(40)))
    with contextlib.closing(store_place.open()) as store:
        assert SecurityEpoch(store).current() == before + 40
