"""What is to be done at which due time: the rule, then the calendar.

Each time that a rule names is dealt with when it comes: it runs, or it is recorded as closed. Where
the schedule says so, a closed one is met on another day instead, at the same time of day.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import moments
from gateway.jobs import recurrence
from gateway.jobs.open_days import FARTHEST, OpenDays
from gateway.jobs.orders import OnClosed, Recurrence
from gateway.jobs.recurrence import RuleRefused

_FAR = (FARTHEST + 1) * 24 * 3600 * moments.SECOND
# How many closed due times are looked at before nobody waits for an open one.
_MOST_CLOSED = 2000


@dataclass(frozen=True)
class Due:
    """A due time: ``closed`` is why it does not run, ``moved_from`` when it was due by its rule."""

    at: int
    closed: str | None = None
    moved_from: int | None = None

    @property
    def runs(self) -> bool:
        """Whether a job is made then."""
        return self.closed is None


def check(rule: Recurrence, days: OpenDays | None) -> None:
    """Raise RuleRefused unless calendar and rule fit together."""
    if days is None:
        if rule.calendar is None and rule.on_closed is not OnClosed.SKIP:
            raise RuleRefused("what becomes of closed due times goes with a calendar")
        return
    if rule.on_closed is not OnClosed.SKIP and recurrence.daily_times(rule) != 1:
        raise RuleRefused(
            "only a cron or calendar rule with one time of day can be moved to another day; "
            "have closed due times skipped"
        )


def following(rule: Recurrence, days: OpenDays | None, after: int) -> Due | None:
    """The first due time strictly after a moment, closed or not; None when there is none."""
    at = recurrence.next_due(rule, after)
    if days is None:
        return None if at is None else Due(at)
    own = None if at is None else _judged(rule, days, at)
    moved = None if rule.on_closed is OnClosed.SKIP else _moved(rule, days, after)
    if own is None or moved is None:
        return own or moved
    return moved if moved.at < own.at else own


def between(rule: Recurrence, days: OpenDays | None, after: int, last: int) -> Iterator[Due]:
    """The due times strictly after a moment, up to ``last`` included."""
    due = following(rule, days, after)
    while due is not None and due.at <= last:
        yield due
        due = following(rule, days, due.at)


def next_run(
    rule: Recurrence, days: OpenDays | None, after: int, last: int = moments.LATEST
) -> Due | None:
    """The first due time strictly after a moment, up to ``last``, that runs.

    None when there is none, or none among the first few thousand that a calendar closes.
    """
    found = itertools.islice(between(rule, days, after, last), _MOST_CLOSED)
    return next((due for due in found if due.runs), None)


def forecast(rule: Recurrence, days: OpenDays | None, after: int, count: int) -> list[Due]:
    """The next due times, closed ones among them, until ``count`` of them run."""
    found: list[Due] = []
    running = 0
    for due in itertools.islice(between(rule, days, after, moments.LATEST), _MOST_CLOSED):
        found.append(due)
        running += due.runs
        if running == count:
            break
    return found


def _judged(rule: Recurrence, days: OpenDays, at: int) -> Due:
    closed = days.closed(at)
    if closed is None or rule.on_closed is OnClosed.SKIP:
        return Due(at, closed)
    to = days.instead(at, _step(rule))
    if to is None:
        return Due(at, f"{closed}; no day within {FARTHEST} days is open instead")
    return Due(at, f"{closed}; instead: {moments.to_datetime(to):%Y-%m-%d %H:%M:%S} UTC")


def _moved(rule: Recurrence, days: OpenDays, after: int) -> Due | None:
    """The first due time strictly after a moment that was moved from another day."""
    first, last = after - _FAR, after
    if rule.on_closed is OnClosed.PREVIOUS:
        first, last = after, after + _FAR
    at = recurrence.next_due(rule, first)
    while at is not None and at <= last:
        to = days.instead(at, _step(rule)) if days.closed(at) is not None else None
        if to is not None and to > after:
            return Due(to, moved_from=at)
        at = recurrence.next_due(rule, at)
    return None


def _step(rule: Recurrence) -> int:
    return -1 if rule.on_closed is OnClosed.PREVIOUS else 1
