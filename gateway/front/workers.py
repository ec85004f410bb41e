"""The threads that run the application."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Saturated(Exception):
    """All threads are busy and as many calls wait as may."""


class _Work(NamedTuple):
    future: asyncio.Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


# lxml keeps every element name that a thread has ever parsed until the thread ends: a client that
# sends new names without end must not fill the memory with them.
_WORKS_OF_A_THREAD = 5_000


class Workers:
    """Up to ``threads`` threads, started when needed, serving one event loop.

    Unlike ``concurrent.futures`` it costs one queue operation each way, refuses what exceeds
    ``waiting``, and its threads are daemons: an application that hangs does not keep the process
    from ending.  All methods are called from the event loop's thread.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._limit = threads
        self._most_pending = threads + waiting
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.pending = 0

    def admit(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Run a new request's ``function``; raises ``Saturated``."""
        if self.pending >= self._most_pending:
            raise Saturated
        return self.run(function, *arguments)

    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Run ``function`` for a request that was admitted; it is never refused."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.pending += 1
        if len(self._threads) < min(self.pending, self._limit):
            self._start_thread()
        self._queue.put(_Work(future, function, arguments))
        return future

    def stop(self) -> None:
        """Let the threads end after what they are doing."""
        for _ in self._threads:
            self._queue.put(None)

    def _start_thread(self) -> None:
        name = f"front-{len(self._threads)}"
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._main, args=(loop,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(_WORKS_OF_A_THREAD):
            work = self._queue.get()
            if work is None or not self._perform(loop, work):
                return
            del work  # an idle thread keeps nothing alive
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody needs a successor
            loop.call_soon_threadsafe(self._renew, threading.current_thread())

    def _renew(self, ended: threading.Thread) -> None:
        self._threads.remove(ended)
        self._start_thread()

    def _perform(self, loop: asyncio.AbstractEventLoop, work: _Work) -> bool:
        """Do one piece of work; False when the loop was closed and nobody waits any more."""
        outcome, error = None, None
        try:
            # At the end of a stop's grace nobody wants what has not begun.
            if not work.future.cancelled():
                outcome = work.function(*work.arguments)
        except BaseException as raised:  # noqa: BLE001 (handed to who awaits the future)
            error = raised
        try:
            loop.call_soon_threadsafe(self._settle, work.future, outcome, error)
        except RuntimeError:
            return False
        return True

    def _settle(
        self, future: asyncio.Future[Any], outcome: object, error: BaseException | None
    ) -> None:
        self.pending -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(outcome)
        else:
            future.set_exception(error)
