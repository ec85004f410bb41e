"""What a module is: its parameters, its ordered tasks, their conditions and evaluators.

These are the shapes that the catalog stores as JSON, that imports are checked against, and from
which the orders to agents are made. They are values: a change makes a new version.
"""

import enum
from collections.abc import Iterable
from typing import Annotated, Any, Self
from uuid import UUID

import pydantic
from pydantic import Field

from gateway import names
from gateway.catalog import patterns, queries
from gateway.catalog.policies import NOTHING, Policy
from gateway.catalog.shapes import MAX_TIMEOUT, Shape


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Name = Annotated[str, Field(max_length=255), pydantic.AfterValidator(_not_blank)]


class ParameterType(enum.IntEnum):
    """The kinds of parameters, with the Dispatcher's numbers (Dispatcher contract 2.4)."""

    TEXT = 0
    LIST = 1
    CREDENTIALS = 2
    MULTI_SELECT = 3
    MULTI_LINE = 4
    PASSWORD = 5

    @property
    def secret(self) -> bool:
        """Whether a part of the value is never shown."""
        return self in (ParameterType.CREDENTIALS, ParameterType.PASSWORD)


# A multi-select value is one text, its choices parted by this (Dispatcher contract 2.4).
SELECTION_SEPARATOR = ";"


class Parameter(Shape):
    """A parameter of a module: what it is called, what it may be, and whether it is asked for.

    A credentials parameter has the user in ``default`` and the password in ``default2``.
    ``displays`` are the texts shown for ``allowed``, in the same order.
    """

    guid: UUID | None = None
    name: Name
    type: ParameterType = ParameterType.TEXT
    description: str = ""
    default: str = ""
    default2: str = ""
    allowed: tuple[str, ...] = ()
    displays: tuple[str, ...] = ()
    hint: str = ""
    ask: bool = True
    required: bool = False

    @pydantic.field_validator("name")
    @classmethod
    def _can_stand_in_a_placeholder(cls, name: str) -> str:
        if "$[" in name or "]" in name:
            raise ValueError("must not contain '$[' or ']', which enclose a parameter's name")
        return name

    @pydantic.model_validator(mode="after")
    def _choices_fit(self) -> Self:
        if self.displays and len(self.displays) != len(self.allowed):
            raise ValueError(
                f"displays has {len(self.displays)} texts for {len(self.allowed)} allowed values"
            )
        refused = [choice for choice in self.chosen(self.default) if not self.allows(choice)]
        if refused:
            raise ValueError(f"default {refused[0]!r} is not among the allowed values")
        return self

    def chosen(self, value: str) -> tuple[str, ...]:
        """The choices in a value: several for a multi-select parameter, none in an empty text."""
        if self.type is not ParameterType.MULTI_SELECT:
            return (value,) if value else ()
        return tuple(filter(None, value.split(SELECTION_SEPARATOR)))

    def allows(self, choice: str) -> bool:
        """Whether one choice may be made; anything may where nothing is listed."""
        lists = self.type in (ParameterType.LIST, ParameterType.MULTI_SELECT)
        return not lists or not self.allowed or choice in self.allowed


class Subject(enum.StrEnum):
    """What a condition looks at."""

    PARAMETER = "parameter"
    PLATFORM = "platform"
    FILE = "file"
    PREVIOUS_STATUS = "previous_status"


