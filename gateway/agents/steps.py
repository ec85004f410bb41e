"""Works off one task of a run: conditions, settings, the work itself, and the reports of it."""

import contextlib
import dataclasses
import itertools
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway import moments
from gateway.agents import conditions, substitution
from gateway.agents.downloads import Downloads
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
from gateway.catalog.definitions import Condition
from gateway.jobs.states import JobStatus
from gateway.tasks.base import (
    Cancellation,
    Cancelled,
    ResourceContent,
    StopReason,
    TaskContext,
    TaskFailed,
    TaskOutcome,
)
from gateway.tasks.registry import TaskSettingsError, TaskTypes

_MAX_DETAIL = 4000

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
        self._parameters = parameters
        self._room = room
        self._cancellation = cancellation
        self._began = moments.now()
        self._announced = False
        self._indexes = itertools.count()
        self._log = self._new_log()

    def skip(self, reason: str) -> JobStatus:
        """Report that the task is not run, and why."""
        return self._finish(TaskOutcome(JobStatus.SKIPPED, detail=reason))

    def work(self, previous: JobStatus | None) -> JobStatus:
        """Run the task unless a condition holds; ``previous`` is the status of the one before."""
        if not self._task.enabled:
            return self.skip("The task is disabled.")
        try:
            met = self._first_met(previous)
            if met is not None:
                return self.skip(f"Skipped, since {conditions.describe(met)}.")
            outcome = self._execute()
        except (TaskFailed, TaskSettingsError) as error:
            outcome = TaskOutcome(JobStatus.FAILED, detail=str(error))
        except Cancelled:
            outcome = self._stopped()
        except Exception as error:  # noqa: BLE001  (a site's own task type may raise anything)
            outcome = self._broken(error)
        self._log.close()
        self._announce(None)
        return self._finish(outcome)

    def _first_met(self, previous: JobStatus | None) -> Condition | None:
        if not self._task.conditions:
            return None
        circumstances = conditions.Circumstances(self._parameters, previous, self._room.path())
        return conditions.first_met(self._task.conditions, circumstances)

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
        )

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
        masker = Masker(self._parameters.secrets)
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
            Masker(self._parameters.secrets),
            self._order.log_limit if limit is None else limit,
            self._tools.flusher,
        )

    def _emit(self, data: bytes, truncated: bool) -> None:
        order = self._order
        self._tools.report(
            LogChunk(order.run, order.attempt, self._task.seq, next(self._indexes), data, truncated)
        )


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
