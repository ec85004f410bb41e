"""What is kept of housekeeping."""

from collections.abc import Iterator

import pytest

from gateway import moments
from gateway.jobs import housekeeping
from gateway.jobs.housekeeping import NOTHING, Housekeeping, HousekeepingRun
from storage.database import Store
from storage.errors import StoreUnavailable
from tests.conftest import StorePlace
from tests.engine import HOUR, MovableClock


@pytest.fixture
def store(store_place: StorePlace) -> Iterator[Store]:
    opened = store_place.open()
    yield opened
    opened.close()


@pytest.fixture
def now() -> MovableClock:
    return MovableClock()


@pytest.fixture
def kept(store: Store, now: MovableClock) -> Housekeeping:
    return Housekeeping(store, now)


def rows(store: Store, name: str = "work") -> list[HousekeepingRun]:
    with store.reading() as session:
        return housekeeping.latest(session, name)


def test_what_was_done_is_kept_with_its_length(
    store: Store, kept: Housekeeping, now: MovableClock
) -> None:
    def work() -> int:
        now.advance(2 * moments.SECOND)
        return 3

    kept.visible(work, "work")()
    (one,) = rows(store)
    assert (one.ok, one.detail) == (True, "3 done")
    assert one.finished_at is not None
    assert one.finished_at - one.started_at == 2 * moments.SECOND


def test_finding_nothing_to_do_leaves_one_row(
    store: Store, kept: Housekeeping, now: MovableClock
) -> None:
    for _ in range(5):
        kept.visible(lambda: 0, "work")()
        now.advance(HOUR)
    (one,) = rows(store)
    assert one.detail == NOTHING
    assert one.started_at == now() - HOUR
    kept.visible(lambda: "swept", "work")()
    kept.visible(lambda: None, "work")()
    assert [each.detail for each in rows(store)] == [NOTHING, "swept", NOTHING]


def test_a_failure_is_kept_and_tells_no_internals(store: Store, kept: Housekeeping) -> None:
    def fail() -> None:
        raise ValueError("a secret")

    kept.visible(fail, "work")()
    (one,) = rows(store)
    assert one.ok is False
    assert one.detail == "ValueError: see the log"


def test_a_store_that_is_away_hurts_nobody(store: Store, kept: Housekeeping) -> None:
    def away() -> None:
        raise StoreUnavailable("away")

    kept.visible(away, "work")()
    assert rows(store) == []


def test_each_kind_has_its_last_time(store: Store, kept: Housekeeping) -> None:
    for name in ("b", "a", "b"):
        kept.visible(lambda: 1, name)()
    with store.reading() as session:
        assert [one.name for one in housekeeping.last_of_each(session)] == ["a", "b"]


def test_what_is_long_past_is_forgotten(
    store: Store, kept: Housekeeping, now: MovableClock
) -> None:
    kept.visible(lambda: 1, "work")()
    now.advance(40 * 24 * HOUR)
    kept.visible(lambda: 1, "work")()
    assert kept.sweep() == 1
    assert len(rows(store)) == 1