class Operator(enum.StrEnum):
    """How a condition compares its subject with its value."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    MATCHES = "matches"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    LESS = "less"
    GREATER = "greater"


class Effect(enum.StrEnum):
    """What a condition that holds means for the task, module or job that has it.

    EXECUTE is the other way round: what has such a condition is skipped unless it holds.
    """

    SKIP = "skip"
    FAIL = "fail"
    EXECUTE = "execute"


_PRESENCE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})
_TEXT = frozenset({Operator.EQUALS, Operator.NOT_EQUALS, Operator.CONTAINS, Operator.MATCHES})
_ALLOWED = {
    Subject.PARAMETER: frozenset(Operator),
    Subject.PLATFORM: _TEXT,
    Subject.FILE: _PRESENCE,
    Subject.PREVIOUS_STATUS: _TEXT,
}


class Condition(Shape):
    """ "Skip when …": a comparison made just before the task, module or job would run.

    ``name`` is the parameter's name or the file's path; the other subjects need none.
    """

    subject: Subject
    name: str = ""
    operator: Operator
    value: str = ""
    effect: Effect = Effect.SKIP

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.operator not in _ALLOWED[self.subject]:
            allowed = ", ".join(sorted(_ALLOWED[self.subject]))
            raise ValueError(f"a condition on {self.subject} can use: {allowed}")
        if self.subject in (Subject.PARAMETER, Subject.FILE) and not self.name.strip():
            raise ValueError(f"a condition on {self.subject} needs a name")
        if self.operator is Operator.MATCHES and "$[" not in self.value:
            patterns.check(self.value)
        return self


class Evidence(enum.StrEnum):
    """What an evaluator or a capture looks at, once a task has ended.

    OUTPUT is what it wrote, ANSWER the body of an HTTP answer; STATUS is how the task, the module
    or the run book's job has ended so far.
    """

    OUTPUT = "output"
    EXIT_CODE = "exit_code"
    ANSWER = "answer"
    PARAMETER = "parameter"
    STATUS = "status"


class Verdict(enum.StrEnum):
    """The status that an evaluator sets."""

    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    SKIPPED = "skipped"


class Evaluator(Shape):
    """ "It has failed when …": decides how a task, a module or a run book's job has ended.

    ``name`` is the parameter's name for PARAMETER. The first of several that holds decides.
    """

    subject: Evidence
    name: str = ""
    operator: Operator
    value: str = ""
    verdict: Verdict

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.operator in _PRESENCE and self.subject is not Evidence.PARAMETER:
            raise ValueError(f"an evaluator on {self.subject} cannot use {self.operator}")
        if self.subject is Evidence.PARAMETER and not self.name.strip():
            raise ValueError("an evaluator on a parameter needs a name")
        if self.operator is Operator.MATCHES and "$[" not in self.value:
            patterns.check(self.value)
        return self


class CaptureKind(enum.StrEnum):
    """How a value is taken from what a task has left."""

    OUTPUT = "output"
    EXIT_CODE = "exit_code"
    JSON_PATH = "json_path"
    XPATH = "xpath"


_CHECKS = {
    CaptureKind.OUTPUT: patterns.check_capturing,
    CaptureKind.JSON_PATH: queries.check_json_path,
    CaptureKind.XPATH: queries.check_xpath,
}


class Capture(Shape):
    """A parameter that a task sets when it has ended.

    ``expression`` is a regular expression for OUTPUT (its first group, or all that it matched; of
    several matches the last), a JSON path (RFC 9535) or an XPath for the body of an HTTP answer,
    or else for the output. One that finds nothing leaves the parameter as it is, or fails the task
    when it is ``required``.
    """

    parameter: Name
    kind: CaptureKind
    expression: str = ""
    required: bool = False

    @pydantic.model_validator(mode="after")
    def _has_an_expression(self) -> Self:
        if self.kind is CaptureKind.EXIT_CODE:
            if self.expression:
                raise ValueError("an exit code is taken as it is: leave the expression out")
        elif not self.expression.strip():
            raise ValueError(f"a capture by {self.kind} needs an expression")
        if check := _CHECKS.get(self.kind):
            check(self.expression)
        return self


class OnFailure(enum.StrEnum):
    """What a failed task means for the tasks after it."""

    STOP = "stop"
    CONTINUE = "continue"


class Task(Shape):
    """One step of a module. ``settings`` are checked by the task type (``gateway.tasks``).

    ``timeout`` is in seconds; ``log_limit`` in bytes, None for the job's own.
    """

    guid: UUID
    name: Name
    type: Annotated[str, Field(min_length=1, max_length=100)]
    settings: dict[str, Any] = Field(default_factory=dict)
    timeout: Annotated[float, Field(gt=0, le=MAX_TIMEOUT, allow_inf_nan=False)] = 3600.0
    on_failure: OnFailure = OnFailure.STOP
    conditions: tuple[Condition, ...] = ()
    captures: tuple[Capture, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()
    enabled: bool = True
    keep_processes: bool = False
    log_limit: Annotated[int, Field(ge=0)] | None = None


def twice(keys: Iterable[str]) -> str | None:
    """The first key that is there twice, or None."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


class Module(Shape):
    """Ordered tasks with the parameters that they use.

    ``folder`` is a path such as ``A/B``; ``retries`` counts the further attempts that a run is
    given after its agent was lost; more is said in ``policy``.
    """

    guid: UUID
    name: Name
    description: str = ""
    folder: str = ""
    comment: str = ""
    enabled: bool = True
    parameters: tuple[Parameter, ...] = ()
    conditions: tuple[Condition, ...] = ()
    evaluators: tuple[Evaluator, ...] = ()
    tasks: tuple[Task, ...] = ()
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    policy: Policy = NOTHING

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> Self:
        name = twice(names.key(parameter.name) for parameter in self.parameters)
        if name is not None:
            raise ValueError(f"two parameters are named {name!r} (names differ by more than case)")
        guid = twice(str(task.guid) for task in self.tasks)
        if guid is not None:
            raise ValueError(f"two tasks have the guid {guid}")
        return self
