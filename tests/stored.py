"""Jobs put into a store as they are after they have run: many of them, at moments of choice."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from gateway import moments
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.session import WritingSession

MODULE = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731040")
WHAT = [{"guid": str(MODULE), "kind": 0, "name": "Module <1>", "version": 1}]
_TIMING = {"immediate": True, "scheduled_at": None, "local_time": False, "wake_on_lan": False}
_ROWS = 500


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
    guids: list[uuid.UUID] = []
    given = iter(starts)

    def write(session: WritingSession) -> None:
        while some := list(islice(given, _ROWS)):
            jobs = [_job(start, seconds, owner, status) for start in some]
            session.execute(models.Job.insert_many(jobs))
            guids.extend(job["guid"] for job in jobs)
            session.execute(models.JobRequest.insert_many(_requests(session, jobs, description)))

    store.unit_of_work(write)
    return guids


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


def _requests(
    session: WritingSession, jobs: Sequence[dict[str, Any]], description: str
) -> Iterator[dict[str, Any]]:
    job = models.Job
    guids = [each["guid"] for each in jobs]
    for row in session.rows(job.select(job.id).where(job.guid.in_(guids))):
        yield {
            "job_id": row["id"],
            "description": description,
            "surface": "dispatcher",
            "timing": _TIMING,
            "what": WHAT,
            "who": [],
            "parameters": [],
            "options": {"in_parallel": False},
        }
