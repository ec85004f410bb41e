"""Values of the domain as plain JSON, for the command line."""

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Mapping
from typing import Any

from gateway import moments


def plain(value: Any) -> Any:
    """JSON for dataclasses, enums (their names in lower case), GUIDs, times and what holds such.

    Members called ``at`` or ``..._at`` are points in time, and become ISO 8601 text in UTC.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return {name: _member(name, member) for name, member in members.items()}
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def _member(name: str, value: Any) -> Any:
    if isinstance(value, int) and (name == "at" or name.endswith("_at")):
        return moments.to_datetime(value).isoformat(timespec="milliseconds")
    return plain(value)
