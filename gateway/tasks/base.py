"""What a task type is, and what it is given when one of its tasks runs.

A site adds a task type by a class derived from TaskType, named in an entry point of the group
``dispatcher_gateway.tasks``. It knows nothing of agents, stores or wires: whatever it needs is in
the TaskContext.
"""

import abc
import contextlib
import dataclasses
import enum
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import pydantic

from gateway.jobs.states import JobStatus


class TaskSettings(pydantic.BaseModel):
    """Base of every task type's settings: unknown members are refused, values do not change."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


SettingsT = TypeVar("SettingsT", bound=TaskSettings)


class TaskFailed(Exception):
    """The task cannot do what it is for; the message is a sentence for the job's owner."""


class Cancelled(Exception):
    """The task was told to stop: by an abort or by its timeout."""


class StopReason(enum.Enum):
    """Why a task was told to stop."""

    ABORTED = JobStatus.ABORTED
    TIMED_OUT = JobStatus.TIMED_OUT


class Cancellation:
    """Tells a running task that it is to stop. Safe to use from several threads.

    ``timeout`` is in seconds from now; without one only an abort stops the task.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._reason: StopReason | None = None

    @property
    def reason(self) -> StopReason | None:
        """Why the task is to stop, or None while it may go on."""
        if self._reason is None and self.remaining == 0:
            self.cancel(StopReason.TIMED_OUT)
        return self._reason

    @property
    def remaining(self) -> float | None:
        """Seconds until the timeout, never negative; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def cancel(self, reason: StopReason) -> None:
        """Tell the task to stop. The first reason counts."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    @contextlib.contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, call back when the task is told to stop; at once if it was already.

        The timeout makes no call: who waits, waits no longer than ``remaining``.
        """
        with self._lock:
            self._callbacks.append(callback)
            already = self._reason is not None
        if already:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    def check(self) -> None:
        """Raise Cancelled if the task is to stop."""
        if self.reason is not None:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Pass that many seconds; raises Cancelled as soon as the task is to stop."""
        stopped = threading.Event()
        remaining = self.remaining
        patience = seconds if remaining is None else min(seconds, remaining)
        with self.calling(stopped.set):
            stopped.wait(patience)
        self.check()


@dataclasses.dataclass(frozen=True)
class ResourceContent:
    """A stored resource: its name, size in bytes, SHA-256 in lower-case hex, and its bytes.

    ``parse_content`` says that placeholders in it are meant to be replaced by the values of
    parameters and, unless ``skip_environment``, names of environment variables by theirs.
    """

    name: str
    size: int
    sha256: str
    chunks: Iterator[bytes]
    parse_content: bool = False
    skip_environment: bool = False


class LogWriter(Protocol):
    """The task's log."""

    def write(self, data: bytes) -> None:
        """Add bytes; waits while the log cannot be sent on."""

    def line(self, text: str) -> None:
        """Add a line of text."""


class Programs(Protocol):
    """Starts programs on behalf of the task."""

    def run(self, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
        """Run a program to its end, its output going to the log, and return its exit code.

        The code is negative for a program that was ended by a signal. Raises TaskFailed if it
        cannot be started, Cancelled if the task was told to stop (no process is left then).
        """


class Resources(Protocol):
    """Gives the bytes of resources."""

    def open(self, reference: str) -> contextlib.AbstractContextManager[ResourceContent]:
        """The resource with this GUID or name; TaskFailed if there is none."""


class Parameters(Protocol):
    """The parameters of the run, as the tasks before have left them."""

    def known(self, name: str) -> bool:
        """Whether there is a parameter of this name."""

    def get(self, name: str) -> str:
        """Its value, which may be a secret; TaskFailed if there is no such parameter."""

    def set(self, name: str, value: str) -> str:
        """Give a parameter a new value for the tasks after, and return it as it may be shown.

        Raises TaskFailed if the run has no such parameter.
        """


@dataclasses.dataclass(frozen=True)
class Kept:
    """What was kept of something that may be longer; ``whole`` says that it is all of it."""

    data: bytes = b""
    whole: bool = True


@dataclasses.dataclass(frozen=True)
class TaskContext(Generic[SettingsT]):
    """All that a task is given. ``environment`` is what programs inherit.

    ``keep_answer`` says how many bytes of an answer from elsewhere are wanted in the outcome.
    """

    settings: SettingsT
    seq: int
    make_folder: Callable[[], Path]
    log: LogWriter
    cancellation: Cancellation
    environment: Mapping[str, str]
    programs: Programs
    resources: Resources
    parameters: Parameters
    keep_answer: int = 0

    @property
    def folder(self) -> Path:
        """The run's own private folder; it is made when it is first asked for."""
        return self.make_folder()


@dataclasses.dataclass(frozen=True)
class TaskOutcome:
    """How a task ended: COMPLETED or FAILED, and what it found out.

    ``answer`` is what came from elsewhere, of a type of task that asks something.
    """

    status: JobStatus
    exit_code: int | None = None
    detail: str = ""
    outputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    answer: Kept | None = dataclasses.field(default=None, repr=False)


COMPLETED = TaskOutcome(JobStatus.COMPLETED)


class TaskType(abc.ABC, Generic[SettingsT]):
    """A kind of task. One instance serves all tasks of its kind, in several threads."""

    name: ClassVar[str]
    # Whether ``run`` starts a program straight away: the start is then reported with its process.
    starts_program: ClassVar[bool] = False
    Settings: type[SettingsT]

    @abc.abstractmethod
    def run(self, context: TaskContext[SettingsT]) -> TaskOutcome:
        """Do the work. Raises TaskFailed, or Cancelled when told to stop."""
