from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.front import body, bridge, gate

PEER = bridge.Peer("192.0.2.1", 4711, "198.51.100.1", 8080, False, None, False, None)


def scope(**changes: Any) -> dict[str, Any]:
    plain = {"method": "GET", "http_version": "1.1", "raw_path": b"/", "query_string": b""}
    return {**plain, "headers": [], **changes}


def test_environ_of_a_plain_request() -> None:
    made = bridge.environ(scope(), PEER, "id")
    assert made["SERVER_NAME"] == "198.51.100.1"
    assert made["SERVER_PORT"] == "8080"
    assert (made["REMOTE_ADDR"], made["REMOTE_PORT"]) == ("192.0.2.1", "4711")
    assert made["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert "CONTENT_LENGTH" not in made
    assert "CONTENT_TYPE" not in made


def test_environ_of_a_listener_with_tls_and_surfaces() -> None:
    peer = PEER._replace(tls=True, certificate="CN=a", surfaces=frozenset({"x"}))
    made = bridge.environ(scope(), peer, "id")
    assert made["wsgi.url_scheme"] == "https"
    assert made["gateway.client_certificate"] == "CN=a"
    assert made["gateway.surfaces"] == frozenset({"x"})


@given(st.binary(min_size=1, max_size=30))
def test_any_path_survives(path: bytes) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in path).encode()
    made = bridge.environ(scope(raw_path=b"/" + quoted), PEER, "id")
    assert made["PATH_INFO"].encode("latin-1") == b"/" + path
    assert made["REQUEST_URI"].encode() == b"/" + quoted


names = st.text("abcxyz-_", min_size=1, max_size=8).map(str.encode)


@given(
    st.lists(st.tuples(names, st.binary(max_size=5))),
    st.sampled_from([b"x_forwarded_for", b"x-forwarded-for", b"x-forwarded-host", b"forwarded"]),
)
def test_no_header_gets_in_under_another_name(
    headers: list[tuple[bytes, bytes]], forged: bytes
) -> None:
    made = bridge.environ(scope(headers=[*headers, (forged, b"6.6.6.6")]), PEER, "id")
    assert "6.6.6.6" not in made.values()
    sent = {f"HTTP_{name.decode().upper().replace('-', '_')}" for name, _ in headers}
    assert {key for key in made if key.startswith("HTTP_")} <= sent


def test_a_trusted_proxy_keeps_its_headers() -> None:
    forwarded = scope(headers=[(b"x-forwarded-for", b"1"), (b"x_forwarded_for", b"2")])
    made = bridge.environ(forwarded, PEER._replace(trusted=True), "id")
    assert made["HTTP_X_FORWARDED_FOR"] == "1"


@pytest.mark.parametrize("good", [b"a", b"A-1._z", b"x" * 64])
def test_a_clients_request_id_is_kept(good: bytes) -> None:
    assert bridge.request_id([(b"x-request-id", good)]) == good.decode()


@pytest.mark.parametrize("bad", [b"", b"a b", b"x" * 65, b"a\tb", b"\xe4", b"a\n"])
def test_an_unsafe_request_id_is_replaced(bad: bytes) -> None:
    made = bridge.request_id([(b"x-request-id", bad)])
    assert made != bad.decode("latin-1")
    assert len(made) == 16


class Closing:
    """An iterable that counts how often it is closed."""

    def __init__(self, *blocks: bytes) -> None:
        self._blocks = iter(blocks)
        self.closed = 0

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)

    def close(self) -> None:
        self.closed += 1


def call(
    iterable: Any, *headers: tuple[str, str], method: str = "GET"
) -> tuple[bridge.Call, bridge.Reply | body.BodyPending, io.BytesIO]:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", list(headers))
        return iterable

    content = io.BytesIO()
    variables = bridge.environ(scope(method=method), PEER, "id") | {"wsgi.input": content}
    made = bridge.Call(application, variables, gate.Gate(1))
    return made, made.start(), content


def test_a_list_is_a_complete_answer() -> None:
    _, reply, content = call([b"a", b"", b"b"])
    assert reply == bridge.Reply("200 OK", [], b"ab", True)
    assert content.closed


@pytest.mark.parametrize("length", ["5", "0"])
def test_what_is_known_to_be_complete_is_closed_at_once(length: str) -> None:
    blocks = Closing(b"x" * int(length))
    _, reply, _ = call(blocks, ("Content-Length", length))
    assert isinstance(reply, bridge.Reply)
    assert reply.complete
    assert blocks.closed == 1


def test_blocks_are_pulled_one_by_one_and_closed_once() -> None:
    blocks = Closing(b"", b"a", b"", b"b")
    made, reply, content = call(blocks)
    assert isinstance(reply, bridge.Reply)
    assert (reply.block, reply.complete) == (b"a", False)
    assert (made.next_block(), made.next_block()) == (b"b", None)
    assert blocks.closed == 0
    assert not content.closed
    made.close()
    made.close()
    assert blocks.closed == 1
    assert content.closed


def test_a_call_that_is_given_up_is_closed_when_its_block_is_made() -> None:
    """A server that stops does not wait for what is being read."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def blocks() -> Iterator[bytes]:
        try:
            yield b"a"
            begun.set()
            assert go_on.wait(20)
            yield b"b"
        finally:
            ended.set()

    made, _, content = call(blocks())
    reading = threading.Thread(target=made.next_block)
    reading.start()
    assert begun.wait(20)
    closing = threading.Thread(target=made.close)
    closing.start()
    assert not content.closed
    go_on.set()
    for thread in (reading, closing):
        thread.join(20)
    assert ended.is_set()
    assert content.closed


def test_nothing_is_pulled_for_head() -> None:
    blocks = Closing(b"a", b"b")
    _, reply, _ = call(blocks, method="HEAD")
    assert isinstance(reply, bridge.Reply)
    assert reply.complete
    assert blocks.closed == 1


def test_a_generator_may_start_late() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"late"

    variables = bridge.environ(scope(), PEER, "id") | {"wsgi.input": io.BytesIO()}
    reply = bridge.Call(application, variables, gate.Gate(1)).start()
    assert isinstance(reply, bridge.Reply)
    assert reply.block == b"late"


def test_context_variables_stay_with_the_request_across_threads() -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def blocks() -> Any:
        token = variable.set("mine")
        yield b"a"
        yield variable.get().encode()
        variable.reset(token)

    made, _, _ = call(blocks())
    pulled: list[bytes | None] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: pulled.append(made.next_block()))
        thread.start()
        thread.join()
    assert pulled == [b"mine", None]
    assert variable.get("unset") == "unset"


def test_start_response_must_be_called_and_only_once(caplog: pytest.LogCaptureFixture) -> None:
    def never(environ: Any, start_response: Any) -> Any:
        return [b""]

    def twice(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        start_response("200 OK", [])

    for application in (never, twice):
        variables = bridge.environ(scope(), PEER, "id") | {"wsgi.input": io.BytesIO()}
        reply = bridge.Call(application, variables, gate.Gate(1)).start()
        assert isinstance(reply, bridge.Reply)
        assert reply.status.startswith("500")
    assert caplog.text.count("start_response") >= 2


def test_a_header_that_is_sent_twice_is_marked() -> None:
    once = [(b"filename", b"a"), (b"accept", b"b")]
    variables = bridge.environ(scope(headers=[*once, (b"filename", b"c")]), PEER, "id")
    assert variables["HTTP_FILENAME"] == "a, c"
    assert variables[bridge.REPEATED] == {"HTTP_FILENAME"}
    assert bridge.REPEATED not in bridge.environ(scope(headers=once), PEER, "id")
