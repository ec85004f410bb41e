"""The one writer of a SQLite store: group commit.

Every waiting unit of work runs inside one ``BEGIN IMMEDIATE``, with a savepoint of its own where it
needs one; the rows that they have gathered are written together; one commit makes them all durable;
then all of them are answered. The slower the disk, the larger the groups.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import peewee

from storage.database import Committed, Work, unobserved
from storage.errors import StoreUnavailable
from storage.remembered import Memory
from storage.session import WritingSession

log = logging.getLogger("storage.writer")

_MAXIMUM_GROUP = 256
_NOT_STORED = "the store's writer failed; nothing was stored"

# The disk, not the request, is at fault: the whole transaction may be gone with these.
_DISK_ERRORS = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
)


@dataclass(eq=False)
class Unit:
    """A unit of work that waits for, or has found, its result."""

    work: Work[Any]
    done: "Done"
    result: Any = None
    error: BaseException | None = None
    durable: bool = False
    after_commit: list[Callable[[], None]] = field(default_factory=list)

    def answer(self) -> None:
        """Tell the caller how it went; the calls after commit come first."""
        if self.error is None:
            call_quietly(self.after_commit)
        self.done.tell(self)


class Done(Protocol):
    """Whoever waits for a unit of work."""

    def wanted(self) -> bool:
        """Whether the unit is still to be done; from here on it is."""

    def tell(self, unit: Unit) -> None:
        """The unit has its result or its error."""


class Waiter:
    """A thread that waits for its unit. A lock costs a tenth of what a Future does."""

    def __init__(self) -> None:
        self._told = threading.Lock()
        self._told.acquire()

    def wanted(self) -> bool:
        """Always: the thread cannot give up."""
        return True

    def tell(self, unit: Unit) -> None:
        """Let the thread go on."""
        del unit
        self._told.release()

    def wait(self) -> None:
        """Wait until the unit is done."""
        self._told.acquire()


class Promise:
    """A future that is set when the unit is done, and may be cancelled before."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()

    def wanted(self) -> bool:
        """Whether nobody has cancelled the future; from here on nobody can."""
        return self.future.set_running_or_notify_cancel()

    def tell(self, unit: Unit) -> None:
        """Set the future."""
        if unit.error is not None:
            self.future.set_exception(unit.error)
        else:
            self.future.set_result(unit.result)


