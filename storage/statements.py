"""Hot statements, compiled once per database instead of once per call.

Building an INSERT with Peewee costs about ten times the insert itself. A ``Statement`` is an
ordinary Peewee query whose values are named placeholders; the first use on a store turns it into
SQL text in that database's dialect, every later one only fills in the values.
"""

from collections.abc import Callable, Mapping
from typing import Any

import peewee


class Named:
    """A placeholder for a value that is given at execution."""

    __slots__ = ("convert", "name")

    def __init__(self, name: str, convert: Callable[[Any], Any] | None = None) -> None:
        self.name = name
        self.convert = convert


def named(field: peewee.Field, name: str | None = None) -> peewee.Value:
    """A placeholder for a value of the given column, converted as the column does."""
    return peewee.Value(Named(name or field.name, field.db_value), converter=False)


class Statement:
    """A Peewee query with ``named`` values; compiled lazily, once per database."""

    def __init__(self, query: Callable[[], Any]) -> None:
        self.query = query


def insert(model: type[peewee.Model], *columns: peewee.Field) -> Statement:
    """An INSERT of one row with the given columns, all of them named values."""
    return Statement(lambda: model.insert({column: named(column) for column in columns}))


class Catalog:
    """The compiled statements of one database."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._compiled: dict[Statement, tuple[str, tuple[Any, ...]]] = {}

    def compiled(self, statement: Statement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The SQL text and its parameters; KeyError names a value that is missing."""
        entry = self._compiled.get(statement)
        if entry is None:
            entry = self._compiled[statement] = self._compile(statement)
        sql, slots = entry
        return sql, [_filled(slot, values) for slot in slots]

    def _compile(self, statement: Statement) -> tuple[str, tuple[Any, ...]]:
        sql, parameters = self._database.get_sql_context().sql(statement.query()).query()
        return sql, tuple(parameters)


def _filled(slot: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(slot, Named):
        return slot
    value = values[slot.name]
    return value if value is None or slot.convert is None else slot.convert(value)
