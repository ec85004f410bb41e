"""The one place where a job changes its status.

Every move is checked against the table in ``states``, written with its event and its counters in
the same transaction, and leaves the job in a state from which the clock knows what comes next.
"""

from gateway import moments
from gateway.jobs import counters, locks, rows, states
from gateway.jobs.orders import Origin
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus, Stage
from gateway.notifications import outbox
from storage.session import WritingSession


def enter(session: WritingSession, job: JobRow, actor: str, remark: str = "") -> None:
    """Insert a new job in its first status, with a remark for its history."""
    rows.insert_job(session, job)
    _event(session, job, None, job.created_at, actor, remark)
    _count(session, job, job.status.stage, 1)


def move(
    session: WritingSession, job: JobRow, wanted: JobStatus, at: int, actor: str, reason: str = ""
) -> None:
    """Move a locked job; the row is changed and written. Raises MoveRefused."""
    before = job.status
    states.check_move(before, wanted)
    job.status = wanted
    job.reason = reason
    if wanted is JobStatus.ACTIVE and job.started_at is None:
        job.started_at = at
    if wanted.finished:
        job.finished_at = at
        # Its run book is to take note of it.
        job.wake_at = moments.AT_ONCE if job.origin is Origin.RUN_BOOK else None
        locks.release(session, job, at)
    rows.write_job(session, job)
    _event(session, job, before, at, actor)
    if before.stage is not wanted.stage:
        _count(session, job, before.stage, -1)
        _count(session, job, wanted.stage, 1)
    outbox.moved(session, job, before, at)


def note(
    session: WritingSession,
    job: JobRow,
    at: int,
    actor: str,
    reason: str,
    run_id: int | None = None,
) -> None:
    """Leave a visible record in a job's history without moving it."""
    rows.insert_event(
        session,
        {
            "job_id": job.id,
            "run_id": run_id,
            "at": at,
            "before": job.status,
            "after": job.status,
            "actor": actor,
            "reason": reason,
        },
    )


def _event(
    session: WritingSession,
    job: JobRow,
    before: JobStatus | None,
    at: int,
    actor: str,
    remark: str = "",
) -> None:
    rows.insert_event(
        session,
        {
            "job_id": job.id,
            "run_id": None,
            "at": at,
            "before": before,
            "after": job.status,
            "actor": actor,
            "reason": "; ".join(filter(None, (job.reason, remark))) if remark else job.reason,
        },
    )


def _count(session: WritingSession, job: JobRow, stage: Stage, jobs: int) -> None:
    counters.add(session, job.tenant_id, stage, job.origin, job.recurring, job.folder_id, jobs)
