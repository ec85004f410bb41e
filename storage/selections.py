"""A hot SELECT by a list of values, however long."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import peewee

from storage import statements
from storage.session import Row, Session
from storage.statements import named

_MOST_VALUES = 512


class Selection:
    """A SELECT by a list of values, in the order of keys, of 512 values at a time.

    It is compiled for lists of 1, 2, 4 ... values.

    A shorter list is filled up with its last value, which changes nothing. ``query`` may have
    named values of its own. With ``locking``, PostgreSQL keeps others from changing the rows.
    """

    def __init__(
        self, field: peewee.Field, query: Callable[[], Any], *, locking: bool = False
    ) -> None:
        self._field = field
        self._query = query
        self._locking = locking
        self._compilable: dict[tuple[int, bool], statements.Statement] = {}

    def rows(self, session: Session, values: Sequence[Any], **others: Any) -> list[Row]:
        """The rows of these values, and of the other named ones of the query."""
        return [row for some in _portions(values) for row in self._some(session, some, others)]

    def _some(self, session: Session, values: Sequence[Any], others: dict[str, Any]) -> list[Row]:
        size = 1 << (len(values) - 1).bit_length()
        filled = [*values, *[values[-1]] * (size - len(values))]
        statement = self._statement(size, locking=self._locking and session.postgres)
        placed = {str(place): value for place, value in enumerate(filled)}
        return session.select(statement, placed | others)

    def _statement(self, size: int, *, locking: bool) -> statements.Statement:
        key = (size, locking)
        if key not in self._compilable:
            self._compilable[key] = statements.Statement(lambda: self._built(size, locking))
        return self._compilable[key]

    def _built(self, size: int, locking: bool) -> Any:
        places = [named(self._field, str(place)) for place in range(size)]
        model = self._field.model
        query = self._query().where(self._field.in_(places)).order_by(model._meta.primary_key)
        return query.for_update() if locking else query


def _portions(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _MOST_VALUES):
        yield values[start : start + _MOST_VALUES]
