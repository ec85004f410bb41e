"""Launch windows: when runs may begin, and what becomes of those that come outside them."""

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.jobs import local_time
from gateway.jobs.orders import LaunchWindow, OutsideWindow

_DAY = datetime.timedelta(days=1)
# A week has every day; the second is for a window that lies in an hour which the first one skips.
_DAYS_AHEAD = 15
_TIME = re.compile(r"\s*([01]?\d|2[0-4]):([0-5]\d)\s*", re.ASCII)
_MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True)
class WindowPolicy:
    """The windows of a site: that of the settings, and the zone (a name) of agents without one."""

    window: LaunchWindow | None = None
    outside: OutsideWindow = OutsideWindow.WAIT
    zone: str = "UTC"

    def of(self, timing: Mapping[str, Any]) -> tuple[LaunchWindow | None, OutsideWindow]:
        """What counts for a job of this timing: its own, or that of the settings."""
        own, outside = timing.get("window"), timing.get("outside")
        return (
            self.window if own is None else from_json(own),
            self.outside if outside is None else OutsideWindow(outside),
        )


def opening(window: LaunchWindow, at: int, zone: datetime.tzinfo) -> int | None:
    """The moment itself if the window is open then, else when it opens next.

    ``zone`` is the agent's. Opening and closing times that daylight saving skips or repeats are met
    as those of local times are. None for a window that does not open within two weeks.
    """
    zone = datetime.UTC if window.utc else zone
    for opens, closes in _around(window, at, zone):
        if at < opens < closes:
            return opens
        if opens <= at < closes:
            return at
    return None


def closing(window: LaunchWindow, at: int, zone: datetime.tzinfo) -> int | None:
    """When the window closes that is open at a moment; None where none is."""
    zone = datetime.UTC if window.utc else zone
    for opens, closes in _around(window, at, zone):
        if opens <= at < closes:
            return closes
        if at < opens:
            break
    return None


def minutes(text: str) -> int:
    """Minutes after midnight of a time such as 22:00; 24:00 is midnight. ValueError."""
    match = _TIME.fullmatch(text)
    if match is None or (match[1] == "24" and match[2] != "00"):
        raise ValueError(f"{text!r} is no time of day: write it as 22:00")
    return (int(match[1]) * 60 + int(match[2])) % _MINUTES_OF_A_DAY


def time_of_day(after_midnight: int) -> str:
    """The text that ``minutes`` reads."""
    return f"{after_midnight // 60:02}:{after_midnight % 60:02}"


def as_json(window: LaunchWindow) -> dict[str, Any]:
    """A window as it is stored."""
    return {
        "opens": window.opens,
        "closes": window.closes,
        "days": sorted(window.days),
        "utc": window.utc,
    }


def from_json(stored: Mapping[str, Any]) -> LaunchWindow:
    """A window that was stored."""
    return LaunchWindow(stored["opens"], stored["closes"], frozenset(stored["days"]), stored["utc"])


def _around(window: LaunchWindow, at: int, zone: datetime.tzinfo) -> Iterator[tuple[int, int]]:
    """When the window opens and closes, from that of the day before the moment on."""
    today = moments.to_datetime(at).astimezone(zone).date()
    over_midnight = window.closes <= window.opens
    for ahead in range(-1, _DAYS_AHEAD):
        day = today + ahead * _DAY
        if day.weekday() in window.days:
            closing_day = day + _DAY if over_midnight else day
            yield _moment(day, window.opens, zone), _moment(closing_day, window.closes, zone)


def _moment(day: datetime.date, after_midnight: int, zone: datetime.tzinfo) -> int:
    time = datetime.time(after_midnight // 60, after_midnight % 60)
    return local_time.moment(datetime.datetime.combine(day, time), zone)
