"""Due times found the slow way: by walking over moments, knowing nothing of how they are computed.

A wall time is met at the first moment at which clocks in the zone show it or have passed it.
"""

import datetime
import zoneinfo
from collections.abc import Callable

from gateway import moments

DAY = 24 * 3600 * moments.SECOND
MINUTE = 60 * moments.SECOND

Matches = Callable[[datetime.datetime], bool]

# Days on which clocks change: by an hour, by half of one, at midnight, by a whole day.
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),
    "America/Sao_Paulo": ("2018-02-18", "2018-11-04"),
    "Pacific/Apia": ("2011-12-30", "2011-12-29"),
}


def noon_before(day: str) -> int:
    """The moment at noon UTC two days before a day."""
    value = datetime.datetime.fromisoformat(f"{day}T12:00:00+00:00")
    return moments.from_datetime(value) - 2 * DAY


def dues(matches: Matches, zone: str, after: int, last: int, step: int = MINUTE) -> list[int]:
    """The moments in (after, last] at which a wall time that matches is met; a step at a time."""
    local, pace = zoneinfo.ZoneInfo(zone), datetime.timedelta(microseconds=step)
    found: list[int] = []
    # From a day before, so that what is shown again is known to have been shown.
    moment = (after - DAY - DAY // 4) // step * step
    shown = _wall(moment, local)
    while moment < last:
        moment += step
        wall = _wall(moment, local)
        met = False
        while shown < wall:
            shown += pace
            met = met or matches(shown)
        if met and after < moment <= last:
            found.append(moment)
    return found


def _wall(moment: int, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    return moments.to_datetime(moment).astimezone(zone).replace(tzinfo=None, fold=0)
