"""What a wall clock means: the moment at which a clock in some zone shows a time."""

import datetime
import zoneinfo
from collections.abc import Mapping
from typing import Any

from gateway import moments

# The widest zones there are, east and west: every clock in the world shows a time in between.
_FIRST = datetime.timedelta(hours=14)
_LAST = datetime.timedelta(hours=-12)


def moment(wall: datetime.datetime, zone: datetime.tzinfo) -> int:
    """The first moment at which a clock in the zone shows this time, or a later one.

    So a time that daylight saving skips is met right after the change, and one that it repeats the
    first time: as recurrences do it.
    """
    first = wall.replace(tzinfo=zone, fold=0)
    at = moments.from_datetime(first)
    if shown(at, zone) == wall.replace(fold=0):
        return at
    # In a gap fold 0 counts by the offset before the change and fold 1 by the one after it.
    return _change(moments.from_datetime(first.replace(fold=1)), at, zone)


def shown(at: int, zone: datetime.tzinfo) -> datetime.datetime:
    """The time that a clock in the zone shows, without the zone."""
    return moments.to_datetime(at).astimezone(zone).replace(tzinfo=None, fold=0)


def earliest(wall: datetime.datetime) -> int:
    """When the first clock in the world shows this time."""
    return moments.from_datetime(wall.replace(tzinfo=datetime.timezone(_FIRST)))


def zone_of(facts: Mapping[str, Any], otherwise: str) -> datetime.tzinfo:
    """The zone of an agent by what it tells of itself (``time_zone``, an IANA name).

    ``otherwise`` is the name for one that tells none, or one that nobody knows here.
    """
    for name in (facts.get("time_zone"), otherwise):
        try:
            if name:
                return zoneinfo.ZoneInfo(str(name))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return datetime.UTC


def _change(before: int, after: int, zone: datetime.tzinfo) -> int:
    """The moment between two at which the zone's offset changes."""
    old = moments.to_datetime(before).astimezone(zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if moments.to_datetime(middle).astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
