"""The schedules of recurring jobs: what each due time made, and what it did not."""

import enum
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import moments
from gateway.fleet import targets
from gateway.fleet.roster import Agent
from gateway.jobs import beginning, calendars, dues, launching, maintenance, moves, rows
from gateway.jobs.dues import Due
from gateway.jobs.open_days import OpenDays
from gateway.jobs.orders import MissedRuns, OnClosed, Origin, Recurrence, RecurrenceKind
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from gateway.notifications import outbox
from gateway.notifications.rules import Event
from storage import models
from storage.session import Row, Session, WritingSession

_SCHEDULE = models.Schedule
_FIRING = models.ScheduleFiring

# A schedule that was not looked after for long is worked off in portions, so that one unit of work
# never holds up the others.
_PORTION = 100


class Outcome(enum.IntEnum):
    """What became of a due time."""

    RAN = 0
    MISSED = 1
    # Its calendar was closed then.
    CLOSED = 2
    # Not made up for after a maintenance in which it was due.
    MAINTENANCE = 3


class ScheduleNotFound(LookupError):
    """There is no such schedule, or no job with one."""


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule of the store. ``next_due_at`` is the first due time that nobody has dealt with.

    A job's ``due_at`` is when it runs next: later, where the calendar is closed before.
    """

    id: int
    recurrence: Recurrence
    calendar_id: int | None = None
    days: OpenDays | None = None
    next_due_at: int | None = None


def check(session: Session, rule: Recurrence) -> None:
    """Raise RuleRefused or CalendarNotFound unless rule and calendar fit together."""
    known = None if rule.calendar is None else calendars.find(session, str(rule.calendar)).days
    dues.check(rule, known)


def insert(session: WritingSession, job: JobRow, rule: Recurrence) -> None:
    """Store the schedule of a new recurring job and tie the two together."""
    job.schedule_id = session.execute(
        _SCHEDULE.insert(
            guid=moments.new_guid(),
            tenant_id=job.tenant_id,
            job_id=job.id,
            kind=rule.kind,
            rule=rule.rule,
            zone=rule.zone,
            starts_at=rule.starts_at,
            ends_at=rule.ends_at,
            missed_runs=rule.missed_runs,
            grace=rule.grace or 0,
            enabled=job.status is not JobStatus.DISABLED,
            calendar_id=None if rule.calendar is None else calendars.keep(session, rule.calendar),
            on_closed=rule.on_closed,
            next_due_at=job.due_at,
        )
    )
    if rule.calendar is not None:
        _write_next(session, job, of_job(session, job), job.created_at)
        return
    rows.write_job(session, job)


def of_job(session: Session, job: JobRow) -> StoredSchedule:
    """The schedule of a recurring job."""
    row = session.first(_SCHEDULE.select().where(_SCHEDULE.id == job.schedule_id))
    if row is None:
        raise LookupError(f"the recurring job {job.guid} has no schedule")
    rule = Recurrence(
        kind=RecurrenceKind(row["kind"]),
        rule=row["rule"],
        zone=row["zone"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        missed_runs=MissedRuns(row["missed_runs"]),
        grace=row["grace"] or None,
        on_closed=OnClosed(row["on_closed"]),
    )
    calendar_id = row["calendar_id"]
    days = calendars.days_of(session, calendar_id)
    return StoredSchedule(row["id"], rule, calendar_id, days, row["next_due_at"])


def fire(session: WritingSession, job: JobRow, now: int, default_grace: int) -> None:
    """Deal with every due time of a recurring job up to now, then set the next one.

    Due times within the grace run; older ones follow the missed-run policy. Those on which the
    calendar is closed do not. Whatever happens, each leaves a firing: nothing is missed in silence.
    While there is maintenance of the server all of them wait.
    """
    stored = of_job(session, job)
    if stored.next_due_at is None:
        job.wake_at = None
        rows.write_job(session, job)
        return
    held_up = maintenance.of_server(session, now, job.tenant_id)
    if held_up is not None:
        maintenance.hold_up(session, job, held_up, now)
        return
    if maintenance.said(job.reason):
        job.reason = ""
    found = _portion(stored, now)
    running, missed = _sorted_out(found, stored, now, default_grace)
    late = _Lateness.of(session, found, now)
    _record_closed(session, stored.id, found, now)
    if missed:
        _record_missed(session, job, stored.id, missed, late)
    for due in running:
        _run(session, job, stored.id, due, late)
    _advance(session, job, stored, found[-1].at if found else stored.next_due_at - 1, now)


def at_boot(session: Session) -> list[int]:
    """The ids of the jobs that recur after every boot, of whichever agents."""
    query = (
        _SCHEDULE.select(_SCHEDULE.job_id)
        .join(models.Job, on=(models.Job.id == _SCHEDULE.job_id))
        .where(
            _SCHEDULE.kind == RecurrenceKind.EVERY_BOOT,
            _SCHEDULE.enabled,
            models.Job.status == JobStatus.SCHEDULED,
        )
    )
    return [row["job_id"] for row in session.rows(query)]


def at_boot_of(session: Session, agent: Agent) -> list[int]:
    """The ids of the jobs that recur after every boot, held or not, and name this agent itself."""
    request = models.JobRequest
    query = (
        _SCHEDULE.select(_SCHEDULE.job_id, request.who)
        .join(models.Job, on=(models.Job.id == _SCHEDULE.job_id))
        .join(request, on=(request.job_id == _SCHEDULE.job_id))
        .where(
            _SCHEDULE.kind == RecurrenceKind.EVERY_BOOT,
            models.Job.status.in_([JobStatus.SCHEDULED, JobStatus.DISABLED]),
        )
    )
    found = session.rows(query.order_by(_SCHEDULE.job_id))
    return [
        row["job_id"] for row in found if any(one.get("agent") == agent.id for one in row["who"])
    ]


def end_deserted(session: WritingSession, jobs: Iterable[JobRow], now: int, reason: str) -> None:
    """Cancel those of these locked recurring jobs that name no agent or team any more."""
    request = models.JobRequest
    for job in jobs:
        asked = session.first(request.select(request.who).where(request.job_id == job.id))
        if asked is None or job.status.finished or targets.any_left(session, asked["who"]):
            continue
        set_enabled(session, job, False, now)
        moves.move(session, job, JobStatus.CANCELED, now, "engine", reason)


def fire_at_boot(session: WritingSession, job: JobRow, agent: Agent, now: int) -> None:
    """Make the job that an agent does after the start of its machine, if it is one of the job's.

    The job is locked, and so is the agent: each start is met once.
    """
    request = session.first(models.JobRequest.select().where(models.JobRequest.job_id == job.id))
    if request is None or job.status is not JobStatus.SCHEDULED or _too_early(request, agent, now):
        return
    if agent.id not in targets.agent_ids(session, request["who"]):
        return
    schedule_id = of_job(session, job).id
    due = now
    # Another agent may have come at the very same moment.
    while not _firing(session, schedule_id, due, Outcome.RAN, None, now, f"{agent.name} started"):
        due += 1
    child = _copy(job, due, now, request["options"])
    child.origin, child.reason = Origin.BOOT, ""
    own = {"who": [targets.stored(agent)], "timing": launching.once(request["timing"])}
    _enter(session, child, schedule_id, request | own, "agent")
    beginning.begin(session, child, now)


def _too_early(request: Row, agent: Agent, now: int) -> bool:
    """Whether the moment from which on the job recurs is still to come."""
    timing = request["timing"]
    begins = launching.not_before(timing, agent) or timing["scheduled_at"]
    return begins is not None and begins > now


def set_enabled(session: WritingSession, job: JobRow, enabled: bool, now: int) -> None:
    """Stop or take up again a schedule; due times that pass meanwhile are not owed."""
    stored = of_job(session, job)
    if enabled:
        _write_next(session, job, stored, now)
    else:
        _write_due(session, job, stored.id, None, None, enabled=False)


def recompute(session: WritingSession, job: JobRow, now: int) -> None:
    """Compute the next due time of a locked job anew: its calendar or its zone has changed.

    What is due already is left to the clock.
    """
    if not job.recurring or job.status is not JobStatus.SCHEDULED:
        return
    stored = of_job(session, job)
    if stored.next_due_at is not None and stored.next_due_at > now:
        _write_next(session, job, stored, now)


def _portion(stored: StoredSchedule, now: int) -> list[Due]:
    """The first of the due times that nobody has dealt with."""
    if stored.next_due_at is None:
        return []
    first = stored.next_due_at - 1
    return list(
        itertools.islice(dues.between(stored.recurrence, stored.days, first, now), _PORTION)
    )


def _sorted_out(
    found: Sequence[Due], stored: StoredSchedule, now: int, default_grace: int
) -> tuple[list[Due], list[Due]]:
    """Which due times run and which are missed; those that are closed are neither."""
    rule = stored.recurrence
    grace = default_grace if rule.grace is None else rule.grace
    opened = [due for due in found if due.runs]
    if rule.missed_runs is MissedRuns.ALL:
        return opened, []
    late = [due for due in opened if now - due.at > grace]
    on_time = [due for due in opened if now - due.at <= grace]
    if rule.missed_runs is MissedRuns.LAST and late and not on_time:
        following = dues.next_run(rule, stored.days, found[-1].at, now)
        if following is None:
            return [late[-1]], late[:-1]
    return on_time, late


@dataclass(frozen=True)
class _Lateness:
    """What is said of due times that are dealt with late, at ``now``."""

    now: int
    periods: Sequence[maintenance.Period]

    @classmethod
    def of(cls, session: Session, found: Sequence[Due], now: int) -> "_Lateness":
        """Of these due times; the store is asked only where one of them is late."""
        if not found or now - found[0].at < moments.SECOND:
            return cls(now, ())
        return cls(now, maintenance.between(session, found[0].at, now))

    def period(self, due: Due) -> maintenance.Period | None:
        """The maintenance in which it was due."""
        return next((one for one in self.periods if one.on(due.at)), None)

    def said(self, due: Due) -> str:
        """From where it was moved, how late it is, and which maintenance was in the way."""
        period = self.period(due)
        moved = "" if due.moved_from is None else f"instead of {_time(due.moved_from)} UTC"
        parts = (moved, _lateness(due.at, self.now), "" if period is None else period.sentence)
        return "; ".join(part for part in parts if part)


def _record_closed(
    session: WritingSession, schedule_id: int, found: Iterable[Due], now: int
) -> None:
    for due in found:
        if due.closed is not None:
            _firing(session, schedule_id, due.at, Outcome.CLOSED, None, now, due.closed)


def _record_missed(
    session: WritingSession,
    job: JobRow,
    schedule_id: int,
    missed: Sequence[Due],
    late: _Lateness,
) -> None:
    for due in missed:
        outcome = Outcome.MISSED if late.period(due) is None else Outcome.MAINTENANCE
        _firing(session, schedule_id, due.at, outcome, None, late.now, late.said(due))
    span = f"{_time(missed[0].at)} to {_time(missed[-1].at)} UTC"
    moves.note(session, job, late.now, "clock", f"missed {len(missed)} due time(s), {span}")
    outbox.tell(
        session,
        job,
        Event.MISSED,
        late.now,
        missed=len(missed),
        first_missed=moments.to_datetime(missed[0].at).isoformat(),
        last_missed=moments.to_datetime(missed[-1].at).isoformat(),
    )


def _time(moment: int) -> str:
    return f"{moments.to_datetime(moment):%Y-%m-%d %H:%M:%S}"


def _run(session: WritingSession, job: JobRow, schedule_id: int, due: Due, late: _Lateness) -> None:
    """Make the job of one due time, unless the key says that it exists already."""
    request = session.first(models.JobRequest.select().where(models.JobRequest.job_id == job.id))
    now, said = late.now, late.said(due)
    if request is None or not _firing(session, schedule_id, due.at, Outcome.RAN, None, now, said):
        return
    child = _copy(job, due.at, now, request["options"])
    child.reason = said
    _enter(session, child, schedule_id, request, "clock")
    beginning.begin(session, child, now)


def _enter(
    session: WritingSession, child: JobRow, schedule_id: int, request: Row, actor: str
) -> None:
    """Store the job that a firing made, and tie the two together."""
    moves.enter(session, child, actor)
    rows.insert_request(session, request | {"job_id": child.id, "digest": ""})
    session.execute(
        _FIRING.update(job_id=child.id).where(
            _FIRING.schedule_id == schedule_id, _FIRING.due_at == child.due_at
        )
    )


def _firing(
    session: Session,
    schedule_id: int,
    due: int,
    outcome: Outcome,
    job_id: int | None,
    now: int,
    reason: str,
) -> bool:
    """Record a due time; False when it was recorded before."""
    known = session.first(
        _FIRING.select().where(_FIRING.schedule_id == schedule_id, _FIRING.due_at == due)
    )
    if known is not None:
        return False
    session.execute(
        _FIRING.insert(
            schedule_id=schedule_id,
            due_at=due,
            outcome=outcome,
            job_id=job_id,
            at=now,
            reason=reason,
        )
    )
    return True


def _advance(
    session: WritingSession, job: JobRow, stored: StoredSchedule, last: int, now: int
) -> None:
    if not _write_next(session, job, stored, last):
        moves.move(session, job, JobStatus.COMPLETED, now, "clock", "the schedule has ended")


def _write_next(session: WritingSession, job: JobRow, stored: StoredSchedule, after: int) -> bool:
    """Set what comes next after a moment; whether anything does."""
    rule, days = stored.recurrence, stored.days
    due = dues.following(rule, days, after)
    run = due if due is None or due.runs else dues.next_run(rule, days, due.at)
    at, runs_at = (None if one is None else one.at for one in (due, run))
    _write_due(session, job, stored.id, at, runs_at, enabled=job.status is not JobStatus.DISABLED)
    return due is not None


def _write_due(
    session: WritingSession,
    job: JobRow,
    schedule_id: int,
    next_due_at: int | None,
    runs_at: int | None,
    *,
    enabled: bool,
) -> None:
    job.due_at = runs_at
    job.wake_at = next_due_at if enabled else None
    rows.write_job(session, job)
    values = {"next_due_at": next_due_at, "enabled": enabled}
    session.execute(_SCHEDULE.update(**values).where(_SCHEDULE.id == schedule_id))


def _copy(job: JobRow, due: int, now: int, options: Mapping[str, Any]) -> JobRow:
    launch_timeout = options["launch_timeout"]
    return replace(
        job,
        id=0,
        guid=moments.new_guid(),
        parent_id=job.id,
        origin=Origin.RECURRING_SCHEDULE,
        recurring=False,
        status=JobStatus.SCHEDULED,
        reason=_lateness(due, now),
        lock_name=options.get("lock"),
        due_at=due,
        launch_by=None if launch_timeout is None else now + launch_timeout,
        wake_at=moments.AT_ONCE,
        created_at=now,
        started_at=None,
        finished_at=None,
    )


def _lateness(due: int, now: int) -> str:
    late = (now - due) / moments.SECOND
    return f"{late:.0f} s late" if late >= 1 else ""
