"""The life of jobs, said as plainly as can be; what the engine does is compared with it.

Nothing here comes from the engine but the names of statuses and the shapes of reports. Moments and
lengths are in microseconds.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Sequence

from gateway.agents.protocol import LogChunk, Report, RunFinished, TaskFinished, TaskStarted
from gateway.jobs.states import JobStatus

SECOND = 1_000_000
LEASE = 60 * SECOND
LAUNCH_TIMEOUT = 24 * 3600 * SECOND

_FAILED = (JobStatus.FAILED_HALTED, JobStatus.FAILED, JobStatus.TIMED_OUT)
_PARTLY = {JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS}
_ENDS = {*_FAILED, *_PARTLY, JobStatus.ABORTED, JobStatus.CANCELED}
_UNDER_WAY = (JobStatus.ACTIVE, JobStatus.ABORTING)
_WAITING = (JobStatus.SCHEDULED, JobStatus.DISABLED)
# Once more, and only what these jobs may do: the engine's own table is among what is tested.
MOVES = {
    JobStatus.DISABLED: {JobStatus.SCHEDULED, JobStatus.ABORTED, JobStatus.CANCELED},
    JobStatus.SCHEDULED: {
        JobStatus.DISABLED,
        JobStatus.ACTIVE,
        JobStatus.ABORTED,
        JobStatus.CANCELED,
    },
    JobStatus.ACTIVE: _ENDS | {JobStatus.SCHEDULED, JobStatus.ABORTING},
    JobStatus.ABORTING: _ENDS,
}


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is asked of a job. ``agents`` and ``module`` are places in the machine's lists.

    ``pause`` and its ``longest`` are in seconds. ``forgiven`` losses are the module's own retries.
    """

    agents: tuple[int, ...]
    module: int
    tasks: int
    forgiven: int
    later: int
    on_hold: bool
    retries: int
    after_loss: bool
    after_failure: bool
    pause: int
    factor: int
    longest: int
    launch_timeout: int | None
    timeout: float | None

    @property
    def patience(self) -> int:
        """For how long a run may wait once it could begin."""
        return self.launch_timeout or LAUNCH_TIMEOUT

    def tries_again(self, attempt: int, *, lost: bool) -> bool:
        """Whether there is another attempt after this one."""
        policy = self.retries if (self.after_loss if lost else self.after_failure) else 0
        return attempt <= max(policy, self.forgiven if lost else 0)

    def pause_after(self, attempt: int) -> int:
        """How long a run rests after this attempt."""
        grown: int = self.pause * self.factor ** (attempt - 1)
        return min(grown, self.longest) * SECOND


@dataclasses.dataclass(eq=False)
class Task:
    """A task of one attempt."""

    status: JobStatus = JobStatus.SCHEDULED
    exit_code: int | None = None

    @property
    def open(self) -> bool:
        return self.status in (JobStatus.SCHEDULED, JobStatus.ACTIVE)


@dataclasses.dataclass(eq=False)
class Run:
    """A job on one agent. ``limit`` is when it has waited too long, ``late`` counts refusals."""

    job: "Job"
    agent: int
    limit: int
    status: JobStatus = JobStatus.SCHEDULED
    attempt: int = 1
    session: uuid.UUID | None = None
    reason: str = ""
    not_before: int | None = None
    started: int | None = None
    finished: int | None = None
    lease: int | None = None
    late: int = 0
    tasks: dict[tuple[int, int], Task] = dataclasses.field(default_factory=dict)
    pieces: set[tuple[int, int, int]] = dataclasses.field(default_factory=set)

    @property
    def under_way(self) -> bool:
        return self.status in _UNDER_WAY

    @property
    def begun(self) -> bool:
        """Whether a task of the present attempt was begun."""
        return any(task.status is not JobStatus.SCHEDULED for task in self.present)

    @property
    def present(self) -> list[Task]:
        return [task for (attempt, _), task in self.tasks.items() if attempt == self.attempt]

    def close_tasks(self) -> None:
        """Nothing stays open when an attempt is over."""
        for task in self.present:
            if task.open:
                active = task.status is JobStatus.ACTIVE
                task.status = JobStatus.FAILED if active else JobStatus.SKIPPED


@dataclasses.dataclass(eq=False)
class Job:
    """A job, and the path of statuses that it has gone."""

    guid: uuid.UUID
    asked: Asked
    due: int
    limit: int
    path: list[JobStatus]
    runs: list[Run] = dataclasses.field(default_factory=list)
    finished: int | None = None

    @property
    def status(self) -> JobStatus:
        return self.path[-1]

    @property
    def over(self) -> bool:
        return self.status in _ENDS

    def become(self, status: JobStatus, at: int) -> None:
        assert status in MOVES[self.status]
        self.path.append(status)
        if self.over:
            self.finished = at


