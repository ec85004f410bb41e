"""How runs end, and what that makes of their job. All for use within a unit of work.

Jobs and runs come locked (``rows.lock_runs``, ``rows.lock_job``) and are changed in place.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from gateway import moments
from gateway.catalog.policies import Policy
from gateway.jobs import launching, ledger, moves, outcomes, rows
from gateway.jobs.orders import OutsideWindow
from gateway.jobs.rows import JobRow, RunRow
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Session, WritingSession

TOO_LATE = "not started within its launch timeout"

_TASK = models.TaskResult
# When a window that does not open soon is looked at again.
_FAR_AWAY = 24 * 3600 * moments.SECOND
_FAILED = frozenset({JobStatus.FAILED, JobStatus.FAILED_HALTED, JobStatus.TIMED_OUT})
_OPEN_RUNS = frozenset(
    {JobStatus.DISABLED, JobStatus.SCHEDULED, JobStatus.ACTIVE, JobStatus.ABORTING}
)


def finish_run(
    session: WritingSession,
    job: JobRow,
    run: RunRow,
    status: JobStatus,
    now: int,
    reason: str = "",
) -> None:
    """End a run; the job ends with its last one, and one that has ended stays as it is."""
    if close_run(session, job, run, status, now, reason):
        finish_jobs(session, [Ending(job, now, reason)])


def close_run(
    session: WritingSession, job: JobRow, run: RunRow, status: JobStatus, now: int, reason: str
) -> bool:
    """End a run, and tell whether it was its job's last: who calls then ends the job."""
    run.status = status
    run.reason = reason
    run.finished_at = now
    run.lease_until = None
    rows.write_run(session, run)
    job.runs_open = max(0, job.runs_open - 1)
    if job.runs_open > 0 or job.status.finished:
        rows.write_job(session, job)
        return False
    return True


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """A job whose last run has ended, when, and with what reason."""

    job: JobRow
    at: int
    reason: str


def finish_jobs(session: WritingSession, endings: Sequence[Ending]) -> None:
    """End jobs that have no open run any more, as their runs say."""
    if not endings:
        return
    states = rows.run_states(session, [ending.job.id for ending in endings])
    for ending in endings:
        if not ending.job.status.finished:
            _finish_job(session, ending, states[ending.job.id])


def lose_run(session: WritingSession, job: JobRow, run: RunRow, now: int, reason: str) -> None:
    """Settle a run whose agent is gone: aborted if that was asked for, tried again if the job's
    policy allows another attempt, otherwise failed with the reason.
    """
    end_tasks(session, run, now, reason)
    if run.status is JobStatus.ABORTING:
        finish_run(session, job, run, JobStatus.ABORTED, now, reason)
    elif not job.status.finished and _tries_again(session, job, run, lost=True):
        _try_again(session, job, run, now, reason)
    else:
        finish_run(session, job, run, JobStatus.FAILED, now, reason)


def try_again(
    session: WritingSession, job: JobRow, run: RunRow, status: JobStatus, now: int, reason: str
) -> bool:
    """Let a run that ended so wait for another attempt, if it failed and its policy says so."""
    failed = status in _FAILED and run.status is JobStatus.ACTIVE and not job.status.finished
    if not failed or not _tries_again(session, job, run, lost=False):
        return False
    end_tasks(session, run, now, reason)
    words = status.name.lower().replace("_", " ")
    _try_again(session, job, run, now, f"{words}: {reason}" if reason else words)
    return True


def end_tasks(session: Session, run: RunRow, now: int, reason: str) -> None:
    """Close the results of tasks that will not report any more, and seal what they wrote."""
    _close(session, run, JobStatus.ACTIVE, JobStatus.FAILED, now, reason)
    _close(session, run, JobStatus.SCHEDULED, JobStatus.SKIPPED, now, f"not run: {reason}")
    ledger.seal_logs(session, run)


def give_back(session: WritingSession, job: JobRow, run: RunRow, now: int) -> None:
    """Let a run wait again that its agent has not begun: no attempt is used up."""
    if run.status is JobStatus.ABORTING:
        end_tasks(session, run, now, run.reason)
        finish_run(session, job, run, JobStatus.ABORTED, now, run.reason)
        return
    ledger.unplan_tasks(session, run)
    run.status = JobStatus.SCHEDULED
    run.session = run.lease_until = run.started_at = None
    _await_agent(session, job, run, now, now)
    begun = any(
        other.started_at is not None or other.attempt > 1 for other in rows.runs_of(session, job.id)
    )
    if job.status is JobStatus.ACTIVE and not begun:
        job.started_at = None
        moves.move(session, job, JobStatus.SCHEDULED, now, "agent", "not begun, waiting again")


def close_waiting(
    session: WritingSession, job: JobRow, status: JobStatus, now: int, reason: str
) -> None:
    """End the runs that no agent has taken up. Ends the job too if none is left."""
    for run in rows.runs_of(session, job.id):
        if run.status in (JobStatus.SCHEDULED, JobStatus.DISABLED):
            finish_run(session, job, run, status, now, reason)


