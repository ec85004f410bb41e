"""When a recurring job is due: from rules to moments.

Intervals count from a fixed start in elapsed time. Cron rules (``cron``) and calendar rules
(``calendar_rules``) are wall time, which one function turns into moments (``local_time.moment``): a
wall time that a change of the clocks skips is met right after the change, and all that it skips
together once; one that is repeated is met once, the first time.

What a calendar makes of a due time is told by ``dues``.
"""

import datetime
import itertools
import zoneinfo
from collections.abc import Callable, Iterator

from gateway import moments
from gateway.jobs import calendar_rules, cron, local_time
from gateway.jobs.calendar_rules import CalendarRuleRefused
from gateway.jobs.cron import CronRefused
from gateway.jobs.orders import Recurrence, RecurrenceKind

_SHORTEST_INTERVAL = moments.SECOND
_LONGEST_INTERVAL = 100 * 366 * 24 * 3600 * moments.SECOND


class RuleRefused(ValueError):
    """A recurrence's rule cannot be read; the message says what is wrong with it."""


def check(recurrence: Recurrence, now: int) -> None:
    """Raise RuleRefused unless the rule can be read and is ever due."""
    if recurrence.kind is RecurrenceKind.EVERY_BOOT:
        return
    if next_due(recurrence, now) is None:
        raise RuleRefused(f"the rule {recurrence.rule!r} is never due after the present moment")


def next_due(recurrence: Recurrence, after: int) -> int | None:
    """The first due time strictly after a moment, or None when there is none. RuleRefused."""
    if recurrence.starts_at is not None:
        after = max(after, recurrence.starts_at - 1)
    due = _readers[recurrence.kind](recurrence, after)
    last = moments.LATEST if recurrence.ends_at is None else recurrence.ends_at
    return None if due is None or due > last else due


def daily_times(recurrence: Recurrence) -> int | None:
    """How many times of day a rule of the wall clock has; None for others. RuleRefused."""
    if recurrence.kind is RecurrenceKind.CRON:
        return _read_cron(recurrence).daily_times
    if recurrence.kind is RecurrenceKind.CALENDAR:
        return _read_calendar(recurrence).daily_times
    return None


def due_between(recurrence: Recurrence, first: int, last: int) -> Iterator[int]:
    """Due times from ``first`` (itself a due time) to ``last``, both included."""
    due: int | None = first
    while due is not None and due <= last:
        yield due
        due = next_due(recurrence, due)


def forecast(recurrence: Recurrence, after: int, count: int) -> list[int]:
    """The next due times, ``count`` at the most."""
    first = next_due(recurrence, after)
    if first is None:
        return []
    endless = due_between(recurrence, first, 2**62)
    return list(itertools.islice(endless, count))


def _interval(recurrence: Recurrence, after: int) -> int:
    try:
        step = int(float(recurrence.rule) * moments.SECOND)
    except (ValueError, OverflowError):
        raise RuleRefused(f"an interval is a count of seconds, not {recurrence.rule!r}") from None
    if not _SHORTEST_INTERVAL <= step <= _LONGEST_INTERVAL:
        raise RuleRefused(f"an interval is one second to a hundred years, not {recurrence.rule!r}")
    start = recurrence.starts_at or 0
    return start + ((after - start) // step + 1) * step


def _cron(recurrence: Recurrence, after: int) -> int | None:
    return _met(_read_cron(recurrence).after, zone(recurrence.zone), after)


def _calendar(recurrence: Recurrence, after: int) -> int | None:
    rule, own = _read_calendar(recurrence), zone(recurrence.zone)
    begin = local_time.shown(recurrence.starts_at or 0, own).replace(microsecond=0)
    try:
        due = _met(lambda wall: rule.after(begin, wall), own, after)
    except CalendarRuleRefused as error:
        raise _unreadable(recurrence, error) from error
    over = due is not None and rule.until_moment is not None and due > rule.until_moment
    return None if over else due


def _met(
    following: Callable[[datetime.datetime], datetime.datetime | None],
    own: datetime.tzinfo,
    after: int,
) -> int | None:
    """The first moment after this one that a wall time is met; ``following`` has the next one."""
    wall: datetime.datetime | None = local_time.shown(after, own)
    # In an hour that is repeated the next wall times have been met already, the first time.
    while wall is not None and (wall := following(wall)) is not None:
        due = local_time.moment(wall, own)
        if due > after:
            return due
    return None


def _read_cron(recurrence: Recurrence) -> cron.CronRule:
    try:
        return cron.read(recurrence.rule)
    except CronRefused as error:
        raise _unreadable(recurrence, error) from error


def _read_calendar(recurrence: Recurrence) -> calendar_rules.CalendarRule:
    try:
        return calendar_rules.read(recurrence.rule)
    except CalendarRuleRefused as error:
        raise _unreadable(recurrence, error) from error


def _unreadable(recurrence: Recurrence, error: Exception) -> RuleRefused:
    kind = recurrence.kind.name.lower()
    return RuleRefused(f"the {kind} rule {recurrence.rule[:200]!r} cannot be read: {error}")


def _never(recurrence: Recurrence, after: int) -> None:
    """No clock fires it."""
    del recurrence, after


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name; RuleRefused for an unknown one."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise RuleRefused(
            f"unknown time zone {name[:100]!r}: use an IANA name such as Europe/Amsterdam"
        ) from None


_readers: dict[RecurrenceKind, Callable[[Recurrence, int], int | None]] = {
    RecurrenceKind.INTERVAL: _interval,
    RecurrenceKind.CRON: _cron,
    RecurrenceKind.EVERY_BOOT: _never,
    RecurrenceKind.CALENDAR: _calendar,
}
