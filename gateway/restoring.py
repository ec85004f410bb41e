"""Putting a backup in the place of a SQLite store."""

import contextlib
import datetime
import shutil
import sqlite3
import uuid
from pathlib import Path

from gateway.datafolder import DataFolder
from gateway.identity import store_facts, vault
from storage import opening, sqlite
from storage.database import closing
from storage.errors import DamagedStore

INCARNATION = "incarnation"
"""The store fact that tells one life of a store from another: agents report to one only."""


def restore(folder: DataFolder, backup: Path) -> Path | None:
    """Replace the store by a backup; answers where the former store is kept now.

    The caller holds the folder. The copy is upgraded, read in full, and tried with the keys before
    anything is replaced. Raises OSError, DamagedStore, NewerStore, KeyFileError.
    """
    _check(backup)
    candidate = folder.path / "restoring.sqlite3"
    _remove(candidate)
    try:
        sqlite.copy(backup, candidate)
        _prepare(folder, candidate)
        kept = _keep(folder)
        # What SQLite still had beside the former store must not be applied to the new one.
        _remove_companions(folder.store)
        candidate.replace(folder.store)
    finally:
        _remove(candidate)
    return kept


def _check(backup: Path) -> None:
    """Whether it is a gateway's store at all: anything else would be taken for an empty one."""
    sqlite.check_header(backup)
    source = sqlite3.connect(f"{backup.resolve().as_uri()}?mode=ro", uri=True)
    try:
        with contextlib.closing(source):
            source.execute("SELECT value FROM store_fact").fetchone()
    except sqlite3.DatabaseError as error:
        raise DamagedStore(f"{backup} is no backup of a gateway: {error}") from error


def _prepare(folder: DataFolder, candidate: Path) -> None:
    with closing(opening.open_sqlite(candidate, folder.backups)) as store:
        damage = store.check(full=True)
        if damage:
            raise DamagedStore(f"the backup is damaged: {damage[0]}")
        vault.open_vault(store, folder.keys)
        store.unit_of_work(
            lambda session: store_facts.write(session, INCARNATION, str(uuid.uuid4()))
        )


def _keep(folder: DataFolder) -> Path | None:
    """Keep the former store, as far as it can be read; answers where."""
    if not folder.store.exists():
        return None
    now = datetime.datetime.now(datetime.UTC)
    kept = folder.backups / f"before-restore-{now:%Y%m%dT%H%M%S%f}.sqlite3"
    try:
        sqlite.copy(folder.store, kept)
    except sqlite3.DatabaseError:
        shutil.copyfile(folder.store, kept)
    return kept


def _remove(store: Path) -> None:
    store.unlink(missing_ok=True)
    _remove_companions(store)


def _remove_companions(store: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
