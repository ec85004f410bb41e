"""Works off one run: its modules and tasks in order, up to the end that they make together."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence

from gateway import moments
from gateway.agents import conditions, evaluators
from gateway.agents.evidence import Evidence
from gateway.agents.masking import Masker
from gateway.agents.outcomes import End, combined
from gateway.agents.parameters import PartParameters, RunParameters
from gateway.agents.protocol import FinalValue, ModuleOrder, RunFinished, RunOrder, TaskOrder
from gateway.agents.steps import Step, Tools
from gateway.catalog.definitions import Condition, Evaluator
from gateway.jobs.states import JobStatus
from gateway.tasks.base import Cancellation, StopReason, TaskFailed

_GIVEN_UP = "The agent could not work off the run; its log says why."


@dataclasses.dataclass(frozen=True)
class _Obstacle:
    """Why nothing further is begun. ``status`` is the end of what is not begun, None where those
    that came before decide.
    """

    detail: str
    status: JobStatus | None = None

    @property
    def aborts(self) -> bool:
        return self.status is JobStatus.ABORTED


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
        self._previous: JobStatus | None = None
        # Why the run, or a module of it, failed without a task that says so.
        self._fault = ""
        self._deadline = None if order.timeout is None else time.monotonic() + order.timeout
        self._late = False

    def abort(self, reason: str) -> None:
        """Stop the run: the task that runs is cancelled, those after it are not begun."""
        with self._lock:
            self._abort_reason = self._abort_reason or reason
            current = self._current
        if current is not None:
            current.cancel(StopReason.ABORTED)

    def work(self) -> None:
        """Run all tasks and report how they and the run ended."""
        status = self._work_off()
        self._room.remove()
        self._report(status)

    def give_up(self) -> None:
        """Report the run as failed: something is wrong with the agent, not with the run."""
        order = self.order
        self._tools.report(
            RunFinished(order.run, order.attempt, moments.now(), JobStatus.FAILED, _GIVEN_UP)
        )

    def _work_off(self) -> JobStatus:
        parameters = self._parameters.of_run()
        ruled = self._ruled("the job", self.order.conditions, None, parameters)
        obstacle = ruled
        ends: list[End] = []
        for module, tasks in _modules(self.order):
            obstacle = obstacle or self._stopped()
            ends.append(self._module(module, tasks, ends, obstacle))
            if obstacle is None and ends[-1].halts:
                obstacle = self._after(module, ends[-1])
        if ruled is not None and ruled.status is not None:
            return ruled.status
        # An abort that comes when all tasks have ended comes too late: their end stands.
        status = combined(ends, aborted=obstacle is not None and obstacle.aborts)
        if self._late and status is not JobStatus.ABORTED:
            self._fault = f"The run took longer than its timeout of {self.order.timeout:g} s."
            return JobStatus.TIMED_OUT
        return self._evaluated("The job", self.order.evaluators, status, parameters)

    def _after(self, module: ModuleOrder, end: End) -> _Obstacle | None:
        """Why nothing is begun after a module that halts the run."""
        if end.status is JobStatus.ABORTED:
            return self._aborted()
        return _Obstacle(f"Not run: the module {module.name!r} did not end well.")

    def _module(
        self,
        module: ModuleOrder,
        tasks: Sequence[TaskOrder],
        before: Sequence[End],
        obstacle: _Obstacle | None,
    ) -> End:
        ruled = obstacle or self._module_ruled(module, before)
        inner = ruled
        ends: list[End] = []
        for task in tasks:
            inner = inner or self._stopped()
            ends.append(self._task(task, inner))
            if inner is None and ends[-1].halts:
                inner = _Obstacle(f"Not run: the task {task.name!r} did not end well.")
        if ruled is not None:
            return End(ruled.status or JobStatus.SKIPPED, module.on_failure)
        status = combined(ends, aborted=inner is not None and inner.aborts)
        name = f"The module {module.name!r}"
        parameters = self._parameters.of_part(module.part)
        status = self._evaluated(name, module.evaluators, status, parameters)
        return End(status, module.on_failure)

    def _module_ruled(self, module: ModuleOrder, before: Sequence[End]) -> _Obstacle | None:
        previous = before[-1].status if before else None
        parameters = self._parameters.of_part(module.part)
        return self._ruled(f"the module {module.name!r}", module.conditions, previous, parameters)

    def _ruled(
        self,
        what: str,
        judged: tuple[Condition, ...],
        previous: JobStatus | None,
        parameters: PartParameters,
    ) -> _Obstacle | None:
        """Why something with these conditions is not begun; None if it is."""
        circumstances = conditions.Circumstances(parameters, previous, self._room.path)
        try:
            ruling = conditions.ruling(judged, circumstances)
        except TaskFailed as error:
            return self._failed(what, str(error).rstrip("."))
        if ruling is None:
            return None
        if ruling.failed:
            return self._failed(what, ruling.reason)
        return _Obstacle(f"Not run: {what} is skipped, {ruling.reason}.", JobStatus.SKIPPED)

    def _failed(self, what: str, reason: str) -> _Obstacle:
        sentence = f"{what} has failed, {reason}."
        self._fault = self._fault or sentence[0].upper() + sentence[1:]
        return _Obstacle(f"Not run: {sentence}", JobStatus.FAILED)

    def _evaluated(
        self,
        what: str,
        judging: tuple[Evaluator, ...],
        status: JobStatus,
        parameters: PartParameters,
    ) -> JobStatus:
        """The status that evaluators give; an abort is nothing that they judge."""
        if status is JobStatus.ABORTED:
            return status
        try:
            evaluator = evaluators.deciding(judging, Evidence(status), parameters)
        except TaskFailed as error:
            self._fault = self._fault or f"{what} has failed: {error}"
            return JobStatus.FAILED
        return status if evaluator is None else evaluators.status(evaluator)

    def _stopped(self) -> _Obstacle | None:
        """Why nothing further is begun, whatever comes next."""
        aborted = self._aborted()
        if aborted is not None or self._remaining() != 0:
            return aborted
        self._late = True
        return _Obstacle("Not run: the time of the run was up.", JobStatus.SKIPPED)

    def _remaining(self) -> float | None:
        """Seconds that the run still has; None for one without a timeout."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def _aborted(self) -> _Obstacle | None:
        if self._abort_reason is None:
            return None
        detail = f"Not run: the job was aborted ({self._abort_reason})."
        return _Obstacle(detail, JobStatus.ABORTED)

    def _task(self, task: TaskOrder, obstacle: _Obstacle | None) -> End:
        left = self._remaining()
        cancellation = Cancellation(task.timeout if left is None else min(task.timeout, left))
        step = Step(self.order, task, self._tools, self._parameters, self._room, cancellation)
        if obstacle is not None:
            status = step.skip(obstacle.detail)
        else:
            with self._cancellable(cancellation):
                status = step.work(self._previous)
            self._late = self._late or (status is JobStatus.TIMED_OUT and self._remaining() == 0)
        self._previous = status
        return End(status, task.on_failure)

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
        reason = self._abort_reason if status is JobStatus.ABORTED else self._fault
        self._tools.report(
            RunFinished(
                self.order.run,
                self.order.attempt,
                moments.now(),
                status,
                masker.text(reason or ""),
                tuple(self._final_values(masker)),
            )
        )

    def _final_values(self, masker: Masker) -> Iterator[FinalValue]:
        modules = {module.part: module.guid for module, _ in _modules(self.order)}
        for one in self._parameters.shown():
            changed = self._parameters.changed(one)
            if changed or self.order.all_values:
                module = modules.get(one.part)
                yield FinalValue(one.part, module, one.name, masker.text(one.value), changed)


def _modules(order: RunOrder) -> Iterator[tuple[ModuleOrder, list[TaskOrder]]]:
    """The modules of a run, each with its tasks."""
    modules = {
        task.part: ModuleOrder(task.part, task.module_guid, task.module) for task in order.tasks
    }
    modules |= {module.part: module for module in order.modules}
    for part in sorted(modules):
        yield modules[part], [task for task in order.tasks if task.part == part]
