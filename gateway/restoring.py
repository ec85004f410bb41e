"""Putting a backup in the place of a SQLite store."""

import contextlib
import datetime
import logging
import shutil
import sqlite3
from pathlib import Path

from gateway import incarnation, moments
from gateway.datafolder import DataFolder
from gateway.identity import vault
from storage import opening, sqlite
from storage.database import Store, closing
from storage.errors import DamagedStore, StoreHeld

log = logging.getLogger("gateway.restoring")

_COMPANIONS = ("-wal", "-shm", "-journal")


def restore(folder: DataFolder, backup: Path) -> Path | None:
    """Replace the store by a backup; answers where the former store is kept now.

    The caller holds the folder. The copy is upgraded, read in full, and tried with the keys before
    anything is replaced. Raises OSError, StoreHeld, DamagedStore, NewerStore,
    KeyFileError.
    """
    _check(backup)
    candidate = folder.path / "restoring.sqlite3"
    _remove(candidate)
    try:
        sqlite.copy(backup, candidate)
        _prepare(folder, candidate)
        _settle(candidate)
        kept = _keep(folder)
        _settle(folder.store)
        # What SQLite may still have beside a former store that it cannot read must not be applied
        # to the new one.
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
        begin_anew(folder, store)


def begin_anew(folder: DataFolder, store: Store) -> int:
    """Begin another life of a store that was a backup; how many jobs were marked by it.

    Raises KeyFileError when the folder's keys are not the store's.
    """
    vault.open_vault(store, folder.keys)
    return store.unit_of_work(lambda session: incarnation.begin(session, moments.now()))


def _keep(folder: DataFolder) -> Path | None:
    """Keep the former store, as far as it can be read; answers where."""
    if not folder.store.exists():
        return None
    now = datetime.datetime.now(datetime.UTC)
    kept = folder.backups / f"before-restore-{now:%Y%m%dT%H%M%S%f}.sqlite3"
    try:
        sqlite.copy(folder.store, kept)
    except sqlite3.DatabaseError:
        _beside(kept, ".unfinished").unlink(missing_ok=True)
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(_beside(folder.store, suffix), _beside(kept, suffix))
    return kept


def _settle(store: Path) -> None:
    """Bring the latest commits from the log beside a store into its file.

    So the file is complete by itself at every moment until another takes its place, and a crash
    in between loses nothing. One that is damaged stays as it is. Raises StoreHeld.
    """
    if not store.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise StoreHeld(
            f"{store} cannot be closed: {error}; end what has it open, or move it away"
        ) from error
    except sqlite3.DatabaseError as error:
        log.warning("%s is damaged: %s", store, error)


def _remove(store: Path) -> None:
    store.unlink(missing_ok=True)
    _remove_companions(store)


def _remove_companions(store: Path) -> None:
    for suffix in _COMPANIONS:
        _beside(store, suffix).unlink(missing_ok=True)


def _beside(store: Path, suffix: str) -> Path:
    return store.with_name(store.name + suffix)
