"""Which task types there are, and whether a task's settings are right for its type."""

import functools
import importlib.metadata
import logging
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import pydantic

from gateway.tasks import placeholders
from gateway.tasks.base import TaskSettings, TaskType

GROUP = "dispatcher_gateway.tasks"

# The same table as in pyproject.toml, for a checkout that is not installed as a distribution.
BUILT_IN: Mapping[str, str] = {
    "command": "gateway.tasks.command:CommandTask",
    "delay": "gateway.tasks.delay:DelayTask",
    "download_resource": "gateway.tasks.download_resource:DownloadResourceTask",
    "http": "gateway.tasks.http:HttpTask",
    "script": "gateway.tasks.script:ScriptTask",
    "set_parameter": "gateway.tasks.set_parameter:SetParameterTask",
}

_log = logging.getLogger(__name__)


class TaskSettingsError(ValueError):
    """A task cannot run as it is defined. ``member`` is the setting at fault, ``""`` for none."""

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(message)
        self.member = member


class TaskLike(Protocol):
    """What is needed of a task to check it."""

    @property
    def name(self) -> str:
        """The name by which a message calls the task."""

    @property
    def type(self) -> str:
        """The name of its type."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its settings as they are stored."""


class TaskTypes:
    """The task types by their names. ``table`` gives ``module:Class`` for each name."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = dict(table)
        self._loaded = functools.cache(self._load)

    @classmethod
    def load(cls, further: Mapping[str, str] | None = None) -> "TaskTypes":
        """The built-in types, those of installed packages, and ``further`` ones."""
        installed = ((entry.name, entry.value) for entry in _entry_points())
        return cls(_merged([*BUILT_IN.items(), *installed, *(further or {}).items()]))

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._table))

    def get(self, name: str) -> TaskType[Any]:
        """The type of that name; TaskSettingsError if there is none or it cannot be loaded."""
        if name not in self._table:
            known = ", ".join(self.names())
            raise TaskSettingsError(f"there is no task type {name!r}; there are: {known}", "type")
        return self._loaded(name)

    def settings(self, name: str, settings: Mapping[str, Any]) -> TaskSettings:
        """The checked settings of a task that is about to run (no placeholder is left in them).

        Raises TaskSettingsError for the first member that is wrong.
        """
        kind = self.get(name)
        try:
            checked: TaskSettings = kind.Settings.model_validate(settings)
        except pydantic.ValidationError as error:
            raise _refusal(error.errors()) from None
        return checked

    def validate(self, task: TaskLike) -> None:
        """Raise TaskSettingsError, naming task and member, unless the task can run as defined.

        A setting whose value is known only when the task runs (``$[Name]`` in it) is not judged.
        """
        try:
            self._judge(self.get(task.type), task.settings)
        except TaskSettingsError as error:
            raise TaskSettingsError(f"task {task.name!r}: {error}", error.member) from None

    def _judge(self, kind: TaskType[Any], settings: Mapping[str, Any]) -> None:
        try:
            kind.Settings.model_validate(settings)
        except pydantic.ValidationError as error:
            certain = [e for e in error.errors() if not placeholders.present(e.get("input"))]
            if certain:
                raise _refusal(certain) from None

    def _load(self, name: str) -> TaskType[Any]:
        reference = self._table[name]
        try:
            found = pkgutil.resolve_name(reference)
        except (ImportError, AttributeError, ValueError) as error:
            raise TaskSettingsError(
                f"the task type {name!r} ({reference}) cannot be loaded: {error}", "type"
            ) from error
        if not (isinstance(found, type) and issubclass(found, TaskType)):
            raise TaskSettingsError(
                f"the task type {name!r} ({reference}) is not derived from TaskType", "type"
            )
        return found()


def _entry_points() -> Iterable[importlib.metadata.EntryPoint]:
    return importlib.metadata.entry_points(group=GROUP)


def _merged(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first entry of a name counts: no package can put itself in another type's place."""
    table: dict[str, str] = {}
    for name, reference in entries:
        if table.setdefault(name, reference) != reference:
            _log.warning("task type %r of %s is ignored: it is %s", name, reference, table[name])
    return table


def _refusal(errors: Iterable[Any]) -> TaskSettingsError:
    # Only the place and the rule are told: the value may be a secret.
    first = next(iter(errors))
    member = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return TaskSettingsError(f"setting {member!r}: {text}" if member else text, member)
