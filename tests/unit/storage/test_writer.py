"""The group-commit writer: large groups when many wait, and what a failing disk does to them."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import peewee
import pytest

from storage import sqlite, statements
from storage.errors import StoreUnavailable
from storage.session import Session, WritingSession
from storage.writer import GroupWriter, is_disk_error
from tests.conftest import SqlitePlace
from tests.unit.storage.rows import add

WAIT = 20


class Disk:
    """A connection whose disk can be made to fail."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite.connect_writer(path)
        self.executed: list[str] = []
        self.fault: Callable[[str], bool] = lambda _: False
        self._real = self.database.execute_sql
        self.database.execute_sql = self._execute  # type: ignore[method-assign]

    def _execute(self, sql: str, *more: Any, **named: Any) -> Any:
        self.executed.append(sql)
        if self.fault(sql):
            if self.database.connection().in_transaction:
                self._real("ROLLBACK")  # as SQLite does by itself when the disk is full
            cause = sqlite3.OperationalError("database or disk is full")
            cause.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise peewee.OperationalError(str(cause)) from cause
        return self._real(sql, *more, **named)

    def commits(self) -> int:
        return self.executed.count("COMMIT")


class Writing:
    """A writer on such a disk, and what it has stored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        connected: Future[Disk] = Future()

        def connect() -> peewee.SqliteDatabase:
            # In the writer's thread, as SQLite wants it.
            disk = Disk(path)
            connected.set_result(disk)
            return disk.database

        self.writer = GroupWriter(connect, sqlite.open_session)
        self.disk = connected.result(WAIT)

    def together(self, *works: Callable[[Session], Any]) -> list["Future[Any]"]:
        """Queue works while the writer is busy, so that they come into one group."""
        begun, release = threading.Event(), threading.Event()

        def busy(_session: Session) -> None:
            begun.set()
            assert release.wait(WAIT)

        self.writer.submit(busy)
        assert begun.wait(WAIT)
        futures = [self.writer.submit(work) for work in works]
        release.set()
        return futures

    def stored(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute(
                "SELECT name FROM store_fact WHERE name LIKE 't-%' ORDER BY name"
            )
            return [row[0] for row in rows]


@pytest.fixture
def writing(sqlite_place: SqlitePlace) -> Iterator[Writing]:
    opened = Writing(sqlite_place.path)
    yield opened
    opened.writer.close()


def outcomes(futures: list["Future[Any]"]) -> list[str]:
    """Of each future the name of its error, or its result."""
    errors = [future.exception(WAIT) for future in futures]
    return [
        type(error).__name__ if error else future.result()
        for future, error in zip(futures, errors, strict=True)
    ]


def once(sql: str) -> Callable[[str], bool]:
    left = [sql]

    def fault(executed: str) -> bool:
        if left and executed == left[0]:
            left.clear()
            return True
        return False

    return fault


def test_what_waits_together_is_committed_together(writing: Writing) -> None:
    futures = writing.together(*(add(f"t-{number:03}") for number in range(100)))
    assert outcomes(futures) == writing.stored()
    assert writing.disk.commits() == 2  # that of the busy one, and one for all


def test_one_failure_leaves_the_rest_of_its_group(writing: Writing) -> None:
    def bad(session: Session) -> None:
        add("t-bad")(session)
        raise LookupError

    futures = writing.together(add("t-1"), bad, add("t-1"), add("t-2"))
    assert outcomes(futures) == ["t-1", "LookupError", "IntegrityError", "t-2"]
    assert writing.stored() == ["t-1", "t-2"]
    assert writing.disk.commits() == 2


@pytest.mark.parametrize("sql", ["COMMIT", "BEGIN IMMEDIATE"])
def test_a_disk_that_fails_once_costs_nothing(writing: Writing, sql: str) -> None:
    futures = writing.together(*(add(f"t-{number}") for number in range(9)))
    writing.disk.fault = once(sql)
    assert outcomes(futures) == writing.stored()


def test_a_full_disk_fails_everybody_and_heals_by_itself(writing: Writing) -> None:
    writing.disk.fault = lambda sql: sql == "COMMIT"
    futures = writing.together(*(add(f"t-{number}") for number in range(5)))
    assert outcomes(futures) == ["StoreUnavailable"] * 5
    assert writing.stored() == []
    writing.disk.fault = lambda _: False
    assert writing.writer.submit(add("t-after")).result(WAIT) == "t-after"
    assert writing.stored() == ["t-after"]


def test_a_transaction_that_is_lost_fails_only_who_lost_it(writing: Writing) -> None:
    """SQLite undoes all of a transaction in which the disk was full, not only the statement."""

    def large(session: Session) -> None:
        writing.disk.fault = once("INSERT INTO large")
        session._database.execute_sql("INSERT INTO large")

    called: list[str] = []

    def noting(session: Session) -> str:
        session.after_commit(lambda: called.append("t-1"))
        return add("t-1")(session)

    futures = writing.together(noting, large, add("t-2"))
    assert outcomes(futures) == ["t-1", "StoreUnavailable", "t-2"]
    assert writing.stored() == ["t-1", "t-2"]
    assert called == ["t-1"]


def test_a_whole_group_of_failures_is_answered(writing: Writing) -> None:
    """As many as a group can hold, each losing the transaction in its turn."""
    writing.disk.fault = lambda sql: sql.startswith("INSERT")
    futures = writing.together(*(add(f"t-{number}") for number in range(256)))
    assert outcomes(futures) == ["StoreUnavailable"] * 256
    writing.disk.fault = lambda _: False
    assert writing.writer.submit(add("t-after")).result(WAIT) == "t-after"


def test_work_that_hides_the_error_of_a_full_disk_is_not_called_stored(writing: Writing) -> None:
    def careless(session: Session) -> str:
        with contextlib.suppress(peewee.OperationalError):
            writing.disk.fault = once("INSERT INTO large")
            session._database.execute_sql("INSERT INTO large")
        return "done"

    futures = writing.together(add("t-1"), careless, add("t-2"))
    assert outcomes(futures) == ["t-1", "StoreUnavailable", "t-2"]
    assert writing.stored() == ["t-1", "t-2"]


def test_a_store_that_is_really_full(writing: Writing) -> None:
    """SQLite's own limit of pages: no fault is played here."""

    def limit(pages: int) -> Callable[[Session], None]:
        return lambda session: session._database.execute_sql(f"PRAGMA max_page_count={pages}")

    def large(number: int) -> Callable[[Session], str]:
        return add(f"t-{number:03}", "x" * 20_000)

    size = writing.writer.submit(
        lambda session: session._database.execute_sql("PRAGMA page_count").fetchone()[0]
    )
    writing.writer.submit(limit(size.result(WAIT) + 60)).result(WAIT)
    found = outcomes(writing.together(*map(large, range(40))))
    assert [one for one in found if one != "StoreUnavailable"] == writing.stored()
    assert 0 < found.count("StoreUnavailable") < 40
    writing.writer.submit(limit(100_000)).result(WAIT)
    assert writing.writer.submit(large(999)).result(WAIT) == "t-999"


