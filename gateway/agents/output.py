"""A task's log on its way out: masked, gathered into pieces, and bounded."""

import collections
import threading
import time
from collections.abc import Callable

from gateway.agents.evidence import Tail
from gateway.agents.masking import Masker

# Output is sent on when there is this much of it, or when it is this old.
PIECE_BYTES = 64 * 1024
MAX_AGE_SECONDS = 0.5

Emit = Callable[[bytes, bool], None]


def truncation_notice(limit: int) -> bytes:
    """The last line of a log that was longer than its limit in bytes."""
    return f"\n[output truncated after {limit} bytes]\n".encode()


class Flusher:
    """Sends on, in a thread of its own, what has waited in a log for MAX_AGE_SECONDS.

    All logs wait equally long, so a plain queue holds them in the order of their time.
    """

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[float, TaskLog]] = collections.deque()
        self._more = threading.Condition()
        threading.Thread(target=self._run, name="log-flusher", daemon=True).start()

    def expect(self, log: "TaskLog") -> None:
        """Flush the log when its time has come."""
        with self._more:
            self._waiting.append((time.monotonic() + MAX_AGE_SECONDS, log))
            if len(self._waiting) == 1:
                self._more.notify()

    def _run(self) -> None:
        while True:
            due, log = self._next()
            time.sleep(max(0.0, due - time.monotonic()))
            log.flush()

    def _next(self) -> "tuple[float, TaskLog]":
        with self._more:
            self._more.wait_for(lambda: self._waiting)
            return self._waiting.popleft()


class TaskLog:
    """The log of one task. ``emit(data, truncated)`` sends a piece on and may wait.

    What comes after ``limit`` bytes is thrown away, so that the program goes on undisturbed.
    ``tail`` is given all of it, unmasked.
    """

    def __init__(
        self, emit: Emit, masker: Masker, limit: int, flusher: Flusher, tail: Tail | None = None
    ) -> None:
        self._emit = emit
        self._mask = masker.stream()
        self._limit = limit
        self._left = limit
        self._flusher = flusher
        self._tail = tail
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._full = False
        self._closed = False

    def write(self, data: bytes) -> None:
        """Add output; waits while pieces cannot be sent on."""
        with self._lock:
            if self._tail is not None and not self._closed:
                self._tail.feed(data)
            if self._full or self._closed:
                return
            was_empty = not self._pending
            self._take(self._mask.feed(data))
            if len(self._pending) >= PIECE_BYTES:
                self._send()
            elif was_empty and self._pending:
                self._flusher.expect(self)

    def line(self, text: str) -> None:
        """Add a line of text."""
        self.write(f"{text}\n".encode("utf-8", "replace"))

    def flush(self) -> None:
        """Send on what has come."""
        with self._lock:
            self._send()

    def close(self) -> None:
        """Send the rest; what is written afterwards is thrown away."""
        with self._lock:
            if not self._closed:
                self._take(self._mask.finish())
                self._send()
                self._closed = True

    def _take(self, data: bytes) -> None:
        if self._full:
            return
        self._pending += data[: self._left]
        if len(data) > self._left:
            self._full = True
            self._send()
            self._emit(truncation_notice(self._limit), True)
        self._left -= min(self._left, len(data))

    def _send(self) -> None:
        while self._pending:
            piece = bytes(self._pending[:PIECE_BYTES])
            del self._pending[:PIECE_BYTES]
            self._emit(piece, False)
