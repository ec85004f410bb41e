"""The HTTP front over real sockets: what clients of all kinds may do, and what it costs others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime
import io
import ipaddress
import itertools
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flask
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.front import body, gate, limits, listeners, server

PATIENCE = 20.0
"""Seconds after which a client of these tests gives up; no test waits for them to pass."""


class Answer(NamedTuple):
    status: int
    head: bytes
    headers: dict[str, str]
    body: bytes


class Wire:
    """A client that sends exactly what it is told."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE)
        self.socket = connected
        self._file = connected.makefile("rb")

    def send(self, data: bytes) -> Wire:
        self.socket.sendall(data)
        return self

    def answer(self, method: str = "GET") -> Answer:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                raise EOFError(head)
            head += line
        status, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        code = int(status.split(" ")[1])
        return Answer(code, head, headers, self._body(method, code, headers))

    def _body(self, method: str, code: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or code in (100, 204, 304):
            return b""
        if "Transfer-Encoding" in headers:
            return b"".join(iter(self._chunk, b""))
        if "Content-Length" in headers:
            return self._file.read(int(headers["Content-Length"]))
        return self._file.read()

    def _chunk(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise EOFError("no last chunk")
        data = self._file.read(int(line, 16))
        assert self._file.readline() == b"\r\n"
        return data

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return self._file.read()

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class Journal:
    """What the application saw."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.closed = threading.Event()
        self.pulled = 0
        self.release = threading.Event()
        self.running = threading.Semaphore(0)


def application(journal: Journal) -> flask.Flask:  # noqa: C901 (a list of routes)
    app = flask.Flask("front-test")
    app.url_map.merge_slashes = False

    @app.before_request
    def note() -> None:
        journal.environs.append(flask.request.environ)

    @app.get("/")
    def index() -> str:
        return "hello"

    @app.post("/echo")
    def echo() -> bytes:
        data = flask.request.get_data()
        journal.bodies.append(data)
        return data

    @app.post("/count")
    def count() -> str:
        body.allow(flask.request.environ, 1_000_000)
        length = 0
        while block := flask.request.stream.read(65536):
            length += len(block)
        journal.bodies.append(b"")
        return str(length)

    @app.post("/small")
    def small() -> bytes:
        body.allow(flask.request.environ, 10)
        return flask.request.get_data()

    @app.post("/locked")
    def locked() -> tuple[str, int, dict[str, str]]:
        return "no", 401, {"WWW-Authenticate": "Basic realm=test"}

    @app.get("/slow")
    def slow() -> str:
        journal.running.release()
        assert journal.release.wait(PATIENCE)
        return "at last"

    @app.get("/large")
    def large() -> flask.Response:
        def blocks() -> Iterator[bytes]:
            try:
                for _ in range(2000):
                    journal.pulled += 1
                    yield bytes(65536)
            finally:
                journal.closed.set()

        return flask.Response(blocks(), mimetype="application/octet-stream")

    @app.get("/stream")
    def stream() -> flask.Response:
        def blocks() -> Iterator[str]:
            for number in range(3):
                yield f"{number} {flask.request.path}\n"

        return flask.Response(flask.stream_with_context(blocks()))

    @app.get("/broken")
    def broken() -> flask.Response:
        def blocks() -> Iterator[bytes]:
            yield b"first"
            raise ValueError("secret detail")

        return flask.Response(blocks())

    @app.get("/empty")
    def empty() -> tuple[str, int]:
        return "", 204

    @app.get("/file")
    def file() -> flask.Response:
        return flask.send_file(io.BytesIO(bytes(range(256)) * 4096), mimetype="a/b")

    return app


Start = Callable[..., server.Front]


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def start(journal: Journal, tmp_path: Path) -> Iterator[Start]:
    """Start fronts; keyword arguments that name a limit make the limits."""
    with contextlib.ExitStack() as stack:
        stack.callback(journal.release.set)

        def run(
            app: Any = None,
            at: list[listeners.Listener] | None = None,
            front: dict[str, Any] | None = None,
            **bounds: Any,
        ) -> server.Front:
            at = at or [listeners.Listener("127.0.0.1", 0)]
            options = {"threads": 8, "spool_folder": tmp_path, **(front or {})}
            made = server.Front(
                app or application(journal), at, limits.Limits(**bounds), gate.Gate(2), **options
            )
            made.start()
            stack.callback(made.stop, 0.0)
            return made

        yield run


@pytest.fixture
def connect() -> Iterator[Callable[..., Wire]]:
    with contextlib.ExitStack() as stack:

        def run(front: server.Front, index: int = 0, tls: ssl.SSLContext | None = None) -> Wire:
            address = front.addresses[index]
            connected = socket.create_connection((address.address, address.port), PATIENCE)
            if tls is not None:
                connected = tls.wrap_socket(connected, server_hostname="localhost")
            wire = Wire(connected)
            stack.callback(wire.close)
            return wire

        yield run


Connect = Callable[..., Wire]

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def post(path: str, data: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def chunked(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def until(condition: Callable[[], bool]) -> None:
    """Wait until something that other threads do has happened."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


# -- requests and answers -----------------------------------------------------------------------


def test_keep_alive_and_pipelining(start: Start, connect: Connect) -> None:
    wire = connect(start())
    assert wire.send(GET).answer().body == b"hello"
    wire.send(GET + post("/echo", b"second") + GET)
    assert [wire.answer().body for _ in range(3)] == [b"hello", b"second", b"hello"]


def test_answers_keep_the_case_of_header_names(start: Start, connect: Connect) -> None:
    answer = connect(start()).send(post("/locked", b"")).answer()
    assert answer.status == 401
    assert b"\r\nWWW-Authenticate: Basic realm=test\r\n" in answer.head
    assert b"\r\nContent-Type: " in answer.head
    assert b"\r\nServer: gateway\r\n" in answer.head


def test_request_headers_in_any_case(start: Start, connect: Connect, journal: Journal) -> None:
    wire = connect(start())
    wire.send(
        b"POST /echo HTTP/1.1\r\nhOsT: h\r\ncontent-LENGTH: 2\r\nCONTENT-type: a/b\r\n"
        b"x-mIxEd: 1\r\nX-Mixed: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\nok"
    )
    assert wire.answer().body == b"ok"
    seen = journal.environs[-1]
    assert seen["HTTP_X_MIXED"] == "1, 2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("a/b", "2")


def test_the_raw_uri_is_kept(start: Start, connect: Connect, journal: Journal) -> None:
    connect(start()).send(b"GET /a%2Fb/{c}//%C3%BC?x=%2F&{y} HTTP/1.1\r\nHost: h\r\n\r\n").answer()
    seen = journal.environs[-1]
    assert seen["REQUEST_URI"] == seen["RAW_URI"] == "/a%2Fb/{c}//%C3%BC?x=%2F&{y}"
    assert seen["PATH_INFO"] == "/a/b/{c}//\xc3\xbc"
    assert seen["QUERY_STRING"] == "x=%2F&{y}"


def test_request_ids(start: Start, connect: Connect, journal: Journal) -> None:
    wire = connect(start())
    good = wire.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: my-id.1_A\r\n\r\n").answer()
    assert good.headers["X-Request-Id"] == "my-id.1_A"
    assert journal.environs[-1]["gateway.request_id"] == "my-id.1_A"
    bad = wire.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\n\r\n").answer()
    assert bad.headers["X-Request-Id"] == journal.environs[-1]["gateway.request_id"] != "a b"


def test_head_and_no_content(start: Start, connect: Connect) -> None:
    wire = connect(start())
    head = wire.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").answer("HEAD")
    assert head.headers["Content-Length"] == "5"
    empty = wire.send(b"GET /empty HTTP/1.1\r\nHost: h\r\n\r\n").answer()
    assert empty.status == 204
    assert not {"Content-Length", "Transfer-Encoding"} & set(empty.headers)
    assert wire.send(GET).answer().body == b"hello"


def test_streams_are_chunked_and_keep_their_context(start: Start, connect: Connect) -> None:
    wire = connect(start())
    answer = wire.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").answer()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.body == b"0 /stream\n1 /stream\n2 /stream\n"
    assert wire.send(GET).answer().body == b"hello"


def test_files_and_ranges(start: Start, connect: Connect) -> None:
    wire = connect(start())
    whole = wire.send(b"GET /file HTTP/1.1\r\nHost: h\r\n\r\n").answer()
    assert whole.body == bytes(range(256)) * 4096
    part = b"GET /file HTTP/1.1\r\nHost: h\r\nRange: bytes=1000000-1000003\r\n\r\n"
    answer = wire.send(part).answer()
    assert (answer.status, answer.body) == (206, whole.body[1000000:1000004])


def test_an_exception_becomes_a_bare_500(
    start: Start, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(environ: Any, start_response: Any) -> list[bytes]:
        raise ValueError("secret detail")

    answer = connect(start(failing)).send(GET).answer()
    assert answer.status == 500
    assert answer.headers["X-Request-Id"].encode() in answer.body
    assert b"secret" not in answer.body
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.name for record in errors].count("gateway.front") == 1


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_broken_answer_does_not_look_complete(
    start: Start, connect: Connect, version: str
) -> None:
    wire = connect(start()).send(f"GET /broken HTTP/{version}\r\nHost: h\r\n\r\n".encode())
    with pytest.raises((EOFError, ConnectionResetError, ValueError)):
        wire.answer()


def test_an_answer_that_cannot_be_sent_is_a_500(start: Start, connect: Connect) -> None:
    def splitting(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Split", "a\r\nSet-Cookie: b=c")])
        return [b""]

    answer = connect(start(splitting)).send(GET).answer()
    assert answer.status == 500
    assert "Set-Cookie" not in answer.headers


def test_write_and_exc_info(start: Start, connect: Connect) -> None:
    def old(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            [].pop()
        except IndexError as error:
            info = (type(error), error, error.__traceback__)
            write = start_response("501 Not Implemented", [("Content-Type", "text/x")], info)
        write(b"written ")
        return [b"returned"]

    answer = connect(start(old)).send(GET).answer()
    assert (answer.status, answer.body) == (501, b"written returned")
    assert answer.headers["Content-Length"] == "16"


# -- HTTP/1.0 -----------------------------------------------------------------------------------


def test_http_1_0_closes_unless_asked(start: Start, connect: Connect) -> None:
    front = start()
    wire = connect(front).send(b"GET / HTTP/1.0\r\n\r\n")
    assert wire.answer().headers["Content-Length"] == "5"
    assert wire.rest() == b""
    kept = connect(front)
    for _ in range(2):
        kept.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert kept.answer().headers["Connection"] == "keep-alive"


def test_http_1_0_never_gets_chunks(start: Start, connect: Connect) -> None:
    wire = connect(start()).send(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = wire.answer()
    assert answer.headers["Connection"] == "close"
    assert "Transfer-Encoding" not in answer.headers
    assert answer.body == b"0 /stream\n1 /stream\n2 /stream\n"


def test_a_half_closed_client_gets_its_answer(
    start: Start, connect: Connect, journal: Journal
) -> None:
    wire = connect(start()).send(b"GET /slow HTTP/1.0\r\n\r\n")
    wire.socket.shutdown(socket.SHUT_WR)
    assert journal.running.acquire(timeout=PATIENCE)
    journal.release.set()
    assert wire.answer().body == b"at last"


# -- bodies -------------------------------------------------------------------------------------


def test_a_short_body_runs_the_application_once(
    start: Start, connect: Connect, journal: Journal
) -> None:
    assert connect(start()).send(post("/echo", b"data")).answer().body == b"data"
    assert len(journal.environs) == 1


@pytest.mark.parametrize("length", [0, 1, 65_537, 262_144, 262_145, 900_000])
def test_bodies_of_all_lengths_arrive_whole(
    start: Start, connect: Connect, length: int, tmp_path: Path
) -> None:
    data = bytes(index % 251 for index in range(length))
    front = start()
    wire = connect(front)
    assert wire.send(post("/echo", data)).answer().body == data
    pieces = [data[at : at + 70_000] for at in range(0, length, 70_000)]
    wire.send(chunked("/echo"))
    for piece in pieces:
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    assert wire.send(b"0\r\n\r\n").answer().body == data
    assert list(tmp_path.iterdir()) == []


def test_a_late_body_arrives_whole(start: Start, connect: Connect, journal: Journal) -> None:
    wire = connect(start()).send(post("/echo", b"")[:-4].replace(b"h: 0", b"h: 10") + b"\r\n\r\n")
    until(lambda: len(journal.environs) == 1)  # it was run without the body
    for byte in b"0123456789":
        wire.send(bytes([byte]))
    assert wire.answer().body == b"0123456789"
    assert journal.bodies == [b"0123456789"]


@pytest.mark.parametrize(
    "sent",
    [
        post("/echo", b"x" * 200_000)[:-1],
        post("/echo", b"x" * 20)[:-1],
        chunked("/echo"),
        chunked("/echo") + b"5\r\nabc",
        chunked("/echo") + b"5\r\nabcde\r\n",
        chunked("/echo") + b"5\r\nabcde\r\n0\r\n",
    ],
    ids=["long", "short", "no chunk", "in a chunk", "between chunks", "before the end"],
)
@pytest.mark.parametrize("how", ["half", "close"])
def test_a_cut_upload_never_reaches_the_application(
    start: Start,
    connect: Connect,
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    sent: bytes,
    how: str,
) -> None:
    caplog.set_level(logging.INFO, "gateway.front")
    wire = connect(start()).send(sent)
    if how == "half":
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b""
    else:
        wire.close()
    until(lambda: "went away" in caplog.text)
    assert journal.bodies == []
    assert caplog.text.count("went away") == 1


def test_who_may_not_is_told_before_the_body(start: Start, connect: Connect) -> None:
    head = b"POST /locked HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n"
    answer = connect(start()).send(head + b"\r\n").answer()
    assert (answer.status, answer.headers["Connection"]) == (401, "close")
    expecting = connect(start()).send(head + b"Expect: 100-continue\r\n\r\n")
    assert expecting.answer().status == 401
    assert expecting.rest() == b""


def test_the_refusal_reaches_a_client_that_is_still_sending(start: Start, connect: Connect) -> None:
    wire = connect(start()).send(post("/locked", bytes(4_000_000)))
    assert wire.answer().status == 401


def test_expect_continue(start: Start, connect: Connect, journal: Journal) -> None:
    wire = connect(start())
    wire.send(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    )
    assert wire.answer().head == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert wire.send(b"data").answer().body == b"data"
    assert wire.send(GET).answer().body == b"hello"
    assert journal.bodies == [b"data"]


def test_http_1_0_is_not_told_to_continue(start: Start, connect: Connect) -> None:
    wire = connect(start())
    wire.send(b"POST /echo HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\ndata")
    assert wire.answer().status == 200


def test_too_long_bodies(start: Start, connect: Connect, journal: Journal) -> None:
    front = start(body_bytes=100_000)
    stated = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n"
    assert connect(front).send(stated).answer().status == 413
    wire = connect(front).send(chunked("/echo"))
    assert wire.send(b"186a1\r\n" + bytes(100_001)).answer().status == 413
    assert journal.bodies == []


def test_a_route_has_its_own_limit(start: Start, connect: Connect) -> None:
    front = start(body_bytes=1000)
    assert connect(front).send(post("/count", bytes(999_999))).answer().body == b"999999"
    assert connect(front).send(post("/count", bytes(1_000_001))).answer().status == 413
    assert connect(front).send(post("/small", b"x" * 10)).answer().body == b"x" * 10
    for late in (post("/small", b"x" * 11), chunked("/small") + b"b\r\n" + b"x" * 11 + b"\r\n"):
        assert connect(front).send(late).answer().status == 413


def test_a_full_spool_folder_is_a_503(start: Start, connect: Connect, tmp_path: Path) -> None:
    front = start(front={"spool_folder": tmp_path / "missing"})
    answer = connect(front).send(post("/echo", bytes(600_000))).answer()
    assert answer.status == 503
    assert "Retry-After" in answer.headers


def test_a_silent_body_is_a_408(start: Start, connect: Connect, journal: Journal) -> None:
    front = start(body_idle_seconds=0.2)
    answer = connect(front).send(chunked("/echo") + b"3\r\nabc\r\n").answer()
    assert (answer.status, answer.headers["Connection"]) == (408, "close")
    assert journal.bodies == []


def test_a_slow_body_is_a_408(start: Start, connect: Connect) -> None:
    front = start(body_minimum_rate=1e6, body_allowance_seconds=0.3, body_idle_seconds=PATIENCE)
    wire = connect(front).send(chunked("/echo"))
    wire.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while not _readable(wire.socket):
            wire.socket.send(b"1\r\na\r\n")
    wire.socket.settimeout(PATIENCE)
    assert wire.answer().status == 408


def _readable(connected: socket.socket) -> bool:
    import select

    return bool(select.select([connected], [], [], 0.05)[0])


@pytest.mark.parametrize("lines", [b"z\r\n", b"5\r\nabcdefg\r\n", b"-1\r\n"])
def test_garbled_chunks_are_a_400(
    start: Start, connect: Connect, journal: Journal, lines: bytes
) -> None:
    wire = connect(start()).send(chunked("/echo") + lines)
    assert wire.answer().status == 400
    assert wire.rest() == b""
    assert journal.bodies == []


@pytest.mark.parametrize(
    "coding",
    ["gzip, chunked", "GZIP,chunked", "xchunked", "gzip\r\nTransfer-Encoding: chunked"],
)
@pytest.mark.parametrize("more", ["", "Connection: Upgrade\r\nUpgrade: h2c\r\n"])
def test_another_coding_of_the_body_is_a_501(
    start: Start, connect: Connect, journal: Journal, coding: str, more: str
) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: h\r\n{more}Transfer-Encoding: {coding}\r\n\r\n"
    wire = connect(start()).send(head.encode() + b"1\r\na\r\n0\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.headers["Connection"]) == (501, "close")
    assert wire.rest() == b""
    assert journal.environs == []


def test_the_one_coding_in_any_case(start: Start, connect: Connect) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:  Chunked \r\n\r\n"
    assert connect(start()).send(head + b"1\r\na\r\n0\r\n\r\n").answer().body == b"a"


def test_trailers_mean_nothing(start: Start, connect: Connect, journal: Journal) -> None:
    wire = connect(start()).send(
        chunked("/echo")
        + b"1\r\na\r\n0\r\nAuthorization: Basic x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    )
    assert wire.answer().body == b"a"
    assert all("HTTP_AUTHORIZATION" not in seen for seen in journal.environs)


# -- bad and slow clients -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\na",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400(start: Start, connect: Connect, sent: bytes) -> None:
    wire = connect(start()).send(sent)
    answer = wire.answer()
    assert (answer.status, answer.headers["Connection"]) == (400, "close")
    assert answer.headers["X-Request-Id"]
    assert wire.rest() == b""


def test_garbage_behind_a_request_leaves_its_answer(start: Start, connect: Connect) -> None:
    wire = connect(start()).send(GET + b"garbage\r\n\r\n")
    assert wire.answer().body == b"hello"
    assert wire.rest() == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 3000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 3000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 400 + b"\r\n",
        b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 3000,
        chunked("/echo") + b"1\r\na\r\n0\r\n" + b"A: b\r\n" * 800,
    ],
    ids=["header", "open header", "many", "line", "open line", "trailers"],
)
def test_long_heads_are_a_431(start: Start, connect: Connect, sent: bytes) -> None:
    wire = connect(start(header_bytes=2000)).send(sent)
    answer = wire.answer()
    assert answer.status == 431
    assert answer.headers["X-Request-Id"]


def test_a_flood_of_pipelined_requests_is_bounded(start: Start, connect: Connect) -> None:
    front = start()
    wire = connect(front)
    with contextlib.suppress(ConnectionError):
        wire.send(b"GET / HTTP/1.1\r\n\r\n" * 10_000)
        wire.rest()
    assert connect(front).send(GET).answer().status == 200


def test_a_slow_head_is_a_408(start: Start, connect: Connect) -> None:
    front = start(header_seconds=0.2)
    assert connect(front).send(b"GET / HTTP/1.1\r\nHo").answer().status == 408
    assert connect(front).rest() == b""
    again = connect(front)
    assert again.send(GET).answer().status == 200
    assert again.send(b"GET /").answer().status == 408
    assert connect(front).send(b"\r\n").rest() == b""


def test_an_idle_connection_is_closed(start: Start, connect: Connect) -> None:
    wire = connect(start(keep_alive_seconds=1))
    assert wire.send(GET).answer().status == 200
    assert wire.rest() == b""


def test_a_half_sent_next_request_does_not_disturb_this_one(
    start: Start, connect: Connect, journal: Journal
) -> None:
    front = start(header_seconds=0.1)
    wire = connect(front).send(b"GET /slow HTTP/1.1\r\n\r\nGET / HT")
    assert journal.running.acquire(timeout=PATIENCE)
    wire.socket.settimeout(0.4)  # longer than a head may take
    with pytest.raises(TimeoutError):
        wire.socket.recv(1)
    wire.socket.settimeout(PATIENCE)
    journal.release.set()
    assert wire.answer().body == b"at last"


def test_slow_senders_hold_up_nobody(start: Start, connect: Connect) -> None:
    front = start(front={"threads": 2})
    slow = [connect(front).send(chunked("/echo")) for _ in range(20)]
    wire = connect(front)
    for _ in range(20):
        for sender in slow:
            sender.send(b"1\r\na\r\n")
        assert wire.send(GET).answer().body == b"hello"
    for sender in slow:
        assert sender.send(b"0\r\n\r\n").answer().body == b"a" * 20


def test_a_slow_reader_holds_neither_memory_nor_threads(
    start: Start, connect: Connect, journal: Journal
) -> None:
    front = start(front={"threads": 1}, response_idle_seconds=PATIENCE)
    wire = connect(front)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    seen = -1
    while seen != journal.pulled or seen == 0:
        seen = journal.pulled
        assert connect(front).send(GET).answer().body == b"hello"
        time.sleep(0.05)
    assert journal.pulled < 200  # of 2,000 blocks; the rest waits for the reader
    assert not journal.closed.is_set()


def test_a_client_that_does_not_read_is_given_up(
    start: Start, connect: Connect, journal: Journal
) -> None:
    connect(start(response_idle_seconds=0.2)).send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    assert journal.closed.wait(PATIENCE)
    assert journal.pulled < 2000


def test_a_client_that_leaves_ends_its_answer(
    start: Start, connect: Connect, journal: Journal
) -> None:
    wire = connect(start()).send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    wire.socket.recv(1000)
    wire.close()
    assert journal.closed.wait(PATIENCE)


def test_too_many_connections(start: Start, connect: Connect) -> None:
    front = start(connections=2)
    first, second = connect(front), connect(front)
    assert first.send(GET).answer().status == second.send(GET).answer().status == 200
    third = connect(front)
    assert third.answer().status == 503
    first.close()
    third.close()
    until(lambda: connect(front).send(GET).answer().status == 200)


def test_a_full_queue_is_a_503(start: Start, connect: Connect, journal: Journal) -> None:
    front = start(front={"threads": 1}, waiting=1)
    slow = b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
    running = connect(front).send(slow)
    assert journal.running.acquire(timeout=PATIENCE)
    others = [connect(front).send(GET) for _ in range(5)]
    answers = [other.answer() for other in others[1:]]
    assert {answer.status for answer in answers} == {503}
    assert all("Retry-After" in answer.headers for answer in answers)
    journal.release.set()
    assert running.answer().body == b"at last"
    assert others[0].answer().body == b"hello"


def test_upgrades_are_declined(start: Start, connect: Connect) -> None:
    wire = connect(start())
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    for data in (b"abc", bytes(100_000)):
        wire.send(post("/echo", data, *offer) + post("/echo", b"next"))
        assert [wire.answer().body for _ in range(2)] == [data, b"next"]
    in_pieces = post("/echo", b"abc", *offer)
    for byte in in_pieces:
        wire.send(bytes([byte]))
    assert wire.answer().body == b"abc"


# -- proxies ------------------------------------------------------------------------------------

FORWARDED = (
    b"GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Host: outer.example\r\nX-Forwarded-Prefix: /pre\r\nX_Forwarded_For: 6\r\n\r\n"
)


def test_a_trusted_proxy_speaks_for_its_client(
    start: Start, connect: Connect, journal: Journal
) -> None:
    front = start(front={"trusted_proxies": [ipaddress.ip_network("127.0.0.0/8")]})
    connect(front).send(FORWARDED).answer()
    seen = journal.environs[-1]
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.7", "https")
    assert (seen["HTTP_HOST"], seen["SCRIPT_NAME"]) == ("outer.example", "/pre")
    assert seen["gateway.peer"] == "127.0.0.1"


def test_nobody_else_does(start: Start, connect: Connect, journal: Journal) -> None:
    front = start(front={"trusted_proxies": [ipaddress.ip_network("10.0.0.0/8")]})
    connect(front).send(FORWARDED).answer()
    seen = journal.environs[-1]
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert (seen["HTTP_HOST"], seen["SCRIPT_NAME"]) == ("inner", "")
    assert not [key for key in seen if key.startswith("HTTP_X_FORWARDED")]


# -- listeners and TLS --------------------------------------------------------------------------


class Authority:
    """Makes certificates for one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.certificate = self._write("ca.pem", self._sign(self._name, self._key, ca=True))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        alternative = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        builder = x509.CertificateBuilder(
            self._name, name, key.public_key(), x509.random_serial_number()
        )
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
        for extension in (
            alternative,
            # Python 3.13 insists on these.
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        ):
            builder = builder.add_extension(extension, critical=False)
        if ca:
            builder = builder.add_extension(_signs_certificates(), critical=True)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def _write(self, name: str, data: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(data)
        return path

    def issue(self, common_name: str, file: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        signed = self._sign(name, key, ca=False)
        return self._write(f"{file}.pem", signed), self._write(f"{file}.key", private)

    def client(self, identity: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.certificate))
        if identity:
            context.load_cert_chain(*identity)
        return context


def _signs_certificates() -> x509.KeyUsage:
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage)


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def test_several_listeners_with_their_own_surfaces_and_certificates(
    start: Start, connect: Connect, journal: Journal, authority: Authority
) -> None:
    secured = listeners.Tls(*authority.issue("localhost", "server"), authority.certificate, True)
    front = start(
        at=[
            listeners.Listener("127.0.0.1", 0),
            listeners.Listener("127.0.0.1", 0, secured, frozenset({"dispatcher"})),
            listeners.Listener("::1", 0),
        ]
    )
    assert [address.tls for address in front.addresses] == [False, True, False]
    agent = authority.client(authority.issue("agent-1", "agent"))
    for index, context in enumerate([None, agent, None]):
        assert connect(front, index, context).send(GET).answer().body == b"hello"
    plain, secure, six = journal.environs
    assert plain["gateway.surfaces"] is None
    assert secure["gateway.surfaces"] == {"dispatcher"}
    assert (plain["wsgi.url_scheme"], secure["wsgi.url_scheme"]) == ("http", "https")
    assert plain["gateway.client_certificate"] is None
    assert secure["gateway.client_certificate"] == "CN=agent-1,O=Example"
    assert six["REMOTE_ADDR"] == "::1"


def test_a_listener_that_requires_certificates_refuses_who_has_none(
    start: Start, connect: Connect, journal: Journal, authority: Authority
) -> None:
    secured = listeners.Tls(*authority.issue("localhost", "server"), authority.certificate, True)
    front = start(at=[listeners.Listener("127.0.0.1", 0, secured)])
    with pytest.raises((OSError, EOFError)):  # TLS 1.3 tells the client late, in several ways
        connect(front, 0, authority.client()).send(GET).answer()
    assert journal.environs == []


def test_tls_carries_large_bodies_both_ways(
    start: Start, connect: Connect, authority: Authority
) -> None:
    secured = listeners.Tls(*authority.issue("localhost", "server"))
    front = start(at=[listeners.Listener("127.0.0.1", 0, secured)])
    wire = connect(front, 0, authority.client())
    data = bytes(index % 253 for index in range(3_000_000))
    assert wire.send(post("/echo", data)).answer().body == data
    assert wire.send(GET).answer().body == b"hello"


def test_certificates_are_reloaded_without_dropping_connections(
    start: Start, connect: Connect, authority: Authority
) -> None:
    files = authority.issue("localhost", "server")
    front = start(at=[listeners.Listener("127.0.0.1", 0, listeners.Tls(*files))])
    before = connect(front, 0, authority.client())
    assert before.send(GET).answer().status == 200
    authority.issue("renewed", "server")
    front.reload_certificates()
    after = connect(front, 0, authority.client())
    assert isinstance(before.socket, ssl.SSLSocket)
    assert isinstance(after.socket, ssl.SSLSocket)
    assert before.socket.getpeercert() != after.socket.getpeercert()
    assert before.send(GET).answer().status == after.send(GET).answer().status == 200
    files[1].write_text("no key")
    with pytest.raises(listeners.ListenerError, match="key"):
        front.reload_certificates()
    assert connect(front, 0, authority.client()).send(GET).answer().status == 200


def test_a_port_in_use_is_told_and_nothing_stays_open(start: Start) -> None:
    taken = start().addresses[0].port
    front = server.Front(
        application(Journal()),
        [listeners.Listener("127.0.0.1", 0), listeners.Listener("127.0.0.1", taken)],
        limits.Limits(),
        gate.Gate(1),
    )
    with pytest.raises(listeners.ListenerError, match=f"127.0.0.1:{taken}.*in use"):
        front.start()
    assert not front.alive
    assert front.addresses == []


# -- stopping -----------------------------------------------------------------------------------


def test_stop_finishes_what_runs_and_closes_what_idles(
    start: Start, connect: Connect, journal: Journal
) -> None:
    front = start()
    idle = connect(front)
    assert idle.send(GET).answer().status == 200
    running = connect(front).send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    assert journal.running.acquire(timeout=PATIENCE)
    port = front.addresses[0].port
    stopping = threading.Thread(target=front.stop, args=(PATIENCE,))
    stopping.start()
    assert idle.rest() == b""
    with pytest.raises(OSError):  # noqa: PT011 (refused or reset, as the system likes)
        socket.create_connection(("127.0.0.1", port), PATIENCE).recv(1)
    assert front.alive
    journal.release.set()
    answer = running.answer()
    assert (answer.body, answer.headers["Connection"]) == (b"at last", "close")
    stopping.join(PATIENCE)
    assert not front.alive


def test_stop_does_not_wait_longer_than_its_grace(
    start: Start, connect: Connect, journal: Journal
) -> None:
    front = start()
    wire = connect(front).send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    assert journal.running.acquire(timeout=PATIENCE)
    front.stop(0.1)
    assert not front.alive
    with contextlib.suppress(ConnectionError):
        assert wire.rest() == b""


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_that_a_stop_cuts_short_does_not_look_complete(
    start: Start, connect: Connect, journal: Journal, version: str
) -> None:
    front = start()
    wire = connect(front)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.send(f"GET /large HTTP/{version}\r\nHost: h\r\n\r\n".encode())
    assert wire.socket.recv(10)
    front.stop(0.1)
    assert journal.closed.wait(PATIENCE)
    with pytest.raises(ConnectionResetError):
        wire.rest()


def test_who_leaves_a_stream_is_noted(
    start: Start, connect: Connect, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.front")
    front = start()
    wire = connect(front).send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    wire.socket.recv(1000)
    wire.close()
    assert journal.closed.wait(PATIENCE)
    front.stop(PATIENCE)
    assert "the client went away" in caplog.text
    whole = connect(start()).send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").answer()
    assert whole.status == 200
    assert caplog.text.count("the client went away") == 1


# -- native routes ------------------------------------------------------------------------------


class LongPolls:
    """An ASGI application that waits for news, or for the client to leave."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.waiting = 0
        self.left = 0
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        while (event := await receive()).get("more_body"):
            pass
        self.waiting += 1
        ends = [
            asyncio.ensure_future(waiting)
            for waiting in (self.news.wait(), scope["state"]["draining"].wait(), receive())
        ]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.left += ends[2].done()
        for end in ends:
            end.cancel()
        headers = [(b"Content-Type", b"text/plain"), (b"X-Kind", b"poll")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        data = event.get("body", b"") + (b"news" if self.news.is_set() else b"nothing")
        await send({"type": "http.response.body", "body": data})


POLL = b"GET /gateway/agents/1 HTTP/1.1\r\nHost: h\r\n\r\n"


def test_idle_long_polls_hold_no_thread(start: Start, connect: Connect) -> None:
    polls = LongPolls()
    front = start(front={"native": {"/gateway/agents/": polls}, "threads": 2})
    wires = [connect(front).send(POLL) for _ in range(500)]
    until(lambda: polls.waiting == 500)
    assert connect(front).send(GET).answer().body == b"hello"
    for gone in wires[:100]:
        gone.close()
    until(lambda: polls.left == 100)
    assert polls.loop is not None
    polls.loop.call_soon_threadsafe(polls.news.set)
    answers = [wire.answer() for wire in wires[100:]]
    assert {answer.body for answer in answers} == {b"news"}
    assert all(b"\r\nX-Kind: poll\r\n" in answer.head for answer in answers)
    assert all(answer.headers["X-Request-Id"] for answer in answers)
    assert sum(thread.name.startswith("front-") for thread in threading.enumerate()) <= 5


def test_long_polls_end_when_the_front_stops(start: Start, connect: Connect) -> None:
    polls = LongPolls()
    front = start(front={"native": {"/gateway/agents/": polls}})
    wire = connect(front).send(POLL)
    until(lambda: polls.waiting == 1)
    front.stop(PATIENCE)
    assert wire.answer().body == b"nothing"


def test_native_bodies_have_the_same_limits(start: Start, connect: Connect) -> None:
    front = start(front={"native": {"/gateway/agents/": LongPolls()}}, body_bytes=1000)
    request = post("/gateway/agents/1", bytes(1001))
    assert connect(front).send(request).answer().status == 413


def test_what_ends_the_event_loop_is_told(start: Start, connect: Connect) -> None:
    async def fatal(scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit("enough")

    told: list[BaseException] = []
    front = start(front={"native": {"/fatal": fatal}, "on_error": told.append})
    connect(front).send(b"GET /fatal HTTP/1.1\r\nHost: h\r\n\r\n").rest()
    until(lambda: not front.alive)
    assert [str(error) for error in told] == ["enough"]


# -- load ---------------------------------------------------------------------------------------


def test_answers_are_never_mixed_up_under_load(start: Start, connect: Connect) -> None:
    front = start(front={"threads": 16})

    def client(number: int) -> int:
        wire = connect(front)
        for turn in range(40):
            data = f"{number}/{turn} ".encode() * (turn * 200 % 7001 + 1)
            wire.send(post("/echo", data, f"X-Request-Id: r{number}-{turn}"))
            answer = wire.answer()
            assert answer.body == data
            assert answer.headers["X-Request-Id"] == f"r{number}-{turn}"
        return number

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        assert sorted(pool.map(client, range(24))) == list(range(24))


STREAM = (
    GET
    + post("/echo", b"first", "Expect: 100-continue")
    + chunked("/echo")
    + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
    + post("/echo", b"offer", "Connection: Upgrade", "Upgrade: h2c")
    + post("/echo", b"last", "Connection: close")
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_packets_make_no_difference(start: Start, connect: Connect, cuts: list[int]) -> None:
    wire = connect(start())
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for begin, end in itertools.pairwise([0, *cuts, len(STREAM)]):
        wire.send(STREAM[begin:end])
        time.sleep(0.0005)
    bodies: list[bytes] = []
    while len(bodies) < 5:
        answer = wire.answer()
        if answer.status != 100:
            bodies.append(answer.body)
    assert bodies == [b"hello", b"first", b"abcde", b"offer", b"last"]
    assert wire.rest() == b""
