"""Schema and migrations: equal to the models, forward only, refused when newer; copies."""

import contextlib
import shutil
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import peewee
import pytest
from playhouse import schema_diff

from storage import columns, connections, models, opening, postgres, schema, sqlite
from storage.errors import DamagedStore, NewerStore, StoreUnavailable
from tests import postgres as servers
from tests.conftest import PostgresPlace, SqlitePlace, StorePlace
from tests.unit.storage.rows import FACT, add, names

WAIT = 20
ADD = '    db.execute_sql("CREATE TABLE added (id INTEGER)")\n'
NEXT = f'"""The next."""\n\n\ndef up(migrator, db):\n{ADD}'
BROKEN = NEXT + ADD


@contextlib.contextmanager
def connected(place: StorePlace) -> Any:
    """The database of a place, for looking at its schema."""
    if isinstance(place, SqlitePlace):
        with contextlib.closing(sqlite.connect_writer(place.path)) as database:
            yield database
        return
    assert isinstance(place, PostgresPlace)
    database = postgres.connect(place.url)
    try:
        with connections.held(database):
            yield database
    finally:
        database.close_all()


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder with one migration more than this program has."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"{schema.newest() + 1:04}_next.py").write_text(NEXT)
    return folder


TABLES = [getattr(models, name) for name in models.__all__]

# Indexes and keys stand in the migrations alone.
TYPES = {
    columns.Guid: "uuid",
    columns.Moment: "bigint",
    columns.Json: "text",
    peewee.BigAutoField: "bigint",
    peewee.BigIntegerField: "bigint",
    peewee.BlobField: "bytea",
    peewee.BooleanField: "boolean",
    peewee.IntegerField: "integer",
    peewee.SmallIntegerField: "smallint",
    peewee.TextField: "text",
}


def test_migrations_make_the_tables_and_columns_of_the_models(store_place: StorePlace) -> None:
    with connected(store_place) as database:
        diff = schema_diff.diff_models(database, TABLES)
        there = set(database.get_tables()) - {"sqlite_sequence", "schema_migration"}
    assert (diff.create_tables, diff.add_columns, diff.drop_columns) == ([], [], [])
    assert there == {model._meta.table_name for model in TABLES}


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.table_name)
def test_columns_are_what_the_models_say(postgres_place: PostgresPlace, model: Any) -> None:
    """PostgreSQL tells types apart that SQLite does not; the wording is one for both."""
    fields = model._meta.sorted_fields
    with connected(postgres_place) as database:
        found = {one.name: one for one in database.get_columns(model._meta.table_name)}
    for field in fields:
        column = found[field.column_name]
        assert (column.data_type, column.null) == (TYPES[type(field)], bool(field.null)), field


def test_upgrading_twice_changes_nothing(store_place: StorePlace) -> None:
    with connected(store_place) as database:
        assert schema.version(database) == schema.newest()
        assert schema.upgrade(database) == []


def test_an_upgrade_keeps_what_is_there_and_calls_for_a_backup(
    store_place: StorePlace, newer: Path
) -> None:
    store = store_place.open()
    store.unit_of_work(add("t-1"))
    store.close()
    backups: list[int] = []
    with connected(store_place) as database:
        applied = schema.upgrade(database, before=backups.append, folder=newer)
        assert len(applied) == 1
        assert database.table_exists("added")
        assert schema.version(database) == schema.newest(newer)
        assert FACT.select().where(FACT.name == "t-1").count(database) == 1
    assert backups == [schema.newest()]


def test_an_upgrade_from_the_first_schema_keeps_the_rows(
    store_place: StorePlace, tmp_path: Path
) -> None:
    """New columns hold what old rows mean."""
    first = tmp_path / "first"
    first.mkdir()
    shutil.copy(schema.MIGRATIONS / "0001_initial.py", first)
    with connected(store_place) as database:
        emptied(database)
        assert len(schema.upgrade(database, folder=first)) == 1
        for statement in OLD_ROWS.split(";"):
            database.execute_sql(statement)
        assert len(schema.upgrade(database)) == schema.newest() - 1
        (agent,) = models.Agent.select().dicts().execute(database)
        (job,) = models.Job.select().dicts().execute(database)
        (run,) = models.Run.select().dicts().execute(database)
        (version,) = models.ResourceVersion.select().dicts().execute(database)
    assert (agent["primary_team_id"], agent["last_console_user"]) == (None, "")
    assert job["seq"] == 0
    assert (run["not_before"], run["launch_by"], run["after_boot"]) == (None, None, None)
    assert (version["version_name"], version["parse_content"], version["skip_environment"]) == (
        "1.0.0",
        False,
        False,
    )


