import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.tasks.base import (
    Cancellation,
    Cancelled,
    ResourceContent,
    StopReason,
    TaskFailed,
)
from gateway.tasks.registry import TaskTypes
from tests.unit.tasks.contexts import Resources, context

DATA = b"some bytes"
DIGEST = hashlib.sha256(DATA).hexdigest()


def content(size: int = len(DATA), digest: str = DIGEST) -> ResourceContent:
    return ResourceContent("r", size, digest, iter([DATA[:4], DATA[4:]]))


def download(folder: Path, found: ResourceContent, **settings: Any) -> None:
    wanted = {"resource": "r", "target": "file", **settings}
    prepared = context("download_resource", folder, wanted, resources=Resources(found))
    TaskTypes.load().get("download_resource").run(prepared)


def test_it_arrives(tmp_path: Path) -> None:
    download(tmp_path, content(), mode="640")
    assert (tmp_path / "file").read_bytes() == DATA
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("found", [content(digest="0" * 64), content(size=9)])
def test_what_is_damaged_leaves_what_was_there(tmp_path: Path, found: ResourceContent) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(TaskFailed, match="damaged"):
        download(tmp_path, found)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_file_that_is_there_may_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(TaskFailed, match="there already"):
        download(tmp_path, content(), overwrite=False)


@pytest.mark.parametrize("target", ["no/such/folder", "."])
def test_a_target_that_cannot_be(tmp_path: Path, target: str) -> None:
    with pytest.raises(TaskFailed):
        download(tmp_path, content(), target=target)


def test_an_abort_leaves_nothing(tmp_path: Path) -> None:
    cancellation = Cancellation()

    def chunks() -> Iterator[bytes]:
        yield b"some"
        cancellation.cancel(StopReason.ABORTED)
        yield b"more"

    found = ResourceContent("r", 8, "", chunks())
    settings = {"resource": "r", "target": "file"}
    prepared = context(
        "download_resource",
        tmp_path,
        settings,
        resources=Resources(found),
        cancellation=cancellation,
    )
    with pytest.raises(Cancelled):
        TaskTypes.load().get("download_resource").run(prepared)
    assert list(tmp_path.iterdir()) == []
