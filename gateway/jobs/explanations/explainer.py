"""Explanations for whoever asks: the command line now, other surfaces later."""

import uuid
from collections.abc import Callable

from gateway import moments
from gateway.jobs.explanations import jobs, schedules
from gateway.jobs.explanations.conditions import JobExplanation, ScheduleExplanation
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.rows import JobRow
from gateway.jobs.schedules import ScheduleNotFound
from gateway.jobs.service import JobNotFound
from storage import models
from storage.database import Store
from storage.session import Row, Session

_JOB = models.Job


class JobExplainer:
    """Explains jobs and schedules. ``grace`` in microseconds is that of the settings."""

    def __init__(
        self,
        store: Store,
        windows: WindowPolicy,
        grace: int,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._windows = windows
        self._grace = grace
        self._now = now

    def job(self, guid: uuid.UUID, at: int | None = None) -> JobExplanation:
        """A job at a moment, by default the present. Raises JobNotFound."""
        now = self._now()
        with self._store.reading(long=True) as session:
            row = _job(session, guid)
            if row is None:
                raise JobNotFound(f"there is no job {guid}")
            return jobs.explain(
                session, JobRow.of(row), self._windows, now if at is None else at, now
            )

    def schedule(self, guid: uuid.UUID, at: int | None = None) -> ScheduleExplanation:
        """A schedule (by its id, or that of its recurring job) at a moment.

        Raises ScheduleNotFound.
        """
        now = self._now()
        with self._store.reading(long=True) as session:
            job = _recurring(session, guid)
            if job is None:
                raise ScheduleNotFound(
                    f"there is no schedule and no recurring job {guid}; 'job explain' tells of "
                    "other jobs"
                )
            return schedules.explain(
                session, job, self._windows, self._grace, now if at is None else at, now
            )


def _job(session: Session, guid: uuid.UUID) -> Row | None:
    return session.first(_JOB.select().where(_JOB.guid == guid, _JOB.tenant_id == 1))


def _recurring(session: Session, guid: uuid.UUID) -> JobRow | None:
    """The recurring job of a schedule, or the job itself, if it is one."""
    row = _job(session, guid)
    if row is None:
        table = models.Schedule
        query = _JOB.select(_JOB).join(table, on=(table.job_id == _JOB.id))
        row = session.first(query.where(table.guid == guid, table.tenant_id == 1))
    if row is None or row["schedule_id"] is None or not row["recurring"]:
        return None
    return JobRow.of(row)
