from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.front import body, limits

BOUNDS = limits.Limits(memory_spool_bytes=100, body_minimum_rate=0)


class Script:
    """A ``receive`` that hands out blocks, and then hangs or disconnects."""

    def __init__(self, blocks: Sequence[bytes], *, ends: str) -> None:
        self._blocks = list(blocks)
        self._ends = ends

    async def __call__(self) -> dict[str, Any]:
        if self._blocks:
            block = self._blocks.pop(0)
            more = bool(self._blocks) or self._ends != "complete"
            return {"type": "http.request", "body": block, "more_body": more}
        if self._ends == "silent":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}


def take(
    blocks: Sequence[bytes],
    folder: Path | None,
    *,
    ends: str = "complete",
    longest: int = 10_000,
    least_free: int = 0,
) -> bytes:
    async def main() -> bytes:
        spool = body.Spool(folder, BOUNDS.memory_spool_bytes, least_free)
        try:
            receiver = body.Receiver(Script(blocks, ends=ends), BOUNDS, longest)
            with await spool.take(receiver) as file:
                return file.read()
        finally:
            spool.close()

    return asyncio.run(main())


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.binary(max_size=120), min_size=1, max_size=8))
def test_what_was_sent_is_what_is_read(blocks: list[bytes]) -> None:
    assert take(blocks, None) == b"".join(blocks)


@settings(max_examples=40, deadline=None)
@given(
    blocks=st.lists(st.binary(max_size=120), min_size=1, max_size=8),
    longest=st.integers(0, 500),
)
def test_a_body_is_whole_or_refused(blocks: list[bytes], longest: int) -> None:
    whole = b"".join(blocks)
    if len(whole) <= longest:
        assert take(blocks, None, longest=longest) == whole
    else:
        with pytest.raises(body.Refusal, match="413"):
            take(blocks, None, longest=longest)


@pytest.mark.parametrize("sent", [[b""], [b"abc"], [b"x" * 300, b"y" * 300]])
def test_a_cut_body_is_nothing(sent: list[bytes], tmp_path: Path) -> None:
    length = sum(map(len, sent))
    with pytest.raises(body.ClientGone, match=f"after {length} bytes"):
        take(sent, tmp_path, ends="disconnect")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_503(tmp_path: Path) -> None:
    assert take([b"x" * 100], tmp_path / "missing") == b"x" * 100
    with pytest.raises(body.Refusal, match="503"):
        take([b"x" * 101], tmp_path / "missing")


def test_a_large_body_stops_before_the_disk_is_full(tmp_path: Path) -> None:
    large = [bytes(1024 * 1024)] * 18
    assert len(take(large, tmp_path, longest=2**30)) == 18 * 1024 * 1024
    with pytest.raises(body.Refusal) as refusal:
        take(large, tmp_path, longest=2**30, least_free=2**62)
    assert refusal.value.status == 503
    # A small one is no matter.
    assert take([bytes(1000)], tmp_path, least_free=2**62) == bytes(1000)
    assert list(tmp_path.iterdir()) == []


def refused(blocks: Sequence[bytes], bounds: limits.Limits) -> int:
    async def main() -> int:
        receiver = body.Receiver(Script(blocks, ends="silent"), bounds, 10_000)
        spool = body.Spool(None, 100)
        try:
            await spool.take(receiver)
        except body.Refusal as refusal:
            return refusal.status
        finally:
            spool.close()
        raise AssertionError("a silent body was complete")

    return asyncio.run(main())


def test_silence_is_a_408() -> None:
    assert refused([b"a"], dataclasses.replace(BOUNDS, body_idle_seconds=0.01)) == 408


def test_too_low_a_rate_is_a_408() -> None:
    slow = dataclasses.replace(BOUNDS, body_minimum_rate=1000, body_allowance_seconds=0.01)
    assert refused([b"a"] * 5, slow) == 408


def test_reading_a_pending_input_asks_for_the_body() -> None:
    for read in (
        lambda stream: stream.read(),
        lambda stream: stream.read(10),
        lambda stream: stream.readline(),
        lambda stream: stream.readlines(),
        next,
    ):
        with pytest.raises(body.BodyPending) as pending:
            read(body.PendingInput())
        assert pending.value.limit is None


@pytest.mark.parametrize("read", ["data", "stream", "form", "json"])
def test_flask_lets_it_pass(read: str) -> None:
    app = flask.Flask("test")

    @app.errorhandler(Exception)
    def anything(error: Exception) -> str:
        return "handled"

    @app.post("/")
    def view() -> str:
        try:
            value = getattr(flask.request, read)
            return str(value.read() if read == "stream" else value)
        except Exception as error:
            return str(error)

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "h",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json" if read == "json" else "multipart/form-data; boundary=x",
        "wsgi.url_scheme": "http",
        "wsgi.input": body.PendingInput(),
        "wsgi.input_terminated": True,
        body.RECEIVED: None,
    }
    with pytest.raises(body.BodyPending):
        app(environ, lambda *_: lambda _: None)


def test_allow() -> None:
    body.allow({}, 0)
    body.allow({body.RECEIVED: 5}, 5)
    for received in (None, 6):
        with pytest.raises(body.BodyPending) as pending:
            body.allow({body.RECEIVED: received}, 5)
        assert pending.value.limit == 5
