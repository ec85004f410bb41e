"""What comes next in a run book: a function of how its jobs stand, and of nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.jobs import outcomes
from gateway.jobs.states import JobStatus

FAILURES = frozenset(
    {
        JobStatus.FAILED,
        JobStatus.FAILED_HALTED,
        JobStatus.TIMED_OUT,
        JobStatus.CANCELED,
        JobStatus.ABORTED,
    }
)
"""The ends of a job after which a run book stops, if the job's rule is to stop."""


@dataclass(frozen=True)
class StepState:
    """A job of a run book as it stands. ``begun`` says that its turn has come before.

    One that is ``parallel`` begins together with the one before it; ``stops`` says that its failure
    ends the run book.
    """

    status: JobStatus
    begun: bool
    enabled: bool = True
    parallel: bool = False
    stops: bool = True

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.status.finished

    @property
    def halts(self) -> bool:
        """Whether nothing may begin after it."""
        return self.stops and self.status in FAILURES


@dataclass(frozen=True)
class Progress:
    """What is to be done: the places of jobs to ``begin`` and to ``skip``, with the reason.

    ``end`` is the status of the run book when none of its jobs is open.
    """

    begin: tuple[int, ...] = ()
    skip: tuple[int, ...] = ()
    reason: str = ""
    end: JobStatus | None = None


def progress(steps: Sequence[StepState], *, aborting: bool = False) -> Progress:
    """What comes next. To be asked again after each change: a job may end as it begins."""
    waiting = [i for i, step in enumerate(steps) if not step.finished and not step.begun]
    if all(step.finished for step in steps):
        return Progress(end=_end(steps))
    if aborting:
        # The abort has seen to all that had not begun; what was under way is waited for.
        return Progress()
    if any(step.halts for step in steps):
        return Progress(skip=tuple(waiting), reason="not run: a job before it did not end well")
    disabled = tuple(i for i in waiting if not steps[i].enabled)
    if disabled:
        return Progress(skip=disabled, reason="it is disabled in the run book")
    return Progress(begin=tuple(i for i in _turn(steps) if _may_begin(steps[i])))


def before(steps: Sequence[StepState], place: int) -> JobStatus | None:
    """How the job before ended: the last enabled one of those before this one's group."""
    first = place
    while first > 0 and steps[first].parallel:
        first -= 1
    return next((step.status for step in reversed(steps[:first]) if step.enabled), None)


def _turn(steps: Sequence[StepState]) -> range:
    """The group of jobs whose turn it is: the first that has not ended."""
    for group in _groups(steps):
        if not all(steps[i].finished for i in group):
            return group
    return range(0)


def _groups(steps: Sequence[StepState]) -> Iterator[range]:
    first = 0
    for place in range(1, len(steps) + 1):
        if place == len(steps) or not steps[place].parallel:
            yield range(first, place)
            first = place


def _may_begin(step: StepState) -> bool:
    # One that was put on hold waits until somebody lets it go on.
    return not step.begun and step.status is JobStatus.SCHEDULED


def _end(steps: Sequence[StepState]) -> JobStatus:
    ends = [step.status for step in steps]
    if JobStatus.ABORTED in ends:
        return JobStatus.ABORTED
    if any(step.halts for step in steps):
        return JobStatus.FAILED_HALTED
    return outcomes.of_runs(ends) if ends else JobStatus.COMPLETED
