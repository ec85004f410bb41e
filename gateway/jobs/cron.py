"""Cron rules: the one reader of them, from text to wall times.

Five fields (minute, hour, day of the month, month, weekday), or six with seconds before them. Each
is a list of numbers, ranges and steps: ``*``, ``5``, ``1-5``, ``*/15``, ``10-40/10``, ``5/20``
(from 5 on). Months and weekdays have English names of three letters; Monday is 1, Sunday 0 or 7.
Besides:

- day of the month: ``L`` the last day, ``L-3`` three days before it, ``15W`` the working day
  (Monday to Friday) nearest to the 15th within its month, ``LW`` the last working day;
- weekday: ``5L`` the last Friday of the month, ``5#2`` the second;
- ``?`` in either: the same as ``*``.

Where both the day of the month and the weekday are given, either suffices, as in every cron; where
one of them begins with ``*`` or is ``?``, both must fit.

A wall time knows no zone here: ``recurrence`` makes moments of them.
"""

import calendar
import datetime
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LONGEST_TEXT = 500
# 29 February on a certain weekday comes within forty years, also around 2100.
_MONTHS_AHEAD = 12 * 60
_LAST_YEAR = 9998
_SATURDAY, _SUNDAY = 6, 7
_MOST_OF_A_WEEKDAY = 5

