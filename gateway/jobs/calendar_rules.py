"""Calendar rules: RRULE of RFC 5545, read by python-dateutil, from text to wall times.

``FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0``. They count from a start (DTSTART), which also
gives the time of day that the rule does not say. Everything is wall time, as in calendars; a
frequency below a day is refused, since cron rules and intervals say it better. ``UNTIL`` as a date
means that whole day; with a ``Z`` it is UTC.

No text may cost more than a fixed number of steps: texts are checked strictly, a search begins near
to where it looks, and a rule that meets nothing for long is given up.
"""

import datetime
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dateutil import rrule

from gateway import moments

_LONGEST_TEXT = 500
_MOST_COUNTED = 10_000
_LONGEST_INTERVAL = 1000
_MOST_TIMES_OF_DAY = 96
_MOST_PLACES = 31
_WEEKS_OF_MONTH = 5
_WEEKS_OF_YEAR = 53
# Of years or months that are looked at without a find.
_MOST_EMPTY = 1200
_MOST_STEPS = 100_000
_LAST_YEAR = 9000

Frequency = Literal[0, 1, 2, 3]
"""Of dateutil: YEARLY to DAILY."""

_FREQUENCIES: dict[str, Frequency] = {
    "YEARLY": rrule.YEARLY,
    "MONTHLY": rrule.MONTHLY,
    "WEEKLY": rrule.WEEKLY,
    "DAILY": rrule.DAILY,
}
_BELOW_A_DAY = ("HOURLY", "MINUTELY", "SECONDLY")
_WEEKDAYS = {
    "MO": rrule.MO,
    "TU": rrule.TU,
    "WE": rrule.WE,
    "TH": rrule.TH,
    "FR": rrule.FR,
    "SA": rrule.SA,
    "SU": rrule.SU,
}
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
# Lowest and highest number, and whether it may count from the end.
_NUMBERS = {
    "BYSECOND": (0, 59, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYMONTH": (1, 12, False),
    "BYSETPOS": (1, 366, True),
}
_DAYS_SAID = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY"})
_KNOWN = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS})


class CalendarRuleRefused(ValueError):
    """A calendar rule cannot be read, or would cost too much; the message says why."""


class _NothingFound(Exception):
    """A rule has met nothing for as long as anybody waits."""


class _Bounded(rrule.rrule):
    """A rule whose search ends.

    dateutil looks at ``_bynweekday`` whenever it goes on to another year or month, and for a rule
    that is never met does so until the year 9999.
    """

    empty = -1

    @property
    def _bynweekday(self) -> Any:
        if self.empty >= 0:
            self.empty += 1
            if self.empty > _MOST_EMPTY:
                raise _NothingFound
        return self.__dict__["_nweekdays"]

    @_bynweekday.setter
    def _bynweekday(self, value: Any) -> None:
        self.__dict__["_nweekdays"] = value


