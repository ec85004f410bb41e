"""Task type ``command``: runs a program with arguments, without a shell in between."""

from typing import Annotated

import pydantic

from gateway.tasks import programs
from gateway.tasks.base import TaskContext, TaskOutcome, TaskType


class CommandSettings(programs.ProgramSettings):
    """``argv`` is the program and its arguments, handed over as they are."""

    argv: Annotated[tuple[programs.Text, ...], pydantic.Field(min_length=1)]

    @pydantic.field_validator("argv")
    @classmethod
    def _names_a_program(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if not argv[0].strip():
            raise ValueError("the first item must name a program")
        return argv


class CommandTask(TaskType[CommandSettings]):
    """Runs ``argv``; Completed if its exit code is an expected one."""

    name = "command"
    starts_program = True
    Settings = CommandSettings

    def run(self, context: TaskContext[CommandSettings]) -> TaskOutcome:
        """Run the program."""
        return programs.run(context, context.settings.argv, context.settings)
