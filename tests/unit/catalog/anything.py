"""A task type whose settings may be anything."""

from typing import Any

import pydantic

from gateway.tasks.base import COMPLETED, TaskContext, TaskOutcome, TaskSettings, TaskType
from gateway.tasks.registry import TaskTypes


class AnythingSettings(TaskSettings):
    """Whatever is given."""

    model_config = pydantic.ConfigDict(extra="allow")


class AnythingTask(TaskType[AnythingSettings]):
    """Does nothing."""

    name = "anything"
    Settings = AnythingSettings

    def run(self, context: TaskContext[Any]) -> TaskOutcome:
        """Do nothing."""
        return COMPLETED


TYPES = TaskTypes({"anything": f"{__name__}:AnythingTask"})
