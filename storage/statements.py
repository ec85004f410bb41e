"""Hot statements, compiled once per database instead of once per call.

Building an INSERT with Peewee costs about ten times the insert itself. A ``Statement`` is an
ordinary Peewee query whose values are named placeholders; the first use on a store turns it into
SQL text in that database's dialect, every later one only fills in the values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Compiled:
    """A statement in one database's dialect: text, value slots, and columns of its answer."""

    sql: str
    slots: tuple[Any, ...]
    columns: tuple[tuple[str, Callable[[Any], Any]], ...]

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the text; KeyError names one that is missing."""
        return [_filled(slot, values) for slot in self.slots]

    def row(self, answer: Sequence[Any]) -> dict[str, Any]:
        """A row of the answer by the columns' names, with the columns' Python values."""
        return {
            name: None if value is None else convert(value)
            for (name, convert), value in zip(self.columns, answer, strict=True)
        }


class Catalog:
    """The compiled statements of one database."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._compiled: dict[Statement, Compiled] = {}

    def compiled(self, statement: Statement) -> Compiled:
        """The statement in this database's dialect."""
        entry = self._compiled.get(statement)
        if entry is None:
            entry = self._compiled[statement] = self._compile(statement)
        return entry

    def _compile(self, statement: Statement) -> Compiled:
        query = statement.query()
        sql, slots = self._database.get_sql_context().sql(query).query()
        answered = getattr(query, "_returning", None) or ()
        columns = tuple((column.name, column.python_value) for column in answered)
        return Compiled(sql, tuple(slots), columns)


def _filled(slot: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(slot, Named):
        return slot
    value = values[slot.name]
    return value if value is None or slot.convert is None else slot.convert(value)
