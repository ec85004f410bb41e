"""The schedules of recurring jobs: what each due time made, and what it did not."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway import moments
from gateway.fleet import targets
from gateway.fleet.roster import Agent
from gateway.jobs import beginning, launching, moves, recurrence, rows
from gateway.jobs.orders import MissedRuns, Origin, Recurrence, RecurrenceKind
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


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule of the store."""

    id: int
    recurrence: Recurrence


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
            enabled=True,
            next_due_at=job.due_at,
        )
    )
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
    )
    return StoredSchedule(row["id"], rule)


def fire(session: WritingSession, job: JobRow, now: int, default_grace: int) -> None:
    """Deal with every due time of a recurring job up to now, then set the next one.

    Due times within the grace run; older ones follow the missed-run policy. Whatever happens,
    each leaves a firing: nothing is missed in silence.
    """
    if job.due_at is None:
        job.wake_at = None
        rows.write_job(session, job)
        return
    stored = of_job(session, job)
    rule = stored.recurrence
    dues = _portion(rule, job.due_at, now)
    running, missed = _sorted_out(dues, rule, now, default_grace)
    if missed:
        _record_missed(session, job, stored.id, missed, now)
    for due in running:
        _run(session, job, stored.id, due, now)
    _advance(session, job, stored, dues[-1], now)


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
    job.due_at = recurrence.next_due(stored.recurrence, now) if enabled else None
    _write_due(session, job, stored.id, enabled=enabled)


def _portion(rule: Recurrence, first: int, now: int) -> list[int]:
    dues: list[int] = []
    for due in recurrence.due_between(rule, first, max(first, now)):
        dues.append(due)
        if len(dues) == _PORTION:
            break
    return dues


def _sorted_out(
    dues: list[int], rule: Recurrence, now: int, default_grace: int
) -> tuple[list[int], list[int]]:
    """Which due times run and which are missed."""
    grace = default_grace if rule.grace is None else rule.grace
    late = [due for due in dues if now - due > grace]
    on_time = [due for due in dues if now - due <= grace]
    following = recurrence.next_due(rule, dues[-1])
    more_to_come = following is not None and following <= now
    if rule.missed_runs is MissedRuns.ALL:
        return dues, []
    if rule.missed_runs is MissedRuns.LAST and late and not on_time and not more_to_come:
        return [late[-1]], late[:-1]
    return on_time, late


def _record_missed(
    session: WritingSession, job: JobRow, schedule_id: int, missed: list[int], now: int
) -> None:
    for due in missed:
        _firing(session, schedule_id, due, Outcome.MISSED, None, now, _lateness(due, now))
    first, last = moments.to_datetime(missed[0]), moments.to_datetime(missed[-1])
    moves.note(
        session,
        job,
        now,
        "clock",
        f"missed {len(missed)} due time(s), {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"
        " UTC",
    )
    outbox.tell(
        session,
        job,
        Event.MISSED,
        now,
        missed=len(missed),
        first_missed=first.isoformat(),
        last_missed=last.isoformat(),
    )


def _run(session: WritingSession, job: JobRow, schedule_id: int, due: int, now: int) -> None:
    """Make the job of one due time, unless the key says that it exists already."""
    request = session.first(models.JobRequest.select().where(models.JobRequest.job_id == job.id))
    late = _lateness(due, now)
    if request is None or not _firing(session, schedule_id, due, Outcome.RAN, None, now, late):
        return
    child = _copy(job, due, now, request["options"])
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
    job.due_at = recurrence.next_due(stored.recurrence, last)
    _write_due(session, job, stored.id, enabled=True)
    if job.due_at is None:
        moves.move(session, job, JobStatus.COMPLETED, now, "clock", "the schedule has ended")


def _write_due(session: WritingSession, job: JobRow, schedule_id: int, *, enabled: bool) -> None:
    job.wake_at = job.due_at
    rows.write_job(session, job)
    session.execute(
        _SCHEDULE.update(next_due_at=job.due_at, enabled=enabled).where(_SCHEDULE.id == schedule_id)
    )


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
        wake_at=now,
        created_at=now,
        started_at=None,
        finished_at=None,
    )


def _lateness(due: int, now: int) -> str:
    late = (now - due) / moments.SECOND
    return f"{late:.0f} s late" if late >= 1 else ""