@dataclass(frozen=True)
class CalendarRule:
    """A rule that was read; ``by`` are arguments of dateutil's rule."""

    frequency: Frequency
    interval: int
    count: int | None
    until: datetime.datetime | None
    until_moment: int | None
    by: Mapping[str, Any]

    @property
    def daily_times(self) -> int:
        """How many times of day the rule has."""
        lengths = (len(self.by.get(name) or (0,)) for name in ("byhour", "byminute", "bysecond"))
        hours, minutes, seconds = lengths
        return hours * minutes * seconds

    def after(self, start: datetime.datetime, wall: datetime.datetime) -> datetime.datetime | None:
        """The first wall time strictly after this one, for a rule that counts from ``start``.

        None when there is none. Raises CalendarRuleRefused for a rule that costs too much.
        """
        if max(start.year, wall.year) > _LAST_YEAR:
            return None
        rule = self._from(start, max(start, wall))
        rule.empty = 0
        try:
            found = _first(rule, start, wall)
        except _NothingFound:
            return None
        return None if found is None or (self.until and found > self.until) else found

    def _from(self, start: datetime.datetime, wall: datetime.datetime) -> _Bounded:
        """The rule from a start near to ``wall``, in a period that it also has from its own."""
        by = dict(self.by)
        for name in ("hour", "minute", "second"):
            by.setdefault(f"by{name}", (getattr(start, name),))
        if not _DAYS_SAID & {name.upper() for name in by if by[name]} and not by.get("byweekday"):
            by |= self._day_of(start, by)
        if self.count is None:
            start = self._nearer(start, wall)
        return _Bounded(
            self.frequency, dtstart=start, interval=self.interval, count=self.count, **by
        )

    def _day_of(self, start: datetime.datetime, by: Mapping[str, Any]) -> dict[str, Any]:
        """The day that a rule means which says none: its start's."""
        if self.frequency == rrule.YEARLY:
            return {"bymonth": by.get("bymonth") or start.month, "bymonthday": start.day}
        if self.frequency == rrule.MONTHLY:
            return {"bymonthday": start.day}
        return {"byweekday": start.weekday()} if self.frequency == rrule.WEEKLY else {}

    def _nearer(self, start: datetime.datetime, wall: datetime.datetime) -> datetime.datetime:
        """A start with the same result after ``wall``: whole periods later, and not past it."""
        if self.frequency == rrule.YEARLY:
            periods = (wall.year - start.year) // self.interval - 1
            year = start.year + periods * self.interval
            return start if periods < 1 else _first_day(year * 12)
        if self.frequency == rrule.MONTHLY:
            first, now = (one.year * 12 + one.month - 1 for one in (start, wall))
            periods = (now - first) // self.interval - 1
            place = first + periods * self.interval
            return start if periods < 1 else _first_day(place)
        days = self.interval * (7 if self.frequency == rrule.WEEKLY else 1)
        periods = (wall - start).days // days - 1
        return start if periods < 1 else start + datetime.timedelta(days=periods * days)


def _first_day(month: int) -> datetime.datetime:
    """Of a month that is counted from the beginning of the era."""
    return datetime.datetime(month // 12, month % 12 + 1, 1)  # noqa: DTZ001  # wall time


def _first(
    rule: _Bounded, start: datetime.datetime, wall: datetime.datetime
) -> datetime.datetime | None:
    for step, found in enumerate(rule):
        rule.empty = 0
        if found > wall and found >= start:
            return found
        if step > _MOST_STEPS:
            raise CalendarRuleRefused("it has too many times to count them")
    return None


@functools.lru_cache(maxsize=4096)
def read(text: str) -> CalendarRule:
    """Read a rule, ``RRULE:`` before it or not. Raises CalendarRuleRefused."""
    if len(text) > _LONGEST_TEXT:
        raise CalendarRuleRefused(f"it is longer than {_LONGEST_TEXT} characters")
    parts = _parts(text.strip().upper().removeprefix("RRULE:"))
    until, until_moment = _until(parts.get("UNTIL"))
    count = _number("COUNT", parts["COUNT"], 1, _MOST_COUNTED) if "COUNT" in parts else None
    if count is not None and "UNTIL" in parts:
        raise CalendarRuleRefused("COUNT and UNTIL exclude each other")
    rule = CalendarRule(
        frequency=_frequency(parts.get("FREQ")),
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, _LONGEST_INTERVAL),
        count=count,
        until=until,
        until_moment=until_moment,
        by=_by(parts),
    )
    if rule.daily_times > _MOST_TIMES_OF_DAY:
        raise CalendarRuleRefused(
            f"it has {rule.daily_times} times on a day, more than {_MOST_TIMES_OF_DAY}: "
            "use a cron rule or an interval"
        )
    return rule


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.rstrip(";").split(";"):
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise CalendarRuleRefused(f"{part!r} is not written NAME=VALUE")
        if name not in _KNOWN:
            raise CalendarRuleRefused(
                f"{name!r} is no part of a rule: use {', '.join(sorted(_KNOWN))}"
            )
        if name in parts:
            raise CalendarRuleRefused(f"{name} is there twice")
        parts[name] = value
    return parts


