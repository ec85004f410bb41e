"""Task type ``set_parameter``: gives a parameter of the run a new value."""

from typing import Annotated

import pydantic

from gateway.jobs.states import JobStatus
from gateway.tasks.base import TaskContext, TaskOutcome, TaskSettings, TaskType


class SetParameterSettings(TaskSettings):
    """``name`` of the parameter (``Name.User``, ``Name.Password`` for credentials), ``value``."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=300)]
    value: str


class SetParameterTask(TaskType[SetParameterSettings]):
    """Sets a parameter for the tasks after this one."""

    name = "set_parameter"
    Settings = SetParameterSettings

    def run(self, context: TaskContext[SetParameterSettings]) -> TaskOutcome:
        """Set it."""
        settings = context.settings
        shown = context.parameters.set(settings.name, settings.value)
        return TaskOutcome(JobStatus.COMPLETED, outputs={settings.name: shown})
