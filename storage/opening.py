"""Opening a store: create or upgrade it, check it, hand it over."""

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

import peewee

from storage import connections, postgres, schema, sqlite
from storage.database import Committed, Store, Waiting, unobserved
from storage.errors import DamagedStore


def open_sqlite(
    path: Path,
    backups: Path,
    waiting: Waiting = contextlib.nullcontext,
    committed: Committed = unobserved,
    *,
    migrations: Path = schema.MIGRATIONS,
) -> sqlite.SqliteStore:
    """Open the store in ``path``, created when missing, upgraded after a backup when old.

    Raises DamagedStore, NewerStore.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Before SQLite makes it: what it holds is for the server's user alone.
    path.touch(mode=0o600)
    sqlite.check_header(path)
    with _damage_told(path), contextlib.closing(sqlite.connect_writer(path)) as database:
        schema.upgrade(
            database,
            before=lambda number: sqlite.copy(path, _backup_name(backups, number)),
            folder=migrations,
        )
    return sqlite.SqliteStore(path, waiting, committed)


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Pages that make no sense are told as damage, not as a database error."""
    try:
        yield
    except peewee.DatabaseError as error:
        if not sqlite.is_damage(error):
            raise
        raise DamagedStore(
            f"{path} is damaged ({error}): restore a backup with 'gateway restore'"
        ) from error


def open_postgres(
    url: str, waiting: Waiting = contextlib.nullcontext, committed: Committed = unobserved
) -> Store:
    """Open the store behind a ``postgresql://`` address, upgraded when old.

    A backup before an upgrade is the operator's: PostgreSQL keeps its own.
    Raises NewerStore, StoreUnavailable.
    """
    database = postgres.connect(url)
    try:
        with connections.held(database):
            schema.upgrade(database)
    finally:
        database.close_all()
    return postgres.PostgresStore(url, waiting, committed)


def _backup_name(folder: Path, number: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    return folder / f"before-upgrade-from-{number:04}-{now:%Y%m%dT%H%M%S%f}.sqlite3"
