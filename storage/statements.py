"""Hot statements, compiled once per database instead of once per call.

Building an INSERT with Peewee costs about ten times the insert itself. A ``Statement`` is an
ordinary Peewee query whose values are named placeholders; the first use on a store turns it into
SQL text in that database's dialect, every later one only fills in the values.

``Insert`` and ``Update`` can be gathered as well: the rows of many calls are written by one
statement (see ``storage.batch``).
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import peewee

T = TypeVar("T")

Converter = Callable[[Any], Any]


class Named:
    """A placeholder for a value that is given at execution."""

    __slots__ = ("convert", "name")

    def __init__(self, name: str, convert: Converter | None = None) -> None:
        self.name = name
        self.convert = convert


def named(field: peewee.Field, name: str | None = None) -> peewee.Value:
    """A placeholder for a value of the given column, converted as the column does."""
    return peewee.Value(Named(name or field.name, _converter(field)), converter=False)


def _converter(field: peewee.Field) -> Converter | None:
    """What the column does with a value that is not None.

    Of numbers, ``int`` itself, which makes plain numbers of our enumerations; nothing for texts,
    which are texts already.
    """
    if type(field).db_value is not peewee.Field.db_value:
        convert: Converter = field.db_value
        return convert
    if isinstance(field, (peewee.TextField, peewee.CharField)):
        return None
    if isinstance(field, peewee.IntegerField):
        return int
    adapt: Converter = field.adapt
    return adapt


class Statement:
    """A Peewee query with ``named`` values; compiled lazily, once per database."""

    def __init__(self, query: Callable[[], Any]) -> None:
        self.query = query


class Write(Statement):
    """A statement that writes one row of a table, or many rows at once."""

    def __init__(self, model: type[peewee.Model], query: Callable[[], Any]) -> None:
        super().__init__(query)
        self.table: str = model._meta.table_name

    def columns(self) -> tuple[peewee.Field, ...]:
        """The columns of a row, in the order in which ``text`` wants their values."""
        raise NotImplementedError

    def text(self, database: peewee.Database, rows: int) -> str:
        """The SQL that writes so many rows, in one database's dialect."""
        raise NotImplementedError

    def last_of_each(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The rows that matter where some say something else of what others have said."""
        return rows


class Insert(Write):
    """An INSERT of rows with the given columns.

    With ``adding``, a row whose key is there already adds its value of that column to it; with
    ``ignoring``, it is left out.
    """

    def __init__(
        self,
        model: type[peewee.Model],
        *columns: peewee.Field,
        adding: peewee.Field | None = None,
        ignoring: bool = False,
    ) -> None:
        super().__init__(model, self._query)
        self._model = model
        self._columns = columns
        self._adding = adding
        self._ignoring = ignoring

    def columns(self) -> tuple[peewee.Field, ...]:
        """The columns as given."""
        return self._columns

    def text(self, database: peewee.Database, rows: int) -> str:
        """``INSERT INTO ... VALUES (...), (...)``."""
        names = ", ".join(map(_quoted, self._columns))
        marks = _tuple([database.param] * len(self._columns))
        values = ", ".join([marks] * rows)
        return f'INSERT INTO "{self.table}" ({names}) VALUES {values}{self._conflict()}'

    def _query(self) -> Any:
        query = self._model.insert({each: named(each) for each in self._columns})
        if self._adding is None:
            return query.on_conflict_ignore() if self._ignoring else query
        keys = [each for each in self._columns if each is not self._adding]
        added = self._adding + peewee.EXCLUDED[self._adding.column_name]
        return query.on_conflict(conflict_target=keys, update={self._adding: added})

    def _conflict(self) -> str:
        if self._adding is None:
            return " ON CONFLICT DO NOTHING" if self._ignoring else ""
        keys = ", ".join(_quoted(each) for each in self._columns if each is not self._adding)
        added = _quoted(self._adding)
        return (
            f" ON CONFLICT ({keys}) DO UPDATE "
            f'SET {added} = "{self.table}".{added} + excluded.{added}'
        )


class Update(Write):
    """An UPDATE of rows, each found by its ``key``, that sets the given columns."""

    def __init__(
        self, model: type[peewee.Model], *columns: peewee.Field, key: peewee.Field
    ) -> None:
        super().__init__(
            model,
            lambda: model.update({each: named(each) for each in columns}).where(key == named(key)),
        )
        self._columns = (key, *columns)

    def columns(self) -> tuple[peewee.Field, ...]:
        """The key, then the columns that are set."""
        return self._columns

    def text(self, database: peewee.Database, rows: int) -> str:
        """``WITH given (...) AS (VALUES (...), (...)) UPDATE ... FROM given``."""
        names = [_quoted(each) for each in self._columns]
        marks = _tuple([self._mark(database, each) for each in self._columns])
        values = ", ".join([marks] * rows)
        changes = ", ".join(f"{name} = given.{name}" for name in names[1:])
        return (
            f"WITH given ({', '.join(names)}) AS (VALUES {values}) "
            f'UPDATE "{self.table}" SET {changes} FROM given '
            f'WHERE "{self.table}".{names[0]} = given.{names[0]}'
        )

    def last_of_each(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """For each key its last row; of several the database would take any."""
        return list({row[0]: row for row in rows}.values())

    @staticmethod
    def _mark(database: peewee.Database, column: peewee.Field) -> str:
        """PostgreSQL does not see by itself what kind of values such a list holds."""
        mark: str = database.param
        if not isinstance(database, peewee.PostgresqlDatabase):
            return mark
        kind = str(column.ddl_datatype(database.get_sql_context()).sql)
        return f"{mark}::{_VALUE_TYPES.get(kind, kind)}"


# What Peewee calls the type of a column that numbers itself.
_VALUE_TYPES = {"BIGSERIAL": "BIGINT", "SERIAL": "INTEGER"}


def _quoted(column: peewee.Field) -> str:
    return f'"{column.column_name}"'


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)})"


@dataclass(frozen=True)
class Compiled:
    """A statement in one database's dialect: text, value slots, and columns of its answer.

    ``writes`` names the table that it changes.
    """

    sql: str
    slots: tuple[Any, ...]
    columns: tuple[tuple[str, Converter], ...]
    writes: str | None

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the text; KeyError names one that is missing."""
        return [_filled(slot, values) for slot in self.slots]

    def row(self, answer: Sequence[Any]) -> dict[str, Any]:
        """A row of the answer by the columns' names, with the columns' Python values."""
        return {
            name: None if value is None else convert(value)
            for (name, convert), value in zip(self.columns, answer, strict=True)
        }


class RowWriter:
    """A ``Write`` in one database's dialect: rows for it, and the text for any number of them."""

    def __init__(self, write: Write, database: peewee.Database) -> None:
        self.write = write
        self._database = database
        columns = write.columns()
        names = [each.name for each in columns]
        self._of_mapping = operator.itemgetter(*names)
        self._of_record = operator.attrgetter(*names)
        self._single = len(columns) == 1
        converters = [(place, _converter(each)) for place, each in enumerate(columns)]
        self._converted = [(place, convert) for place, convert in converters if convert]
        self._texts: dict[int, str] = {}

    def row(self, given: object) -> list[Any]:
        """The values of a row: of a mapping by key, of anything else by attribute.

        KeyError or AttributeError names one that is missing.
        """
        values = self._of_mapping(given) if isinstance(given, dict) else self._of_record(given)
        row = [values] if self._single else list(values)
        for place, convert in self._converted:
            value = row[place]
            if value is not None:
                row[place] = convert(value)
        return row

    def statements(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Texts with their values that write all rows, in their order.

        Each takes 1, 2, 4 ... rows, so that there are few different texts.
        """
        rows = self.write.last_of_each(rows)
        start = 0
        while start < len(rows):
            size = min(1 << ((len(rows) - start).bit_length() - 1), _MOST_ROWS)
            some = rows[start : start + size]
            yield self._text(size), [value for row in some for value in row]
            start += size

    def _text(self, rows: int) -> str:
        text = self._texts.get(rows)
        if text is None:
            text = self._texts[rows] = self.write.text(self._database, rows)
        return text


# With twenty columns within what SQLite takes as values of one statement.
_MOST_ROWS = 256


class Catalog:
    """The compiled statements of one database."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._compiled: dict[Statement, Compiled] = {}
        self._writers: dict[Write, RowWriter] = {}
        self._kept: dict[Callable[[], Any], Any] = {}

    def kept(self, make: Callable[[], T]) -> T:
        """The one thing of its kind that this process keeps beside the store; made when needed."""
        found = self._kept.get(make)
        if found is None:
            # Of two that are made at the same moment, one is kept.
            found = self._kept.setdefault(make, make())
        kept: T = found
        return kept

    def compiled(self, statement: Statement) -> Compiled:
        """The statement in this database's dialect."""
        entry = self._compiled.get(statement)
        if entry is None:
            entry = self._compiled[statement] = self._compile(statement)
        return entry

    def writer(self, write: Write) -> RowWriter:
        """What writes many rows in this database's dialect."""
        entry = self._writers.get(write)
        if entry is None:
            entry = self._writers[write] = RowWriter(write, self._database)
        return entry

    def _compile(self, statement: Statement) -> Compiled:
        query = statement.query()
        sql, slots = self._database.get_sql_context().sql(query).query()
        answered = getattr(query, "_returning", None) or ()
        columns = tuple((column.name, _reader(column)) for column in answered)
        return Compiled(sql, tuple(slots), columns, written_table(query))


def written_table(query: Any) -> str | None:
    """The name of the table that a Peewee query changes; None for one that only reads."""
    if isinstance(query, (peewee.Insert, peewee.Update, peewee.Delete)):
        name: str = query.table._meta.table_name
        return name
    return None


def _reader(column: Any) -> Converter:
    """How a value of the answer becomes Python's; sums and counts are what the driver gives."""
    return column.python_value if isinstance(column, peewee.Field) else _unchanged


def _unchanged(value: Any) -> Any:
    return value


def _filled(slot: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(slot, Named):
        return slot
    value = values[slot.name]
    return value if value is None or slot.convert is None else slot.convert(value)
