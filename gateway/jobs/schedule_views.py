"""What is shown of schedules: rule, calendar, what comes and what became of what came."""

import uuid
from dataclasses import dataclass
from typing import Any

import peewee

from gateway.jobs import dues, rows, schedules
from gateway.jobs.dues import Due
from gateway.jobs.orders import MissedRuns, OnClosed, RecurrenceKind
from gateway.jobs.rows import JobRow
from gateway.jobs.schedules import Outcome, ScheduleNotFound
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Row, Session

MOST_FORECAST = 1000

_SCHEDULE = models.Schedule
_FIRING = models.ScheduleFiring
_JOB = models.Job
_CALENDAR = models.Calendar


@dataclass(frozen=True)
class ScheduleView:
    """A schedule. ``next_due_at`` is when it runs next; ``grace`` in microseconds, 0 for the
    setting's; ``reason`` is what its job waits for besides."""

    guid: uuid.UUID
    job: uuid.UUID
    description: str
    kind: RecurrenceKind
    rule: str
    zone: str
    calendar: str | None
    on_closed: OnClosed
    missed_runs: MissedRuns
    grace: int
    starts_at: int | None
    ends_at: int | None
    enabled: bool
    status: JobStatus
    reason: str
    next_due_at: int | None


@dataclass(frozen=True)
class FiringView:
    """What became of a due time; ``job`` is the one that it made."""

    due_at: int
    outcome: Outcome
    job: uuid.UUID | None
    at: int
    reason: str


def listed(session: Session, size: int, tenant: int = 1) -> list[ScheduleView]:
    """The schedules of jobs that have not ended, the newest first, so many at most."""
    query = _all(tenant).where(_JOB.status.in_([JobStatus.SCHEDULED, JobStatus.DISABLED]))
    return [_view(row) for row in session.rows(query.order_by(_SCHEDULE.id.desc()).limit(size))]


def find(session: Session, reference: str, tenant: int = 1) -> ScheduleView:
    """The schedule of a GUID, its own or its job's. Raises ScheduleNotFound."""
    return _view(_row(session, reference, tenant))


def forecast(session: Session, reference: str, after: int, count: int) -> list[Due]:
    """The next due times of a schedule, closed ones among them, until so many of them run.

    None while it is disabled. Raises ScheduleNotFound.
    """
    row = _row(session, reference)
    if not row["enabled"] or JobStatus(row["status"]).finished:
        return []
    stored = schedules.of_job(session, _job(session, row))
    return dues.forecast(stored.recurrence, stored.days, after, min(count, MOST_FORECAST))


def history(
    session: Session, reference: str, size: int, before: int | None = None
) -> list[FiringView]:
    """What became of its last due times (before a moment), the newest first, so many at most.

    Raises ScheduleNotFound.
    """
    query = (
        _FIRING.select(_FIRING, _JOB.guid)
        .join(_JOB, peewee.JOIN.LEFT_OUTER, on=(_JOB.id == _FIRING.job_id))
        .where(_FIRING.schedule_id == _row(session, reference)["id"])
    )
    if before is not None:
        query = query.where(_FIRING.due_at < before)
    found = session.rows(query.order_by(_FIRING.due_at.desc()).limit(size))
    return [
        FiringView(row["due_at"], Outcome(row["outcome"]), row["guid"], row["at"], row["reason"])
        for row in found
    ]


def _all(tenant: int) -> Any:
    request = models.JobRequest
    query = _SCHEDULE.select(
        _SCHEDULE,
        _JOB.guid.alias("job_guid"),
        _JOB.status,
        _JOB.reason,
        _JOB.due_at,
        _CALENDAR.name.alias("calendar"),
        request.description,
    )
    return (
        query.join(_JOB, on=(_JOB.id == _SCHEDULE.job_id))
        .switch(_SCHEDULE)
        .join(request, on=(request.job_id == _SCHEDULE.job_id))
        .switch(_SCHEDULE)
        .join(_CALENDAR, peewee.JOIN.LEFT_OUTER, on=(_CALENDAR.id == _SCHEDULE.calendar_id))
        .where(_SCHEDULE.tenant_id == tenant)
    )


def _row(session: Session, reference: str, tenant: int = 1) -> Row:
    try:
        guid = uuid.UUID(reference.strip())
    except ValueError:
        raise ScheduleNotFound(
            f"{reference!r} is no GUID of a schedule or its job: see 'gateway schedule list'"
        ) from None
    query = _all(tenant)
    found = session.first(query.where(_SCHEDULE.guid == guid)) or session.first(
        query.where(_JOB.guid == guid)
    )
    if found is None:
        raise ScheduleNotFound(f"there is no schedule {guid}, and no job of that GUID has one")
    return found


def _job(session: Session, row: Row) -> JobRow:
    found = session.first(_JOB.select().where(_JOB.id == row["job_id"]))
    if found is None:
        raise ScheduleNotFound(f"the job of the schedule {row['guid']} is no longer stored")
    return rows.JobRow.of(found)


def _view(row: Row) -> ScheduleView:
    return ScheduleView(
        guid=row["guid"],
        job=row["job_guid"],
        description=row["description"],
        kind=RecurrenceKind(row["kind"]),
        rule=row["rule"],
        zone=row["zone"],
        calendar=row["calendar"],
        on_closed=OnClosed(row["on_closed"]),
        missed_runs=MissedRuns(row["missed_runs"]),
        grace=row["grace"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        enabled=row["enabled"],
        status=JobStatus(row["status"]),
        reason=row["reason"],
        next_due_at=row["due_at"],
    )
