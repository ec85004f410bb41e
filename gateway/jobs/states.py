"""The life of a job: its statuses and the one table of allowed moves.

Numbers and names are the Dispatcher's (Dispatcher contract 2.7), the richest list of the five
surfaces; every other surface maps them in its own ``mapping.py``.
"""

import enum


class JobStatus(enum.IntEnum):
    """What a job or a run is doing, with the Dispatcher's numbers."""

    UNKNOWN = -2
    DISABLED = -1
    SCHEDULED = 0
    ACTIVE = 1
    ABORTING = 2
    ABORTED = 3
    COMPLETED = 4
    FAILED = 5
    FAILED_HALTED = 6
    CANCELED = 7
    COMPLETED_WITH_ERRORS = 8
    SKIPPED = 9
    PENDING = 10
    TIMED_OUT = 11

    @property
    def finished(self) -> bool:
        """Whether clients take this status as an end: everything above Aborting."""
        return self > JobStatus.ABORTING

    @property
    def stage(self) -> "Stage":
        """The list of jobs that this status belongs to."""
        return _STAGES[self]


class Stage(enum.IntEnum):
    """The three lists in which a console shows jobs (Dispatcher contract 3, note on ``stage``)."""

    SCHEDULED = 0
    ACTIVE = 1
    HISTORY = 2


def _stage(status: JobStatus) -> Stage:
    if status.finished:
        return Stage.HISTORY
    return Stage.ACTIVE if status in (JobStatus.ACTIVE, JobStatus.ABORTING) else Stage.SCHEDULED


# Looked at for every row that is written.
_STAGES = {status: _stage(status) for status in JobStatus}


class MoveRefused(Exception):
    """A job cannot go from its present status to the one asked for."""

    def __init__(self, current: JobStatus, wanted: JobStatus) -> None:
        super().__init__(f"a job that is {current.name} cannot become {wanted.name}")
        self.current = current
        self.wanted = wanted


_ENDS = frozenset(
    {
        JobStatus.ABORTED,
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.FAILED_HALTED,
        JobStatus.CANCELED,
        JobStatus.COMPLETED_WITH_ERRORS,
        JobStatus.SKIPPED,
        JobStatus.TIMED_OUT,
    }
)

# Pending (10) is in the contract's list, but clients take every status above 2 as an end, so a job
# never rests in it: waiting is Scheduled or Active with a reason.
MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    # Skipped: a job of a run book that was on hold when one before it did not end well.
    JobStatus.DISABLED: frozenset(
        {JobStatus.SCHEDULED, JobStatus.CANCELED, JobStatus.ABORTED, JobStatus.SKIPPED}
    ),
    JobStatus.SCHEDULED: frozenset(
        {
            JobStatus.DISABLED,
            JobStatus.ACTIVE,
            JobStatus.ABORTED,
            JobStatus.CANCELED,
            JobStatus.SKIPPED,
            JobStatus.FAILED,
            # A recurring job whose schedule has no further due time has done its work.
            JobStatus.COMPLETED,
        }
    ),
    # Back to Scheduled: its agent has given it back before anything had begun.
    JobStatus.ACTIVE: _ENDS | {JobStatus.ABORTING, JobStatus.SCHEDULED},
    # An abort that comes too late leaves the work's own end standing.
    JobStatus.ABORTING: _ENDS,
}


def check_move(current: JobStatus, wanted: JobStatus) -> None:
    """Raise MoveRefused unless the table allows the move."""
    if wanted not in MOVES.get(current, frozenset()):
        raise MoveRefused(current, wanted)


# What a job that is getting on goes through. On hold is no part of it: who asks for that means it.
_PATH = {JobStatus.SCHEDULED: 0, JobStatus.ACTIVE: 1, JobStatus.ABORTING: 2}
_END = 3


def is_behind(status: JobStatus, present: JobStatus) -> bool:
    """Whether a job that stands at ``present`` stands at this status, or has left it behind."""
    if status is present:
        return True
    reached = _END if present.finished else _PATH.get(present, 0)
    return _PATH.get(status, _END) < reached
