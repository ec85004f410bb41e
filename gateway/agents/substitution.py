"""A task's settings as they are when it runs: placeholders filled, values checked."""

from typing import Any

from gateway.agents.parameters import PartParameters
from gateway.agents.protocol import TaskOrder
from gateway.tasks import placeholders
from gateway.tasks.base import TaskFailed, TaskSettings
from gateway.tasks.registry import TaskSettingsError, TaskTypes


def settings(task: TaskOrder, parameters: PartParameters, types: TaskTypes) -> TaskSettings:
    """The settings to run with.

    Raises TaskFailed, with a sentence, for a placeholder whose name no parameter of the run has,
    and for settings that are not right with the values filled in.
    """
    missing = [name for name in placeholders.names(task.settings) if not parameters.known(name)]
    if missing:
        raise TaskFailed(f"The settings use $[{missing[0]}], but the run has no such parameter.")
    filled: dict[str, Any] = placeholders.fill(task.settings, parameters.get)
    try:
        return types.settings(task.type, filled)
    except TaskSettingsError as error:
        raise TaskFailed(f"The task cannot run: {error}.") from error
