"""The data folder: closed to others, held by one process at a time."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.datafolder import DataFolder
from storage.errors import StoreHeld

HOLD = """
import sys
from pathlib import Path
from gateway.datafolder import DataFolder
with DataFolder(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "a" / "data")
    made.create()
    return made


@contextlib.contextmanager
def holding_process(folder: DataFolder):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        try:
            yield process
        finally:
            process.kill()


def test_everything_lies_in_the_folder(folder: DataFolder) -> None:
    files = (folder.store, folder.keys, folder.lock)
    assert {path.parent for path in files} == {folder.path}
    assert len(set(files)) == len(files)


def test_the_folder_is_closed_to_others_and_may_exist(folder: DataFolder) -> None:
    folder.create()
    for path in (folder.path, folder.backups, folder.spool, folder.runs):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_second_holder_in_this_process_is_refused(folder: DataFolder) -> None:
    with folder.hold(), pytest.raises(StoreHeld) as raised, folder.hold():
        pass
    assert f"process {os.getpid()}" in str(raised.value)
    assert str(folder.path) in str(raised.value)
    assert "--data" in str(raised.value)


def test_the_folder_is_free_after_a_block_that_failed(folder: DataFolder) -> None:
    with pytest.raises(RuntimeError), folder.hold():
        raise RuntimeError
    with folder.hold():
        assert folder.lock.read_text().strip() == str(os.getpid())


def test_another_process_holds_it_until_it_is_killed(folder: DataFolder) -> None:
    with holding_process(folder) as process:
        with pytest.raises(StoreHeld, match=f"process {process.pid}"), folder.hold():
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with folder.hold():
            pass


def test_whoever_is_refused_leaves_the_holder_named(folder: DataFolder) -> None:
    with folder.hold():
        for _ in range(2):
            with pytest.raises(StoreHeld), folder.hold():
                pass
        assert folder.lock.read_text().strip() == str(os.getpid())
