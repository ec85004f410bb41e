"""Calendars of the store, which schedules share: made, changed, found, deleted."""

import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gateway import moments, names
from gateway.catalog import changes
from gateway.identity import audit, store_facts
from gateway.identity.principals import Caller
from gateway.jobs.open_days import OpenDays
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.remembered import Remembered
from storage.session import Row, Session

_CALENDAR = models.Calendar
_SCHEDULE = models.Schedule
_CONTENTS = Remembered(_CALENDAR)
_LONGEST_NAME = 200
_MOST_FAULTS = 5

CHANGED = "recompute.calendar."
"""Begins the store fact that says that the schedules of a calendar, whose id follows, are not yet
recomputed."""


class CalendarNotFound(LookupError):
    """No calendar has this GUID or name."""


class CalendarRefused(ValueError):
    """A calendar cannot be as it is wanted; the message says what is wrong with it."""


@dataclass(frozen=True)
class Calendar:
    """A calendar; ``schedules`` is how many use it."""

    id: int
    guid: uuid.UUID
    name: str
    days: OpenDays
    schedules: int = 0


def content(given: Mapping[str, Any]) -> OpenDays:
    """What a calendar says, from JSON. Raises CalendarRefused."""
    try:
        return OpenDays.model_validate(given)
    except ValidationError as error:
        raise CalendarRefused(_faults(error)) from None


def as_json(days: OpenDays) -> dict[str, Any]:
    """What a calendar says, as JSON that ``content`` reads."""
    return days.model_dump(mode="json", by_alias=True)


def days_of(session: Session, calendar_id: int | None) -> OpenDays | None:
    """What a calendar says; for readers remembered. None for no calendar. Raises LookupError."""
    if calendar_id is None:
        return None
    return session.recall(
        _CONTENTS, calendar_id, functools.partial(_read_days, session, calendar_id)
    )


def find(session: Session, reference: str, tenant: int = 1) -> Calendar:
    """The calendar of a GUID or name. Raises CalendarNotFound."""
    try:
        wanted = _CALENDAR.guid == uuid.UUID(reference.strip())
    except ValueError:
        wanted = _CALENDAR.name_key == names.key(reference)
    query = _CALENDAR.select().where(
        _CALENDAR.tenant_id == tenant, _CALENDAR.deleted_at.is_null(), wanted
    )
    row = session.first(query)
    if row is None:
        raise CalendarNotFound(f"there is no calendar {reference!r}")
    return _calendar(session, row)


def keep(session: Session, guid: uuid.UUID, tenant: int = 1) -> int:
    """The id of a calendar, which nobody deletes until this unit of work ends.

    Raises CalendarNotFound.
    """
    query = _CALENDAR.select(_CALENDAR.id).where(
        _CALENDAR.tenant_id == tenant, _CALENDAR.guid == guid, _CALENDAR.deleted_at.is_null()
    )
    found = session.scalar(
        query.for_update("FOR SHARE") if session.postgres else query  # type: ignore[arg-type]  # flags
    )
    if found is None:
        raise CalendarNotFound(f"there is no calendar {guid}")
    return int(found)


