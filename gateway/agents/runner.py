"""Works off one run: its tasks in order, up to the end that they make together."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator

from gateway import moments
from gateway.agents.masking import Masker
from gateway.agents.outcomes import TaskEnd, run_status
from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import RunFinished, RunOrder, TaskOrder
from gateway.agents.steps import Step, Tools
from gateway.jobs.states import JobStatus
from gateway.tasks.base import Cancellation, StopReason

_GIVEN_UP = "The agent could not work off the run; its log says why."


@dataclasses.dataclass(frozen=True)
class _Obstacle:
    """Why no further task is begun."""

    detail: str
    abort: bool


class Run:
    """One run under way. ``abort`` may come at any time and from any thread."""

    def __init__(self, order: RunOrder, tools: Tools) -> None:
        self.order = order
        self._tools = tools
        self._parameters = RunParameters(order.parameters)
        self._room = tools.workspace.room()
        self._lock = threading.Lock()
        self._abort_reason: str | None = None
        self._current: Cancellation | None = None

    def abort(self, reason: str) -> None:
        """Stop the run: the task that runs is cancelled, those after it are not begun."""
        with self._lock:
            self._abort_reason = self._abort_reason or reason
            current = self._current
        if current is not None:
            current.cancel(StopReason.ABORTED)

    def work(self) -> None:
        """Run all tasks and report how they and the run ended."""
        ends: list[TaskEnd] = []
        obstacle: _Obstacle | None = None
        for task in self.order.tasks:
            obstacle = obstacle or self._abort_obstacle()
            ends.append(self._work_off(task, ends, obstacle))
            if obstacle is None and ends[-1].halts:
                obstacle = _Obstacle(f"Not run: the task {task.name!r} did not end well.", False)
        self._room.remove()
        # An abort that comes when all tasks have ended comes too late: their end stands.
        self._report(run_status(ends, aborted=obstacle is not None and obstacle.abort))

    def give_up(self) -> None:
        """Report the run as failed: something is wrong with the agent, not with the run."""
        order = self.order
        self._tools.report(
            RunFinished(order.run, order.attempt, moments.now(), JobStatus.FAILED, _GIVEN_UP)
        )

    def _abort_obstacle(self) -> _Obstacle | None:
        if self._abort_reason is None:
            return None
        return _Obstacle(f"Not run: the job was aborted ({self._abort_reason}).", True)

    def _work_off(
        self, task: TaskOrder, before: list[TaskEnd], obstacle: _Obstacle | None
    ) -> TaskEnd:
        cancellation = Cancellation(task.timeout)
        step = Step(self.order, task, self._tools, self._parameters, self._room, cancellation)
        if obstacle is not None:
            return TaskEnd(step.skip(obstacle.detail), task.on_failure)
        with self._cancellable(cancellation):
            status = step.work(before[-1].status if before else None)
        return TaskEnd(status, task.on_failure)

    @contextlib.contextmanager
    def _cancellable(self, cancellation: Cancellation) -> Iterator[None]:
        with self._lock:
            self._current = cancellation
            aborted = self._abort_reason is not None
        if aborted:
            cancellation.cancel(StopReason.ABORTED)
        try:
            yield
        finally:
            with self._lock:
                self._current = None

    def _report(self, status: JobStatus) -> None:
        masker = Masker(self._parameters.secrets)
        reason = self._abort_reason if status is JobStatus.ABORTED else None
        self._tools.report(
            RunFinished(
                self.order.run,
                self.order.attempt,
                moments.now(),
                status,
                masker.text(reason or ""),
                {name: masker.text(value) for name, value in self._parameters.shown().items()},
            )
        )
