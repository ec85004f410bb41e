"""The store: SQLite or PostgreSQL behind one unit of work.

Domain code hands in a function; ``unit_of_work`` runs it in a transaction, and answers once the
commit is on disk. A function and not a ``with`` block, because both databases must be able to run
it a second time: SQLite when a full disk has thrown away the transaction that it shared with
others, PostgreSQL after a serialization failure. Such a function has no effects but those on the
session it is given.
"""

import abc
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from storage.session import Session, WritingSession

T = TypeVar("T")
Work = Callable[[WritingSession], T]
Waiting = Callable[[], contextlib.AbstractContextManager[None]]
Committed = Callable[[int, float], None]
"""Told of each commit: how many units of work it made durable, and how many seconds it took."""


def unobserved(_units: int, _seconds: float) -> None:
    """Nobody wants to know of commits."""


class Store(abc.ABC):
    """What the domain sees of the database.

    ``waiting`` makes a context in which a thread waits for a commit: whoever lets few threads
    compute at a time has them give up their turn there.
    """

    def __init__(self, waiting: Waiting = contextlib.nullcontext) -> None:
        self._waiting = waiting

    @abc.abstractmethod
    def submit(self, work: Work[T]) -> "Future[T]":
        """Have work done in a transaction; the future is set once it is durable.

        The future carries what the work raised, with nothing of it stored, or StoreUnavailable.
        """

    def soon(self, work: Work[T]) -> "Future[T]":
        """As ``submit``, for a caller who has nothing to do but to wait, and can do that elsewhere.

        Where a transaction needs a thread of its own, that is the caller's.
        """
        return self.submit(work)

    def unit_of_work(self, work: Work[T]) -> T:
        """Do work in a transaction and answer its result once it is durable.

        Raises whatever the work raises (nothing is stored then), or StoreUnavailable.
        """
        future = self.submit(work)
        with self._waiting():
            return future.result()

    @abc.abstractmethod
    def reading(self, *, long: bool = False) -> contextlib.AbstractContextManager[Session]:
        """A session for queries only, on a connection of its own.

        Others may compute while a ``long`` one waits for the database. It must not be asked for
        while a lock is held that they may want.
        """

    @abc.abstractmethod
    def check(self, *, full: bool) -> list[str]:
        """Look for damage; answers sentences, none when all is well. ``full`` reads everything."""

    @abc.abstractmethod
    def free_bytes(self) -> int | None:
        """Free space where the store grows; None where that cannot be known from here."""

    @abc.abstractmethod
    def close(self) -> None:
        """Finish what was submitted and close all connections."""


@contextlib.contextmanager
def closing(store: Store) -> Iterator[Store]:
    """Close the store at the end of a block."""
    try:
        yield store
    finally:
        store.close()
