"""Beginning jobs that are due, with the lock that they may need."""

from collections.abc import Mapping

from gateway import moments
from gateway.jobs import aborting, locks, moves, rows, run_books
from gateway.jobs.locks import Turn
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from storage.session import WritingSession


def begin(session: WritingSession, job: JobRow, now: int) -> None:
    """Begin a job that is due; one that needs a lock is left to the clock, who locks its rivals."""
    if job.lock_name is None:
        run_books.begin(session, job, now)
        return
    job.wake_at = moments.AT_ONCE
    rows.write_job(session, job)


def begin_locked(
    session: WritingSession, job: JobRow, concerned: Mapping[int, JobRow], now: int
) -> None:
    """Begin a job that has those concerned by its lock locked, too, if it gets the lock.

    Otherwise it waits, is skipped, or has the others stopped, as its policy says.
    """
    if locks.replaces(session, job):
        # Who had not begun ends at once, and may hand the lock to this one.
        _replace(session, job, concerned, now)
    ruling = locks.take(session, job, concerned, now)
    if ruling.turn is Turn.BEGIN:
        job.reason = ""
        run_books.begin(session, job, now)
    elif ruling.turn is Turn.SKIP:
        moves.move(session, job, JobStatus.SKIPPED, now, "clock", ruling.reason)
    else:
        job.reason = ruling.reason
        job.wake_at = locks.look_again(job, ruling, now)
        rows.write_job(session, job)


def _replace(session: WritingSession, job: JobRow, rivals: Mapping[int, JobRow], now: int) -> None:
    """Stop who has the lock, and those that wait for it, if they were there before this one."""
    reason = f"replaced by the job {job.guid}"
    holder = locks.holder(session, job)
    older = [one for one in rivals.values() if locks.older(one, job)]
    for one in older:
        if one.id != holder and locks.waits(one, now):
            moves.move(session, one, JobStatus.CANCELED, now, "clock", reason)
    for one in older:
        if one.id == holder and not one.status.finished:
            aborting.abort(session, one, now, "clock", reason)
