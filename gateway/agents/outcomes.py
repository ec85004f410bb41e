"""How the ends of tasks make that of their module, and the ends of modules that of the run.

One rule for both; docs/architecture.md has it as a table.
"""

import dataclasses
from collections.abc import Sequence

from gateway.catalog.definitions import OnFailure, Verdict
from gateway.jobs.states import JobStatus

FAILURES = frozenset({JobStatus.FAILED, JobStatus.FAILED_HALTED, JobStatus.TIMED_OUT})
_PARTLY = frozenset({JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS})

OF_VERDICT = {
    Verdict.COMPLETED: JobStatus.COMPLETED,
    Verdict.COMPLETED_WITH_ERRORS: JobStatus.COMPLETED_WITH_ERRORS,
    Verdict.FAILED: JobStatus.FAILED,
    Verdict.SKIPPED: JobStatus.SKIPPED,
}


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """The status with which a task or module ended, and what its failure means.

    Without a rule only a module that its own tasks have halted halts the others.
    """

    status: JobStatus
    on_failure: OnFailure | None

    @property
    def halts(self) -> bool:
        """Whether nothing runs after this one."""
        if self.status is JobStatus.ABORTED:
            return True
        if self.on_failure is None:
            return self.status is JobStatus.FAILED_HALTED
        return self.status in FAILURES and self.on_failure is OnFailure.STOP


def combined(ends: Sequence[End], *, aborted: bool = False) -> JobStatus:
    """The status of what consists of parts that ended like this; without any it is Completed."""
    statuses = {end.status for end in ends}
    if aborted or JobStatus.ABORTED in statuses:
        return JobStatus.ABORTED
    if any(end.halts for end in ends):
        return JobStatus.FAILED_HALTED
    if statuses == {JobStatus.SKIPPED}:
        return JobStatus.SKIPPED
    if statuses & FAILURES:
        return JobStatus.COMPLETED_WITH_ERRORS if statuses & _PARTLY else JobStatus.FAILED
    with_errors = JobStatus.COMPLETED_WITH_ERRORS in statuses
    return JobStatus.COMPLETED_WITH_ERRORS if with_errors else JobStatus.COMPLETED
