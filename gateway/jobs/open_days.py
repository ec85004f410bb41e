"""What a calendar says of a moment: whether it is open then, and which day is open instead.

A calendar has working weekdays, holidays, extra working days and blackouts, all by the clock of its
own zone. The order in which they count: a blackout closes; an extra working day opens; a holiday
closes; then the weekday decides.
"""

import datetime
import functools
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.jobs import calendar_rules, local_time, recurrence

# How far a due time is moved at the most, days.
FARTHEST = 31
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST = 2000
_MOST_RULES = 100
_YEARLY = re.compile(r"(\d{2})-(\d{2})", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_RULE = "RRULE:"
# Of rules for holidays: they begin here unless they say otherwise.
_BEGINNING = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  # wall time
_A_LEAP_YEAR = 2000
_STEP = datetime.timedelta(seconds=1)


def _weekday(text: str) -> str:
    if text not in WEEKDAYS:
        raise ValueError(f"{text!r} is none of {', '.join(WEEKDAYS)}")
    return text


def _date(text: str) -> str:
    datetime.date.fromisoformat(text)
    return text


def _holiday(text: str) -> str:
    """A date, a month and day of every year, or a rule. Raises ValueError."""
    if text.upper().startswith(_RULE):
        rule = calendar_rules.read(text)
        if rule.count is not None or rule.daily_times != 1:
            raise ValueError(f"{text!r}: a holiday's rule has no COUNT and no times of day")
    elif found := _YEARLY.fullmatch(text):
        datetime.date(_A_LEAP_YEAR, int(found[1]), int(found[2]))
    else:
        datetime.date.fromisoformat(text)
    return text


def _zone(text: str) -> str:
    recurrence.zone(text)
    return text


_Weekday = Annotated[str, AfterValidator(_weekday)]
_Date = Annotated[str, AfterValidator(_date)]
_Holiday = Annotated[str, AfterValidator(_holiday)]


class Blackout(BaseModel):
    """A time in which a calendar is closed.

    From one date and time to another (``2026-12-24T12:00``, the latter not included), or every day
    from one time of day to another (``22:00``, past midnight where the latter is not later), where
    ``days`` are those on which it begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begins: str = Field(alias="from", max_length=40)
    ends: str = Field(alias="to", max_length=40)
    days: tuple[_Weekday, ...] = WEEKDAYS
    reason: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _is_a_time(self) -> "Blackout":
        if self.daily:
            return self
        begin, end = (datetime.datetime.fromisoformat(text) for text in (self.begins, self.ends))
        if begin.tzinfo is not None or end.tzinfo is not None:
            raise ValueError("from and to are by the calendar's own clock: leave out the offset")
        if end <= begin:
            raise ValueError(f"it ends at {self.ends}, not after it begins, at {self.begins}")
        return self

    @property
    def daily(self) -> bool:
        """Whether it is on every day."""
        return all(_TIME_OF_DAY.fullmatch(text) for text in (self.begins, self.ends))

    def holds(self, wall: datetime.datetime) -> bool:
        """Whether a wall time is within it."""
        if not self.daily:
            begin, end = map(datetime.datetime.fromisoformat, (self.begins, self.ends))
            return begin <= wall < end
        begins, ends = map(datetime.time.fromisoformat, (self.begins, self.ends))
        at = wall.time()
        if begins < ends:
            return begins <= at < ends and self._on(wall)
        before = wall - datetime.timedelta(days=1)
        return (at >= begins and self._on(wall)) or (at < ends and self._on(before))

    def _on(self, wall: datetime.datetime) -> bool:
        return WEEKDAYS[wall.weekday()] in self.days


class OpenDays(BaseModel):
    """The content of a calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: Annotated[str, AfterValidator(_zone)] = Field(max_length=100)
    workdays: tuple[_Weekday, ...] = WEEKDAYS
    holidays: tuple[_Holiday, ...] = Field(default=(), max_length=_MOST)
    extra_workdays: tuple[_Date, ...] = Field(default=(), max_length=_MOST)
    blackouts: tuple[Blackout, ...] = Field(default=(), max_length=_MOST_RULES)

    @model_validator(mode="after")
    def _is_bounded(self) -> "OpenDays":
        rules = sum(text.upper().startswith(_RULE) for text in self.holidays)
        if rules > _MOST_RULES:
            raise ValueError(f"holidays: more than {_MOST_RULES} rules")
        return self

    def closed(self, moment: int) -> str | None:
        """Why the calendar is closed at a moment; None when it is open."""
        return self._closed(local_time.shown(moment, recurrence.zone(self.zone)))

    def instead(self, moment: int, step: int) -> int | None:
        """The same wall time on the next day (step 1) or the last one (-1) that is open then.

        None when there is none within FARTHEST days.
        """
        own = recurrence.zone(self.zone)
        wall = local_time.shown(moment, own)
        for days in range(1, FARTHEST + 1):
            other = wall + datetime.timedelta(days=days * step)
            if self._closed(other) is None:
                return local_time.moment(other, own)
        return None

    def _closed(self, wall: datetime.datetime) -> str | None:
        for blackout in self.blackouts:
            if blackout.holds(wall):
                about = f" ({blackout.reason})" if blackout.reason else ""
                return f"blackout from {blackout.begins} to {blackout.ends}{about}"
        day = wall.date()
        if day.isoformat() in self.extra_workdays:
            return None
        if day in _holidays(self.holidays, day.year):
            return f"{day} is a holiday"
        name = WEEKDAYS[day.weekday()]
        return None if name in self.workdays else f"{_NAMES[day.weekday()]} is no working day"


@functools.lru_cache(maxsize=512)
def _holidays(texts: tuple[str, ...], year: int) -> frozenset[datetime.date]:
    return frozenset(day for text in texts for day in _days(text, year))


def _days(text: str, year: int) -> Iterator[datetime.date]:
    """The holidays in a year that a text means."""
    if text.upper().startswith(_RULE):
        yield from _days_of_rule(calendar_rules.read(text), year)
    elif found := _YEARLY.fullmatch(text):
        try:
            yield datetime.date(year, int(found[1]), int(found[2]))
        except ValueError:
            # 29 February, which this year has not.
            return
    else:
        yield datetime.date.fromisoformat(text)


def _days_of_rule(rule: calendar_rules.CalendarRule, year: int) -> Iterator[datetime.date]:
    new_year = datetime.datetime(year, 1, 1)  # noqa: DTZ001  # wall time
    wall: datetime.datetime | None = new_year - _STEP
    while wall is not None and (wall := rule.after(_BEGINNING, wall)) and wall.year == year:
        yield wall.date()