def test_work_that_ends_the_program_does_not_end_the_writer(writing: Writing) -> None:
    class Passing(BaseException):
        """What is no Exception, such as the front's question for a body."""

    def passing(_session: Session) -> None:
        raise Passing

    futures = writing.together(add("t-1"), passing, add("t-2"))
    assert outcomes(futures) == ["t-1", "Passing", "t-2"]
    assert writing.stored() == ["t-1", "t-2"]


def test_an_error_outside_all_work_does_not_end_the_writer(sqlite_place: SqlitePlace) -> None:
    failing = [MemoryError("no memory to take the group")]

    class Fragile(WritingSession):
        def take_after_commit(self) -> list[Callable[[], None]]:
            if failing:
                raise failing.pop()
            return super().take_after_commit()

    writer = GroupWriter(
        lambda: sqlite.connect_writer(sqlite_place.path),
        lambda database: Fragile(database, statements.Catalog(database), savepoints=True),
    )
    try:
        with pytest.raises(StoreUnavailable, match="nothing was stored"):
            writer.submit(add("t-1")).result(WAIT)
        writer.submit(add("t-2")).result(WAIT)
    finally:
        writer.close()
    with contextlib.closing(sqlite3.connect(sqlite_place.path)) as connection:
        rows = connection.execute("SELECT name FROM store_fact WHERE name LIKE 't-%'").fetchall()
    assert rows == [("t-2",)]


def test_a_file_that_cannot_be_opened_is_tried_again(sqlite_place: SqlitePlace) -> None:
    tries = iter([peewee.OperationalError("unable to open database file"), None])

    def connect() -> peewee.SqliteDatabase:
        error = next(tries)
        if error is not None:
            raise error
        return sqlite.connect_writer(sqlite_place.path)

    writer = GroupWriter(connect, sqlite.open_session)
    try:
        with pytest.raises(StoreUnavailable, match="cannot be opened"):
            writer.submit(add("t-1")).result(WAIT)
        writer.submit(add("t-2")).result(WAIT)
    finally:
        writer.close()


def test_a_closed_writer_takes_nothing(writing: Writing) -> None:
    writing.writer.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        writing.writer.submit(add("t-1"))


@pytest.mark.parametrize(
    ("code", "disk"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_WRITE, True),
        (sqlite3.SQLITE_READONLY, True),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, False),
        (sqlite3.SQLITE_BUSY, False),
    ],
)
def test_whose_fault_an_error_is(code: int, disk: bool) -> None:
    cause = sqlite3.OperationalError()
    cause.sqlite_errorcode = code
    error = peewee.OperationalError()
    error.__cause__ = cause
    assert is_disk_error(error) is disk
    assert is_disk_error(ValueError()) is False
