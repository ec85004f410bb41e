"""Rows that are gathered and written together, on both databases: as if written one by one."""

import contextlib
import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import peewee
import pytest

from storage import models, statements
from storage.database import Store
from storage.session import Session, WritingSession
from tests.conftest import SqlitePlace
from tests.unit.storage.rows import FACT, INSERT, names

WAIT = 20
EVENT = models.JobEvent
COUNTER = models.JobCounter
INSERT_EVENT = statements.Insert(
    EVENT, EVENT.job_id, EVENT.run_id, EVENT.at, EVENT.before, EVENT.after, EVENT.actor,
    EVENT.reason,
)  # fmt: skip
SET_VALUE = statements.Update(FACT, FACT.value, key=FACT.name)
JOB = models.Job
INSERT_JOB = statements.Insert(
    JOB, JOB.id, JOB.guid, JOB.tenant_id, JOB.origin, JOB.recurring, JOB.status, JOB.stage,
    JOB.reason, JOB.priority, JOB.runs_open, JOB.created_at,
)  # fmt: skip
COUNT = statements.Insert(
    COUNTER, COUNTER.tenant_id, COUNTER.stage, COUNTER.origin, COUNTER.recurring,
    COUNTER.folder_id, COUNTER.slot, COUNTER.jobs, adding=COUNTER.jobs,
)  # fmt: skip
KEY = (1, 0, 1, False, 0, 0)


def gathered(name: str, value: str = "") -> Callable[[WritingSession], str]:
    def work(session: WritingSession) -> str:
        session.gather(INSERT, {"name": name, "value": value})
        return name

    return work


def together(store: Store, *works: Callable[[WritingSession], Any]) -> list[Any]:
    """Results, or errors, of works that share a commit where the database shares commits."""
    begun, release = threading.Event(), threading.Event()

    def busy(_session: Session) -> None:
        begun.set()
        assert release.wait(WAIT)

    store.submit(busy)
    assert begun.wait(WAIT)
    futures: list[Future[Any]] = [store.submit(work) for work in works]
    release.set()
    return [future.exception(WAIT) or future.result() for future in futures]


def value(store: Store, name: str) -> str | None:
    with store.reading() as session:
        found: str | None = session.scalar(FACT.select(FACT.value).where(FACT.name == name))
    return found


def new_job(session: WritingSession) -> int:
    number = session.new_id(JOB)
    session.gather(
        INSERT_JOB,
        {
            "id": number, "guid": uuid.uuid4(), "tenant_id": 1, "origin": 1, "recurring": False,
            "status": 0, "stage": 0, "reason": "", "priority": 5, "runs_open": 0, "created_at": 0,
        },
    )  # fmt: skip
    return number


def new_event(session: WritingSession, job_id: int) -> None:
    event = {"job_id": job_id, "run_id": None, "at": 1, "before": None, "after": 0}
    session.gather(INSERT_EVENT, event | {"actor": "", "reason": ""})


@pytest.mark.parametrize("count", [1, 2, 3, 7, 300])
def test_any_number_of_rows_is_written(store: Store, count: int) -> None:
    def work(session: WritingSession) -> None:
        for number in range(count):
            gathered(f"t-{number}")(session)

    store.unit_of_work(work)
    assert names(store) == {f"t-{number}" for number in range(count)}


def test_gathered_rows_are_there_for_the_next_statement_of_the_unit(store: Store) -> None:
    def work(session: WritingSession) -> Any:
        gathered("t-1", "seen")(session)
        return session.scalar(FACT.select(FACT.value).where(FACT.name == "t-1"))

    assert store.unit_of_work(work) == "seen"


def test_and_for_that_of_a_later_unit(store: Store) -> None:
    def count(session: Session) -> Any:
        return session.scalar(
            FACT.select(peewee.fn.COUNT(FACT.name)).where(FACT.name.startswith("t-"))
        )

    store.unit_of_work(gathered("t-0"))
    # On PostgreSQL the works run side by side, so nothing is said of what each sees there.
    found = together(store, gathered("t-1"), gathered("t-2"), count)
    with store.reading() as session:
        assert found[2] == 3 or session.postgres
    assert names(store) == {"t-0", "t-1", "t-2"}


def test_of_several_changes_of_a_row_the_last_counts(store: Store) -> None:
    def work(session: WritingSession) -> None:
        for number in range(5):
            gathered(f"t-{number}")(session)
        for text in ("first", "second", "last"):
            for number in range(5):
                session.gather(SET_VALUE, {"name": f"t-{number}", "value": text})

    store.unit_of_work(work)
    assert {value(store, f"t-{number}") for number in range(5)} == {"last"}


def test_the_unit_that_fails_takes_nothing_of_others_along(store: Store) -> None:
    def bad(session: WritingSession) -> None:
        gathered("t-bad")(session)
        raise LookupError("no")

    def bad_later(session: WritingSession) -> None:
        gathered("t-worse")(session)
        session.scalar(FACT.select(FACT.value))
        gathered("t-worst")(session)
        raise LookupError("no")

    found = together(store, gathered("t-1"), bad, bad_later, gathered("t-2"))
    assert [type(each).__name__ for each in found] == ["str", "LookupError", "LookupError", "str"]
    assert names(store) == {"t-1", "t-2"}


def test_a_row_that_breaks_a_rule_fails_its_own_unit_only(store: Store) -> None:
    store.unit_of_work(gathered("t-taken"))
    found = together(store, gathered("t-1"), gathered("t-taken"), gathered("t-2"))
    assert [type(each) for each in found] == [str, peewee.IntegrityError, str]
    assert names(store) == {"t-1", "t-taken", "t-2"}


