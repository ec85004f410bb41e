import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.agents import server_client, trust
from gateway.agents.desk import SessionOver
from gateway.agents.messages import Document, TokenAnswer
from gateway.agents.refusals import (
    AgentRefused,
    RequestRefused,
    SecondAgent,
    ServerUnreachable,
    Unauthenticated,
)
from gateway.agents.server_client import ServerClient, server_address
from gateway.agents.trust import Trust
from tests.unit.agents import fake_server
from tests.unit.agents.fake_server import FakeServer


class Token:
    token = "enrolled"

    def instead_of(self, token: str) -> str | None:
        return None


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://h", "http://h"),
        ("https://h:8443/", "https://h:8443"),
        (" https://[::1]:1/below/ ", "https://[::1]:1/below"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "h", "h:80", "ftp://h", "http://", "http://h?x", "http://h:99999", "http://joe:pw@h"],
)
def test_what_is_no_address_is_refused_without_a_password(text: str) -> None:
    with pytest.raises(AgentRefused, match="no address of a server") as caught:
        server_address(text)
    assert "pw" not in str(caught.value)


def test_pins() -> None:
    digits = "ab" * 32
    for text in (digits, f"sha256:{digits}", f"SHA256:{digits.upper()}", ":".join(["AB"] * 32)):
        assert trust.pin(text) == f"sha256:{digits}"
    for text in ("", "sha256:", digits[:-1], f"sha1:{digits}"):
        with pytest.raises(AgentRefused, match="is no pin"):
            trust.pin(text)


def test_files_that_are_of_no_use_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    for one in (Trust(ca=wrong), Trust(certificate=wrong), Trust(ca=tmp_path / "none")):
        with pytest.raises(AgentRefused, match=str(tmp_path)):
            ServerClient("https://h", one)
    with pytest.raises(AgentRefused, match="is no https"):
        ServerClient("http://h", Trust(pin=f"sha256:{'0' * 64}"))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "unauthenticated", Unauthenticated),
        (409, "session_over", SessionOver),
        (409, "second_agent", SecondAgent),
        (400, "bad_request", RequestRefused),
        (413, "too_large", RequestRefused),
        (404, "not_found", RequestRefused),
        (429, "throttled", ServerUnreachable),
        (503, "unavailable", ServerUnreachable),
        (500, "broken", ServerUnreachable),
    ],
)
def test_problems_become_errors(
    server: FakeServer, status: int, code: str, error: type[Exception]
) -> None:
    def refuse(_body: bytes) -> Document:
        raise fake_server.Refused(status, code, "for a reason")

    server.token = refuse  # type: ignore[method-assign]
    client = ServerClient(server.url, Trust(), Token())
    with pytest.raises(error, match="for a reason"):
        client.post("/token", Document(), TokenAnswer)


def test_a_401_of_something_between_revokes_nobody(server: FakeServer) -> None:
    client = ServerClient(server.url, Trust(), Token())
    server.fail("/token", fake_server.page(401))
    with pytest.raises(ServerUnreachable, match="no gateway"):
        client.post("/token", Document(), TokenAnswer)


class Proxy:
    """Passes requests on, by CONNECT and by whole addresses, from who has the right login."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client:
            self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        self.heard.append(head.split(b"\r\n\r\n")[0])
        if b"Proxy-Authorization: Basic " + base64.b64encode(b"joe:p w") not in head and (
            b"proxy-authorization: Basic " + base64.b64encode(b"joe:p w") not in head
        ):
            client.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            place = target
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            place = target.split(b"/")[2]
        host, port = place.decode().split(":")
        with socket.create_connection((host, int(port))) as onward:
            if method != b"CONNECT":
                onward.sendall(head.replace(b"http://" + place, b"", 1))
            copying = threading.Thread(target=_copy, args=(client, onward), daemon=True)
            copying.start()
            _copy(onward, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy()
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://joe:p%20w@127.0.0.1:{made.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.close()


def test_a_proxy_of_the_environment_is_gone_through(server: FakeServer, proxy: Proxy) -> None:
    client = ServerClient(server.url, Trust(), Token())
    assert client.post("/token", Document(), TokenAnswer).token == "made-1"
    (head,) = proxy.heard
    assert head.startswith(b"POST http://127.0.0.1")


def test_tls_goes_through_a_proxy_and_the_pin_counts(proxy: Proxy, tmp_path: Path) -> None:
    file, key, pin = fake_server.certificate(tmp_path)
    server = FakeServer(context=fake_server.tls(file, key))
    try:
        client = ServerClient(server.url, Trust(pin=pin), Token())
        assert client.post("/token", Document(), TokenAnswer).token == "made-1"
        assert proxy.heard[0].startswith(b"CONNECT 127.0.0.1")
        assert b"enrolled" not in b"".join(proxy.heard)
        with pytest.raises(ServerUnreachable, match="not trusted"):
            ServerClient(server.url, Trust(pin=f"sha256:{'1' * 64}"), Token()).post(
                "/token", Document(), TokenAnswer
            )
    finally:
        server.stop()


def test_a_proxy_may_be_left_out_and_may_refuse(
    server: FakeServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://joe:wrong@127.0.0.1:{proxy.port}")
    with pytest.raises(ServerUnreachable, match="407") as caught:
        ServerClient(server.url, Trust(), Token()).post("/token", Document(), TokenAnswer)
    assert "wrong" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = ServerClient(server.url, Trust(), Token())
    assert client.post("/token", Document(), TokenAnswer).token == "made-1"


def test_a_host_that_is_not_there_is_explained() -> None:
    client = ServerClient("http://gateway.invalid", Trust(), Token())
    with pytest.raises(ServerUnreachable, match="cannot be reached") as caught:
        client.post("/token", Document(), TokenAnswer)
    assert "object at" not in str(caught.value)


class Wide(Document):
    text: str


def _read_slowly(listening: socket.socket) -> None:
    client, _ = listening.accept()
    with client:
        data = client.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length: ")[1].split()[0]) - len(body)
        while left > 0:
            left -= len(client.recv(65536))
            time.sleep(0.01)
        answer = b'{"token": "slow"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
        client.sendall(head + answer)


def test_a_slow_link_has_as_long_for_each_piece_as_for_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_client, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        thread = threading.Thread(target=_read_slowly, args=(listening,))
        thread.start()
        client = ServerClient(f"http://127.0.0.1:{listening.getsockname()[1]}", Trust())
        began = time.monotonic()
        assert client.post("/token", Wide(text="x" * 8_000_000), TokenAnswer).token == "slow"
        # It took longer than a single patience, so there was one for each piece.
        assert time.monotonic() - began > 0.5
        thread.join()
