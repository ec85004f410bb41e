"""Task type ``delay``: lets some time pass."""

from typing import Annotated

import pydantic

from gateway.tasks.base import COMPLETED, TaskContext, TaskOutcome, TaskSettings, TaskType

# A year, like the longest timeout.
_MAX_SECONDS = 31_536_000


class DelaySettings(TaskSettings):
    """``seconds`` to wait."""

    seconds: Annotated[float, pydantic.Field(ge=0, le=_MAX_SECONDS, allow_inf_nan=False)]


class DelayTask(TaskType[DelaySettings]):
    """Waits; Completed when the time is over."""

    name = "delay"
    Settings = DelaySettings

    def run(self, context: TaskContext[DelaySettings]) -> TaskOutcome:
        """Wait."""
        context.cancellation.wait(context.settings.seconds)
        return COMPLETED
