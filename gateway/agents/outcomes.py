"""How the ends of a run's tasks make the end of the run."""

import dataclasses

from gateway.catalog.definitions import OnFailure
from gateway.jobs.states import JobStatus

FAILURES = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT})


@dataclasses.dataclass(frozen=True, slots=True)
class TaskEnd:
    """The status with which a task ended, and what its failure means."""

    status: JobStatus
    on_failure: OnFailure

    @property
    def halts(self) -> bool:
        """Whether no task runs after this one."""
        stops = self.status in FAILURES and self.on_failure is OnFailure.STOP
        return stops or self.status is JobStatus.ABORTED


def run_status(ends: list[TaskEnd], *, aborted: bool = False) -> JobStatus:
    """The status of a run whose tasks ended like this; a timed out task is a failed one."""
    statuses = {end.status for end in ends}
    if aborted or JobStatus.ABORTED in statuses:
        return JobStatus.ABORTED
    if any(end.halts for end in ends):
        return JobStatus.FAILED_HALTED
    if not statuses & FAILURES:
        return JobStatus.COMPLETED
    if JobStatus.COMPLETED in statuses:
        return JobStatus.COMPLETED_WITH_ERRORS
    return JobStatus.FAILED
