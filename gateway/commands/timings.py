"""Times and recurrences as the command line gives them."""

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from gateway import moments
from gateway.control import CommandFailed
from gateway.jobs import calendars
from gateway.jobs.orders import MissedRuns, OnClosed, Recurrence, RecurrenceKind
from storage.session import Session

KINDS = {
    "every": RecurrenceKind.INTERVAL,
    "cron": RecurrenceKind.CRON,
    "rrule": RecurrenceKind.CALENDAR,
}
"""The kinds of rules, by the names that they are given under."""


def time(text: str) -> datetime.datetime:
    """A time with an offset or without. Raises CommandFailed."""
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandFailed(
            "time", f"{text!r} is no time: write it as 2030-12-31T23:59, with an offset or not"
        ) from error


def moment(text: str, zone: datetime.tzinfo) -> int:
    """The moment of a time, in ``zone`` where it has no offset. Raises CommandFailed."""
    value = time(text)
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    try:
        found = moments.from_datetime(value)
    except OverflowError:
        found = moments.LATEST + 1
    if not moments.EARLIEST <= found <= moments.LATEST:
        raise CommandFailed("time", f"{text!r} is not between 1970 and the year 9999")
    return found


def recurrence(
    session: Session, timing: Mapping[str, Any], zone: datetime.tzinfo, now: int
) -> Recurrence | None:
    """The recurrence of a timing, None where it has none.

    It has one of ``every`` (seconds), ``cron`` and ``rrule``, besides ``zone``, ``starts`` and
    ``ends`` (ISO 8601), ``missed`` and ``on_closed`` (names of MissedRuns and OnClosed in lower
    case), ``grace`` (seconds) and ``calendar`` (GUID or name). A calendar rule without a start
    counts from now. Raises CommandFailed, CalendarNotFound.
    """
    name = next((name for name in KINDS if name in timing), None)
    if name is None:
        return None
    kind, grace = KINDS[name], timing.get("grace")
    starts = moment(timing["starts"], zone) if "starts" in timing else None
    if kind is RecurrenceKind.CALENDAR and starts is None:
        starts = now - now % moments.SECOND
    return Recurrence(
        kind,
        str(timing[name]),
        zone=timing.get("zone") or str(zone),
        starts_at=starts,
        ends_at=moment(timing["ends"], zone) if "ends" in timing else None,
        missed_runs=MissedRuns[timing.get("missed", MissedRuns.LAST.name).upper()],
        grace=None if grace is None else int(grace) * moments.SECOND,
        calendar=_calendar(session, timing.get("calendar")),
        on_closed=OnClosed[timing.get("on_closed", OnClosed.SKIP.name).upper()],
    )


def _calendar(session: Session, reference: str | None) -> uuid.UUID | None:
    return None if reference is None else calendars.find(session, reference).guid
