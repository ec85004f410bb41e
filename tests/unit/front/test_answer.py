from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.front import answer
from gateway.front.answer import Framing
from gateway.front.bridge import Reply


def request(method: str = "GET", version: str = "1.1") -> answer.Request:
    return answer.Request(method, version, "the-id")


def reply(
    status: str = "200 OK", block: bytes = b"data", *headers: tuple[str, str], complete: bool = True
) -> Reply:
    return Reply(status, list(headers), block, complete)


def lines(head: answer.Head) -> list[bytes]:
    assert head.wire.endswith(b"\r\n\r\n")
    return head.wire[:-4].split(b"\r\n")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    ("method", "given_reply", "framing", "length"),
    [
        ("GET", reply(), Framing.LENGTH, 4),
        ("GET", reply("200 OK", b"", ("Content-Length", "9"), complete=False), Framing.LENGTH, 9),
        ("GET", reply("200 OK", b""), Framing.LENGTH, 0),
        ("HEAD", reply("200 OK", b"", ("Content-Length", "9")), Framing.EMPTY, 9),
        ("HEAD", reply("200 OK", b""), Framing.EMPTY, None),
        ("HEAD", reply(), Framing.EMPTY, 4),
        ("GET", reply("204 No Content", b""), Framing.EMPTY, None),
        ("GET", reply("304 Not Modified", b""), Framing.EMPTY, None),
    ],
)
def test_framing_of_known_lengths(
    version: str,
    keep_alive: bool,
    method: str,
    given_reply: Reply,
    framing: Framing,
    length: int | None,
) -> None:
    head = answer.compose(request(method, version), given_reply, keep_alive=keep_alive)
    assert (head.framing, head.keep_alive) == (framing, keep_alive)
    stated = [line for line in lines(head) if line.startswith(b"Content-Length")]
    assert stated == ([] if length is None else [b"Content-Length: %d" % length])
    assert not [line for line in lines(head) if line.startswith(b"Transfer-Encoding")]


def test_framing_of_unknown_lengths() -> None:
    stream = reply(complete=False)
    new = answer.compose(request(), stream, keep_alive=True)
    assert (new.framing, new.keep_alive) == (Framing.CHUNKED, True)
    assert b"Transfer-Encoding: chunked" in lines(new)
    old = answer.compose(request(version="1.0"), stream, keep_alive=True)
    assert (old.framing, old.keep_alive) == (Framing.CLOSE, False)
    assert b"Connection: close" in lines(old)


def test_what_the_front_decides_itself() -> None:
    given_reply = reply(
        "200 OK",
        b"",
        ("Server", "Werkzeug/3"),
        ("X-Request-Id", "other"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    )
    head = answer.compose(request(), given_reply, keep_alive=True)
    assert not head.keep_alive
    assert sorted(lines(head)) == [
        b"Connection: close",
        b"Content-Length: 0",
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT",
        b"HTTP/1.1 200 OK",
        b"Server: gateway",
        b"X-Request-Id: the-id",
    ]


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_no_answer_can_be_split(status: str, name: str, value: str) -> None:
    given_reply = reply(f"200 {status}", b"", (f"X{name}", value), ("Content-Length", "0"))
    try:
        head = answer.compose(request(), given_reply, keep_alive=True)
    except answer.InvalidAnswer:
        return
    found = [line.partition(b":")[0] for line in lines(head)[1:]]
    assert len(found) <= 5
    assert {b"Content-Length", b"Date", b"Server", b"X-Request-Id"} <= set(found)


@pytest.mark.parametrize(
    "bad",
    [
        reply("200 OK\r\nX: y"),
        reply("OK"),
        reply("100 Continue"),
        reply("200 OK", b"", ("A b", "c")),
        reply("200 OK", b"", ("A", "b\nc")),
        reply("200 OK", b"", ("A", "\u20ac")),
        reply("200 OK", b"", ("Content-Length", "x")),
        reply("200 OK", b"", ("Content-Length", "-1")),
    ],
)
def test_what_cannot_be_sent_is_refused(bad: Reply) -> None:
    with pytest.raises(answer.InvalidAnswer):
        answer.compose(request(), bad, keep_alive=True)


def test_refusals() -> None:
    busy = answer.refusal(503, "Busy.")
    assert ("Retry-After", "2") in busy.headers
    assert busy.block == b"Busy.\n"
    assert answer.refusal(408, "Slow.").status == "408 Request Timeout"