OLD_ROWS = """
INSERT INTO agent (id, guid, tenant_id, name, name_key, embedded, enabled, facts, max_runs, boot_id,
    created_at) VALUES (1, '00000000-0000-0000-0000-000000000001', 1, 'A', 'a', TRUE, TRUE, '{}', 1,
    'boot', 1);
INSERT INTO blob (id, guid, tenant_id, state, size, created_at) VALUES
    (1, '00000000-0000-0000-0000-000000000002', 1, 1, 0, 1);
INSERT INTO resource (id, guid, tenant_id, name, name_key, created_at) VALUES
    (1, '00000000-0000-0000-0000-000000000003', 1, 'R', 'r', 1);
INSERT INTO resource_version (id, resource_id, number, file_name, blob_id, comment, created_at)
    VALUES (1, 1, 1, 'r.txt', 1, '', 1);
INSERT INTO job (id, guid, tenant_id, origin, recurring, status, stage, reason, priority, runs_open,
    created_at) VALUES (1, '00000000-0000-0000-0000-000000000004', 1, 1, FALSE, 0, 0, '', 5, 1, 1);
INSERT INTO run (id, guid, job_id, agent_id, attempt, status, reason, priority, tasks_total,
    tasks_done, created_at) VALUES (1, '00000000-0000-0000-0000-000000000005', 1, 1, 1, 0, '', 5, 1,
    0, 1)"""


def emptied(database: Any) -> None:
    """Take all tables out of a database."""
    if isinstance(database, peewee.PostgresqlDatabase):
        database.execute_sql("DROP SCHEMA public CASCADE")
        database.execute_sql("CREATE SCHEMA public")
        return
    database.execute_sql("PRAGMA foreign_keys = OFF")
    for table in set(database.get_tables()) - {"sqlite_sequence"}:
        database.execute_sql(f'DROP TABLE "{table}"')
    database.execute_sql("DELETE FROM sqlite_sequence")
    database.execute_sql("PRAGMA foreign_keys = ON")


def test_a_store_of_a_newer_program_is_refused(store_place: StorePlace, newer: Path) -> None:
    with connected(store_place) as database:
        schema.upgrade(database, folder=newer)
    with pytest.raises(NewerStore, match=str(schema.newest(newer))):
        store_place.open()


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    store_place: StorePlace, newer: Path
) -> None:
    (newer / f"{schema.newest() + 1:04}_next.py").write_text(BROKEN)
    with connected(store_place) as database, pytest.raises(peewee.DatabaseError):
        schema.upgrade(database, folder=newer)
    with connected(store_place) as database:
        assert not database.table_exists("added")
        assert schema.version(database) == schema.newest()
    store_place.open().close()


def test_a_new_store_has_its_facts_and_one_tenant(store_place: StorePlace) -> None:
    with contextlib.closing(store_place.open()) as store, store.reading() as session:
        facts = {row["name"]: row["value"] for row in session.rows(FACT.select())}
        tenants = session.rows(models.Tenant.select(models.Tenant.id))
    assert facts.keys() >= {"readable_from", "incarnation", "security_epoch"}
    assert facts["readable_from"] == str(schema.newest())
    assert tenants == [{"id": 1}]


def test_an_upgrade_of_a_file_makes_a_backup_first(sqlite_place: SqlitePlace, newer: Path) -> None:
    store = sqlite_place.open()
    store.unit_of_work(add("t-1"))
    store.close()
    backups = sqlite_place.path.parent / "backups"
    opening.open_sqlite(sqlite_place.path, backups, migrations=newer).close()
    (backup,) = backups.iterdir()
    with contextlib.closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT count(*) FROM store_fact WHERE name = 't-1'").fetchone() == (1,)
        assert copy.execute("SELECT name FROM sqlite_master WHERE name = 'added'").fetchall() == []


