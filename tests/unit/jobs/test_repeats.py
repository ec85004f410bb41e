"""Requests that come again, on both databases."""

import dataclasses
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import moments
from gateway.identity import keyring
from gateway.identity.principals import MACHINE, Caller, Principal, PrincipalKind
from gateway.jobs import repeats
from gateway.jobs.orders import GivenParameters, GivenValue, JobOrder, Timing, What, Who
from gateway.jobs.repeats import KeyRefused, KeyReused, Repeats
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from tests import engine as engines
from tests.conftest import PostgresPlace, StorePlace
from tests.engine import DAY, MINUTE, Engine


def somebody(number: int) -> Caller:
    principal = Principal(number, uuid.uuid4(), 1, PrincipalKind.LOGIN, f"login {number}")
    return Caller(principal, "10.0.0.1", "dispatcher", "")


def jobs(engine: Engine) -> int:
    return sum(count.jobs for count in engine.jobs.counts())


def test_a_key_that_comes_again_answers_the_first_job_as_it_was(engine: Engine) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    first = engine.jobs.accept(order, MACHINE, "key-1")
    engine.run_all(agent)
    engine.now.advance(23 * 60 * MINUTE)
    again = engine.jobs.accept(order, MACHINE, "key-1")
    assert again == first
    assert engine.jobs.get(first.guid).status is JobStatus.COMPLETED
    assert jobs(engine) == 1


def test_a_key_outlives_what_its_order_names(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()
    order = engine.order(module, agent)
    first = engine.jobs.accept(order, MACHINE, "key-1")
    definition = models.Definition
    query = definition.update(enabled=False).where(definition.guid == module)
    engine.store.unit_of_work(lambda session: session.execute(query))
    assert engine.jobs.accept(order, MACHINE, "key-1") == first


def test_a_key_with_another_request_is_refused(engine: Engine) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    engine.jobs.accept(order, MACHINE, "key-1")
    with pytest.raises(KeyReused, match="another request"):
        engine.jobs.accept(dataclasses.replace(order, priority=6), MACHINE, "key-1")
    assert jobs(engine) == 1


def test_a_key_is_its_logins_own(engine: Engine) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    made = {engine.jobs.accept(order, somebody(n), "key-1").guid for n in (8, 9)}
    assert len(made) == 2


def test_a_key_ends_with_its_day(engine: Engine) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    first = engine.jobs.accept(order, MACHINE, "key-1")
    engine.now.advance(DAY)
    second = engine.jobs.accept(order, MACHINE, "key-1")
    assert second.guid != first.guid
    assert engine.jobs.accept(order, MACHINE, "key-1") == second


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "a\n"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(KeyRefused, match="Idempotency-Key"):
        repeats.check_key(key)


def test_the_same_key_at_the_same_moment_makes_one_job_on_two_gateways(
    store_place: StorePlace, engine: Engine, tmp_path: Path
) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    others = [engine]
    opened: list[Store] = []
    if isinstance(store_place, PostgresPlace):
        opened.append(store_place.open())
        others.append(engines.make(opened[0], tmp_path, engine))
    start = threading.Barrier(8)

    def ask(number: int) -> uuid.UUID:
        start.wait()
        return others[number % len(others)].jobs.accept(order, MACHINE, "key").guid

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(ask, range(8)))
    for store in opened:
        store.close()
    assert len(made) == 1
    assert jobs(engine) == 1


def test_an_equal_request_within_a_minute_bears_the_mark(engine: Engine) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    first = engine.accept(order)
    engine.now.advance(MINUTE)
    second = engine.accept(order)
    assert first.possible_duplicate_of is None
    assert engine.jobs.get(second.guid).possible_duplicate_of == first.guid
    assert str(first.guid) in engine.jobs.events(second.guid)[0].reason
    # Clients are shown a reason in an answer: there it has no place.
    assert second.reason == ""
    engine.now.advance(MINUTE + 1)
    assert engine.jobs.get(engine.accept(order).guid).possible_duplicate_of is None


def test_another_request_or_login_bears_no_mark(engine: Engine) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    engine.jobs.accept(order, somebody(8))
    others = [
        engine.jobs.accept(order, somebody(9)),
        engine.jobs.accept(dataclasses.replace(order, description="other"), somebody(8)),
        engine.jobs.accept(dataclasses.replace(order, timing=Timing(False, DAY)), somebody(8)),
    ]
    assert [engine.jobs.get(one.guid).possible_duplicate_of for one in others] == [None] * 3