def test_rows_that_refer_to_each_other_find_each_other_in_any_mixture(store: Store) -> None:
    """A later unit makes what its event refers to; an earlier one has only an event to write."""
    first = store.unit_of_work(new_job)

    def only_event(session: WritingSession) -> None:
        new_event(session, first)

    def job_and_event(session: WritingSession) -> int:
        number = new_job(session)
        new_event(session, number)
        return number

    found = together(store, only_event, job_and_event, only_event, job_and_event)
    assert [type(each) for each in found] == [type(None), int, type(None), int]
    with store.reading() as session:
        events = session.rows(EVENT.select(EVENT.job_id).where(EVENT.job_id >= first))
    assert sorted(row["job_id"] for row in events) == sorted([first, first, found[1], found[3]])


def test_sums_of_many_units_come_together(store: Store) -> None:
    def more(session: WritingSession) -> None:
        session.add_up(COUNT, KEY, 2)
        session.add_up(COUNT, KEY, -1)

    def failing(session: WritingSession) -> None:
        session.add_up(COUNT, KEY, 100)
        raise LookupError("no")

    assert together(store, *[more] * 10, failing)[:10] == [None] * 10
    with store.reading() as session:
        assert session.scalar(COUNTER.select(peewee.fn.SUM(COUNTER.jobs))) == 10


def test_numbers_are_never_given_twice(store: Store) -> None:
    """Neither after a unit that failed, nor beside rows that the database numbers itself."""

    def failing(session: WritingSession) -> None:
        new_job(session)
        raise LookupError("no")

    def by_itself(session: WritingSession) -> int:
        values = {
            "guid": uuid.uuid4(), "tenant_id": 1, "origin": 1, "recurring": False, "status": 0,
            "stage": 0, "reason": "", "priority": 5, "runs_open": 0, "created_at": 0,
        }  # fmt: skip
        return int(session.execute(JOB.insert(**values)))

    found = together(store, new_job, failing, by_itself, new_job, new_job, by_itself, new_job)
    numbers = [each for each in found if isinstance(each, int)]
    assert len(set(numbers)) == len(numbers) == 6
    assert min(numbers) > 10_000


def test_calls_after_the_commit_belong_to_the_unit_that_asked(store: Store) -> None:
    seen: list[str] = []

    def work(session: WritingSession) -> None:
        gathered("t-1")(session)
        session.after_commit(lambda: seen.append("done"))

    def failing(session: WritingSession) -> None:
        session.after_commit(lambda: seen.append("failed"))
        raise LookupError("no")

    together(store, work, failing, gathered("t-2"))
    assert seen == ["done"]


@pytest.mark.parametrize("value", ["\udcff", 2**70], ids=["half a character", "a large number"])
def test_a_value_that_no_database_takes_fails_its_own_unit_only(store: Store, value: Any) -> None:
    def bad(session: WritingSession) -> None:
        values = {"name": "t-bad", "value": value} if isinstance(value, str) else None
        if values is not None:
            session.gather(INSERT, values)
        else:
            event = {"job_id": 1, "run_id": None, "at": value, "before": None, "after": 0}
            session.gather(INSERT_EVENT, event | {"actor": "", "reason": ""})

    def read(session: Session) -> str:
        session.scalar(FACT.select(FACT.value))
        return "read"

    found = together(store, gathered("t-1"), bad, read, gathered("t-2"))
    assert [each for each in found if isinstance(each, str)] == ["t-1", "read", "t-2"]
    assert isinstance(found[1], (UnicodeEncodeError, OverflowError, peewee.DatabaseError))
    assert names(store) == {"t-1", "t-2"}
    # And the store goes on at once.
    assert store.unit_of_work(gathered("t-3")) == "t-3"


def test_a_unit_that_hides_what_became_of_its_rows_fails(store: Store) -> None:
    store.unit_of_work(gathered("t-taken"))

    def hiding(session: WritingSession) -> str:
        gathered("t-taken")(session)
        gathered("t-lost")(session)
        with contextlib.suppress(peewee.IntegrityError):
            session.scalar(FACT.select(FACT.value))
        return "all well"

    found = together(store, gathered("t-1"), hiding, gathered("t-2"))
    assert [type(each) for each in found] == [str, peewee.IntegrityError, str]
    assert names(store) == {"t-1", "t-2", "t-taken"}


def test_rows_of_one_unit_find_each_other_in_any_order(store: Store) -> None:
    first = store.unit_of_work(new_job)

    def mixed(session: WritingSession) -> int:
        new_event(session, first)
        number = new_job(session)
        new_event(session, number)
        return number

    number = store.unit_of_work(mixed)
    with store.reading() as session:
        events = session.rows(EVENT.select(EVENT.job_id).where(EVENT.job_id >= first))
    assert [row["job_id"] for row in events] == [first, number]


def test_tables_are_written_after_those_that_they_refer_to(sqlite_place: SqlitePlace) -> None:
    # Each of these refers to its current version, or schedule, which is made after it.
    later = {
        ("definition", "definition_version"),
        ("resource", "resource_version"),
        ("job", "schedule"),
        ("credential", "secret"),
    }
    with contextlib.closing(sqlite3.connect(sqlite_place.path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in found if not name.startswith(("sqlite_", "schema_"))}
        assert tables == set(models.RANKS)
        for table in tables:
            for row in connection.execute(f"PRAGMA foreign_key_list({table})"):
                known = models.RANKS[row[2]] <= models.RANKS[table]
                assert known or (table, row[2]) in later
