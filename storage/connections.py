"""Holding a pooled connection for the length of a block."""

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import peewee
from playhouse.pool import MaxConnectionsExceeded

from storage.errors import StoreUnavailable


class Lazy:
    """A block in which this thread has a connection from the first ``take`` on.

    Within such a block already, it shares the one it has.
    """

    def __init__(self, database: Any) -> None:
        self._database = database
        self._taken = False
        self._opened = False

    def take(self) -> None:
        """Have a connection. Raises StoreUnavailable when none can be had."""
        if self._taken:
            return
        try:
            self._opened = self._database.connect(reuse_if_open=True)
        except (peewee.OperationalError, MaxConnectionsExceeded) as error:
            raise StoreUnavailable(f"the database cannot be reached: {error}") from error
        self._taken = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened:
            self._database.close()


@contextlib.contextmanager
def held(database: Any) -> Iterator[None]:
    """Give this thread a connection; within such a block already, share the one it has.

    Raises StoreUnavailable when the server cannot be reached or all connections stay taken.
    """
    with Lazy(database) as lazy:
        lazy.take()
        yield
