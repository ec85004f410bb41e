"""How jobs stood at a moment, read from their events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.jobs import views
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from gateway.jobs.views import EventView
from storage import models
from storage.session import Session


@dataclass(frozen=True)
class History:
    """The events of a job up to a moment, the oldest first."""

    events: Sequence[EventView]

    @property
    def moves(self) -> list[EventView]:
        """Those that changed its status."""
        return [one for one in self.events if one.before is not one.after]

    @property
    def last(self) -> EventView | None:
        """The last that changed its status; None before it was accepted."""
        return self.moves[-1] if self.moves else None

    @property
    def status(self) -> JobStatus | None:
        """How the job stood; None before it was accepted."""
        return None if self.last is None else self.last.after

    @property
    def notes(self) -> list[EventView]:
        """The records that changed nothing."""
        return [one for one in self.events if one.before is one.after]

    def reached(self, status: JobStatus) -> EventView | None:
        """The last move to a status."""
        return next((one for one in reversed(self.moves) if one.after is status), None)


def until(session: Session, job_id: int, at: int) -> History:
    """The history of a job up to a moment."""
    return History([one for one in views.events(session, job_id) if one.at <= at])


def standing(session: Session, jobs: Iterable[JobRow], at: int) -> list[JobRow]:
    """Jobs as they stood at a moment: their statuses, and whether they had begun by then."""
    found = list(jobs)
    event = models.JobEvent
    query = (
        event.select(event.job_id, event.after)
        .where(event.job_id.in_([job.id for job in found]), event.at <= at)
        .order_by(event.id)
    )
    statuses = {row["job_id"]: JobStatus(row["after"]) for row in session.rows(query)}
    return [
        replace(
            job,
            status=statuses.get(job.id, JobStatus.SCHEDULED),
            due_at=None if job.due_at is None or job.due_at > at else job.due_at,
        )
        for job in found
    ]