def test_what_is_repeated_after_a_start_bears_the_mark(engine: Engine, tmp_path: Path) -> None:
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    first = engine.accept(order)
    engine.now.advance(30 * moments.SECOND)
    second = engines.make(engine.store, tmp_path, engine).accept(order)
    assert engine.jobs.get(second.guid).possible_duplicate_of == first.guid


def test_to_run_again_twice_is_marked_and_with_a_key_done_once(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    first, second = (engine.jobs.rerun(job.guid, MACHINE) for _ in range(2))
    assert (first.possible_duplicate_of, second.possible_duplicate_of) == (None, first.guid)
    third = engine.jobs.rerun(job.guid, MACHINE, "key")
    engine.run_all(agent)
    assert engine.jobs.rerun(job.guid, MACHINE, "key").guid == third.guid
    assert third.possible_duplicate_of is None
    # What runs a marked job again is no duplicate itself.
    assert engine.jobs.rerun(second.guid, MACHINE).possible_duplicate_of is None


def test_a_digest_tells_nothing_without_the_key_file(tmp_path: Path) -> None:
    def order(password: str) -> JobOrder:
        values = (GivenParameters(None, (GivenValue("Secret", password),)),)
        return JobOrder((What(uuid.UUID(int=1)),), (Who("agent"),), parameters=values)

    one, other = (
        Repeats(None, keyring.create(tmp_path / name), DAY)  # type: ignore[arg-type]  # not read
        for name in ("one", "other")
    )
    digests = {one.of_order(order(word), MACHINE) for word in ("hunter2", "hunter3")}
    assert len(digests) == 2
    digests.add(other.of_order(order("hunter2"), MACHINE))
    # Who guesses the password cannot know whether he was right.
    assert len({digest.partition(":")[2] for digest in digests}) == 3


TEXTS = st.text(max_size=5)
ORDERS = st.builds(
    JobOrder,
    what=st.builds(What, st.uuids(), name=TEXTS).map(lambda one: (one,)),
    who=st.builds(Who, TEXTS, name=TEXTS).map(lambda one: (one,)),
    timing=st.builds(Timing, st.booleans(), st.none() | st.integers(0, 2)),
    description=TEXTS,
    priority=st.integers(0, 9),
    extras=st.dictionaries(TEXTS, TEXTS, max_size=2),
)


@given(ORDERS, ORDERS)
def test_orders_have_equal_digests_if_what_counts_is_equal(
    tmp_path_factory: pytest.TempPathFactory, one: JobOrder, other: JobOrder
) -> None:
    digests = Repeats(None, _keys(tmp_path_factory), DAY)  # type: ignore[arg-type]  # not read
    assert digests.of_order(one, MACHINE) == digests.of_order(
        dataclasses.replace(one, extras={"more": 1}, what=(What(one.what[0].guid),)), MACHINE
    )
    equal = digests.of_order(one, MACHINE) == digests.of_order(other, MACHINE)
    assert equal == (_told(one) == _told(other))


def _told(order: JobOrder) -> tuple[object, ...]:
    timing = order.timing
    at = None if timing.immediate else timing.scheduled_at
    what, who = order.what[0].guid, order.who[0].reference
    return (what, who, timing.immediate, at, order.description, order.priority)


_MADE: list[keyring.Keyring] = []


def _keys(folders: pytest.TempPathFactory) -> keyring.Keyring:
    if not _MADE:
        _MADE.append(keyring.create(folders.mktemp("keys") / "keys.json"))
    return _MADE[0]


def test_keys_that_stand_for_nothing_are_swept_in_portions(engine: Engine) -> None:
    agent, what = engine.agent(), engine.module()
    order = engine.order(what, agent)
    for number in range(5):
        engine.jobs.accept(order, MACHINE, key=f"old-{number}")
    engine.now.advance(DAY + 1)
    kept = engine.jobs.accept(order, MACHINE, key="new")
    before = engine.now() - DAY

    def sweep() -> int:
        return engine.store.unit_of_work(lambda db: repeats.sweep(db, before, 2))

    assert [sweep() for _ in range(4)] == [2, 2, 1, 0]
    assert engine.jobs.accept(order, MACHINE, key="new").guid == kept.guid
