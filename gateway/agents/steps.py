"""Works off one task of a run: conditions, settings, the work itself, what is made of its end, and
the reports of it.
"""

import contextlib
import dataclasses
import itertools
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway import moments
from gateway.agents import captures, conditions, evaluators, evidence, substitution
from gateway.agents.downloads import Downloads
from gateway.agents.evidence import Evidence, Tail
from gateway.agents.launcher import Command, Launcher, Owner
from gateway.agents.masking import Masker
from gateway.agents.output import Flusher, TaskLog
from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import (
    LogChunk,
    ProcessIdentity,
    Report,
    RunOrder,
    TaskFinished,
    TaskOrder,
    TaskStarted,
)
from gateway.agents.workspace import Room, Workspace
from gateway.jobs.states import JobStatus
from gateway.tasks.base import (
    Cancellation,
    Cancelled,
    Kept,
    ResourceContent,
    StopReason,
    TaskContext,
    TaskFailed,
    TaskOutcome,
)
from gateway.tasks.registry import TaskSettingsError, TaskTypes

_MAX_DETAIL = 4000
_STOPPED = frozenset({JobStatus.ABORTED, JobStatus.TIMED_OUT})

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Tools:
    """What runs need of the supervisor. ``report`` may wait until there is room for more."""

    report: Callable[[Report], None]
    types: TaskTypes
    launcher: Launcher
    downloads: Downloads
    flusher: Flusher
    workspace: Workspace
    environment: Mapping[str, str]