class Lives:
    """All jobs, and what becomes of them."""

    def __init__(self) -> None:
        self.jobs: dict[uuid.UUID, Job] = {}
        # Since when the server, in its present life, has seen which lease.
        self._seen: dict[Run, tuple[int | None, int]] = {}
        self._noted: set[tuple[Run, int]] = set()

    @property
    def runs(self) -> list[Run]:
        return [run for job in self.jobs.values() for run in job.runs]

    def accept(self, guid: uuid.UUID, asked: Asked, now: int) -> Job:
        due = now + asked.later
        status = JobStatus.DISABLED if asked.on_hold else JobStatus.SCHEDULED
        job = self.jobs[guid] = Job(guid, asked, due, due + asked.patience, [status])
        if status is JobStatus.SCHEDULED and due <= now:
            self._begin(job)
        return job

    def sweep(self, now: int) -> None:
        """The clock's: jobs that are due begin, what has waited too long is given up."""
        for job in self.jobs.values():
            if job.over or job.status is JobStatus.DISABLED:
                continue
            if not job.runs and job.limit <= now:
                job.become(JobStatus.CANCELED, now)
            elif not job.runs and job.due <= now:
                self._begin(job)
            for run in job.runs:
                if run.status is JobStatus.SCHEDULED and run.limit <= now:
                    reason = "not started within its launch timeout"
                    self._end(run, JobStatus.CANCELED, now, reason)

    def claimable(self, agent: int, now: int) -> list[Run]:
        return [
            run
            for run in self.runs
            if run.agent == agent
            and run.status is JobStatus.SCHEDULED
            and (run.not_before or 0) <= now
        ]

    def claim(self, run: Run, session: uuid.UUID, now: int) -> None:
        run.status, run.session = JobStatus.ACTIVE, session
        run.started, run.lease = now, now + LEASE
        for seq in range(run.job.asked.tasks):
            run.tasks[run.attempt, seq] = Task()
        if run.job.status is JobStatus.SCHEDULED:
            run.job.become(JobStatus.ACTIVE, now)

    def take(
        self, run: Run, session: uuid.UUID, attempt: int, reports: Sequence[Report], now: int
    ) -> bool:
        """Take in what is said of an attempt; whether it is refused."""
        ends = [report for report in reports if isinstance(report, RunFinished)]
        refused = False
        for report in reports:
            if (run.session, run.attempt) != (session, attempt):
                refused = True
            elif run.under_way:
                self._take_in(run, report, now)
            elif not (ends and _repeats(run, ends[-1])):
                refused = True
        if refused and (run, attempt) not in self._noted:
            self._noted.add((run, attempt))
            run.late += 1
        return refused

    def renew(self, session: uuid.UUID, named: Iterable[tuple[Run, int]], now: int) -> set[Run]:
        """Lengthen the leases of what is named; which of those are not the session's any more."""
        present = {run for run in self.runs if run.session == session and run.under_way}
        kept = {run for run, attempt in named if run in present and run.attempt == attempt}
        for run in kept:
            run.lease = now + LEASE
        for run in present - kept:
            # Its order was lost on its way to the agent, unless it was given out just now.
            if not run.begun and (run.started or 0) <= now - LEASE // 4:
                self.give_back(run, now)
        return {run for run, _ in named} - kept

    def expire(self, now: int) -> None:
        """Lose what nobody has renewed for as long as a lease lasts, while the server looked on."""
        seen = {}
        for run in self.runs:
            if run.under_way:
                lease, since = self._seen.get(run, (None, now))
                seen[run] = (run.lease, since if lease == run.lease else now)
        self._seen = seen
        for run, (_, since) in seen.items():
            if now - since >= LEASE:
                self.lose(run, now, "the agent was not heard of until its lease ended")

    def restart(self) -> None:
        """What the server had in its memory only is forgotten."""
        self._seen.clear()
        self._noted.clear()

    def end_session(self, agent: int, now: int) -> None:
        for run in self.runs:
            if run.agent == agent and run.under_way:
                self.lose(run, now, "the agent stopped while the run was under way")

    def lose(self, run: Run, now: int, reason: str) -> None:
        run.close_tasks()
        if run.status is JobStatus.ABORTING:
            self._end(run, JobStatus.ABORTED, now, reason)
        elif run.job.asked.tries_again(run.attempt, lost=True):
            self._try_again(run, now, reason)
        else:
            self._end(run, JobStatus.FAILED, now, reason)

    def give_back(self, run: Run, now: int) -> None:
        """It waits again, and no attempt is used up; what was to be aborted is."""
        job = run.job
        if run.status is JobStatus.ABORTING:
            run.close_tasks()
            self._end(run, JobStatus.ABORTED, now, run.reason)
            return
        for seq in range(job.asked.tasks):
            del run.tasks[run.attempt, seq]
        run.started = None
        self._wait(run, now)
        begun = any(one.started is not None or one.attempt > 1 for one in job.runs)
        if job.status is JobStatus.ACTIVE and not begun:
            job.become(JobStatus.SCHEDULED, now)

    def abort(self, job: Job, now: int, reason: str) -> None:
        if job.over or job.status is JobStatus.ABORTING:
            return
        if not job.runs:
            job.become(JobStatus.ABORTED, now)
            return
        if job.status is JobStatus.ACTIVE:
            job.become(JobStatus.ABORTING, now)
        for run in job.runs:
            if run.status is JobStatus.ACTIVE:
                run.status, run.reason = JobStatus.ABORTING, reason
            elif run.status in _WAITING:
                self._end(run, JobStatus.ABORTED, now, reason)

    def hold(self, job: Job, now: int) -> None:
        job.become(JobStatus.DISABLED, now)
        for run in job.runs:
            if run.status is JobStatus.SCHEDULED:
                run.status = JobStatus.DISABLED

    def resume(self, job: Job, now: int) -> None:
        """Go on; all the time that it may wait is left."""
        job.become(JobStatus.SCHEDULED, now)
        job.limit = max(job.limit, now + job.limit - job.due)
        for run in job.runs:
            if run.status is JobStatus.DISABLED:
                run.status = JobStatus.SCHEDULED
                run.limit = max(run.limit, now + run.limit - job.due)

    def _begin(self, job: Job) -> None:
        job.runs = [Run(job, agent, job.limit) for agent in job.asked.agents]

    def _take_in(self, run: Run, report: Report, now: int) -> None:
        if isinstance(report, RunFinished):
            # No end comes before the start, or from the future, whatever the agent's clock says.
            at = min(max(report.at, run.started or 0), now)
            self._take_end(run, report.status, at)
            return
        task = run.tasks[run.attempt, report.seq]
        if isinstance(report, TaskStarted) and task.status is JobStatus.SCHEDULED:
            task.status = JobStatus.ACTIVE
        elif isinstance(report, LogChunk) and task.open:
            run.pieces.add((run.attempt, report.seq, report.index))
        elif isinstance(report, TaskFinished) and task.open:
            task.status, task.exit_code = report.status, report.exit_code

    def _take_end(self, run: Run, status: JobStatus, at: int) -> None:
        run.close_tasks()
        failed = status in _FAILED and run.status is JobStatus.ACTIVE
        if failed and run.job.asked.tries_again(run.attempt, lost=False):
            self._try_again(run, at, status.name.lower().replace("_", " "))
        else:
            self._end(run, status, at, "")

    def _try_again(self, run: Run, at: int, reason: str) -> None:
        begins = at + run.job.asked.pause_after(run.attempt)
        run.attempt += 1
        run.reason = reason
        if begins > at:
            run.not_before = begins
        self._wait(run, begins)

    @staticmethod
    def _wait(run: Run, begins: int) -> None:
        run.status = JobStatus.SCHEDULED
        run.session = run.lease = None
        run.limit = begins + run.job.asked.patience

    @staticmethod
    def _end(run: Run, status: JobStatus, at: int, reason: str) -> None:
        run.status, run.finished, run.reason, run.lease = status, at, reason, None
        ends = {one.status for one in run.job.runs}
        if ends <= _ENDS:
            run.job.become(outcome(ends), at)


def outcome(ends: set[JobStatus]) -> JobStatus:
    """The status of a job whose runs have ended like this."""
    if len(ends) == 1:
        return next(iter(ends))
    if JobStatus.ABORTED in ends:
        return JobStatus.ABORTED
    if ends & _PARTLY:
        return JobStatus.COMPLETED_WITH_ERRORS
    return next(status for status in _FAILED if status in ends)


def _repeats(run: Run, end: RunFinished) -> bool:
    """Whether this is what the run ended with; an impossible moment was set right when it came."""
    assert run.finished is not None
    possible = (run.started or 0) <= end.at <= run.finished
    return end.status is run.status and (end.at == run.finished or not possible)
