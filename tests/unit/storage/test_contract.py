"""What the domain relies on, on both databases alike."""

import concurrent.futures
import threading
from collections.abc import Callable

import peewee
import pytest

from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session
from tests.conftest import StorePlace
from tests.unit.storage.rows import FACT, add, names

WAIT = 20


def test_work_is_there_for_readers_once_it_returns(store: Store) -> None:
    assert store.unit_of_work(add("t-1")) == "t-1"
    assert names(store) == {"t-1"}


def test_work_that_raises_leaves_nothing(store: Store) -> None:
    def work(session: Session) -> None:
        add("t-1")(session)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        store.unit_of_work(work)
    assert names(store) == set()


def test_work_that_the_database_refuses_leaves_nothing(store: Store) -> None:
    store.unit_of_work(add("t-1"))

    def work(session: Session) -> None:
        add("t-2")(session)
        add("t-1")(session)

    with pytest.raises(peewee.IntegrityError):
        store.unit_of_work(work)
    assert names(store) == {"t-1"}


def test_units_of_many_threads_do_not_touch_each_other(store: Store) -> None:
    """Every third fails, by itself or by the database; all others are stored."""
    store.unit_of_work(add("t-taken"))

    def attempt(number: int) -> str:
        if number % 3:
            return store.unit_of_work(add(f"t-{number}"))

        def bad(session: Session) -> str:
            add(f"t-{number}")(session)
            if number % 2:
                raise ValueError(number)
            return add("t-taken")(session)

        with pytest.raises((ValueError, peewee.IntegrityError)):
            store.unit_of_work(bad)
        return ""

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        done = set(threads.map(attempt, range(300), timeout=WAIT)) - {""}
    assert names(store) == done | {"t-taken"}
    assert len(done) == 200


def test_counting_by_many_threads_loses_no_step(store: Store) -> None:
    store.unit_of_work(add("t-count", "0"))

    def step(session: Session) -> None:
        query = FACT.select(FACT.value).where(FACT.name == "t-count")
        now = int(session.scalar(query.for_update() if session.postgres else query))
        session.execute(FACT.update(value=str(now + 1)).where(FACT.name == "t-count"))

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: store.unit_of_work(step), range(100), timeout=WAIT))
    with store.reading() as session:
        assert session.scalar(FACT.select(FACT.value).where(FACT.name == "t-count")) == "100"


def test_what_is_committed_may_be_looked_at_by_its_after_commit_calls(store: Store) -> None:
    seen: list[object] = []

    def work(session: Session) -> None:
        add("t-1")(session)
        session.after_commit(lambda: seen.append(names(store)))
        session.after_commit(lambda: seen.append("second"))

    store.unit_of_work(work)
    assert seen == [{"t-1"}, "second"]


def test_after_commit_calls_of_work_that_failed_are_dropped(store: Store) -> None:
    seen: list[str] = []

    def work(session: Session) -> None:
        session.after_commit(lambda: seen.append("failed"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.unit_of_work(work)
    store.unit_of_work(add("t-1"))
    assert seen == []


def test_a_call_after_the_commit_that_fails_does_not_undo_it(store: Store) -> None:
    def work(session: Session) -> str:
        session.after_commit(lambda: 1 / 0)
        return add("t-1")(session)

    assert store.unit_of_work(work) == "t-1"
    assert store.unit_of_work(add("t-2")) == "t-2"


def test_a_waiting_caller_that_gives_up_does_not_stop_the_store(store: Store) -> None:
    """As a request does whose client has gone."""
    begun, release = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        begun.set()
        assert release.wait(WAIT)

    first = store.submit(slow)
    assert begun.wait(WAIT)
    second = store.submit(add("t-1"))
    for future in (first, second):
        future.cancel()
    release.set()
    assert store.submit(add("t-2")).result(WAIT) == "t-2"


def test_submitted_work_is_durable_when_its_future_is_set(store: Store) -> None:
    futures = [store.submit(add(f"t-{number}")) for number in range(50)]
    assert {future.result(WAIT) for future in futures} == names(store)
    refused = store.submit(add("t-1"))
    assert isinstance(refused.exception(WAIT), peewee.IntegrityError)


def test_a_closed_store_takes_nothing_and_finishes_what_it_took(store_place: StorePlace) -> None:
    store = store_place.open()
    futures = [store.submit(add(f"t-{number}")) for number in range(50)]
    store.close()
    assert all(future.result(WAIT) for future in futures)
    with pytest.raises((StoreUnavailable, RuntimeError)):
        store.submit(add("t-late")).result(WAIT)
    again = store_place.open()
    assert len(names(again)) == 50
    again.close()


def test_closing_twice_is_closing_once(store_place: StorePlace) -> None:
    store = store_place.open()
    store.close()
    store.close()


def test_reading_within_reading_shares_a_connection(store: Store) -> None:
    store.unit_of_work(add("t-1"))
    with store.reading() as outer, store.reading() as inner:
        assert outer.first(FACT.select()) == inner.first(FACT.select())
    assert names(store) == {"t-1"}


def test_the_connection_of_a_reader_that_raised_is_given_back(store: Store) -> None:
    def fail() -> None:
        with store.reading() as session:
            session.rows(FACT.select())
            raise ZeroDivisionError

    for _ in range(100):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert names(store) == set()


def test_more_readers_than_connections_wait_for_one(store: Store) -> None:
    store.unit_of_work(add("t-1"))
    with concurrent.futures.ThreadPoolExecutor(100) as threads:
        found = list(threads.map(lambda _: names(store), range(400), timeout=WAIT))
    assert all(one == {"t-1"} for one in found)


def test_rows_come_one_by_one(store: Store) -> None:
    many = [{"name": f"t-{number}", "value": ""} for number in range(3000)]
    store.unit_of_work(lambda session: session.execute(FACT.insert_many(many)))
    query = FACT.select(FACT.name).where(FACT.name.startswith("t-")).order_by(FACT.name)
    with store.reading() as session:
        each = session.each(query)
        assert next(each)["name"] == "t-0"
        assert sum(1 for _ in each) == 2999


def test_first_and_scalar_of_nothing(store: Store) -> None:
    query = FACT.select().where(FACT.name == "t-none")
    with store.reading() as session:
        assert session.first(query) is None
        assert session.scalar(query) is None


@pytest.mark.parametrize("full", [False, True])
def test_a_store_in_order_passes_its_checks(store: Store, full: bool) -> None:
    assert store.check(full=full) == []


def test_public_numbers_begin_above_ten_thousand_and_are_not_used_again(store: Store) -> None:
    role = models.Role

    def create(name: str) -> Callable[[Session], int]:
        values = {"guid": name * 32, "tenant_id": 1, "name": name, "name_key": name}
        return lambda session: session.execute(role.insert(**values, builtin=False))

    first, second = store.unit_of_work(create("a")), store.unit_of_work(create("b"))
    store.unit_of_work(lambda session: session.execute(role.delete().where(role.id == second)))
    third = store.unit_of_work(create("c"))
    assert (first, second, third) == (10_001, 10_002, 10_003)


def test_a_second_tenant_can_be_made(store: Store) -> None:
    tenant = models.Tenant
    new = tenant.insert(guid="f" * 32, name="second")
    assert store.unit_of_work(lambda session: session.execute(new)) > 1


def test_foreign_keys_are_kept(store: Store) -> None:
    orphan = models.Secret.insert(
        guid="a" * 32, tenant_id=99, purpose="", key_id="", sealed=b"", created_at=0
    )
    with pytest.raises(peewee.IntegrityError):
        store.unit_of_work(lambda session: session.execute(orphan))