class Step:
    """One task of a run. Either ``work`` or ``skip`` is called, once."""

    def __init__(
        self,
        order: RunOrder,
        task: TaskOrder,
        tools: Tools,
        parameters: RunParameters,
        room: Room,
        cancellation: Cancellation,
    ) -> None:
        self._order = order
        self._task = task
        self._tools = tools
        self._secrets = parameters
        self._parameters = parameters.of_part(task.part)
        self._room = room
        self._cancellation = cancellation
        self._began = moments.now()
        self._announced = False
        self._indexes = itertools.count()
        looked_at = evidence.need_output(task.captures, task.evaluators)
        self._tail = Tail() if looked_at else None
        self._log = self._new_log()

    def skip(self, reason: str) -> JobStatus:
        """Report that the task is not run, and why."""
        return self._finish(TaskOutcome(JobStatus.SKIPPED, detail=reason))

    def work(self, previous: JobStatus | None) -> JobStatus:
        """Run the task unless its conditions forbid; ``previous`` is how the one before ended."""
        if not self._task.enabled:
            return self.skip("The task is disabled.")
        try:
            ruling = self._ruling(previous)
        except TaskFailed as error:
            return self._begun(TaskOutcome(JobStatus.FAILED, detail=str(error)))
        if ruling is None:
            return self._begun(self._judged(self._attempt()))
        if ruling.failed:
            return self._begun(TaskOutcome(JobStatus.FAILED, detail=f"Failed, {ruling.reason}."))
        return self.skip(f"Skipped, {ruling.reason}.")

    def _begun(self, outcome: TaskOutcome) -> JobStatus:
        self._log.close()
        self._announce(None)
        return self._finish(outcome)

    def _ruling(self, previous: JobStatus | None) -> conditions.Ruling | None:
        circumstances = conditions.Circumstances(self._parameters, previous, self._room.path)
        return conditions.ruling(self._task.conditions, circumstances)

    def _attempt(self) -> TaskOutcome:
        """How the task itself ends, whatever happens."""
        try:
            return self._execute()
        except (TaskFailed, TaskSettingsError) as error:
            return TaskOutcome(JobStatus.FAILED, detail=str(error))
        except Cancelled:
            return self._stopped()
        except Exception as error:  # noqa: BLE001  (a site's own task type may raise anything)
            return self._broken(error)

    def _judged(self, outcome: TaskOutcome) -> TaskOutcome:
        """The outcome with what the captures have found, and as the evaluators see it."""
        if self._task.captures and outcome.status not in _STOPPED:
            outcome = self._with_captures(outcome)
        if self._task.evaluators and outcome.status is not JobStatus.ABORTED:
            outcome = self._evaluated(outcome)
        return outcome

    def _with_captures(self, outcome: TaskOutcome) -> TaskOutcome:
        found = dict(outcome.outputs)
        end = outcome
        left = self._evidence(outcome)
        try:
            for name, shown in captures.apply(
                self._task.captures, left, self._parameters, self._cancellation
            ):
                found[name] = shown
        except TaskFailed as error:
            # What made the task fail before comes first.
            if outcome.status is not JobStatus.FAILED:
                end = _decided(outcome, JobStatus.FAILED, str(error))
        except Cancelled:
            end = self._stopped()
        return dataclasses.replace(end, outputs=found)

    def _evaluated(self, outcome: TaskOutcome) -> TaskOutcome:
        try:
            evaluator = evaluators.deciding(
                self._task.evaluators, self._evidence(outcome), self._parameters
            )
        except TaskFailed as error:
            return _decided(outcome, JobStatus.FAILED, str(error))
        if evaluator is None:
            return outcome
        return _decided(outcome, evaluators.status(evaluator), evaluators.describe(evaluator))

    def _evidence(self, outcome: TaskOutcome) -> Evidence:
        self._log.close()
        output = Kept() if self._tail is None else self._tail.kept()
        return Evidence(outcome.status, outcome.exit_code, output, outcome.answer)

    def _execute(self) -> TaskOutcome:
        kind = self._tools.types.get(self._task.type)
        context = self._context()
        if not kind.starts_program:
            self._announce(None)
        self._cancellation.check()
        return kind.run(context)

    def _context(self) -> TaskContext[Any]:
        return TaskContext(
            settings=substitution.settings(self._task, self._parameters, self._tools.types),
            seq=self._task.seq,
            make_folder=self._room.path,
            log=self._log,
            cancellation=self._cancellation,
            environment={**self._tools.environment, **self._order.environment},
            programs=_Programs(
                self._tools.launcher, self._owner(), self._log, self._cancellation, self._announce
            ),
            resources=_Resources(self._tools.downloads, self._order, self._cancellation),
            parameters=self._parameters,
            keep_answer=evidence.MOST_ANSWER if self._answers_count() else 0,
        )

    def _answers_count(self) -> bool:
        return evidence.need_answer(self._task.captures, self._task.evaluators)

    def _owner(self) -> Owner:
        task = self._task
        agent = self._tools.workspace.mark
        return Owner(self._order.run, self._order.job, task.seq, task.keep_processes, agent)

    def _stopped(self) -> TaskOutcome:
        if self._cancellation.reason is StopReason.ABORTED:
            return TaskOutcome(JobStatus.ABORTED, detail="The task was aborted.")
        detail = f"The task did not end within {self._task.timeout:g} seconds."
        return TaskOutcome(JobStatus.TIMED_OUT, detail=detail)

    def _broken(self, error: Exception) -> TaskOutcome:
        # Of the error only its kind and place are logged: its text may hold a secret of the job.
        place = "".join(traceback.format_tb(error.__traceback__))
        _log.error("task type %r raised %s\n%s", self._task.type, type(error).__name__, place)
        detail = f"The task type {self._task.type!r} failed: {type(error).__name__}: {error}"
        return TaskOutcome(JobStatus.FAILED, detail=detail)

    def _announce(self, process: ProcessIdentity | None) -> None:
        """Report the start: once, with the first process of a task that starts one."""
        if self._announced:
            return
        self._announced = True
        order = self._order
        self._tools.report(
            TaskStarted(order.run, order.attempt, self._task.seq, moments.now(), process)
        )

    def _finish(self, outcome: TaskOutcome) -> JobStatus:
        masker = Masker(self._secrets.secrets)
        self._tools.report(
            TaskFinished(
                self._order.run,
                self._order.attempt,
                self._task.seq,
                moments.now(),
                self._began,
                outcome.status,
                outcome.exit_code,
                masker.text(outcome.detail)[:_MAX_DETAIL],
                {name: masker.text(value) for name, value in outcome.outputs.items()},
            )
        )
        return outcome.status

    def _new_log(self) -> TaskLog:
        limit = self._task.log_limit
        return TaskLog(
            self._emit,
            Masker(self._secrets.secrets),
            self._order.log_limit if limit is None else limit,
            self._tools.flusher,
            self._tail,
        )

    def _emit(self, data: bytes, truncated: bool) -> None:
        order = self._order
        self._tools.report(
            LogChunk(order.run, order.attempt, self._task.seq, next(self._indexes), data, truncated)
        )


def _decided(outcome: TaskOutcome, status: JobStatus, why: str) -> TaskOutcome:
    """The outcome with another status; what it said before stays part of its detail."""
    detail = f"{outcome.detail} {why}".strip()
    return dataclasses.replace(outcome, status=status, detail=detail)


@dataclasses.dataclass(frozen=True)
class _Programs:
    """The programs of one task."""

    launcher: Launcher
    owner: Owner
    log: TaskLog
    cancellation: Cancellation
    started: Callable[[ProcessIdentity | None], None]

    def run(self, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
        """Run a program to its end."""
        command = Command(argv, folder, environment)
        return self.launcher.run(command, self.owner, self.log, self.cancellation, self.started)


@dataclasses.dataclass(frozen=True)
class _Resources:
    """The resources that one task may ask for."""

    downloads: Downloads
    order: RunOrder
    cancellation: Cancellation

    def open(self, reference: str) -> contextlib.AbstractContextManager[ResourceContent]:
        """The resource with this GUID or name."""
        return self.downloads.open(self.order.run, reference, self.cancellation)
