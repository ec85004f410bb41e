"""A load client that costs little: one thread, raw sockets, the same bytes again and again.

``python -m tests.benchmarks.client PORT``: the request comes on standard input, what was measured
goes as JSON to standard output. It shares the machine with the server, so it does no more than it
must: an answer counts as right when its status is 200.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Self

_GOOD = b"HTTP/1.1 200 "
_LENGTH = b"content-length:"
_CLOSE = b"\r\nconnection: close"
_READ = 65536
# No answer for so long means that none will come.
_SILENCE_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Load:
    """How many connections ask for how long, after a time that is not counted."""

    connections: int
    seconds: float
    warm_up: float


@dataclasses.dataclass(frozen=True)
class Sample:
    """Right answers in so many seconds, their latencies in milliseconds, and wrong answers."""

    answers: int
    seconds: float
    p50: float
    p99: float
    wrong: int = 0
    example: str = ""

    @classmethod
    def of(
        cls, latencies: Sequence[float], seconds: float, wrong: int = 0, example: str = ""
    ) -> Self:
        """The sample of these latencies; of none, all is zero."""
        present = latencies or [0.0]
        p50, p99 = percentile(present, 50), percentile(present, 99)
        return cls(len(latencies), seconds, p50, p99, wrong, example)

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.answers / self.seconds


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that ``percent`` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


class _Connection:
    """A connection with at most one request under way.

    Where the server closes it after each answer there is a new one for the next request, and the
    time to connect is a part of the request's own.
    """

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self.begun = 0.0
        self._port = port
        self._selector = selector
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._length = 0

    def ask(self, request: bytes) -> None:
        """Send the next request."""
        self._received.clear()
        self._length = 0
        self.begun = time.perf_counter()
        self._connected().sendall(request)

    def answer(self) -> bytes | None:
        """Take what has come; the answer once it is complete."""
        data = self._connected().recv(_READ)
        if not data:
            raise ConnectionError(f"the server hung up after {bytes(self._received)!r}")
        self._received += data
        self._length = self._length or _length(self._received)
        if not self._length or len(self._received) < self._length:
            return None
        if _is_last(self._received):
            self.close()
        return bytes(self._received)

    def close(self) -> None:
        """Hang up, if that has not been done."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        return self._socket


def _is_last(received: bytearray) -> bool:
    """Whether the server hangs up after this answer."""
    return _CLOSE in received[: received.find(b"\r\n\r\n")].lower()


def _length(received: bytearray) -> int:
    """The length of a whole answer, 0 as long as its head is not complete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = bytes(received[:end]).lower()
    at = head.find(_LENGTH)
    if at < 0:
        raise ConnectionError(f"an answer without its length: {bytes(received)!r}")
    return end + 4 + int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])


class _Tally:
    """What has been answered since the warm-up ended."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.wrong = 0
        self.example = ""

    def add(self, answer: bytes, begun: float, now: float) -> None:
        """Count an answer."""
        if answer.startswith(_GOOD):
            self.latencies.append(1000 * (now - begun))
        else:
            self.wrong += 1
            self.example = answer[:1000].decode("latin-1")


def once(port: int, request: bytes) -> bytes:
    """The answer to one request, whatever it is. OSError when the server is gone."""
    with (
        selectors.DefaultSelector() as selector,
        contextlib.closing(_Connection(port, selector)) as connection,
    ):
        connection.ask(request)
        while (answer := connection.answer()) is None:
            pass
    return answer


def load(port: int, request: bytes, wanted: Load) -> Sample:
    """Ask on all connections until the time is over. OSError when the server is gone."""
    selector = selectors.DefaultSelector()
    connections = [_Connection(port, selector) for _ in range(wanted.connections)]
    for connection in connections:
        connection.ask(request)
    begun = time.perf_counter() + wanted.warm_up
    tally = _tallied(selector, request, begun, begun + wanted.seconds)
    ended = time.perf_counter()
    for connection in connections:
        connection.close()
    return Sample.of(tally.latencies, ended - begun, tally.wrong, tally.example)


def _tallied(selector: selectors.BaseSelector, request: bytes, begin: float, end: float) -> _Tally:
    tally = _Tally()
    now = time.perf_counter()
    while now < end:
        ready = selector.select(_SILENCE_SECONDS)
        if not ready:
            raise TimeoutError(f"no answer for {_SILENCE_SECONDS:.0f} s")
        for key, _ in ready:
            connection: _Connection = key.data
            answer = connection.answer()
            if answer is None:
                continue
            now = time.perf_counter()
            if now >= begin:
                tally.add(answer, connection.begun, now)
            connection.ask(request)
    return tally


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--warm-up", type=float, default=0.5)
    given = parser.parse_args()
    wanted = Load(given.connections, given.seconds, given.warm_up)
    sample = load(given.port, sys.stdin.buffer.read(), wanted)
    json.dump(dataclasses.asdict(sample), sys.stdout)


if __name__ == "__main__":
    main()
