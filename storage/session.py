"""A session: what a unit of work or a reader does with one connection."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import peewee

from storage import statements

Row = dict[str, Any]
T = TypeVar("T")


class Session:
    """Runs Peewee queries on one given connection.

    Models are bound to no database, so that several stores can be open in one process; every
    query is executed here, explicitly. Rows come back as plain dicts keyed by column attribute.
    """

    def __init__(self, database: peewee.Database, catalog: statements.Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self._after_commit: list[Callable[[], None]] = []

    @property
    def postgres(self) -> bool:
        """Whether this is PostgreSQL: for the few queries that need row locks."""
        return isinstance(self._database, peewee.PostgresqlDatabase)

    def execute(self, query: Any) -> Any:
        """Run an INSERT (answers the new id), UPDATE or DELETE (answers the count of rows)."""
        return query.execute(self._database)

    def rows(self, query: Any) -> list[Row]:
        """All rows of a query."""
        return list(query.dicts().execute(self._database))

    def each(self, query: Any) -> Iterator[Row]:
        """The rows of a query one by one, none kept: for reports of any length."""
        yield from query.dicts().iterator(self._database)

    def first(self, query: Any) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(query.limit(1))
        return found[0] if found else None

    def scalar(self, query: Any) -> Any:
        """The first column of the first row, or None."""
        return query.scalar(self._database)

    def run(self, statement: statements.Statement, values: Mapping[str, Any]) -> Any:
        """Run a hot statement that was compiled once; answers the driver's cursor."""
        compiled = self._catalog.compiled(statement)
        return self._database.execute_sql(compiled.sql, compiled.parameters(values))

    def select(self, statement: statements.Statement, values: Mapping[str, Any]) -> list[Row]:
        """The rows of a hot SELECT that was compiled once."""
        compiled = self._catalog.compiled(statement)
        cursor = self._database.execute_sql(compiled.sql, compiled.parameters(values))
        return [compiled.row(answer) for answer in cursor.fetchall()]

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have something cheap called once this unit of work is durable (wake-ups)."""
        self._after_commit.append(call)

    def take_after_commit(self) -> list[Callable[[], None]]:
        """Hand over the calls registered so far; for the store's own use."""
        calls, self._after_commit = self._after_commit, []
        return calls
