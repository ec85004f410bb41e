"""The hot statements of the engine, compiled once, and the reading of its rows.

Who changes a job or a run holds the job's lock first. Jobs are locked in the order of their ids,
then their runs in the order of theirs, so that no two units of work wait for each other. A lease
is the one thing that is written with the run's lock alone, in the same order.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus, Stage
from storage import models, statements
from storage.selections import Selection
from storage.session import Row, Session, WritingSession
from storage.statements import named

_JOB = models.Job
_RUN = models.Run

_JOB_COLUMNS = (
    _JOB.id,
    _JOB.guid,
    _JOB.tenant_id,
    _JOB.parent_id,
    _JOB.seq,
    _JOB.schedule_id,
    _JOB.definition_id,
    _JOB.folder_id,
    _JOB.owner_id,
    _JOB.origin,
    _JOB.recurring,
    _JOB.status,
    _JOB.stage,
    _JOB.reason,
    _JOB.priority,
    _JOB.runs_open,
    _JOB.lock_name,
    _JOB.stop_by,
    _JOB.due_at,
    _JOB.launch_by,
    _JOB.wake_at,
    _JOB.created_at,
)
_RUN_COLUMNS = (
    _RUN.guid,
    _RUN.job_id,
    _RUN.agent_id,
    _RUN.attempt,
    _RUN.status,
    _RUN.reason,
    _RUN.priority,
    _RUN.tasks_total,
    _RUN.tasks_done,
    _RUN.not_before,
    _RUN.launch_by,
    _RUN.after_boot,
    _RUN.turn,
    _RUN.created_at,
)

_INSERT_JOB = statements.Insert(_JOB, *_JOB_COLUMNS)
_INSERT_RUN = statements.Insert(_RUN, *_RUN_COLUMNS)
_INSERT_REQUEST = statements.Insert(
    models.JobRequest,
    models.JobRequest.job_id,
    models.JobRequest.description,
    models.JobRequest.surface,
    models.JobRequest.timing,
    models.JobRequest.what,
    models.JobRequest.who,
    models.JobRequest.parameters,
    models.JobRequest.options,
    models.JobRequest.extras,
    models.JobRequest.digest,
)
_INSERT_EVENT = statements.Insert(
    models.JobEvent,
    models.JobEvent.job_id,
    models.JobEvent.run_id,
    models.JobEvent.at,
    models.JobEvent.before,
    models.JobEvent.after,
    models.JobEvent.actor,
    models.JobEvent.reason,
)
_MOVE_JOB = statements.Update(
    _JOB,
    _JOB.status,
    _JOB.stage,
    _JOB.reason,
    _JOB.runs_open,
    _JOB.schedule_id,
    _JOB.stop_by,
    _JOB.due_at,
    _JOB.launch_by,
    _JOB.wake_at,
    _JOB.started_at,
    _JOB.finished_at,
    key=_JOB.id,
)
_MOVE_RUN = statements.Update(
    _RUN,
    _RUN.status,
    _RUN.reason,
    _RUN.attempt,
    _RUN.session,
    _RUN.lease_until,
    _RUN.not_before,
    _RUN.launch_by,
    _RUN.after_boot,
    _RUN.tasks_done,
    _RUN.started_at,
    _RUN.finished_at,
    key=_RUN.id,
)
_RUNS_OF_JOB = statements.Statement(
    lambda: _RUN.select().where(_RUN.job_id == named(_RUN.job_id)).order_by(_RUN.id)
)

_LOCK_JOBS = Selection(_JOB.id, _JOB.select, locking=True)
_LOCK_RUNS = Selection(_RUN.id, _RUN.select, locking=True)
_FIND_RUNS = Selection(_RUN.guid, lambda: _RUN.select(_RUN.id, _RUN.job_id))
_RUN_STATES = Selection(_RUN.job_id, lambda: _RUN.select(_RUN.job_id, _RUN.status))
_REQUEST = models.JobRequest
_REQUESTS = Selection(
    _REQUEST.job_id,
    lambda: _REQUEST.select(
        _REQUEST.job_id,
        _REQUEST.description,
        _REQUEST.what,
        _REQUEST.parameters,
        _REQUEST.options,
    ),
)

_TIMINGS = Selection(_REQUEST.job_id, lambda: _REQUEST.select(_REQUEST.job_id, _REQUEST.timing))


@dataclass(slots=True)
class JobRow:
    """A job as it stands in the store; changed in place by ``moves``, then written back."""

    id: int
    guid: uuid.UUID
    tenant_id: int
    parent_id: int | None
    schedule_id: int | None
    definition_id: int | None
    folder_id: int | None
    owner_id: int | None
    origin: Origin
    recurring: bool
    status: JobStatus
    reason: str
    priority: int
    runs_open: int
    due_at: int | None
    launch_by: int | None
    wake_at: int | None
    created_at: int
    started_at: int | None = None
    finished_at: int | None = None
    seq: int = 0
    lock_name: str | None = None
    stop_by: int | None = None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The job of a row of the table."""
        values = {name: row[name] for name in cls.__slots__}
        values["origin"] = Origin(row["origin"])
        values["status"] = JobStatus(row["status"])
        values["recurring"] = bool(row["recurring"])
        return cls(**values)

    @property
    def stage(self) -> Stage:
        """The list that it stands in, a column of its own for the pages of jobs."""
        return self.status.stage


