"""Jobs put into a store as they are after they have run: many of them, at moments of choice."""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from gateway import moments
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.session import WritingSession
from storage.statements import Insert

MODULE = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731040")
WHAT = [{"guid": str(MODULE), "kind": 0, "name": "Module <1>", "version": 1}]
_TIMING = {"immediate": True, "scheduled_at": None, "local_time": False, "wake_on_lan": False}
_JOB = models.Job
_REQUEST = models.JobRequest
_INSERT_JOB = Insert(
    _JOB,
    _JOB.id,
    _JOB.guid,
    _JOB.tenant_id,
    _JOB.owner_id,
    _JOB.origin,
    _JOB.recurring,
    _JOB.status,
    _JOB.stage,
    _JOB.reason,
    _JOB.priority,
    _JOB.runs_open,
    _JOB.created_at,
    _JOB.started_at,
    _JOB.finished_at,
)
_INSERT_REQUEST = Insert(
    _REQUEST,
    _REQUEST.job_id,
    _REQUEST.description,
    _REQUEST.surface,
    _REQUEST.timing,
    _REQUEST.what,
    _REQUEST.who,
    _REQUEST.parameters,
    _REQUEST.options,
)


def add_jobs(
    store: Store,
    starts: Iterable[int | None],
    *,
    description: str = "",
    seconds: int | None = 90,
    owner: int | None = None,
    status: JobStatus = JobStatus.COMPLETED,
) -> list[uuid.UUID]:
    """Store jobs that started then, or never (None); they ended after so many seconds, or run.

    Answers their ids in the order given.
    """
    jobs = [_job(start, seconds, owner, status) for start in starts]

    def write(session: WritingSession) -> None:
        for number, job in zip(_numbers(session, len(jobs)), jobs, strict=True):
            session.gather(_INSERT_JOB, {"id": number, **job})
            session.gather(_INSERT_REQUEST, _request(number, description))

    store.unit_of_work(write)
    return [job["guid"] for job in jobs]


def _numbers(session: WritingSession, count: int) -> Iterator[int]:
    """So many new ids of jobs, at once where each would be a question to a server."""
    if not session.postgres:
        return (session.new_id(_JOB) for _ in range(count))
    text = "SELECT nextval(pg_get_serial_sequence('job', 'id')) FROM generate_series(1, %s)"
    return (row[0] for row in session._database.execute_sql(text, (count,)).fetchall())


def _job(
    start: int | None, seconds: int | None, owner: int | None, status: JobStatus
) -> dict[str, Any]:
    ended = None if start is None or seconds is None else start + seconds * moments.SECOND
    return {
        "guid": uuid.uuid4(),
        "tenant_id": 1,
        "owner_id": owner,
        "origin": Origin.USER,
        "recurring": False,
        "status": status,
        "stage": status.stage,
        "reason": "",
        "priority": 5,
        "runs_open": 0,
        "created_at": 0,
        "started_at": start,
        "finished_at": ended,
    }


def _request(job: int, description: str) -> dict[str, Any]:
    return {
        "job_id": job,
        "description": description,
        "surface": "dispatcher",
        "timing": _TIMING,
        "what": WHAT,
        "who": [],
        "parameters": [],
        "options": {"in_parallel": False},
    }
