"""Locks: of the jobs that name one, only one is under way at a time.

A row of ``lock_holder`` is the lock; its key lets there be one. A job takes it in the unit of work
that begins it. In the one that moves it to its end it hands the lock to the next in line, who has
it from then on, so that nobody comes in between, and is woken to begin. Should one be missed by
that, each of those that wait looks by itself now and then.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import peewee

from gateway import moments, names
from gateway.catalog.policies import Concurrency
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus, Stage
from storage import models
from storage.session import Session, WritingSession

_HOLDER = models.LockHolder
_JOB = models.Job
_REQUEST = models.JobRequest

# Should nobody wake a job that waits for a lock, it looks by itself: the more seldom the longer it
# has waited, so that thousands that wait cost little.
_LOOK_AGAIN = 30 * moments.SECOND
_SELDOM = 10 * 60 * moments.SECOND
_SOON = moments.SECOND
_OWN = "definition:"

# The words of the partial index, so that the planner sees that it fits.
_INDEXED = peewee.SQL("lock_name IS NOT NULL AND stage < 2")


class Turn(enum.Enum):
    """What becomes of a job that wants to begin."""

    BEGIN = enum.auto()
    WAIT = enum.auto()
    SKIP = enum.auto()


@dataclass(frozen=True)
class Ruling:
    """Whether a job may begin, and who is in its way; ``holder`` only if it is locked."""

    turn: Turn
    holder: JobRow | None = None
    reason: str = ""


def key(concurrency: Concurrency | None, lock: str | None, definition: object) -> str | None:
    """The lock of a job with this policy; None for one that needs none.

    A name for people is compared without regard to case.
    """
    if concurrency is None and not lock:
        return None
    if concurrency is Concurrency.ALLOW:
        return None
    return names.key(lock) if lock else f"{_OWN}{definition}"


def shown(lock: str) -> str:
    """How a lock is called to people."""
    return "of its definition" if lock.startswith(_OWN) else repr(lock)


def rivals(session: Session, job_id: int) -> list[int]:
    """The ids of the jobs that have, or wait for, the same lock as this one, itself included."""
    lock = _lock_of(session, job_id)
    if lock is None:
        return [job_id]
    same = _JOB.select(_JOB.id).where(*_wanting(*lock))
    return sorted({row["id"] for row in session.rows(same)} | _having(session, *lock) | {job_id})


def concerned(session: Session, job_id: int) -> list[int]:
    """The ids of the jobs that must be locked before this one may begin, itself included.

    That is who has its lock; where it replaces others, all of them.
    """
    if _concurrency(_options(session, job_id)) is Concurrency.REPLACE:
        return rivals(session, job_id)
    lock = _lock_of(session, job_id)
    found = set[int]() if lock is None else _having(session, *lock)
    return sorted(found | {job_id})


def take(session: WritingSession, job: JobRow, locked: Mapping[int, JobRow], now: int) -> Ruling:
    """Take the lock for a job, or say what it does instead. ``locked`` are those concerned.

    A lock whose holder has ended is free, whatever the table says.
    """
    if job.lock_name is None:
        return Ruling(Turn.BEGIN)
    insert = _HOLDER.insert(tenant_id=job.tenant_id, name=job.lock_name, job_id=job.id, since=now)
    found = holder(session, job)
    if found is None:
        session.execute(insert.on_conflict_ignore())
        # Another gateway may have been faster: the key decides.
        found = holder(session, job)
    if found is not None and found != job.id and not _living(session, found):
        _hand_over(session, job, found, job.id, now)
        found = holder(session, job)
    if found == job.id:
        return Ruling(Turn.BEGIN)
    return _instead(session, job, None if found is None else locked.get(found), found)


def release(session: WritingSession, job: JobRow, now: int) -> None:
    """Hand the lock of a job that ends to the next in line, who is woken to begin."""
    if job.lock_name is None or holder(session, job) != job.id:
        return
    following = next_in_line(session, job, now)
    if following is None:
        session.execute(_HOLDER.delete().where(*_row(job), _HOLDER.job_id == job.id))
        return
    _hand_over(session, job, job.id, following, now)
    session.execute(_JOB.update(wake_at=moments.AT_ONCE).where(_JOB.id == following))


def next_in_line(session: Session, job: JobRow, now: int) -> int | None:
    """Who of those that wait for the lock of this job is next: by priority, then by age."""
    query = (
        _JOB.select(_JOB.id)
        .where(*_waiting(job, now), _JOB.id != job.id)
        .order_by(_JOB.priority.desc(), _JOB.id)
        .limit(1)
    )
    if session.postgres:
        # Whoever holds its lock just now looks at it himself, or it looks again by itself: to wait
        # for him could be to wait in a circle.
        query = query.for_update("FOR UPDATE SKIP LOCKED")  # type: ignore[arg-type]  # as it is
    found: int | None = session.scalar(query)
    return found


def waits(job: JobRow, now: int) -> bool:
    """Whether a job could begin, but for its lock. One that is due later does not wait yet."""
    due = job.due_at is not None and job.due_at <= now
    return due and job.status is JobStatus.SCHEDULED and not job.runs_open and not job.recurring


def older(one: JobRow, job: JobRow) -> bool:
    """Whether a job was due, or accepted, before another: that one may replace it."""
    return (one.due_at or 0, one.id) < (job.due_at or 0, job.id)


def _waiting(job: JobRow, now: int) -> tuple[Any, ...]:
    """As ``waits``, as conditions of a query for those that want the lock of this job.

    ``now`` is when that one ended, of which its agent may have told late: who has looked at the
    lock since then waits, too.
    """
    return (
        *_wanting(job.tenant_id, str(job.lock_name)),
        _JOB.stage == Stage.SCHEDULED,
        _JOB.status == JobStatus.SCHEDULED,
        _JOB.runs_open == 0,
        (_JOB.due_at <= now) | (_JOB.wake_at > _JOB.due_at),
        _JOB.wake_at.is_null(False),
    )


def replaces(session: Session, job: JobRow) -> bool:
    """Whether a job stops those that have, or wait for, its lock."""
    return _concurrency(_options(session, job.id)) is Concurrency.REPLACE


def _instead(session: Session, job: JobRow, locked: JobRow | None, found: int | None) -> Ruling:
    lock, who = shown(str(job.lock_name)), _called(session, locked, found)
    if _concurrency(_options(session, job.id)) is Concurrency.SKIP:
        return Ruling(Turn.SKIP, locked, f"the lock {lock} is held by {who}")
    return Ruling(Turn.WAIT, locked, f"waits for the lock {lock}, held by {who}")


def _called(session: Session, locked: JobRow | None, found: int | None) -> str:
    guid = (
        session.scalar(_JOB.select(_JOB.guid).where(_JOB.id == found))
        if locked is None
        else locked.guid
    )
    return "another job" if guid is None else f"the job {guid}"


def look_again(job: JobRow, ruling: Ruling, now: int) -> int:
    """When a job that waits for its lock looks at it again, or is given up."""
    waited = now - (now if job.due_at is None else job.due_at)
    # A holder that was not locked may have ended by now, and not have seen that this one waits.
    pause = _SOON if ruling.holder is None else min(max(_LOOK_AGAIN, waited // 4), _SELDOM)
    again = now + pause
    return again if job.launch_by is None else min(again, max(job.launch_by, now))


def _hand_over(session: WritingSession, job: JobRow, before: int, after: int, now: int) -> None:
    """Give the lock to another, if it is still that one's."""
    query = _HOLDER.update(job_id=after, since=now)
    session.execute(query.where(*_row(job), _HOLDER.job_id == before))


