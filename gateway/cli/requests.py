"""What a program that stays up is asked to do: by signals, or by a part of it that has ended."""

import contextlib
import enum
import queue
import signal
import sys
from collections.abc import Iterator
from types import FrameType

# Waiting for a queue cannot be interrupted on Windows: there it is looked at in between.
_WAIT_SECONDS = 0.5 if sys.platform == "win32" else None


class Request(enum.Enum):
    """What the program is asked to do from outside."""

    STOP = enum.auto()
    RELOAD = enum.auto()
    PART_ENDED = enum.auto()


class Requests:
    """What was asked of the program, by signals or by a part that ended."""

    def __init__(self) -> None:
        # Of all queues this one may be used in a signal handler.
        self._queue: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._stopping = False

    def put(self, request: Request) -> None:
        """Ask for something; may be called in any thread."""
        self._queue.put(request)

    def get(self) -> Request:
        """Wait for the next request."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=_WAIT_SECONDS)

    @contextlib.contextmanager
    def from_signals(self) -> Iterator[None]:
        """Take requests from the process's signals for the length of a block."""
        wanted = dict.fromkeys(("SIGTERM", "SIGINT", "SIGBREAK"), self._stop)
        wanted["SIGHUP"] = self._reload
        here = {
            getattr(signal, name): call for name, call in wanted.items() if hasattr(signal, name)
        }
        before = {number: signal.signal(number, call) for number, call in here.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            # Asked twice: whoever asks does not want to wait for what is under way.
            raise KeyboardInterrupt
        self._stopping = True
        self.put(Request.STOP)

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self.put(Request.RELOAD)
