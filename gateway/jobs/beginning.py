"""Beginning jobs that are due, with the lock that they may need."""

from collections.abc import Mapping

from gateway.jobs import aborting, locks, moves, rows, run_books
from gateway.jobs.locks import Ruling, Turn
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import WritingSession

_REQUEST = models.JobRequest


def begin(session: WritingSession, job: JobRow, now: int) -> None:
    """Begin a job that is due; one that needs a lock is left to the clock, who locks its rivals."""
    if job.lock_name is None:
        run_books.begin(session, job, now)
        return
    job.wake_at = now
    rows.write_job(session, job)


def begin_locked(
    session: WritingSession, job: JobRow, rivals: Mapping[int, JobRow], now: int
) -> None:
    """Begin a job whose rivals for its lock are locked, too, if it gets the lock.

    Otherwise it waits, is skipped, or has the others stopped, as its policy says.
    """
    found = session.first(_REQUEST.select(_REQUEST.options).where(_REQUEST.job_id == job.id))
    options = {} if found is None else found["options"]
    ruling = locks.take(session, job, options, rivals, now)
    if ruling.turn is Turn.BEGIN:
        job.reason = ""
        run_books.begin(session, job, now)
    elif ruling.turn is Turn.SKIP:
        moves.move(session, job, JobStatus.SKIPPED, now, "clock", ruling.reason)
    else:
        if ruling.turn is Turn.REPLACE:
            _replace(session, job, rivals, ruling, now)
        job.reason = ruling.reason
        job.wake_at = locks.look_again(job, now)
        rows.write_job(session, job)


def _replace(
    session: WritingSession, job: JobRow, rivals: Mapping[int, JobRow], ruling: Ruling, now: int
) -> None:
    """Stop who has the lock, and those that have waited for it for longer."""
    reason = f"replaced by the job {job.guid}"
    for one in rivals.values():
        waits = one.status is JobStatus.SCHEDULED and one.runs_open == 0 and one.id < job.id
        if waits and one.id != job.id and one.wake_at is not None and not one.recurring:
            moves.move(session, one, JobStatus.CANCELED, now, "clock", reason)
    if ruling.holder is not None and not ruling.holder.status.finished:
        aborting.abort(session, ruling.holder, now, "clock", reason)