_MONTH_NAMES = {name.casefold(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAY_NAMES = {"mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6, "sun": 7}

_TERM = re.compile(r"(?:(\*|\?)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", re.ASCII)
_FROM_END = re.compile(r"L(?:-(\d{1,2}))?", re.IGNORECASE)
_NEAREST = re.compile(r"(\d{1,2}|L)W", re.IGNORECASE)
_LAST_WEEKDAY = re.compile(r"([0-7]|[a-z]{3})L", re.IGNORECASE)
_NTH_WEEKDAY = re.compile(r"([0-7]|[a-z]{3})#(\d{1,2})", re.IGNORECASE)


class CronRefused(ValueError):
    """A cron rule cannot be read; the message says which field is wrong and why."""


@dataclass(frozen=True)
class _Field:
    """What a field is called, and which numbers and names may stand in it."""

    name: str
    low: int
    high: int
    names: Mapping[str, int]

    def number(self, text: str) -> int:
        """A number or name. Raises CronRefused."""
        known = self.names.get(text.casefold())
        if known is not None:
            return known
        if not text.isdecimal() or not self.low <= int(text[:6]) <= self.high:
            also = " or a name of three letters" if self.names else ""
            raise CronRefused(
                f"{self.name}: {text!r} is not a number from {self.low} to {self.high}{also}"
            )
        return int(text)


_SECOND = _Field("second", 0, 59, {})
_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day of the month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTH_NAMES)
_WEEKDAY = _Field("weekday", 0, 7, _DAY_NAMES)


@dataclass(frozen=True)
class _MonthDays:
    """Days of the month: numbers, days before the last (0 is the last), nearest working days.

    Among the latter 0 stands for the last working day.
    """

    numbers: frozenset[int]
    from_end: frozenset[int]
    nearest: frozenset[int]

    def of(self, year: int, month: int) -> set[int]:
        """The days of a month that are meant."""
        length = calendar.monthrange(year, month)[1]
        found = {day for day in self.numbers if day <= length}
        found |= {length - before for before in self.from_end if before < length}
        wanted = {day or length for day in self.nearest if day <= length}
        return found | {_working_day(year, month, day, length) for day in wanted}


@dataclass(frozen=True)
class _WeekDays:
    """Weekdays, 1 to 7: every one, the last in the month, the n-th in the month."""

    every: frozenset[int]
    last: frozenset[int]
    nth: frozenset[tuple[int, int]]

    def of(self, year: int, month: int) -> set[int]:
        """The days of a month that are meant."""
        first, length = calendar.monthrange(year, month)
        found = set()
        for day in range(1, length + 1):
            weekday = (first + day - 1) % 7 + 1
            is_last = weekday in self.last and day + 7 > length
            if weekday in self.every or is_last or (weekday, (day + 6) // 7) in self.nth:
                found.add(day)
        return found


@dataclass(frozen=True)
class CronRule:
    """A cron rule that was read. Numbers ascend."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    month_days: _MonthDays
    week_days: _WeekDays
    both: bool

    @property
    def daily_times(self) -> int:
        """How many times of day the rule has."""
        return len(self.seconds) * len(self.minutes) * len(self.hours)

    def after(self, wall: datetime.datetime) -> datetime.datetime | None:
        """The first wall time strictly after this one; None for none within sixty years."""
        begin = wall.replace(microsecond=0, tzinfo=None, fold=0) + datetime.timedelta(seconds=1)
        for day in self._days(begin.date()):
            least = begin.time() if day == begin.date() else datetime.time()
            found = self._time(least)
            if found is not None:
                return datetime.datetime.combine(day, found)
        return None

    def _days(self, begin: datetime.date) -> Iterator[datetime.date]:
        first = begin.year * 12 + begin.month - 1
        for place in range(first, first + _MONTHS_AHEAD):
            year, month = place // 12, place % 12 + 1
            if year > _LAST_YEAR:
                return
            if month in self.months:
                days = (datetime.date(year, month, day) for day in self._days_of(year, month))
                yield from (day for day in days if day >= begin)

    def _days_of(self, year: int, month: int) -> list[int]:
        by_month, by_week = self.month_days.of(year, month), self.week_days.of(year, month)
        return sorted(by_month & by_week if self.both else by_month | by_week)

    def _time(self, least: datetime.time) -> datetime.time | None:
        """The first time of a day from ``least`` on."""
        for hour in self.hours:
            if hour > least.hour:
                return datetime.time(hour, self.minutes[0], self.seconds[0])
            if hour == least.hour and (found := self._within(least)) is not None:
                return found
        return None

    def _within(self, least: datetime.time) -> datetime.time | None:
        """The first time of the hour of ``least``, from then on."""
        for minute in self.minutes:
            if minute > least.minute:
                return datetime.time(least.hour, minute, self.seconds[0])
            if minute == least.minute:
                for second in self.seconds:
                    if second >= least.second:
                        return datetime.time(least.hour, minute, second)
        return None


@functools.lru_cache(maxsize=4096)
def read(text: str) -> CronRule:
    """Read a rule. Raises CronRefused."""
    if len(text) > _LONGEST_TEXT:
        raise CronRefused(f"it is longer than {_LONGEST_TEXT} characters")
    fields = text.split()
    if len(fields) == 5:  # noqa: PLR2004  # as the module says
        fields.insert(0, "0")
    if len(fields) != 6:  # noqa: PLR2004  # as the module says
        raise CronRefused(
            "it has five fields (minute, hour, day of the month, month, weekday), or six with "
            f"seconds before them, not {len(fields)}"
        )
    second, minute, hour, day, month, weekday = fields
    return CronRule(
        seconds=tuple(sorted(_numbers(_SECOND, second))),
        minutes=tuple(sorted(_numbers(_MINUTE, minute))),
        hours=tuple(sorted(_numbers(_HOUR, hour))),
        months=_numbers(_MONTH, month),
        month_days=_month_days(day),
        week_days=_week_days(weekday),
        both=day[0] in "*?" or weekday[0] in "*?",
    )


def _numbers(field: _Field, text: str) -> frozenset[int]:
    return frozenset[int]().union(*(_term(field, term) for term in text.split(",")))


def _month_days(text: str) -> _MonthDays:
    numbers, from_end, nearest = set[int](), set[int](), set[int]()
    for term in text.split(","):
        if found := _FROM_END.fullmatch(term):
            from_end.add(_before_the_end(found[1]))
        elif found := _NEAREST.fullmatch(term):
            nearest.add(0 if found[1] in "Ll" else _DAY.number(found[1]))
        else:
            numbers |= _term(_DAY, term)
    return _MonthDays(frozenset(numbers), frozenset(from_end), frozenset(nearest))


def _before_the_end(text: str | None) -> int:
    days = int(text or 0)
    if days >= _DAY.high:
        raise CronRefused(f"{_DAY.name}: L-{days} is never in a month; it is L-30 at the most")
    return days


def _week_days(text: str) -> _WeekDays:
    every, last, nth = set[int](), set[int](), set[tuple[int, int]]()
    for term in text.split(","):
        if found := _LAST_WEEKDAY.fullmatch(term):
            last.add(_WEEKDAY.number(found[1]) or _SUNDAY)
        elif found := _NTH_WEEKDAY.fullmatch(term):
            nth.add((_WEEKDAY.number(found[1]) or _SUNDAY, _place(term, int(found[2]))))
        else:
            every |= {number or _SUNDAY for number in _term(_WEEKDAY, term)}
    return _WeekDays(frozenset(every), frozenset(last), frozenset(nth))


def _place(term: str, number: int) -> int:
    if not 1 <= number <= _MOST_OF_A_WEEKDAY:
        raise CronRefused(
            f"{_WEEKDAY.name}: {term!r} is in no month; a weekday has the places 1 to 5"
        )
    return number


def _term(field: _Field, text: str) -> frozenset[int]:
    """What a number, a range or a step means."""
    found = _TERM.fullmatch(text)
    if found is None or (found[1] == "?" and field not in (_DAY, _WEEKDAY)):
        raise CronRefused(f"{field.name}: {text!r} cannot be read")
    every, low, high, step = found.groups()
    first = field.low if every else field.number(low)
    if every:
        last = field.high - (field is _WEEKDAY)
    elif high:
        last = field.number(high)
    else:
        last = field.high if step else first
    if high is None and field is _WEEKDAY and step and not every:
        last = max(first, _SATURDAY)
    if last < first:
        raise CronRefused(f"{field.name}: {text!r} ends before it begins")
    if step is not None and int(step) < 1:
        raise CronRefused(f"{field.name}: {text!r} has a step of nothing")
    return frozenset(range(first, last + 1, int(step or 1)))


def _working_day(year: int, month: int, day: int, length: int) -> int:
    """The working day nearest to a day, within its month."""
    weekday = calendar.weekday(year, month, day) + 1
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == _SUNDAY:
        return day + 1 if day < length else day - 2
    return day
