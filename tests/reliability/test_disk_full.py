"""A disk that really fills up under load: nothing half stored, and recovery without a restart."""

import concurrent.futures
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import opening
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session
from tests.unit.storage.rows import FACT, add, names

WAIT = 60
BALLAST = 2 * 1024 * 1024

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB in memory, which root mounts, or sudo where it needs no password."""
    folder = tmp_path / "disk"
    folder.mkdir()
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=6m,uid={os.getuid()}"
    subprocess.run([*root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*root, "umount", "--lazy", str(folder)], check=True)


def attempt(store: Store, number: int) -> str | None:
    """Store a pair of rows, as one unit; None when the store is unavailable."""
    name = f"t-{number:05}"

    def pair(session: Session) -> str:
        add(f"{name}-a", "x" * 6000)(session)
        add(f"{name}-b", "x" * 6000)(session)
        return name

    try:
        return store.unit_of_work(pair)
    except StoreUnavailable:
        return None


def test_a_full_disk_under_load(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * BALLAST)
    path = small_disk / "gateway.sqlite3"
    with contextlib.closing(opening.open_sqlite(path, small_disk / "backups")) as store:
        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            found = list(
                threads.map(lambda number: attempt(store, number), range(600), timeout=WAIT)
            )
        accepted = {name for name in found if name}
        assert None in found
        assert accepted
        assert names(store) == {f"{name}-{side}" for name in accepted for side in "ab"}
        ballast.unlink()
        assert attempt(store, 90_000) == "t-90000"
        assert store.check(full=True) == []
        with store.reading() as session:
            assert session.scalar(FACT.select().where(FACT.name == "t-90000-b").limit(1))
    with contextlib.closing(opening.open_sqlite(path, small_disk / "backups")) as again:
        assert len(names(again)) == 2 * len(accepted) + 2