def _frequency(text: str | None) -> Frequency:
    if text in _BELOW_A_DAY:
        raise CalendarRuleRefused(
            f"FREQ={text} is not read: use an interval, a cron rule, or DAILY with BYHOUR, BYMINUTE"
        )
    if text is None or text not in _FREQUENCIES:
        raise CalendarRuleRefused(
            f"FREQ is one of {', '.join(_FREQUENCIES)}, not {text or 'missing'}"
        )
    return _FREQUENCIES[text]


def _by(parts: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (low, high, from_end) in _NUMBERS.items():
        if name in parts:
            texts = parts[name].split(",")
            found[name.lower()] = tuple(
                sorted({_number(name, text, low, high, from_end=from_end) for text in texts})
            )
    if len(found.get("bysetpos", ())) > _MOST_PLACES:
        raise CalendarRuleRefused(f"BYSETPOS has more than {_MOST_PLACES} places")
    if "BYDAY" in parts:
        days = parts["BYDAY"].split(",")
        found["byweekday"] = tuple(_weekday(day, _most_weeks(parts)) for day in days)
    if "WKST" in parts:
        if parts["WKST"] not in _WEEKDAYS:
            raise CalendarRuleRefused(f"WKST is one of {', '.join(_WEEKDAYS)}")
        found["wkst"] = _WEEKDAYS[parts["WKST"]]
    if "bysetpos" in found and len(found) == 1:
        raise CalendarRuleRefused("BYSETPOS goes with another BY part, of whose days it is a place")
    return found


def _most_weeks(parts: Mapping[str, str]) -> int:
    """The highest place that a weekday can have in a rule's period; 0 where places mean nothing."""
    if parts.get("FREQ") == "MONTHLY":
        return _WEEKS_OF_MONTH
    if parts.get("FREQ") != "YEARLY" or "BYWEEKNO" in parts:
        return 0
    return _WEEKS_OF_MONTH if "BYMONTH" in parts else _WEEKS_OF_YEAR


def _weekday(text: str, most: int) -> Any:
    found = _WEEKDAY.fullmatch(text)
    if found is None:
        raise CalendarRuleRefused(f"BYDAY: {text!r} is no weekday such as MO, 2TU or -1FR")
    place = int(found[1] or 0)
    if found[1] and not most:
        raise CalendarRuleRefused(
            f"BYDAY: {text!r} has a place, which goes with MONTHLY and YEARLY without BYWEEKNO only"
        )
    if found[1] and not 1 <= abs(place) <= most:
        period = "year" if most == _WEEKS_OF_YEAR else "month"
        raise CalendarRuleRefused(f"BYDAY: {text!r} is in no {period}")
    day = _WEEKDAYS[found[2]]
    return day(place) if place else day


def _number(name: str, text: str, low: int, high: int, *, from_end: bool = False) -> int:
    digits = text[1:] if text[:1] in ("+", "-") and from_end else text
    fits = digits.isascii() and digits.isdecimal() and len(digits) <= 6  # noqa: PLR2004  # none is
    if not fits or not low <= int(digits) <= high:
        also = f", or -{high} to -{low}" if from_end else ""
        raise CalendarRuleRefused(f"{name} is {low} to {high}{also}, not {text!r}")
    return int(text)


def _until(text: str | None) -> tuple[datetime.datetime | None, int | None]:
    """The last wall time, or the last moment of a rule."""
    if text is None:
        return None, None
    try:
        if "T" not in text:
            day = datetime.datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007  # wall time
            return day.replace(hour=23, minute=59, second=59), None
        if text.endswith("Z"):
            value = datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ")  # noqa: DTZ007  # see below
            return None, moments.from_datetime(value.replace(tzinfo=datetime.UTC))
        return datetime.datetime.strptime(text, "%Y%m%dT%H%M%S"), None  # noqa: DTZ007  # wall time
    except ValueError:
        raise CalendarRuleRefused(
            f"UNTIL is written 20301231, 20301231T180000 or 20301231T180000Z, not {text!r}"
        ) from None
