"""Bringing a store to the schema of this program: migrations, forward only."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peewee
from playhouse.migrations import Runner

from storage import models
from storage.errors import NewerStore

MIGRATIONS = Path(__file__).with_name("migrations")

# Several gateways may start at once on one PostgreSQL: one migrates, the others wait.
_ADVISORY_LOCK = 0x6761_7465


def newest(folder: Path = MIGRATIONS) -> int:
    """The number of the newest migration that this program knows."""
    return max(int(path.name[:4]) for path in folder.glob("[0-9]*.py"))


def upgrade(
    database: Any, *, before: Callable[[int], None] | None = None, folder: Path = MIGRATIONS
) -> list[str]:
    """Apply what is missing; answers the names applied.

    ``before`` is called with the store's present number when a store that holds data is about to
    be changed: the place for a backup. Raises NewerStore.
    """
    with _alone(database):
        runner = Runner(database, directory=str(folder))
        present = version(database)
        _refuse_newer(database, newest(folder))
        if present and newest(folder) > present and before is not None:
            before(present)
        applied: list[str] = runner.up()
        if applied or not _recorded(database, newest(folder)):
            _record(database, newest(folder))
    return applied


def version(database: Any) -> int:
    """The number of the newest migration applied to this store; 0 for an empty one."""
    if not database.table_exists("schema_migration"):
        return 0
    found = database.execute_sql("SELECT max(name) FROM schema_migration").fetchone()[0]
    return int(found[:4]) if found else 0


def _refuse_newer(database: Any, known: int) -> None:
    if not database.table_exists("store_fact"):
        return
    facts = models.StoreFact
    query = facts.select(facts.value).where(facts.name == "readable_from")
    readable_from = int(query.scalar(database) or 0)
    if readable_from > known:
        raise NewerStore(
            f"this store was written by a newer version of the gateway (its schema is "
            f"{readable_from}, this program knows up to {known}): install that version, or restore "
            "a backup that was made before the upgrade"
        )


def _recorded(database: Any, number: int) -> bool:
    """Whether the facts of this schema are there; an upgrade may have been killed before them."""
    facts = models.StoreFact
    query = facts.select(facts.value).where(facts.name == "readable_from")
    return bool(query.scalar(database) == str(number))


def _record(database: Any, number: int) -> None:
    facts = models.StoreFact
    first = {"incarnation": str(uuid.uuid4()), "security_epoch": "1"}
    with database.atomic():
        for name, value in first.items():
            facts.insert(name=name, value=value).on_conflict_ignore().execute(database)
        facts.insert(name="readable_from", value=str(number)).on_conflict(
            conflict_target=[facts.name], update={facts.value: str(number)}
        ).execute(database)
        if not models.Tenant.select().exists(database):
            models.Tenant.insert(id=1, guid=uuid.UUID(int=1), name="default").execute(database)
            if isinstance(database, peewee.PostgresqlDatabase):
                # A number given by hand does not count in PostgreSQL's sequence.
                database.execute_sql("ALTER TABLE tenant ALTER COLUMN id RESTART WITH 2")


@contextlib.contextmanager
def _alone(database: Any) -> Iterator[None]:
    if not isinstance(database, peewee.PostgresqlDatabase):
        yield
        return
    database.execute_sql("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
    try:
        yield
    finally:
        database.execute_sql("SELECT pg_advisory_unlock(%s)", (_ADVISORY_LOCK,))
