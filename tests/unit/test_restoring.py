"""A restore that is cut short at any moment leaves a whole store."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway import incarnation, restoring
from gateway.datafolder import DataFolder
from gateway.identity import store_facts, vault
from storage import opening, sqlite
from storage.database import closing
from storage.errors import StoreHeld
from tests.engine import Engine


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A data folder with a store."""
    made = DataFolder(tmp_path / "data")
    made.create()
    with closing(opening.open_sqlite(made.store, made.backups)) as store:
        vault.open_vault(store, made.keys)
    return made


@pytest.fixture
def backup(folder: DataFolder, tmp_path: Path) -> Path:
    """A copy of the store."""
    path = tmp_path / "backup"
    sqlite.copy(folder.store, path)
    return path


def leave_as_killed(folder: DataFolder, fact: str) -> None:
    """Commit a fact as a server that is killed then: it is only in the log beside the store."""
    aside = folder.path / "aside"
    aside.mkdir()
    with contextlib.closing(sqlite3.connect(folder.store)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO store_fact (name, value) VALUES (?, 'yes')", (fact,))
        writer.commit()
        for name in ("gateway.sqlite3", "gateway.sqlite3-wal"):
            shutil.copyfile(folder.path / name, aside / name)
    for path in aside.iterdir():
        path.replace(folder.path / path.name)
    aside.rmdir()


def fact(store: Path, name: str) -> str | None:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        row = connection.execute("SELECT value FROM store_fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def test_a_crash_before_the_exchange_leaves_the_former_store_with_its_last_commits(
    folder: DataFolder, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_as_killed(folder, "late")
    replace = Path.replace

    def crash(path: Path, target: Path) -> Path:
        if target == folder.store:
            raise InterruptedError
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(InterruptedError):
        restoring.restore(folder, backup)
    assert fact(folder.store, "late") == "yes"
    assert not list(folder.path.glob("restoring*"))


def test_what_was_kept_has_the_last_commits_and_the_new_store_has_not(
    folder: DataFolder, backup: Path
) -> None:
    leave_as_killed(folder, "late")
    kept = restoring.restore(folder, backup)
    assert kept is not None
    assert fact(kept, "late") == "yes"
    assert fact(folder.store, "late") is None
    assert fact(folder.store, store_facts.INCARNATION)
    with closing(opening.open_sqlite(folder.store, folder.backups)) as store:
        assert store.check(full=True) == []
        with store.reading() as session:
            assert store_facts.read(session, "late") is None


def test_a_damaged_store_is_kept_with_what_lay_beside_it(folder: DataFolder, backup: Path) -> None:
    damaged = {"": b"x" * 5000, "-wal": b"the log"}
    for suffix, content in damaged.items():
        folder.store.with_name(folder.store.name + suffix).write_bytes(content)
    kept = restoring.restore(folder, backup)
    assert kept is not None
    for suffix, content in damaged.items():
        assert kept.with_name(kept.name + suffix).read_bytes() == content
    assert sorted(folder.backups.iterdir()) == [kept, kept.with_name(kept.name + "-wal")]
    with closing(opening.open_sqlite(folder.store, folder.backups)) as store:
        assert store.check(full=True) == []


def test_a_store_that_something_else_has_open_is_not_replaced(
    folder: DataFolder, backup: Path
) -> None:
    before = fact(folder.store, store_facts.INCARNATION)
    with contextlib.closing(sqlite3.connect(folder.store)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM store_fact").fetchone()
        with pytest.raises(StoreHeld, match="end what has it open"):
            restoring.restore(folder, backup)
    assert fact(folder.store, store_facts.INCARNATION) == before


def test_a_folder_without_a_store_gets_one(folder: DataFolder, backup: Path) -> None:
    folder.store.unlink()
    assert restoring.restore(folder, backup) is None
    assert fact(folder.store, store_facts.INCARNATION)


def test_jobs_that_had_not_ended_are_marked(engine: Engine) -> None:
    """By the life that begins, whatever database the store is on."""
    agent = engine.agent()
    what = engine.module()
    ended, active, waiting = (engine.accept(engine.order(what, agent)) for _ in range(3))
    first, _ = engine.reception.claim(agent, 2)
    engine.finish(agent, first)
    held = engine.accept(engine.order(what, agent, on_hold=True))
    assert engine.store.unit_of_work(lambda db: incarnation.begin(db, engine.now())) == 3
    for view, marked in ((ended, False), (active, True), (waiting, True), (held, True)):
        events = engine.jobs.events(view.guid)
        assert [one.reason for one in events].count(incarnation.RESTORED) == marked