@dataclass(slots=True)
class RunRow:
    """A run as it stands in the store."""

    id: int
    guid: uuid.UUID
    job_id: int
    agent_id: int
    attempt: int
    status: JobStatus
    reason: str
    priority: int
    session: uuid.UUID | None
    lease_until: int | None
    not_before: int | None
    launch_by: int | None
    after_boot: str | None
    turn: int
    tasks_total: int
    tasks_done: int
    created_at: int
    started_at: int | None
    finished_at: int | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The run of a row of the table."""
        values = {name: row[name] for name in cls.__slots__}
        values["status"] = JobStatus(row["status"])
        return cls(**values)


def insert_job(session: WritingSession, job: JobRow) -> None:
    """Insert the row under a number of its own, which it then has."""
    job.id = session.new_id(_JOB)
    session.gather(_INSERT_JOB, job)


def insert_request(session: WritingSession, values: Row) -> None:
    """Insert what was asked for; what has no ``digest`` is compared with nothing."""
    session.gather(_INSERT_REQUEST, {"digest": "", **values})


def insert_run(session: WritingSession, values: Row) -> None:
    """Insert a run that waits for its agent."""
    session.gather(_INSERT_RUN, values)


def insert_event(session: WritingSession, values: Row) -> None:
    """Insert one move."""
    session.gather(_INSERT_EVENT, values)


def write_job(session: WritingSession, job: JobRow) -> None:
    """Write back what can change in a job."""
    session.gather(_MOVE_JOB, job)


def write_run(session: WritingSession, run: RunRow) -> None:
    """Write back what can change in a run."""
    session.gather(_MOVE_RUN, run)


@dataclass(frozen=True, slots=True)
class Held:
    """A run with its job, both locked; runs of one job share its row."""

    job: JobRow
    run: RunRow


def lock_job(session: Session, job_id: int) -> JobRow:
    """Read a job and keep others from moving it, or any of its runs, until this work ends."""
    (row,) = _LOCK_JOBS.rows(session, [job_id])
    return JobRow.of(row)


def lock_jobs(session: Session, job_ids: Iterable[int]) -> dict[int, JobRow]:
    """As ``lock_job``, of several jobs: those that are still stored, by their ids."""
    found = _LOCK_JOBS.rows(session, sorted(set(job_ids)))
    return {row["id"]: JobRow.of(row) for row in found}


def lock_job_by_guid(session: Session, guid: uuid.UUID, tenant: int = 1) -> JobRow | None:
    """As ``lock_job``, by the public id; None when there is no such job."""
    query = _JOB.select(_JOB.id).where(_JOB.guid == guid, _JOB.tenant_id == tenant)
    found = session.scalar(query)
    return None if found is None else lock_job(session, found)


def find_runs(session: Session, guids: Iterable[uuid.UUID]) -> list[Row]:
    """The ``id`` and ``job_id`` of runs, by their public ids; for ``lock_runs``."""
    return _FIND_RUNS.rows(session, list(guids))


def lock_runs(session: Session, found: Iterable[Row]) -> list[Held]:
    """Read runs, of which ``id`` and ``job_id`` are known, and keep others from changing them.

    The one way to take runs of several jobs: their jobs are locked first. In the order of ids.
    """
    job_ids = {row["id"]: row["job_id"] for row in found}
    jobs = lock_jobs(session, job_ids.values())
    runs = map(RunRow.of, _LOCK_RUNS.rows(session, sorted(job_ids)))
    return [Held(jobs[run.job_id], run) for run in runs]


def runs_of(session: Session, job_id: int) -> list[RunRow]:
    """All runs of a job, in the order of their making."""
    return [RunRow.of(row) for row in session.select(_RUNS_OF_JOB, {"job_id": job_id})]


def run_states(session: Session, job_ids: Iterable[int]) -> dict[int, list[JobStatus]]:
    """The statuses of all runs of jobs, by job."""
    states: dict[int, list[JobStatus]] = {job_id: [] for job_id in job_ids}
    for row in _RUN_STATES.rows(session, list(states)):
        states[row["job_id"]].append(JobStatus(row["status"]))
    return states


def timings_of(session: Session, job_ids: Iterable[int]) -> dict[int, Row]:
    """What was asked for of the times of jobs, by job; see ``launching``."""
    return {row["job_id"]: row["timing"] for row in _TIMINGS.rows(session, sorted(set(job_ids)))}


def requests_of(session: Session, job_ids: Iterable[int]) -> dict[int, Row]:
    """What a run needs of what was asked for, by job; one that is no longer stored is left out."""
    return {row["job_id"]: row for row in _REQUESTS.rows(session, sorted(set(job_ids)))}