def test_several_gateways_may_start_at_once_on_one_database(
    postgres_server: servers.Server,
) -> None:
    name = postgres_server.create()
    errors: list[BaseException] = []

    def start() -> None:
        try:
            opening.open_postgres(postgres_server.url(name)).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    postgres_server.drop(name)
    assert errors == []


def test_a_database_that_is_not_there_is_unavailable(postgres_server: servers.Server) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        opening.open_postgres(postgres_server.url("nothing"))


def test_connections_that_were_cut_are_replaced(postgres_place: PostgresPlace) -> None:
    with contextlib.closing(postgres_place.open()) as store:
        store.unit_of_work(add("t-1"))
        postgres_place.server.cut(postgres_place.name)
        assert store.unit_of_work(add("t-2")) == "t-2"
        assert names(store) == {"t-1", "t-2"}


@pytest.mark.parametrize("head", [b"no database", b"SQLite format 2\x00", b"\x00" * 100])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "gateway.sqlite3"
    path.write_bytes(head)
    with pytest.raises(DamagedStore, match=r"gateway\.sqlite3.*restore"):
        opening.open_sqlite(path, tmp_path / "backups")
    assert path.read_bytes() == head


def test_a_damaged_page_is_found_by_the_full_check(sqlite_place: SqlitePlace) -> None:
    store = sqlite_place.open()
    store.unit_of_work(
        lambda session: session.execute(
            FACT.insert_many([{"name": f"t-{n:05}", "value": "x" * 500} for n in range(500)])
        )
    )
    store.close()
    with sqlite_place.path.open("r+b") as file:
        file.seek(-3 * 4096, 2)
        file.write(b"\xff" * 4096)
    with contextlib.closing(sqlite_place.open()) as damaged:
        assert damaged.check(full=False) == []
        assert damaged.check(full=True) != []


def test_readers_cannot_write(sqlite_place: SqlitePlace) -> None:
    with contextlib.closing(sqlite_place.open()) as store, store.reading() as session:
        with pytest.raises(peewee.OperationalError, match="readonly"):
            add("t-1")(session)
        assert session.rows(FACT.select()) != []


def test_the_file_is_kept_as_the_documentation_says(sqlite_place: SqlitePlace) -> None:
    def pragma(name: str) -> Any:
        return lambda session: session._database.execute_sql(f"PRAGMA {name}").fetchone()[0]

    with contextlib.closing(sqlite_place.open()) as store:
        found = {
            name: store.unit_of_work(pragma(name))
            for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}


def test_a_backup_under_load_holds_whole_units_only(sqlite_place: SqlitePlace) -> None:
    target = sqlite_place.path.with_name("copy.sqlite3")
    stop = threading.Event()
    with contextlib.closing(sqlite_place.open()) as store:
        assert isinstance(store, sqlite.SqliteStore)

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                pair = [{"name": f"t-{number}-{side}", "value": "x" * 500} for side in "ab"]
                query = FACT.insert_many(pair)
                store.unit_of_work(lambda session, query=query: session.execute(query))

        writer = threading.Thread(target=write)
        writer.start()
        store.unit_of_work(add("t-before"))
        store.backup(target)
        stop.set()
        writer.join(WAIT)
    with contextlib.closing(opening.open_sqlite(target, target.parent)) as copy:
        found = names(copy)
        assert copy.check(full=True) == []
    assert "t-before" in found
    sides = [name.rpartition("-")[2] for name in found - {"t-before"}]
    assert sides.count("a") == sides.count("b")


def test_a_backup_that_cannot_be_written_leaves_the_old_one(sqlite_place: SqlitePlace) -> None:
    with contextlib.closing(sqlite_place.open()) as store:
        assert isinstance(store, sqlite.SqliteStore)
        with pytest.raises((sqlite3.OperationalError, OSError)):
            store.backup(Path("/nonexistent/copy"))


def test_a_store_is_readable_by_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sqlite3"
    opening.open_sqlite(path, tmp_path).close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
