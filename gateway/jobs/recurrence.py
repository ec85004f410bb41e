"""When a recurring job is due: one reader for every rule.

Intervals count from a fixed start in elapsed time. Cron rules are read by cronsim, with its (that
is, Debian's) weekday numbers and daylight-saving rules: a wall time that the spring change skips is
met right after the change; one that the autumn change repeats is met once.
"""

import datetime
import itertools
import zoneinfo
from collections.abc import Callable, Iterator

import cronsim

from gateway import moments
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
    local = moments.to_datetime(after).astimezone(zone(recurrence.zone))
    try:
        times = cronsim.CronSim(recurrence.rule, local)
    except cronsim.CronSimError as error:
        raise RuleRefused(f"the cron rule {recurrence.rule!r} cannot be read: {error}") from error
    for due in times:
        moment = moments.from_datetime(due.astimezone(datetime.UTC))
        if moment > after:
            return moment
    return None


def _never(recurrence: Recurrence, after: int) -> None:
    """No clock fires it."""
    del recurrence, after


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name; RuleRefused for an unknown one."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise RuleRefused(
            f"unknown time zone {name!r}: use an IANA name such as Europe/Amsterdam"
        ) from None


_readers: dict[RecurrenceKind, Callable[[Recurrence, int], int | None]] = {
    RecurrenceKind.INTERVAL: _interval,
    RecurrenceKind.CRON: _cron,
    RecurrenceKind.EVERY_BOOT: _never,
}
