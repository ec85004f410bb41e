"""The store on SQLite: one writer with group commit, readers on connections of their own."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import peewee
from playhouse.pool import PooledSqliteDatabase

from storage import connections, models, statements
from storage.database import Committed, Store, Waiting, Work, unobserved
from storage.errors import DamagedStore, StoreUnavailable
from storage.remembered import Memory
from storage.session import Session, WritingSession
from storage.writer import GroupWriter, is_disk_error

T = TypeVar("T")

_PRAGMAS: dict[str, Any] = {
    # Must come before the first table; chunks of deleted files give their space back.
    "auto_vacuum": "incremental",
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "busy_timeout": 10_000,
}
_WRITER_PRAGMAS = _PRAGMAS | {"cache_size": -8_000}
_READER_PRAGMAS = {
    "foreign_keys": 1,
    "busy_timeout": 10_000,
    "cache_size": -4_000,
    # A reader that tries to write is a mistake of ours: let it fail at once.
    "query_only": 1,
}
_READERS = 64


def connect_writer(path: Path) -> peewee.SqliteDatabase:
    """A connection that may write; for the writer's thread and for migrations."""
    database = peewee.SqliteDatabase(str(path), pragmas=_WRITER_PRAGMAS, thread_safe=False)
    database.connect()
    return database


def open_session(database: peewee.SqliteDatabase) -> WritingSession:
    """The session of the writer's units of work, which share transactions."""
    return WritingSession(database, statements.Catalog(database), savepoints=True)


class SqliteStore(Store):
    """One file, one writing process."""

    def __init__(
        self,
        path: Path,
        waiting: Waiting = contextlib.nullcontext,
        committed: Committed = unobserved,
    ) -> None:
        """Open an existing, migrated store. Raises DamagedStore when the quick check fails."""
        super().__init__(waiting)
        self._path = path
        check_header(path)
        self._readers = PooledSqliteDatabase(
            str(path),
            pragmas=_READER_PRAGMAS,
            max_connections=_READERS,
            timeout=10,
            check_same_thread=False,
        )
        self._reader_catalog = statements.Catalog(self._readers)
        # No other process writes while this one holds the file.
        self._memory = Memory()
        self._writer = GroupWriter(
            lambda: connect_writer(path), open_session, committed, self._memory
        )

    def submit(self, work: Work[T]) -> "Future[T]":
        """Queue work for the writer; see Store.submit."""
        return self._writer.submit(work)

    def unit_of_work(self, work: Work[T]) -> T:
        """Do work on the writer's connection; see Store.unit_of_work."""
        result: T = self._writer.do(work, self._waiting)
        return result

    @contextlib.contextmanager
    def reading(self, *, long: bool = False) -> Iterator[Session]:
        """A session on a pooled connection, taken when it is first needed, that can only read."""
        waiting = self._waiting if long else contextlib.nullcontext
        try:
            with connections.Lazy(self._readers) as lazy:
                yield Session(self._readers, self._reader_catalog, lazy.take, self._memory, waiting)
        except (peewee.DatabaseError, sqlite3.Error) as error:
            if not is_disk_error(error):
                raise
            raise StoreUnavailable(f"the store cannot be read: {error}") from error

    def check(self, *, full: bool) -> list[str]:
        """Quick: the header and the schema can be read. Full: every page and foreign key."""
        if not full:
            with self.reading() as session:
                session.first(models.StoreFact.select())
            return []
        with connections.held(self._readers):
            try:
                problems = _pragma(self._readers, "integrity_check")
                broken = _pragma(self._readers, "foreign_key_check")
            except (peewee.DatabaseError, sqlite3.DatabaseError) as error:
                return [f"the store cannot be read through: {error}"]
        found = [f"integrity: {row[0]}" for row in problems if row[0] != "ok"]
        return found + [
            f"table {row[0]}: row {row[1]} refers to nothing in {row[2]}" for row in broken
        ]

    def free_bytes(self) -> int | None:
        """Free space on the file system that holds the store."""
        return shutil.disk_usage(self._path.parent).free

    def backup(self, target: Path) -> None:
        """Write a consistent copy while the store is in use (SQLite's online backup)."""
        copy(self._path, target)

    def close(self) -> None:
        """Finish the writer's queue and close all connections."""
        self._writer.close()
        self._readers.close_all()


def copy(path: Path, target: Path) -> None:
    """Copy a store that may be in use into a new file, whole or not at all."""
    unfinished = target.with_name(target.name + ".unfinished")
    unfinished.touch(mode=0o600)
    source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(unfinished)) as into:
        source.backup(into, pages=1024, sleep=0.001)
    unfinished.replace(target)


def is_damage(error: BaseException | None) -> bool:
    """Whether an error says that the file's content makes no sense."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return (code & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        error = error.__cause__ or error.__context__
    return False


def check_header(path: Path) -> None:
    """Raise DamagedStore unless the file is empty or begins as a SQLite database does."""
    with path.open("rb") as file:
        head = file.read(16)
    if head and head != b"SQLite format 3\x00":
        raise DamagedStore(
            f"{path} is not a SQLite database: restore a backup with 'gateway restore', "
            "or name another data folder"
        )


def _pragma(database: Any, name: str) -> list[Any]:
    return list(database.execute_sql(f"PRAGMA {name}").fetchall())
