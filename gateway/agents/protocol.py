"""What the engine and an agent say to each other: orders in one direction, reports in the other.

The values are frozen; ``to_document`` and ``from_document`` turn them into what JSON can carry and
back. All times are UTC epoch microseconds. A run is told apart from its earlier attempts by
``attempt``: a report of an attempt that is over is refused by the engine.
"""

import base64
import binascii
import dataclasses
from typing import Annotated, Any, Literal
from uuid import UUID

import pydantic

from gateway.catalog.definitions import (
    Capture,
    Condition,
    Evaluator,
    OnFailure,
    ParameterType,
)
from gateway.jobs.states import JobStatus

DEFAULT_LOG_LIMIT = 10 * 1024 * 1024


class ProtocolError(ValueError):
    """A document that is no message of this protocol; the message says what is wrong with it."""


def _from_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("is not Base64") from error


# Raw bytes in Python, Base64 in JSON.
Bytes = Annotated[
    bytes,
    pydantic.BeforeValidator(_from_base64),
    pydantic.PlainSerializer(
        lambda data: base64.b64encode(data).decode("ascii"), when_used="json-unless-none"
    ),
]


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one start of one machine; a process id alone is used again.

    ``started_at`` is psutil's ``create_time`` in microseconds.
    """

    pid: int
    started_at: int
    boot_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class ParameterValue:
    """A parameter's value at the start of the run. ``secondary`` is the password of credentials.

    ``secret`` says that the value (of credentials: the password) is never shown. ``part`` is the
    module that has it; ``given`` says that the request gave the value, which then is not replaced
    by that of an earlier module.
    """

    name: str
    type: ParameterType = ParameterType.TEXT
    value: str = dataclasses.field(default="", repr=False)
    secondary: str = dataclasses.field(default="", repr=False)
    secret: bool = False
    part: int = 0
    given: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class TaskOrder:
    """One task of a run; ``seq`` counts from 0. The other members are those of a module's task.

    ``part`` counts the modules of the run from 0; the tasks of one stand together. ``timeout`` is
    in seconds, ``log_limit`` in bytes (None: the run's).
    """

    seq: int
    guid: UUID
    module: str
    module_guid: UUID
    name: str
    type: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    timeout: float = 3600.0
    on_failure: OnFailure = OnFailure.STOP
    conditions: tuple[Condition, ...] = ()
    enabled: bool = True
    keep_processes: bool = False
    log_limit: int | None = None
    part: int = 0
    captures: tuple[Capture, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class ModuleOrder:
    """One module of a run; ``part`` is its place among them, counted from 0.

    ``on_failure`` is the project's rule; without one the rules of its tasks decide whether the
    modules after it are run. A run need not name modules that have nothing but tasks.
    """

    part: int
    guid: UUID
    name: str
    on_failure: OnFailure | None = None
    conditions: tuple[Condition, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class RunOrder:
    """A run that an agent has claimed: its tasks in order and all that they need.

    ``log_limit`` is in bytes for each task. ``environment`` is added to the list of variables that
    the agent passes on from its own environment. ``conditions`` are judged before the first task,
    ``evaluators`` after the last. ``all_values`` asks for the last values of all parameters, not
    only of those that a task has changed. ``timeout`` is in seconds, for the whole run.
    """

    run: UUID
    attempt: int
    job: UUID
    name: str
    tasks: tuple[TaskOrder, ...]
    parameters: tuple[ParameterValue, ...] = ()
    log_limit: int = DEFAULT_LOG_LIMIT
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    modules: tuple[ModuleOrder, ...] = ()
    conditions: tuple[Condition, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()
    all_values: bool = False
    timeout: float | None = None
    kind: Literal["run_order"] = "run_order"


@dataclasses.dataclass(frozen=True, slots=True)
class TaskStarted:
    """A task has begun; ``process`` is its program's, for a task that runs one."""

    run: UUID
    attempt: int
    seq: int
    at: int
    process: ProcessIdentity | None = None
    kind: Literal["task_started"] = "task_started"


@dataclasses.dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a task's output; ``index`` counts from 0 within the task.

    ``truncated`` marks the last piece of an output that was longer than its limit.
    """

    run: UUID
    attempt: int
    seq: int
    index: int
    data: Bytes = dataclasses.field(repr=False)
    truncated: bool = False
    kind: Literal["log_chunk"] = "log_chunk"


@dataclasses.dataclass(frozen=True, slots=True)
class TaskFinished:
    """A task is over, or was skipped. ``detail`` is a sentence, empty when all went well.

    ``outputs`` are what it found out and the parameters that it set; secrets are masked.
    """

    run: UUID
    attempt: int
    seq: int
    at: int
    started_at: int
    status: JobStatus
    exit_code: int | None = None
    detail: str = ""
    outputs: dict[str, str] = dataclasses.field(default_factory=dict)
    kind: Literal["task_finished"] = "task_finished"


@dataclasses.dataclass(frozen=True, slots=True)
class FinalValue:
    """A parameter's value at the end of the run, and whether a task has ``changed`` it."""

    part: int
    module: UUID | None
    name: str
    value: str
    changed: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class RunFinished:
    """A run is over. ``parameters`` are values that are no secrets, as the tasks left them."""

    run: UUID
    attempt: int
    at: int
    status: JobStatus
    detail: str = ""
    parameters: tuple[FinalValue, ...] = ()
    kind: Literal["run_finished"] = "run_finished"


Report = TaskStarted | LogChunk | TaskFinished | RunFinished
Message = RunOrder | Report

_ADAPTER: pydantic.TypeAdapter[Message] = pydantic.TypeAdapter(
    Annotated[Message, pydantic.Field(discriminator="kind")]
)


def to_document(message: Message) -> dict[str, Any]:
    """The message as a dict that ``json.dumps`` takes."""
    document: dict[str, Any] = _ADAPTER.dump_python(message, mode="json")
    return document


def from_document(document: Any) -> Message:
    """The message that the document holds; ProtocolError if it holds none."""
    try:
        return _ADAPTER.validate_python(document)
    except pydantic.ValidationError as error:
        raise ProtocolError(first_fault(error)) from None


def first_fault(error: pydantic.ValidationError) -> str:
    """The first fault in a sentence that does not repeat the value, which may be a secret."""
    fault = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]
