"""The gate that lets only a few threads compute at once.

Decoding is fastest on one or two threads of a Python process, while a group commit wants many
requests waiting together.  So a request holds a turn while it computes and gives it up while it
waits.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

# As long as another thread may take to wake up and have what was given up, in seconds.
_MOMENT = 0.001


class Gate:
    """At most ``width`` threads are inside at once.

    ``with gate:`` enters and may be nested; ``with gate.released():`` inside it gives the turn up
    and takes one again afterwards.
    """

    def __init__(self, width: int) -> None:
        if width < 1:
            raise ValueError(f"a gate needs a width of at least 1, got {width}")
        self.width = width
        self._left: Callable[[], None] = _nothing
        self._back: Callable[[], None] = _nothing
        # Taken and given back by each request: a queue costs a tenth of a Semaphore.
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(width):
            self._turns.put(None)
        self._thread = _Depth()

    def watch(self, left: Callable[[], None], back: Callable[[], None]) -> None:
        """Have ``left`` called when a thread gives its turn up, ``back`` before it takes one."""
        self._left, self._back = left, back

    def __enter__(self) -> None:
        if not self._thread.depth:
            self._turns.get()
        self._thread.depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.depth -= 1
        if not self._thread.depth:
            self._turns.put(None)

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Let others compute while the calling thread waits for something.

        Does nothing in a thread that holds no turn, so that code which waits need not know
        whether it was called by a request, a task or a test.
        """
        depth, self._thread.depth = self._thread.depth, 0
        if depth:
            self._turns.put(None)
        try:
            if depth:
                self._left()
            yield
        finally:
            if depth:
                self._back()
                self._turns.get()
            self._thread.depth = depth

    def give_way(self) -> None:
        """Let others who wait for a turn have it first, in the midst of long computing.

        Does nothing in a thread that holds no turn.
        """
        if self._thread.depth:
            with self.released():
                # Given up and taken again at once, the turn would never leave this thread.
                time.sleep(_MOMENT)


def _nothing() -> None:
    """Stand in until somebody watches."""


class _Depth(threading.local):
    """How often the calling thread has entered."""

    depth = 0