class Calendars:
    """Makes, changes and deletes calendars; each change is audited."""

    def __init__(self, store: Store, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._now = now

    def listed(self, tenant: int = 1) -> list[Calendar]:
        """All calendars, by name."""
        query = _CALENDAR.select().where(
            _CALENDAR.tenant_id == tenant, _CALENDAR.deleted_at.is_null()
        )
        with self._store.reading() as session:
            found = session.rows(query.order_by(_CALENDAR.name_key))
            return [_calendar(session, row) for row in found]

    def create(self, name: str, days: OpenDays, caller: Caller, tenant: int = 1) -> Calendar:
        """Make a calendar. Raises CalendarRefused, CommentRefused."""
        _check_name(name)
        audit.check_comment(caller.comment)

        def work(session: Session) -> Calendar:
            changes.one_at_a_time(session, tenant)
            _refuse_taken(session, name, None, tenant)
            guid = moments.new_guid()
            session.execute(
                _CALENDAR.insert(
                    guid=guid,
                    tenant_id=tenant,
                    name=name,
                    name_key=names.key(name),
                    content=as_json(days),
                    created_at=self._now(),
                )
            )
            made = find(session, str(guid), tenant)
            self._record(session, caller, "create", None, made, tenant)
            return made

        return self._store.unit_of_work(work)

    def change(
        self,
        reference: str,
        changed: Callable[[Calendar], tuple[str, OpenDays]],
        caller: Caller,
        tenant: int = 1,
    ) -> Calendar:
        """Give a calendar the name and content that ``changed`` makes of it.

        Its schedules are to be recomputed, of which a fact of the store keeps note.
        Raises CalendarNotFound, CalendarRefused, CommentRefused.
        """
        audit.check_comment(caller.comment)

        def work(session: Session) -> Calendar:
            changes.one_at_a_time(session, tenant)
            before = find(session, reference, tenant)
            name, days = changed(before)
            _check_name(name)
            _refuse_taken(session, name, before.id, tenant)
            query = _CALENDAR.update(name=name, name_key=names.key(name), content=as_json(days))
            session.execute(query.where(_CALENDAR.id == before.id))
            if days != before.days:
                store_facts.write(session, f"{CHANGED}{before.id}", str(self._now()))
            after = find(session, str(before.guid), tenant)
            self._record(session, caller, "update", before, after, tenant)
            return after

        return self._store.unit_of_work(work)

    def delete(self, reference: str, caller: Caller, tenant: int = 1) -> Calendar:
        """Delete a calendar that no schedule uses.

        Raises CalendarNotFound, CalendarRefused, CommentRefused.
        """
        audit.check_comment(caller.comment)

        def work(session: Session) -> Calendar:
            changes.one_at_a_time(session, tenant)
            found = find(session, reference, tenant)
            # Written first: whoever is about to use it is waited for.
            query = _CALENDAR.update(deleted_at=self._now()).where(_CALENDAR.id == found.id)
            session.execute(query)
            used = _users(session, found.id)
            if used:
                raise CalendarRefused(
                    f"the calendar {found.name!r} is used by {used} schedule(s): "
                    "'schedule list' names them; abort their jobs first"
                )
            self._record(session, caller, "delete", found, None, tenant)
            return found

        return self._store.unit_of_work(work)

    def _record(
        self,
        session: Session,
        caller: Caller,
        action: str,
        before: Calendar | None,
        after: Calendar | None,
        tenant: int,
    ) -> None:
        about = after or before
        if about is None:
            raise ValueError("a change has a before or an after")
        audit.record(
            session,
            caller,
            self._now(),
            action,
            "calendar",
            about.guid,
            about.name,
            _told(before),
            _told(after),
            tenant=tenant,
        )


def _told(calendar: Calendar | None) -> dict[str, Any] | None:
    return None if calendar is None else {"name": calendar.name, **as_json(calendar.days)}


def _read_days(session: Session, calendar_id: int) -> OpenDays:
    found = session.scalar(_CALENDAR.select(_CALENDAR.content).where(_CALENDAR.id == calendar_id))
    if found is None:
        raise LookupError(f"the calendar {calendar_id} is no longer stored")
    return OpenDays.model_validate(found)


def _calendar(session: Session, row: Row) -> Calendar:
    return Calendar(
        id=row["id"],
        guid=row["guid"],
        name=row["name"],
        days=OpenDays.model_validate(row["content"]),
        schedules=_users(session, row["id"]),
    )


def _users(session: Session, calendar_id: int) -> int:
    """How many schedules use a calendar: those of jobs that have not ended."""
    query = _SCHEDULE.select(_SCHEDULE.id).join(models.Job, on=(models.Job.id == _SCHEDULE.job_id))
    open_jobs = models.Job.status.in_([JobStatus.SCHEDULED, JobStatus.DISABLED])
    return len(session.rows(query.where(_SCHEDULE.calendar_id == calendar_id, open_jobs)))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CalendarRefused(f"name: is one line of 1 to {_LONGEST_NAME} characters")


def _refuse_taken(session: Session, name: str, own: int | None, tenant: int) -> None:
    query = _CALENDAR.select(_CALENDAR.id).where(
        _CALENDAR.tenant_id == tenant,
        _CALENDAR.name_key == names.key(name),
        _CALENDAR.deleted_at.is_null(),
    )
    found = session.scalar(query)
    if found is not None and found != own:
        raise CalendarRefused(f"there is a calendar {name!r} already")


def _faults(error: ValidationError) -> str:
    """What is wrong, each with its place."""
    told = []
    for fault in error.errors(include_url=False, include_context=False)[:_MOST_FAULTS]:
        place = ".".join(map(str, fault["loc"]))
        sentence = fault["msg"].removeprefix("Value error, ")
        told.append(f"{place}: {sentence}" if place else sentence)
    return "; ".join(told)
