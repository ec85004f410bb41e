"""Stopping jobs: what waits is ended at once, what runs is told to stop."""

from gateway import moments
from gateway.jobs import moves, rows, run_books, settlement
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from storage.session import WritingSession


def abort(session: WritingSession, job: JobRow, now: int, actor: str, reason: str) -> None:
    """Abort a locked job, and all jobs below it."""
    for one in run_books.family(session, job):
        _abort_one(session, one, now, actor, reason)


def time_out(session: WritingSession, job: JobRow, now: int) -> None:
    """Stop a run book that has taken longer than it may."""
    job.wake_at = None
    seconds = ((job.stop_by or now) - (job.started_at or now)) / moments.SECOND
    abort(session, job, now, "clock", f"{run_books.TIMED_OUT} ({seconds:g} s)")


def _abort_one(session: WritingSession, job: JobRow, now: int, actor: str, reason: str) -> None:
    if job.status.finished or job.status is JobStatus.ABORTING:
        return
    if job.runs_open == 0:
        moves.move(session, job, JobStatus.ABORTED, now, actor, reason)
        return
    if job.status is JobStatus.ACTIVE:
        moves.move(session, job, JobStatus.ABORTING, now, actor, reason)
    for run in settlement.open_runs(session, job):
        if run.status is JobStatus.ACTIVE:
            run.status = JobStatus.ABORTING
            run.reason = reason
            rows.write_run(session, run)
    settlement.close_waiting(session, job, JobStatus.ABORTED, now, reason)
