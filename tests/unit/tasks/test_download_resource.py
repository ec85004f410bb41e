import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.tasks import parsing
from gateway.tasks.base import (
    Cancellation,
    Cancelled,
    ResourceContent,
    StopReason,
    TaskFailed,
)
from gateway.tasks.registry import TaskTypes
from tests.unit.tasks.contexts import Log, Parameters, Resources, context

DATA = b"some bytes"
DIGEST = hashlib.sha256(DATA).hexdigest()


def content(size: int = len(DATA), digest: str = DIGEST) -> ResourceContent:
    return ResourceContent("r", size, digest, iter([DATA[:4], DATA[4:]]))


def download(folder: Path, found: ResourceContent, **settings: Any) -> Log:
    wanted = {"resource": "r", "target": "file", **settings}
    log = Log()
    prepared = context(
        "download_resource",
        folder,
        wanted,
        resources=Resources(found),
        log=log,
        parameters=Parameters(Name="a %HOME% $[Key]", Key="s3cret"),
        environment={"HOME": "/home/joe"},
    )
    TaskTypes.load().get("download_resource").run(prepared)
    return log


def text(data: bytes, **flags: bool) -> ResourceContent:
    return ResourceContent("r", len(data), hashlib.sha256(data).hexdigest(), iter([data]), **flags)


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


PLAIN = "x=$[Name]\r\ny=%home% $[Other] %NOBODY%HOME% 100%\n€"
FILLED = "x=a %HOME% $[Key]\r\ny=/home/joe $[Other] %NOBODY/home/joe 100%\n€"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
     (codecs.BOM_UTF16_BE, "utf-16-be")],
)  # fmt: skip
def test_placeholders_are_replaced_as_data(tmp_path: Path, mark: bytes, encoding: str) -> None:
    download(tmp_path, text(mark + PLAIN.encode(encoding), parse_content=True))
    assert (tmp_path / "file").read_bytes() == mark + FILLED.encode(encoding)


def test_the_environment_may_be_left_alone(tmp_path: Path) -> None:
    found = text(b"$[Key] %HOME%", parse_content=True, skip_environment=True)
    log = download(tmp_path, found)
    assert (tmp_path / "file").read_bytes() == b"s3cret %HOME%"
    assert b"s3cret" not in log.data


@pytest.mark.parametrize(
    ("flag", "parse", "parsed"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_the_task_can_say_otherwise(
    tmp_path: Path, flag: bool, parse: bool | None, parsed: bool
) -> None:
    download(tmp_path, text(b"$[Key]", parse_content=flag), parse=parse)
    assert (tmp_path / "file").read_bytes() == (b"s3cret" if parsed else b"$[Key]")


def test_what_cannot_be_parsed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="neither UTF-8"):
        download(tmp_path, text(b"\xff\x00", parse_content=True))
    huge = ResourceContent("r", parsing.MOST_BYTES + 1, "", iter([]), parse_content=True)
    with pytest.raises(TaskFailed, match="'parse' to false"):
        download(tmp_path, huge)
    assert list(tmp_path.iterdir()) == []


def test_values_in_many_places_have_a_bound() -> None:
    parameters = Parameters(Long="x" * parsing.MOST_BYTES)
    with pytest.raises(TaskFailed, match="more than"):
        parsing.parse("r", b"$[Long]" * 1000, parameters, {})
