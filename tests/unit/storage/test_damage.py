"""Stores that are damaged or gone are told as such, in one sentence."""

import os
from pathlib import Path

import pytest

from gateway import application
from gateway.datafolder import DataFolder
from gateway.settings import Settings
from storage import opening
from storage.errors import DamagedStore
from tests.conftest import SqlitePlace


def test_pages_that_make_no_sense(sqlite_place: SqlitePlace) -> None:
    path = sqlite_place.path
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(DamagedStore, match="restore a backup"):
        opening.open_sqlite(path, path.parent).close()


def test_a_store_that_is_gone_while_its_keys_are_there(tmp_path: Path) -> None:
    settings, folder = Settings(data=tmp_path, embedded_agent=False), DataFolder(tmp_path)
    folder.create()
    application.build(settings, folder).store.close()
    folder.store.write_bytes(b"")
    with pytest.raises(DamagedStore, match="missing or empty"):
        application.build(settings, folder)
