"""The store on PostgreSQL: a pool and plain transactions; the server groups commits itself."""

import contextlib
import logging
import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import peewee
from playhouse.pool import PooledPostgresqlDatabase

from storage import connections, models, statements
from storage.database import Committed, Store, Waiting, Work, unobserved
from storage.errors import OutcomeUnknown, StoreUnavailable
from storage.remembered import Memory
from storage.session import Session, WritingSession
from storage.writer import call_quietly

T = TypeVar("T")
log = logging.getLogger("storage.postgres")

_CONNECTIONS = 40
_BACKGROUND_THREADS = 8
# For so long may be remembered what another gateway may have changed.
_FRESH_SECONDS = 1.0
_TRIES = 6
_PAUSE_SECONDS = 0.01

# Serialization failure and deadlock: the server undid the whole transaction, so it is run again.
_RETRIED = frozenset({"40001", "40P01"})
# Connection trouble, disk full, server stopping: nothing was stored, and it is not the request.
_UNAVAILABLE = ("08", "53", "57P", "58")


def connect(url: str) -> PooledPostgresqlDatabase:
    """A pool on the given ``postgresql://`` address, with durable commits in every session."""
    return PooledPostgresqlDatabase(
        url,
        prefer_psycopg3=True,
        max_connections=_CONNECTIONS,
        stale_timeout=300,
        timeout=10,
        options="-c synchronous_commit=on -c TimeZone=UTC",
    )


class PostgresStore(Store):
    """Any number of gateways may share it."""

    def __init__(
        self,
        url: str,
        waiting: Waiting = contextlib.nullcontext,
        committed: Committed = unobserved,
    ) -> None:
        """Open an existing, migrated store; connections are made when first needed."""
        super().__init__(waiting)
        self._committed = committed
        self._database = connect(url)
        self._catalog = statements.Catalog(self._database)
        self._memory = Memory(_FRESH_SECONDS)
        self._background = ThreadPoolExecutor(_BACKGROUND_THREADS, thread_name_prefix="store")

    def submit(self, work: Work[T]) -> "Future[T]":
        """Have work done by a background thread; see Store.submit."""
        return self._background.submit(self.unit_of_work, work)

    def soon(self, work: Work[T]) -> "Future[T]":
        """Do work in the calling thread; see Store.soon."""
        future: Future[T] = Future()
        try:
            future.set_result(self.unit_of_work(work))
        except Exception as error:  # noqa: BLE001  # told by the future, as everywhere
            future.set_exception(error)
        return future

    def unit_of_work(self, work: Work[T]) -> T:
        """Do work in a transaction in the calling thread; see Store.unit_of_work."""
        with self._waiting():
            for attempt in range(_TRIES):
                try:
                    return self._transaction(work)
                except peewee.DatabaseError as error:
                    if _state(error) not in _RETRIED:
                        raise
                # Apart, so that the same two do not meet again.
                time.sleep(random.uniform(0, _PAUSE_SECONDS * 2**attempt))  # noqa: S311
            raise StoreUnavailable("others kept undoing this unit of work: try again later")

    def _transaction(self, work: Work[T]) -> T:
        session = WritingSession(self._database, self._catalog, savepoints=False)
        begun = time.perf_counter()
        committing = False
        try:
            with connections.held(self._database), self._database.atomic():
                session.begin_unit()
                result = work(session)
                session.end_unit()
                session.finish()
                committing = True
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            if not _unavailable(error):
                raise
            if committing:
                raise OutcomeUnknown from error
            raise StoreUnavailable(f"the database cannot be written: {error}") from error
        self._committed(1, time.perf_counter() - begun)
        self._memory.changed(session.changed)
        call_quietly(session.take_after_commit())
        return result

    @contextlib.contextmanager
    def reading(self, *, long: bool = False) -> Iterator[Session]:
        """A session on a pooled connection, taken when it is first needed.

        Each query sees what is committed by then.
        """
        waiting = self._waiting if long else contextlib.nullcontext
        try:
            with connections.Lazy(self._database) as lazy:
                yield Session(self._database, self._catalog, lazy.take, self._memory, waiting)
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            if not _unavailable(error):
                raise
            raise StoreUnavailable(f"the database cannot be read: {error}") from error

    def check(self, *, full: bool) -> list[str]:
        """Whether the server answers; PostgreSQL looks after its own pages."""
        del full
        with self.reading() as session:
            session.first(models.StoreFact.select())
        return []

    def free_bytes(self) -> int | None:
        """Not to be known from here."""
        return None

    def close(self) -> None:
        """Finish background work and close the pool."""
        self._background.shutdown()
        self._database.close_all()


def _unavailable(error: BaseException) -> bool:
    """Whether the database is at fault and not what was asked of it."""
    state = _state(error)
    return state is None or str(state).startswith(_UNAVAILABLE)


def _state(error: BaseException | None) -> Any:
    """The SQLSTATE of the driver's error behind a Peewee error, or None."""
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if state is not None:
            return state
        error = error.__cause__ or error.__context__
    return None
