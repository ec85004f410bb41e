"""How the ends of a job's runs become the end of the job.

Published rule: all runs alike, that status; any aborted, Aborted; some succeeded and others did
not, CompletedWithErrors; otherwise the gravest.
"""

from collections.abc import Iterable

from gateway.jobs.states import JobStatus

_SUCCEEDED = frozenset({JobStatus.COMPLETED, JobStatus.SKIPPED})
_PARTLY = frozenset({JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS})
_GRAVEST_FIRST = (
    JobStatus.ABORTED,
    JobStatus.FAILED_HALTED,
    JobStatus.FAILED,
    JobStatus.TIMED_OUT,
    JobStatus.CANCELED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.COMPLETED,
    JobStatus.SKIPPED,
)


def of_runs(ends: Iterable[JobStatus]) -> JobStatus:
    """The status of a job whose runs have all ended; a job without runs is Completed."""
    found = set(ends)
    if len(found) == 1:
        return found.pop()
    if found <= _SUCCEEDED:
        return JobStatus.COMPLETED
    if JobStatus.ABORTED in found:
        return JobStatus.ABORTED
    if found & _PARTLY:
        return JobStatus.COMPLETED_WITH_ERRORS
    return next(status for status in _GRAVEST_FIRST if status in found)
