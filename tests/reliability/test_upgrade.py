"""Upgrades of real stores: from the first schema on, killed in the middle, and refused."""

import contextlib
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from gateway.jobs.states import JobStatus
from storage import opening, schema
from storage.database import closing
from tests.reliability import consistency, load, old_stores
from tests.reliability.servers import ROOT, WAIT, House, until

ROWS = 20_000
KILLS = 5

# Adds a column and a table, and fills it slowly enough to be killed at it.
MIGRATION = f'''"""Add something to every job, and much else."""


def up(migrator, db):
    del migrator
    db.execute_sql("ALTER TABLE job ADD COLUMN added TEXT NOT NULL DEFAULT 'new'")
    db.execute_sql("CREATE TABLE addition (id INTEGER PRIMARY KEY, value TEXT NOT NULL)")
    print("begun", flush=True)
    for number in range({ROWS}):
        db.execute_sql("INSERT INTO addition (value) VALUES (?)", ("x" * 200,))
'''

pytestmark = pytest.mark.slow


@pytest.fixture
def old_house(tmp_path: Path) -> House:
    """A house with the store of the first schema."""
    made = House(tmp_path / "data", tmp_path / "server.log")
    old_stores.restore(1, made)
    return made


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """The migrations of a program newer than this one."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"{schema.newest() + 1:04}_addition.py").write_text(MIGRATION)
    return folder


def upgrading(house: House, migrations: Path) -> "subprocess.Popen[str]":
    arguments = (house.store, house.data / "backups", migrations)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.upgrading", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def upgrade(house: House, migrations: Path) -> None:
    with upgrading(house, migrations) as process:
        said, _ = process.communicate(timeout=WAIT)
    assert "upgraded" in said


def schema_of(path: Path) -> dict[str, list[Any]]:
    """The tables with their columns, and the indexes with theirs."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
        return {
            f"{kind} {name} of {table}": connection.execute(
                f"PRAGMA {kind}_info({name})"
            ).fetchall()
            for kind, name, table in names
        }


def jobs(path: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id, guid, status FROM job ORDER BY id").fetchall()


@pytest.mark.parametrize("number", old_stores.numbers())
def test_an_old_store_becomes_like_a_new_one(tmp_path: Path, number: int) -> None:
    old = House(tmp_path / "data", tmp_path / "server.log")
    old_stores.restore(number, old)
    fresh = tmp_path / "fresh.sqlite3"
    for path in (old.store, fresh):
        with closing(opening.open_sqlite(path, tmp_path / "backups")) as store:
            assert store.check(full=True) == []
    assert schema_of(old.store) == schema_of(fresh)


def test_an_old_store_is_served_and_goes_on(old_house: House) -> None:
    house = old_house
    before = jobs(house.store)
    # What it was filled with; run books came later.
    kinds = [kind for kind in load.Kind if kind is not load.Kind.RUN_BOOK]
    assert len(before) == len(kinds)
    with house.serving() as server, server.client() as client:
        for _, guid, _ in before:
            path = f"/Dispatcher/SchedulingService/jobs/{uuid.UUID(guid)}"
            shown = client.get(path, headers={"Accept": "application/json"}).json()
            assert shown["Status"]["Type"] == JobStatus.COMPLETED
            assert client.get(f"{path}/results").is_success
        for kind in kinds:
            assert load.post(client, kind.guid).is_success
        until("the new jobs end", house.settled)
    assert [row for row in jobs(house.store) if row in before] == before
    statuses = {status for _, _, status in jobs(house.store)}
    assert statuses == {JobStatus.COMPLETED}
    with house.reading() as connection:
        assert consistency.problems(connection) == []
    assert house.tracebacks() == []


def test_an_upgrade_makes_a_backup_that_can_be_restored(old_house: House, migrations: Path) -> None:
    house = old_house
    before = jobs(house.store)
    upgrade(house, migrations)
    assert jobs(house.store) == before
    (backup,) = (house.data / "backups").iterdir()
    assert jobs(backup) == before
    # The present program cannot read what the newer one has made of the store.
    refused = house.command("serve", "--port", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert "newer version" in line
    restored = house.command("restore", str(backup))
    assert restored.returncode == 0, restored.stderr
    with house.serving():
        assert jobs(house.store) == before


def test_a_kill_in_the_middle_leaves_the_old_state_or_the_new(
    old_house: House, migrations: Path
) -> None:
    house = old_house
    before = jobs(house.store)
    rng = random.Random(1)
    for _ in range(KILLS):
        with upgrading(house, migrations) as process:
            assert process.stdout is not None
            assert process.stdout.readline() in {"begun\n", "upgraded\n"}
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
        assert jobs(house.store) == before
        assert additions(house) in {(None, 0), ("new", ROWS)}
    upgrade(house, migrations)
    assert additions(house) == ("new", ROWS)
    assert jobs(house.store) == before
    with house.reading() as connection:
        assert consistency.problems(connection) == []


def additions(house: House) -> tuple[str | None, int]:
    """What of the migration is there: the value of the new column, the rows of the new table."""
    with house.reading() as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(job)")]
        if "added" not in columns:
            tables = "SELECT count(*) FROM sqlite_master WHERE name = 'addition'"
            return None, connection.execute(tables).fetchone()[0]
        (value,) = connection.execute("SELECT DISTINCT added FROM job").fetchone()
        return value, connection.execute("SELECT count(*) FROM addition").fetchone()[0]


def test_a_store_without_its_first_facts_gets_them(tmp_path: Path) -> None:
    """The first start was killed when the tables were there and nothing else."""
    path = tmp_path / "gateway.sqlite3"
    opening.open_sqlite(path, tmp_path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM store_fact")
        connection.execute("DELETE FROM tenant")
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'tenant'")
    opening.open_sqlite(path, tmp_path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        facts = dict(connection.execute("SELECT name, value FROM store_fact"))
        assert connection.execute("SELECT id FROM tenant").fetchall() == [(1,)]
    assert facts["readable_from"] == str(schema.newest())
    assert facts.keys() >= {"incarnation", "security_epoch"}


def test_a_second_server_on_the_same_folder_is_refused(house: House) -> None:
    with house.serving() as server, server.client() as client:
        refused = house.command("serve", "--port", "0")
        assert (refused.returncode, refused.stdout) == (2, "")
        (line,) = refused.stderr.splitlines()
        assert f"process {server.process.pid}" in line
        assert load.post(client, load.Kind.PLAIN.guid).is_success
        until("the first goes on", house.settled)
