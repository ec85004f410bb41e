"""Locks: of the jobs that name one, only one is under way at a time.

A row of ``lock_holder`` is the lock; its key lets there be one. A job takes it in the unit of work
that begins it, and gives it back in the one that moves it to its end. Who must wait looks again
when the clock wakes it: the job that ends wakes the next, and each looks by itself now and then.
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
from storage.session import Row, Session, WritingSession

_HOLDER = models.LockHolder
_JOB = models.Job

# Should nobody wake a job that waits for a lock, it looks by itself.
_LOOK_AGAIN = 30 * moments.SECOND
_OWN = "definition:"

# The words of the partial index, so that the planner sees that it fits.
_INDEXED = peewee.SQL("lock_name IS NOT NULL AND stage < 2")


class Turn(enum.Enum):
    """What becomes of a job that wants to begin."""

    BEGIN = enum.auto()
    WAIT = enum.auto()
    SKIP = enum.auto()
    REPLACE = enum.auto()


@dataclass(frozen=True)
class Ruling:
    """Whether a job may begin, and who is in its way."""

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
    query = _JOB.select(_JOB.tenant_id, _JOB.lock_name).where(_JOB.id == job_id)
    found = session.first(query)
    if found is None or found["lock_name"] is None:
        return [job_id]
    same = _JOB.select(_JOB.id).where(
        _JOB.tenant_id == found["tenant_id"], _JOB.lock_name == found["lock_name"], _INDEXED
    )
    holder = _HOLDER.select(_HOLDER.job_id).where(
        _HOLDER.tenant_id == found["tenant_id"], _HOLDER.name == found["lock_name"]
    )
    listed = {row["id"] for row in session.rows(same)}
    listed |= {row["job_id"] for row in session.rows(holder)}
    return sorted(listed | {job_id})


def take(
    session: WritingSession,
    job: JobRow,
    options: Mapping[str, Any],
    locked: Mapping[int, JobRow],
    now: int,
) -> Ruling:
    """Take the lock for a job, or say what it does instead. ``locked`` are its rivals.

    A lock whose holder has ended is free, whatever the table says.
    """
    if job.lock_name is None:
        return Ruling(Turn.BEGIN)
    found = _holder(session, job)
    if found is None:
        insert = _HOLDER.insert(
            tenant_id=job.tenant_id, name=job.lock_name, job_id=job.id, since=now
        )
        session.execute(insert.on_conflict_ignore())
        # Another gateway may have been faster: the key decides.
        found = _holder(session, job)
    if found is not None and found["job_id"] == job.id:
        return Ruling(Turn.BEGIN)
    holder = None if found is None else locked.get(found["job_id"])
    if found is not None and (
        (holder is not None and holder.status.finished) or not _living(session, found["job_id"])
    ):
        query = _HOLDER.update(job_id=job.id, since=now).where(
            _HOLDER.tenant_id == job.tenant_id,
            _HOLDER.name == job.lock_name,
            _HOLDER.job_id == found["job_id"],
        )
        session.execute(query)
        return Ruling(Turn.BEGIN)
    return _instead(job, options, holder, found)


def release(session: WritingSession, job: JobRow, now: int) -> None:
    """Give the lock of a job that ends to the next, who is woken to take it."""
    if job.lock_name is None:
        return
    gone = _HOLDER.delete().where(
        _HOLDER.tenant_id == job.tenant_id,
        _HOLDER.name == job.lock_name,
        _HOLDER.job_id == job.id,
    )
    session.execute(gone)
    following = next_in_line(session, job)
    if following is not None:
        session.execute(_JOB.update(wake_at=now).where(_JOB.id == following))


def next_in_line(session: Session, job: JobRow) -> int | None:
    """Who of those that wait for the lock of this job is next: by priority, then by age."""
    query = (
        _JOB.select(_JOB.id)
        .where(
            _JOB.tenant_id == job.tenant_id,
            _JOB.lock_name == job.lock_name,
            _INDEXED,
            _JOB.stage == Stage.SCHEDULED,
            _JOB.status == JobStatus.SCHEDULED,
            _JOB.wake_at.is_null(False),
            _JOB.id != job.id,
        )
        .order_by(_JOB.priority.desc(), _JOB.id)
        .limit(1)
    )
    if session.postgres:
        # Whoever holds its lock just now looks at it himself, or it looks again by itself: to wait
        # for him could be to wait in a circle.
        query = query.for_update("FOR UPDATE SKIP LOCKED")  # type: ignore[arg-type]  # as it is
    found: int | None = session.scalar(query)
    return found


def _instead(
    job: JobRow, options: Mapping[str, Any], holder: JobRow | None, found: Row | None
) -> Ruling:
    lock = shown(str(job.lock_name))
    who = "another job" if holder is None else f"the job {holder.guid}"
    concurrency = (options.get("policy") or {}).get("concurrency")
    if concurrency == Concurrency.SKIP:
        return Ruling(Turn.SKIP, holder, f"the lock {lock} is held by {who}")
    reason = f"waits for the lock {lock}, held by {who}"
    if concurrency == Concurrency.REPLACE and found is not None:
        return Ruling(Turn.REPLACE, holder, reason)
    return Ruling(Turn.WAIT, holder, reason)


def look_again(job: JobRow, now: int) -> int:
    """When a job that waits for its lock looks at it again, or is given up."""
    again = now + _LOOK_AGAIN
    return again if job.launch_by is None else min(again, max(job.launch_by, now))


def _holder(session: Session, job: JobRow) -> Row | None:
    query = _HOLDER.select(_HOLDER.job_id, _HOLDER.since).where(
        _HOLDER.tenant_id == job.tenant_id, _HOLDER.name == job.lock_name
    )
    return session.first(query)


def _living(session: Session, job_id: int) -> bool:
    row = session.first(_JOB.select(_JOB.status).where(_JOB.id == job_id))
    return row is not None and not JobStatus(row["status"]).finished
