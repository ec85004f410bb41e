"""Holding a pooled connection for the length of a block."""

import contextlib
from collections.abc import Iterator
from typing import Any

import peewee
from playhouse.pool import MaxConnectionsExceeded

from storage.errors import StoreUnavailable


@contextlib.contextmanager
def held(database: Any) -> Iterator[None]:
    """Give this thread a connection; within such a block already, share the one it has.

    Raises StoreUnavailable when the server cannot be reached or all connections stay taken.
    """
    try:
        opened = database.connect(reuse_if_open=True)
    except (peewee.OperationalError, MaxConnectionsExceeded) as error:
        raise StoreUnavailable(f"the database cannot be reached: {error}") from error
    try:
        yield
    finally:
        if opened:
            database.close()
