"""A session: what a unit of work or a reader does with one connection."""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

import peewee

from storage import statements
from storage.batch import Batch
from storage.remembered import Memory, Remembered

Row = dict[str, Any]
V = TypeVar("V")


class Session:
    """Runs Peewee queries on one given connection.

    Models are bound to no database, so that several stores can be open in one process; every
    query is executed here, explicitly. Rows come back as plain dicts keyed by column attribute.
    Queries that were not compiled once run in the context that ``waiting`` makes.

    ``before`` is called before each statement: a reader takes its connection there, a unit of
    work writes what waits. ``memory`` has what a reader need not read again; a unit of work has
    none, it sees what is stored. Queries that were not compiled once, and may take long, run in the
    context that ``waiting`` makes; those that were are over sooner than that would cost.
    """

    def __init__(
        self,
        database: peewee.Database,
        catalog: statements.Catalog,
        before: Callable[[], None] | None = None,
        memory: Memory | None = None,
        waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._before = before
        self._memory = memory
        self._waiting = waiting

    @property
    def postgres(self) -> bool:
        """Whether this is PostgreSQL: for the few queries that need row locks."""
        return isinstance(self._database, peewee.PostgresqlDatabase)

    def execute(self, query: Any) -> Any:
        """Run an INSERT (answers the new id), UPDATE or DELETE (answers the count of rows)."""
        self._begin(statements.written_table(query))
        return query.execute(self._database)

    def rows(self, query: Any) -> list[Row]:
        """All rows of a query."""
        self._begin(None)
        with self._waiting():
            return list(query.dicts().execute(self._database))

    def each(self, query: Any) -> Iterator[Row]:
        """The rows of a query one by one, none kept: for reports of any length."""
        self._begin(None)
        yield from query.dicts().iterator(self._database)

    def first(self, query: Any) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(query.limit(1))
        return found[0] if found else None

    def scalar(self, query: Any) -> Any:
        """The first column of the first row, or None."""
        self._begin(None)
        with self._waiting():
            return query.scalar(self._database)

    def run(self, statement: statements.Statement, values: Mapping[str, Any]) -> Any:
        """Run a hot statement that was compiled once; answers the driver's cursor."""
        compiled = self._catalog.compiled(statement)
        self._begin(compiled.writes)
        return self._database.execute_sql(compiled.sql, compiled.parameters(values))

    def select(self, statement: statements.Statement, values: Mapping[str, Any]) -> list[Row]:
        """The rows of a hot SELECT that was compiled once."""
        compiled = self._catalog.compiled(statement)
        self._begin(None)
        cursor = self._database.execute_sql(compiled.sql, compiled.parameters(values))
        return [compiled.row(answer) for answer in cursor.fetchall()]

    def recall(self, kind: Remembered, key: Hashable, read: Callable[[], V]) -> V:
        """What is remembered under a key, else what ``read`` finds; for readers only.

        A unit of work always reads: it may have changed what others remember.
        """
        if self._memory is None:
            return read()
        return self._memory.recall(kind, key, read)

    def kept(self, make: Callable[[], V]) -> V:
        """What this process keeps beside the store, one of each kind, made when first asked for."""
        return self._catalog.kept(make)

    def _begin(self, written: str | None) -> None:
        """Make ready for a statement; ``written`` is the table that it changes."""
        del written
        if self._before is not None:
            self._before()


class WritingSession(Session):
    """The session of units of work: what they write by and by may wait, and be written at once.

    Several units may share a transaction. ``begin_unit`` and ``end_unit`` (or ``undo_unit``) frame
    each. Where they share one, ``savepoints`` are made: each before the first statement that a
    unit must run by itself, so that units which only gather rows cost nothing but their rows.
    """

    def __init__(
        self, database: peewee.Database, catalog: statements.Catalog, *, savepoints: bool
    ) -> None:
        super().__init__(database, catalog)
        self._earlier = Batch()
        self._unit = Batch()
        self._numbers: dict[str, int] = {}
        self._savepoints = savepoints
        self._savepoint = False
        self._after_commit: list[Callable[[], None]] = []
        self._changed: set[str] = set()
        self._broken: Exception | None = None
        self.failure: Exception | None = None
        """Why the rows of units that ended well could not be written: all of them are lost."""

    # -- for units of work -----------------------------------------------------------------------

    def gather(self, write: statements.Write, row: object) -> None:
        """Have a row written together with others of its kind, at the latest with the commit.

        Its values are those of a dict, or the attributes of anything else, by the columns' names.
        For rows that nothing else changes in the same unit of work: what is wrong with one of them
        (a key that is taken, a reference to nothing) may only be found with the commit.
        """
        writer = self._catalog.writer(write)
        if not self._unit.takes(writer):
            self._begin(None)
        self._unit.add(writer, writer.row(row))

    def add_up(self, write: statements.Insert, key: tuple[object, ...], amount: int) -> None:
        """Add to a sum that the store keeps; all that a transaction adds is written at its end.

        ``key`` has the values of all columns of ``write`` but the last, which is the sum.
        """
        self._unit.add_up(self._catalog.writer(write), key, amount)

    def new_id(self, model: type[peewee.Model]) -> int:
        """The next number of a table, which nobody else is given; some are never used."""
        table: str = model._meta.table_name
        if self.postgres:
            text = "SELECT nextval(pg_get_serial_sequence(%s, 'id'))"
            return int(self._database.execute_sql(text, (table,)).fetchone()[0])
        last = self._numbers.get(table)
        if last is None:
            text = "SELECT seq FROM sqlite_sequence WHERE name = ?"
            found = self._database.execute_sql(text, (table,)).fetchone()
            last = 0 if found is None else int(found[0])
        self._numbers[table] = last + 1
        return last + 1

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have something cheap called once this unit of work is durable (wake-ups)."""
        self._after_commit.append(call)

    # -- for the store ---------------------------------------------------------------------------

    def begin_unit(self) -> None:
        """Begin a unit of work."""
        self._broken = None
        self._savepoint = False
        self._unit = Batch()
        self._after_commit = []

    def end_unit(self) -> None:
        """Keep what the unit has done for the commit. Raises what it may have hidden."""
        if self._broken is not None:
            raise self._broken
        if self._savepoint:
            self._database.execute_sql("RELEASE unit")
            self._savepoint = False
        if not self._earlier.fits(self._unit):
            self._write_earlier()
        self._earlier.absorb(self._unit)

    def undo_unit(self) -> None:
        """Undo what the unit has done, and nothing that others have."""
        self._unit = Batch()
        self._after_commit = []
        if self._savepoint:
            self._savepoint = False
            self._numbers.clear()
            self._database.execute_sql("ROLLBACK TO unit")
            self._database.execute_sql("RELEASE unit")

    def finish(self) -> None:
        """Write all that waits: the commit comes next."""
        self._write_earlier()
        self._changed.update(self._earlier.sum_tables)
        self._execute(self._earlier.take_sums())

    def forget(self) -> None:
        """The transaction is over, well or not: nothing waits, and numbers are read anew."""
        self._earlier, self._unit = Batch(), Batch()
        self._numbers.clear()
        self._changed.clear()
        self._savepoint = False
        self._after_commit = []
        self.failure = None

    def take_after_commit(self) -> list[Callable[[], None]]:
        """Hand over the calls registered so far."""
        calls, self._after_commit = self._after_commit, []
        return calls

    @property
    def changed(self) -> set[str]:
        """The tables that have been written since the transaction began."""
        return self._changed

    def _begin(self, written: str | None) -> None:
        if self._broken is not None:
            # Some of its rows are lost: nothing that it still does may look as if they were not.
            raise self._broken
        if written is not None:
            self._changed.add(written)
        if self._savepoints and not self._savepoint:
            self._write_earlier()
            self._database.execute_sql("SAVEPOINT unit")
            self._savepoint = True
        if written is not None:
            # Whoever gives the next number may be the database itself.
            self._numbers.clear()
        if self._unit.holds_rows:
            try:
                self._execute(self._write(self._unit))
            except Exception as error:
                self._broken = error
                raise

    def _write_earlier(self) -> None:
        """Write what earlier units have gathered. What fails here is nobody's but all of theirs."""
        try:
            self._execute(self._write(self._earlier))
        except Exception as error:
            self.failure = error
            raise

    def _write(self, batch: Batch) -> Iterator[tuple[str, list[Any]]]:
        self._changed.update(batch.tables)
        return batch.take_rows()

    def _execute(self, texts: Iterator[tuple[str, list[Any]]]) -> None:
        for text, values in texts:
            self._database.execute_sql(text, values)
