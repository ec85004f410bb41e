"""Answers that wait for an outcome, before a real front: sent when it is there, or made anew."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from gateway.front import gate, held, limits, listeners, server

PATIENCE = 20
_LARGE = 300_000


class Application:
    """Prepares an answer for each request, and keeps the outcome that it depends on."""

    def __init__(self) -> None:
        self.outcomes: list[Future[None]] = []
        self.runs = 0

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        # The first run of a body that is not here yet ends with this.
        data = environ["wsgi.input"].read()
        self.runs += 1
        error = held.failure(environ)
        if error is not None:
            text = f"{error} after {len(data)} bytes".encode()
            start_response("503 Service Unavailable", [("Content-Length", str(len(text)))])
            return [text]
        outcome: Future[None] = Future()
        held.hold(environ, outcome)
        # Last: who waits for it finds it held.
        self.outcomes.append(outcome)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    def held(self, count: int) -> list["Future[None]"]:
        ends = time.monotonic() + PATIENCE
        while len(self.outcomes) < count:
            assert time.monotonic() < ends
            time.sleep(0.002)
        return self.outcomes


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def front(application: Application, tmp_path: Path) -> Iterator[server.Front]:
    made = server.Front(
        application,
        [listeners.Listener("127.0.0.1", 0)],
        limits.Limits(memory_spool_bytes=1000),
        gate.Gate(1),
        threads=1,
        spool_folder=tmp_path,
    )
    made.start()
    yield made
    made.stop(0.0)


@pytest.fixture
def ask(front: server.Front) -> Iterator[Callable[[bytes], socket.socket]]:
    opened: list[socket.socket] = []

    def connect(body: bytes = b"") -> socket.socket:
        address = front.addresses[0]
        connected = socket.create_connection((address.address, address.port), PATIENCE)
        opened.append(connected)
        head = f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
        connected.sendall(head.encode() + body)
        return connected

    yield connect
    for connected in opened:
        connected.close()


def answer(connected: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connected.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
    while len(body) < length:
        body += connected.recv(65536)
    return head.split(b"\r\n")[0].split(b" ", 1)[1] + b": " + body


Ask = Callable[..., socket.socket]


def test_an_answer_waits_for_its_outcome(application: Application, ask: Ask) -> None:
    connected = ask()
    (outcome,) = application.held(1)
    connected.settimeout(0.1)
    with pytest.raises(TimeoutError):
        connected.recv(1)
    connected.settimeout(PATIENCE)
    outcome.set_result(None)
    assert answer(connected) == b"200 OK: done"
    assert application.runs == 1


def test_many_answers_wait_and_hold_no_thread(application: Application, ask: Ask) -> None:
    """The front has one thread and one turn; their order is that of the outcomes."""
    waiting = [ask() for _ in range(30)]
    outcomes = application.held(30)
    for outcome in reversed(outcomes):
        outcome.set_result(None)
    assert [answer(connected) for connected in waiting] == [b"200 OK: done"] * 30


@pytest.mark.parametrize("size", [0, 10, _LARGE])
def test_a_failure_has_the_application_run_again_with_the_same_body(
    application: Application, ask: Ask, size: int
) -> None:
    connected = ask(b"x" * size)
    (outcome,) = application.held(1)
    outcome.set_exception(OSError("disk full"))
    expected = f"503 Service Unavailable: disk full after {size} bytes"
    assert answer(connected) == expected.encode()
    assert application.runs == 2


@pytest.mark.parametrize("size", [10, _LARGE])
def test_a_spooled_body_is_gone_once_its_answer_is_sent(
    application: Application, ask: Ask, tmp_path: Path, size: int
) -> None:
    connected = ask(b"x" * size)
    (outcome,) = application.held(1)
    outcome.set_result(None)
    assert answer(connected) == b"200 OK: done"
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_leaves_meanwhile_disturbs_nobody(
    application: Application, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    ask().close()
    stays = ask()
    for outcome in application.held(2):
        outcome.set_result(None)
    assert answer(stays) == b"200 OK: done"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_without_a_front_that_holds_the_outcome_is_waited_for() -> None:
    outcome: Future[None] = Future()
    threading.Timer(0.05, outcome.set_result, (None,)).start()
    held.hold({}, outcome)
    assert outcome.done()


def test_an_error_that_is_known_at_once_is_raised() -> None:
    outcome: Future[None] = Future()
    outcome.set_exception(OSError("disk full"))
    outcomes: list[object] = []
    with pytest.raises(OSError, match="disk full"):
        held.hold({held.HELD: outcomes}, outcome)
    assert outcomes == []


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda outcome: outcome.set_result(None), 1),
        (lambda outcome: outcome.set_exception(OSError("disk full")), 0),
        (lambda outcome: outcome.cancel(), 0),
    ],
    ids=["well", "failed", "given up"],
)
def test_what_is_to_be_done_with_a_sent_answer_is_done_then(
    end: Callable[["Future[None]"], object], told: int
) -> None:
    outcome: Future[None] = Future()
    environ: dict[str, Any] = {held.HELD: []}
    held.hold(environ, outcome)
    calls: list[str] = []
    held.when_answered(environ, lambda: calls.append("sent"))
    assert calls == []
    end(outcome)
    assert len(calls) == told


@pytest.mark.parametrize("environ", [{}, {held.HELD: []}], ids=["another server", "not held"])
def test_an_answer_that_is_not_held_is_sent_at_once(environ: dict[str, Any]) -> None:
    calls: list[str] = []
    held.when_answered(environ, lambda: calls.append("sent"))
    assert calls == ["sent"]


class Waiting:
    """Parks each request, and answers with what came of it."""

    def __init__(self) -> None:
        self.outcomes: list[Future[str]] = []

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        data = environ["wsgi.input"].read()
        outcome = held.come(environ)
        if outcome is None:
            new: Future[str] = Future()
            assert held.park(environ, new)
            self.outcomes.append(new)
            start_response("204 No Content", [])
            return []
        words = "the server stops" if outcome.cancelled() else outcome.result()
        text = f"{words} after {len(data)} bytes".encode()
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]

    def parked(self, count: int) -> list["Future[str]"]:
        ends = time.monotonic() + PATIENCE
        while len(self.outcomes) < count:
            assert time.monotonic() < ends
            time.sleep(0.002)
        return self.outcomes


class TestParking:
    """Requests that wait for what may be long in coming."""

    @pytest.fixture
    def application(self) -> Waiting:
        return Waiting()

    @pytest.mark.parametrize("size", [10, _LARGE])
    def test_is_answered_with_what_comes(self, application: Waiting, ask: Ask, size: int) -> None:
        connected = ask(b"x" * size)
        (outcome,) = application.parked(1)
        assert outcome.set_running_or_notify_cancel()
        outcome.set_result("news")
        assert answer(connected) == f"200 OK: news after {size} bytes".encode()

    def test_many_wait_on_one_thread_and_others_are_served(
        self, application: Waiting, ask: Ask
    ) -> None:
        waiting = [ask() for _ in range(200)]
        outcomes = application.parked(200)
        for number, outcome in enumerate(outcomes):
            outcome.set_result(str(number))
        heard = {answer(one).split()[2] for one in waiting}
        assert heard == {str(number).encode() for number in range(200)}

    def test_who_leaves_is_told_of(self, application: Waiting, ask: Ask) -> None:
        connected = ask()
        (outcome,) = application.parked(1)
        connected.close()
        ends = time.monotonic() + PATIENCE
        while not outcome.cancelled():
            assert time.monotonic() < ends
            time.sleep(0.002)
        assert not outcome.set_running_or_notify_cancel()

    def test_who_leaves_just_then_disturbs_nobody(
        self, application: Waiting, ask: Ask, caplog: pytest.LogCaptureFixture
    ) -> None:
        connected = ask()
        (outcome,) = application.parked(1)
        assert outcome.set_running_or_notify_cancel()
        connected.close()
        time.sleep(0.05)
        outcome.set_result("for nobody")
        stays = ask()
        application.parked(2)[1].set_result("news")
        assert answer(stays) == b"200 OK: news after 0 bytes"
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    def test_a_stop_has_them_answered(
        self, application: Waiting, ask: Ask, front: server.Front
    ) -> None:
        connected = ask()
        application.parked(1)
        stopping = threading.Thread(target=front.stop, args=(PATIENCE,))
        stopping.start()
        assert answer(connected) == b"200 OK: the server stops after 0 bytes"
        stopping.join()

    def test_a_failure_is_what_comes(self, application: Waiting, ask: Ask) -> None:
        connected = ask()
        (outcome,) = application.parked(1)
        outcome.set_exception(OSError("gone"))
        assert answer(connected).startswith(b"500 ")


def test_without_a_front_that_parks_the_outcome_is_waited_for() -> None:
    outcome: Future[str] = Future()
    threading.Timer(0.05, outcome.set_result, ("news",)).start()
    assert not held.park({}, outcome)
    assert outcome.result() == "news"