def look_after_waiting(session: WritingSession, job: JobRow, now: int) -> None:
    """Cancel the runs that no agent has begun within their launch timeout; look again for others.

    Ends the job if none of its runs is left.
    """
    waiting = waiting_runs(session, job)
    late = [run for run in waiting if launching.too_late(job, run, now)]
    timely = [run for run in waiting if not launching.too_late(job, run, now)]
    launching.look_next(job, timely, now)
    for run in late:
        finish_run(session, job, run, JobStatus.CANCELED, now, TOO_LATE)
    if not job.status.finished:
        rows.write_job(session, job)


def waiting_runs(session: Session, job: JobRow) -> list[RunRow]:
    """The runs that no agent has begun."""
    return [run for run in rows.runs_of(session, job.id) if run.status is JobStatus.SCHEDULED]


def keep_out(
    session: WritingSession,
    job: JobRow,
    run: RunRow,
    outside: OutsideWindow,
    opens: int | None,
    now: int,
) -> None:
    """What becomes of a run that could begin, but for its launch window, which opens then."""
    if outside is OutsideWindow.FAIL:
        reason = "could begin only outside its launch window"
        finish_run(session, job, run, JobStatus.FAILED, now, reason)
        return
    run.not_before = now + _FAR_AWAY if opens is None else opens
    run.reason = launching.WINDOW
    rows.write_run(session, run)
    if job.status is JobStatus.SCHEDULED:
        job.reason = launching.WINDOW
    job.wake_at = min(job.wake_at or run.not_before, run.not_before)
    rows.write_job(session, job)


def open_runs(session: Session, job: JobRow) -> list[RunRow]:
    """The runs of a job that have not ended."""
    return [run for run in rows.runs_of(session, job.id) if run.status in _OPEN_RUNS]


def _close(
    session: Session, run: RunRow, before: JobStatus, after: JobStatus, now: int, detail: str
) -> None:
    session.execute(
        _TASK.update(status=after, detail=detail, finished_at=now).where(
            _TASK.run_id == run.id, _TASK.attempt == run.attempt, _TASK.status == before
        )
    )


def _try_again(session: WritingSession, job: JobRow, run: RunRow, now: int, reason: str) -> None:
    pause = Policy.model_validate(_options(session, job).get("policy") or {}).pause(run.attempt)
    run.attempt += 1
    run.status = JobStatus.SCHEDULED
    run.reason = reason
    run.session = run.lease_until = None
    run.tasks_done = 0
    later = f" in {pause:g} s" if pause else ""
    begins = now + int(pause * moments.SECOND)
    if pause:
        run.not_before = begins
    _await_agent(session, job, run, now, begins)
    moves.note(session, job, now, "engine", f"attempt {run.attempt}{later}: {reason}", run.id)


def _await_agent(session: WritingSession, job: JobRow, run: RunRow, now: int, begins: int) -> None:
    """Have the clock cancel a run that waits again, unless it is begun within the launch timeout.

    It counts from when the run may begin: the moment that the job had at first may have passed
    while the run was under way. Other runs that wait have as much time as before.
    """
    timeout = _options(session, job).get("launch_timeout")
    if timeout is not None and (run.launch_by is not None or run.after_boot is None):
        run.launch_by = max(run.launch_by or 0, begins + timeout)
    rows.write_run(session, run)
    waiting = waiting_runs(session, job)
    if run.launch_by is not None and not any(launching.by_job(one) for one in waiting):
        job.launch_by = max(job.launch_by or 0, run.launch_by)
    launching.look_next(job, waiting, now)
    rows.write_job(session, job)


def _tries_again(session: Session, job: JobRow, run: RunRow, *, lost: bool) -> bool:
    """Whether policies allow another attempt of a run that was lost, or has failed."""
    options = _options(session, job)
    policy = Policy.model_validate(options.get("policy") or {})
    own = (policy.retries or 0) if policy.tries_again(lost=lost) else 0
    # What modules say of their own counts after a loss only.
    return run.attempt <= max(own, int(options.get("retries", 0)) if lost else 0)


def _options(session: Session, job: JobRow) -> dict[str, Any]:
    request = session.first(
        models.JobRequest.select(models.JobRequest.options).where(
            models.JobRequest.job_id == job.id
        )
    )
    return {} if request is None else dict(request["options"])


def _finish_job(session: WritingSession, ending: Ending, runs: list[JobStatus]) -> None:
    job, status = ending.job, outcomes.of_runs(runs)
    if job.status is JobStatus.SCHEDULED and status not in (
        JobStatus.ABORTED,
        JobStatus.CANCELED,
    ):
        # Its agent was lost before it said that it had begun.
        moves.move(session, job, JobStatus.ACTIVE, ending.at, "engine")
    reason = ending.reason
    if job.status is JobStatus.ABORTING and status is not JobStatus.ABORTED:
        reason = reason or "the abort came too late: all tasks had ended"
    moves.move(session, job, status, ending.at, "engine", reason)
