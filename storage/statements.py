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
    return peewee.Value(Named(name or field.name, _converter(field)), converter=False)


def _converter(field: peewee.Field) -> Callable[[Any], Any]:
    """What the column does with a value that is not None; of numbers, ``int`` itself."""
    plain = type(field).db_value is peewee.Field.db_value
    convert: Callable[[Any], Any] = field.adapt if plain else field.db_value
    return convert


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
        columns = tuple((column.name, _reader(column)) for column in answered)
        return Compiled(sql, tuple(slots), columns)


def _reader(column: Any) -> Callable[[Any], Any]:
    """How a value of the answer becomes Python's; sums and counts are what the driver gives."""
    return column.python_value if isinstance(column, peewee.Field) else _unchanged


def _unchanged(value: Any) -> Any:
    return value


def _filled(slot: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(slot, Named):
        return slot
    value = values[slot.name]
    return value if value is None or slot.convert is None else slot.convert(value)