def _row(job: JobRow) -> tuple[Any, ...]:
    return _HOLDER.tenant_id == job.tenant_id, _HOLDER.name == job.lock_name


def holder(session: Session, job: JobRow) -> int | None:
    """The id of the job that has the lock of this one."""
    found: int | None = session.scalar(_HOLDER.select(_HOLDER.job_id).where(*_row(job)))
    return found


def _wanting(tenant: int, lock: str) -> tuple[Any, ...]:
    return _JOB.tenant_id == tenant, _JOB.lock_name == lock, _INDEXED


def _having(session: Session, tenant: int, lock: str) -> set[int]:
    query = _HOLDER.select(_HOLDER.job_id).where(_HOLDER.tenant_id == tenant, _HOLDER.name == lock)
    return {row["job_id"] for row in session.rows(query)}


def _lock_of(session: Session, job_id: int) -> tuple[int, str] | None:
    """The tenant and the name of the lock that a job needs."""
    found = session.first(_JOB.select(_JOB.tenant_id, _JOB.lock_name).where(_JOB.id == job_id))
    if found is None or found["lock_name"] is None:
        return None
    return found["tenant_id"], found["lock_name"]


def _options(session: Session, job_id: int) -> Mapping[str, Any]:
    found = session.first(_REQUEST.select(_REQUEST.options).where(_REQUEST.job_id == job_id))
    return {} if found is None else found["options"]


def _concurrency(options: Mapping[str, Any]) -> Concurrency | None:
    said = (options.get("policy") or {}).get("concurrency")
    return None if said is None else Concurrency(said)


def _living(session: Session, job_id: int) -> bool:
    status = session.scalar(_JOB.select(_JOB.status).where(_JOB.id == job_id))
    return status is not None and not JobStatus(status).finished