class TransactionLost(Exception):
    """The database gave up the whole transaction; ``culprit`` is the unit that ran into it."""

    def __init__(self, culprit: Unit | None, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.culprit = culprit
        self.cause = cause


class GroupWriter:
    """Runs units of work on one connection in one thread, many to a commit."""

    def __init__(
        self,
        connect: Callable[[], peewee.SqliteDatabase],
        open_session: Callable[[peewee.SqliteDatabase], WritingSession],
        committed: Committed = unobserved,
        memory: Memory | None = None,
    ) -> None:
        self._connect = connect
        self._committed = committed
        self._memory = memory or Memory()
        self._open_session = open_session
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._failing = False
        self._ended = False
        self._lock = threading.Lock()
        self._thread.start()

    def submit(self, work: Work[Any]) -> "Future[Any]":
        """Queue a unit of work."""
        promise = Promise()
        self._put(Unit(work, promise))
        return promise.future

    def do(self, work: Work[Any], waiting: Callable[[], Any]) -> Any:
        """Have a unit of work done, and wait for it within the context that ``waiting`` makes."""
        waiter = Waiter()
        unit = Unit(work, waiter)
        self._put(unit)
        with waiting():
            waiter.wait()
        if unit.error is not None:
            raise unit.error
        return unit.result

    def _put(self, unit: Unit) -> None:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._queue.put(unit)

    def close(self) -> None:
        """Finish what is queued, then end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            try:
                database = self._connect()
            except (peewee.PeeweeException, OSError) as error:
                self._refuse(error)
                continue
            try:
                self._work(database)
            finally:
                database.close()

    def _refuse(self, error: Exception) -> None:
        """Answer the next group while the file cannot even be opened."""
        group = self._next_group()
        if group is None:
            self._ended = True
            return
        log.error("the store cannot be opened for writing: %s", error)
        for unit in group:
            if unit.done.wanted():
                unit.error = StoreUnavailable(f"the store cannot be opened for writing: {error}")
                unit.answer()

    def _work(self, database: peewee.SqliteDatabase) -> None:
        """Commit group after group; an error outside all units costs its group and connection."""
        session = self._open_session(database)
        while (group := self._next_group()) is not None:
            # Whoever has given up waiting gets nothing done; from here on nobody can.
            group = [unit for unit in group if unit.done.wanted()]
            try:
                self._commit(database, session, group)
            except BaseException:
                log.exception("the store's writer met an error; it begins again")
                # At once: a connection that somebody still knows would keep the store locked.
                self._rollback(database)
                session.forget()
                for unit in group:
                    if not unit.durable:
                        unit.error = StoreUnavailable(_NOT_STORED)
            for unit in group:
                unit.answer()
            if database.connection().in_transaction:
                return
        self._ended = True

    def _next_group(self) -> list[Unit] | None:
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        while len(group) < _MAXIMUM_GROUP:
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                break
            if unit is None:
                # Put the end mark back: this group is committed first.
                self._queue.put(None)
                break
            group.append(unit)
        return group

    def _commit(self, database: Any, session: WritingSession, group: list[Unit]) -> None:
        """Bring every unit of the group to a result or an error.

        A unit that runs into a full disk fails and the rest is run again; where none can be told
        to be at fault, each is tried alone.
        """
        rest = group
        while rest:
            try:
                self._attempt(database, session, rest)
                rest = []
            except TransactionLost as lost:
                self._rollback(database)
                session.forget()
                culprit = lost.culprit or (rest[0] if len(rest) == 1 else None)
                if culprit is None:
                    break
                self._fail(culprit, lost)
                rest = [unit for unit in rest if unit is not culprit]
        for unit in rest:
            self._commit(database, session, [unit])

    def _fail(self, culprit: Unit, lost: TransactionLost) -> None:
        if not isinstance(lost.cause, (peewee.OperationalError, StoreUnavailable)) and not (
            is_disk_error(lost.cause)
        ):
            # What it gathered cannot be stored by anybody, which is found when it is written.
            culprit.error = lost.cause
            return
        # Once, not for each of the thousands that may be refused while a disk is full.
        if not self._failing:
            log.error("the store cannot be written: %s", lost)
        self._failing = True
        culprit.error = StoreUnavailable(f"the store cannot be written: {lost}")
        culprit.error.__cause__ = lost.cause

    def _attempt(self, database: Any, session: WritingSession, group: list[Unit]) -> None:
        try:
            database.execute_sql("BEGIN IMMEDIATE")
        except peewee.DatabaseError as error:
            raise TransactionLost(None, error) from error
        for unit in group:
            self._do(database, session, unit)
        try:
            session.finish()
            begun = time.perf_counter()
            database.execute_sql("COMMIT")
        except Exception as error:
            raise TransactionLost(None, error) from error
        for unit in group:
            unit.durable = unit.error is None
        seconds = time.perf_counter() - begun
        # Before anybody is answered: who reads after his answer finds what was changed.
        self._memory.changed(session.changed)
        session.forget()
        call_quietly([lambda: self._committed(len(group), seconds)])
        if self._failing:
            self._failing = False
            log.warning("the store can be written again")

    def _do(self, database: Any, session: WritingSession, unit: Unit) -> None:
        unit.result = unit.error = None
        session.begin_unit()
        try:
            unit.result = unit.work(session)
            session.end_unit()
        except BaseException as error:  # noqa: BLE001  # all that is raised goes to the caller
            self._undo(database, session, unit, error)
        if session.failure is not None:
            raise TransactionLost(None, session.failure) from session.failure
        if not database.connection().in_transaction:
            # A full disk ended it, and the unit has hidden that: nothing may run by itself now.
            raise TransactionLost(unit, StoreUnavailable("the transaction is gone"))
        unit.after_commit = session.take_after_commit()

    def _undo(
        self, database: Any, session: WritingSession, unit: Unit, error: BaseException
    ) -> None:
        if session.failure is not None:
            raise TransactionLost(None, session.failure) from session.failure
        if is_disk_error(error) or not database.connection().in_transaction:
            raise TransactionLost(unit, error) from error
        unit.error = error
        try:
            session.undo_unit()
        except peewee.DatabaseError as gone:
            raise TransactionLost(unit, gone) from gone

    @staticmethod
    def _rollback(database: Any) -> None:
        if database.connection().in_transaction:
            try:
                database.execute_sql("ROLLBACK")
            except peewee.DatabaseError:
                log.exception("a lost transaction could not be rolled back")


def is_disk_error(error: BaseException | None) -> bool:
    """Whether the disk is at fault: full, failing, gone or read-only."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return (code & 0xFF) in _DISK_ERRORS
        error = error.__cause__ or error.__context__
    return False


def call_quietly(calls: Iterable[Callable[[], None]]) -> None:
    """Make the calls that wait for a commit; one that fails is logged, the commit stands."""
    for call in calls:
        try:
            call()
        except Exception:
            log.exception("a call after a commit failed; what was committed stands")
