"""Column types that the models share."""

import json
import uuid
from typing import Any

import peewee


class Guid(peewee.UUIDField):
    """A GUID: ``uuid.UUID`` in Python, native on PostgreSQL, 32 hex digits on SQLite."""


class Moment(peewee.BigIntegerField):
    """A point in time: UTC epoch microseconds, since aware datetimes do not sort in SQLite."""


class Json(peewee.TextField):
    """Any JSON value, kept as compact text; never searched inside."""

    def db_value(self, value: Any) -> str | None:
        """Serialise; None stays NULL."""
        if value is None:
            return None
        return _ENCODER.encode(value)

    def python_value(self, value: Any) -> Any:
        """Parse; NULL stays None."""
        return None if value is None else json.loads(value)


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


# json.dumps would make one for each value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
