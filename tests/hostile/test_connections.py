"""What only bytes on a connection can show: cut and slow bodies, floods of headers, odd framing."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.contract.dispatcher import served
from tests.contract.dispatcher.house import ADMIN, basic
from tests.contract.dispatcher.served import Place, head
from tests.hostile import house
from tests.hostile.messages import MODULE, envelope

IDLE = 1.0
LOGIN = basic(*ADMIN)
ORDER = envelope(
    f"<ScheduleJob><job><What><JobWhat><ID>{MODULE}</ID></JobWhat></What>"
    "<Who><JobWho><Name>Agent in this house</Name></JobWho></Who></job></ScheduleJob>"
).encode()
READ = envelope("<GetModules/>").encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A served house; nothing may be stored in it, and no failure logged."""
    limits = {
        "body_idle_seconds": IDLE,
        "body_allowance_seconds": IDLE,
        "body_minimum_rate": 1000,
        "header_seconds": IDLE,
    }
    folder = tmp_path_factory.mktemp("house")
    with house.furnished(folder, limits=limits) as target:
        before = target.stored()
        with served.serving(target.house) as place:
            yield place
        assert target.stored() == before
        assert target._log.failures == []


def read(place: Place) -> float:
    """Seconds that an honest client waits for its answer."""
    begun = time.monotonic()
    request = head("POST", "soap", Authorization=LOGIN, Content_Length=str(len(READ)))
    answer = place.exchange(request + READ)
    assert answer.status == 200
    return time.monotonic() - begun


def ended(connection: socket.socket, seconds: float) -> bytes:
    """What a connection got until the server closed it; fails where it does not in time."""
    connection.settimeout(seconds)
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            got += piece
    return got


def test_a_body_that_is_cut_is_nothing(place: Place) -> None:
    for framed in (
        head("POST", "soap", Authorization=LOGIN, Content_Length=str(len(ORDER))) + ORDER[:-20],
        head("POST", "soap", Authorization=LOGIN, Transfer_Encoding="chunked")
        + b"%x\r\n%s" % (len(ORDER), ORDER[:-20]),
        head("POST", "soap", Authorization=LOGIN, Transfer_Encoding="chunked")
        + b"%x\r\n%s\r\n" % (len(ORDER), ORDER),
        head("POST", "soap", Authorization=LOGIN, Content_Length=str(len(ORDER)))[:-4],
    ):
        for politely in (True, False):
            with socket.create_connection(("127.0.0.1", place.port)) as connection:
                connection.sendall(framed)
                if politely:
                    connection.shutdown(socket.SHUT_WR)
                    answer = ended(connection, 20)
                    assert b" 200 " not in answer
    assert read(place) < 5


def test_slow_bodies_are_cut_by_their_time_and_hinder_nobody(place: Place) -> None:
    """Each sends a byte now and then, and would need an hour."""
    stop = threading.Event()
    lengths: list[float] = []

    def drip(framed: bytes) -> None:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", place.port)) as connection:
            connection.sendall(framed)
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    connection.sendall(b"<")
                    connection.settimeout(0.1)
                    with contextlib.suppress(TimeoutError):
                        if not connection.recv(65536):
                            break
        lengths.append(time.monotonic() - begun)

    whole = head("POST", "soap", Authorization=LOGIN, Content_Length="36000")
    drops = [
        threading.Thread(target=drip, args=(framed,))
        for framed in (whole, whole[:-4], whole + b"<x>") * 16
    ]
    for thread in drops:
        thread.start()
    waited = [read(place) for _ in range(20)]
    for thread in drops:
        thread.join(20)
    stop.set()
    assert len(lengths) == len(drops)
    assert max(lengths) < 15
    assert sorted(waited)[-2] < IDLE


@pytest.mark.parametrize(
    "more",
    [
        b"X-Long: " + b"x" * 100_000 + b"\r\n",
        b"".join(b"X-%d: x\r\n" % number for number in range(20_000)),
        b"SOAPAction: " + b'"' * 90_000 + b"\r\n",
        b"Cookie: " + b"a=b; " * 30_000 + b"\r\n",
    ],
    ids=["long", "many", "action", "cookies"],
)
def test_floods_of_headers_are_refused(place: Place, more: bytes) -> None:
    request = head("POST", "soap", Authorization=LOGIN, Content_Length=str(len(ORDER)))
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request[:-2] + more + b"\r\n" + ORDER)
        answer = ended(connection, 20)
    assert not answer or answer.split(b" ")[1] in (b"400", b"431"), answer[:200]
    assert read(place) < 5


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 10\r\nContent-Length: 11\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content Length: 10\r\n",
        b" folded: x\r\n",
        b"\0: x\r\n",
    ],
    ids=lambda framing: framing.decode().strip(),
)
def test_odd_framing_orders_nothing(place: Place, framing: bytes) -> None:
    request = head("POST", "soap", Authorization=LOGIN)[:-2] + framing + b"\r\n"
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request + ORDER)
            connection.shutdown(socket.SHUT_WR)
        answer = ended(connection, 20)
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert read(place) < 5


@pytest.mark.parametrize(
    "chunks",
    [
        b"-1\r\nx\r\n0\r\n\r\n",
        b"0x10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nx",
        b"1;" + b"e" * 200_000 + b"\r\nx\r\n0\r\n\r\n",
        b"5\r\nabc\r\n0\r\n\r\n",
        b"1\r\nx\r\n" * 3 + b"0\r\n" + b"T: x\r\n" * 20_000 + b"\r\n",
        b"z\r\n",
    ],
    ids=["negative", "hexadecimal sign", "huge", "extension", "short", "trailers", "no number"],
)
def test_odd_chunks_order_nothing(place: Place, chunks: bytes) -> None:
    request = head("POST", "soap", Authorization=LOGIN, Transfer_Encoding="chunked")
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request + chunks)
            connection.shutdown(socket.SHUT_WR)
        answer = ended(connection, 20)
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert read(place) < 5


def test_a_body_that_was_asked_for_and_does_not_come_is_not_waited_for(place: Place) -> None:
    request = head(
        *("POST", "soap"),
        Authorization=LOGIN,
        Expect="100-continue",
        Content_Length=str(len(ORDER)),
    )
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        connection.sendall(request)
        answer = ended(connection, 20)
    assert re.findall(rb"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == [b"100", b"408"]
    assert read(place) < 5


def test_who_has_no_login_is_not_asked_for_a_body(place: Place) -> None:
    """Where it holds no token nobody would take it; with one it must be read."""
    request = head("POST", "jobs", Expect="100-continue", Content_Length=str(len(ORDER)))
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        connection.sendall(request)
        answer = ended(connection, 20)
    assert re.findall(rb"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == [b"401"]


@pytest.mark.parametrize("expected", ["200-ok", "100-continue, 100-continue", "x" * 50_000])
def test_other_expectations_order_nothing(place: Place, expected: str) -> None:
    request = head("POST", "soap", Authorization=LOGIN, Expect=expected, Content_Length="36000")
    with socket.create_connection(("127.0.0.1", place.port)) as connection:
        connection.sendall(request + ORDER)
        answer = ended(connection, 20)
    assert b" 200 " not in answer
    assert read(place) < 5
