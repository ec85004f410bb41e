"""The security epoch."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.identity.epoch import SecurityEpoch
from storage.database import Store
from storage.session import Session
from tests.conftest import StorePlace
from tests.unit.identity.conftest import Clock, Parts, StoreAround


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


class CountingStore(StoreAround):
    """Counts readings."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = threading.Lock()
        self.readings = 0

    def reading(self) -> contextlib.AbstractContextManager[Session]:
        with self._lock:
            self.readings += 1
        return super().reading()


def test_a_read_that_comes_late_does_not_go_back(store: Store) -> None:
    clock = Clock()
    overtaken = OvertakenStore(store)
    epoch = SecurityEpoch(overtaken, clock)
    before = epoch.current()
    overtaken.meanwhile = lambda: store.unit_of_work(epoch.advance)
    clock.seconds += 1
    assert epoch.current() == before + 1


class OvertakenStore(StoreAround):
    """Something happens between a reader's query and its return."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        with super().reading() as session:
            yield OvertakenSession(session, self.meanwhile)  # type: ignore[misc]  # a stand-in


class OvertakenSession:
    """The one query that reading the epoch needs."""

    def __init__(self, session: Session, meanwhile: Callable[[], None]) -> None:
        self._session = session
        self._meanwhile = meanwhile

    def scalar(self, query: object) -> object:
        found = self._session.scalar(query)
        self._meanwhile()
        return found


def test_no_advance_is_lost_among_many_threads_and_processes(store_place: StorePlace) -> None:
    with contextlib.closing(store_place.open()) as store:
        epochs = [SecurityEpoch(store, Clock()) for _ in range(2)]
        before = epochs[0].current()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: store.unit_of_work(epochs[i % 2].advance), range(40)))
    with contextlib.closing(store_place.open()) as store:
        assert SecurityEpoch(store).current() == before + 40
