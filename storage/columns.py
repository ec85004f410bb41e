"""Column types that the models share."""

import json
import uuid
from typing import Any

import orjson
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
        try:
            return orjson.dumps(value).decode()
        except orjson.JSONEncodeError:
            # What orjson refuses: half a surrogate pair, very large numbers, a class of numbers.
            return _ENCODER.encode(value)

    def python_value(self, value: Any) -> Any:
        """Parse; NULL stays None."""
        # Not orjson's reader, which makes a float of a very large number.
        return None if value is None else json.loads(value)


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


# In ASCII: half a surrogate pair cannot be stored as anything but its escape.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_plain)
