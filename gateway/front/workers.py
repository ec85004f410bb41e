"""The threads that run the application."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from gateway.front.gate import Gate

LOGGER = logging.getLogger("gateway.front")

T = TypeVar("T")


class Saturated(Exception):
    """All threads are busy and as many calls wait as may."""


class _Work(NamedTuple):
    future: asyncio.Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class _Done(NamedTuple):
    future: asyncio.Future[Any]
    outcome: object
    error: BaseException | None


# Libraries keep things for a thread until it ends, lxml every name that it has parsed there: no
# thread stays so long that they fill the memory.
_WORKS_OF_A_THREAD = 5_000


class Workers:
    """Up to ``threads`` threads, started when needed, serving one event loop.

    No more of them compute than the ``gate`` lets in (all of them without one): a thread that has
    done its work takes the next by itself, and another is woken only when one begins to wait
    (``gate.released()``). A thread that is woken for nothing costs as much as a small request.

    Unlike ``concurrent.futures`` it refuses what exceeds ``waiting``, and its threads are daemons:
    an application that hangs does not keep the process from ending.  All methods but those that
    the gate calls are called from the event loop's thread.
    """

    def __init__(self, threads: int, waiting: int, gate: Gate | None = None) -> None:
        self._limit = threads
        self._most_pending = threads + waiting
        self._most_active = threads
        if gate is not None:
            self._most_active = min(threads, gate.width)
            gate.watch(self._left, self._came_back)
        # Guards what follows; held for moments only.
        self._lock = threading.Lock()
        self._queue: collections.deque[_Work] = collections.deque()
        self._threads: set[threading.Thread] = set()
        self._idle: list[threading.Lock] = []
        self._active = 0
        self._stopping = False
        self._done: collections.deque[_Done] = collections.deque()
        self._settling = False
        self.pending = 0

    def admit(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Run a new request's ``function``; raises ``Saturated``."""
        if self.pending >= self._most_pending:
            raise Saturated
        return self.run(function, *arguments)

    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Run ``function`` for a request that was admitted.

        Raises ``Saturated`` only where the system allows not even one thread.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.pending += 1
        with self._lock:
            self._queue.append(_Work(future, function, arguments))
            self._call_thread()
            if not self._threads:
                # Not even one can be started: nobody would ever do it.
                self._queue.pop()
                self.pending -= 1
                raise Saturated
        return future

    def told(self, outcome: concurrent.futures.Future[T]) -> asyncio.Future[T]:
        """Wait in the event loop for what another thread is doing, at the cost of no thread."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.pending += 1

        def tell(done: concurrent.futures.Future[T]) -> None:
            if done.cancelled():
                self._tell(_Done(future, None, RuntimeError("what was waited for was given up")))
                return
            error = done.exception()
            self._tell(_Done(future, None if error else done.result(), error))

        outcome.add_done_callback(tell)
        return future

    def stop(self) -> None:
        """Let the threads end after what they are doing."""
        with self._lock:
            self._stopping = True
            for bell in self._idle:
                self._active += 1
                bell.release()
            self._idle.clear()

    # -- the threads ----------------------------------------------------------------------------

    def _call_thread(self) -> None:
        """Have one more thread look at the queue, if one more may compute. The lock is held."""
        if not self._queue or self._active >= self._most_active:
            return
        if self._idle:
            self._active += 1
            self._idle.pop().release()
        elif len(self._threads) < self._limit:
            self._start_thread()

    def _start_thread(self) -> None:
        """Start one more; where the system allows none, those that are there do the work."""
        thread = threading.Thread(target=self._main, name="front-worker", daemon=True)
        self._active += 1
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self._active -= 1
            self._threads.discard(thread)
            LOGGER.error("no thread can be started: %s", error)  # noqa: TRY400 (a trace says no more)

    def _left(self) -> None:
        """A thread begins to wait for something else."""
        with self._lock:
            self._active -= 1
            self._call_thread()

    def _came_back(self) -> None:
        """A thread has what it waited for."""
        with self._lock:
            self._active += 1

    def _main(self) -> None:
        bell = threading.Lock()
        bell.acquire()
        for _ in range(_WORKS_OF_A_THREAD):
            work = self._next(bell)
            if work is None or not self._perform(work):
                break
            del work  # an idle thread keeps nothing alive
        self._end()

    def _next(self, bell: threading.Lock) -> _Work | None:
        """The next piece of work, after a rest if there is none yet; None to end."""
        while True:
            with self._lock:
                if self._queue:
                    return self._queue.popleft()
                if self._stopping:
                    return None
                self._active -= 1
                self._idle.append(bell)
            # Whoever rings has counted this thread among the active ones.
            bell.acquire()

    def _end(self) -> None:
        with self._lock:
            self._threads.discard(threading.current_thread())
            self._active -= 1
            # A thread that has worked for long enough leaves its place to another.
            self._call_thread()

    def _perform(self, work: _Work) -> bool:
        """Do one piece of work; False when the loop was closed and nobody waits any more."""
        outcome, error = None, None
        try:
            # At the end of a stop's grace nobody wants what has not begun.
            if not work.future.cancelled():
                outcome = work.function(*work.arguments)
        except BaseException as raised:  # noqa: BLE001 (handed to who awaits the future)
            error = raised
        return self._tell(_Done(work.future, outcome, error))

    def _tell(self, done: _Done) -> bool:
        """Let the loop know; False when it was closed."""
        self._done.append(done)
        if self._settling:
            return True  # It has been woken and has not looked yet.
        self._settling = True
        try:
            done.future.get_loop().call_soon_threadsafe(self._settle)
        except RuntimeError:
            return False
        return True

    def _settle(self) -> None:
        # Before the first look: what is done from here on wakes the loop anew.
        self._settling = False
        while self._done:
            future, outcome, error = self._done.popleft()
            self.pending -= 1
            if future.cancelled():
                continue
            if error is None:
                future.set_result(outcome)
            else:
                future.set_exception(error)
