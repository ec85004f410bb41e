"""What the task types that run a program have in common."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic

from gateway.jobs.states import JobStatus
from gateway.tasks.base import TaskContext, TaskFailed, TaskOutcome, TaskSettings

# The agent finds the processes of a run by these (``gateway.agents.processes``).
RESERVED_PREFIX = "GATEWAY_"


def _no_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a null character")
    return text


def _usable_names(environment: Mapping[str, str]) -> Mapping[str, str]:
    for name in environment:
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"{name!r} cannot be the name of an environment variable")
        if name.upper().startswith(RESERVED_PREFIX):
            raise ValueError(f"{name!r}: names that begin with {RESERVED_PREFIX} are reserved")
    return environment


Text = Annotated[str, pydantic.AfterValidator(_no_null)]


class ProgramSettings(TaskSettings):
    """Settings of every task that runs a program.

    ``folder`` is where it runs: absolute, or relative to the run's own folder, which is the
    default. ``environment`` is added to what the agent gives. ``exit_codes`` mean success.
    """

    folder: Text | None = None
    environment: Annotated[dict[str, Text], pydantic.AfterValidator(_usable_names)] = (
        pydantic.Field(default_factory=dict)
    )
    exit_codes: Annotated[tuple[int, ...], pydantic.Field(min_length=1)] = (0,)


def run(context: TaskContext[Any], argv: tuple[str, ...], settings: ProgramSettings) -> TaskOutcome:
    """Run a program as the settings say and judge its exit code."""
    folder = _folder(context, settings)
    environment = {**context.environment, **settings.environment}
    code = context.programs.run(argv, folder, environment)
    if code in settings.exit_codes:
        return TaskOutcome(JobStatus.COMPLETED, code)
    return TaskOutcome(JobStatus.FAILED, code, _explain(code, settings.exit_codes))


def _folder(context: TaskContext[Any], settings: ProgramSettings) -> Path:
    folder = context.folder / (settings.folder or "")
    if not folder.is_dir():
        raise TaskFailed(f"The working folder {str(folder)!r} does not exist or is not a folder.")
    return folder


def _explain(code: int, expected: tuple[int, ...]) -> str:
    if code < 0:
        return f"The program was ended by signal {_signal_name(-code)}."
    wanted = " or ".join(str(number) for number in expected)
    return f"The program ended with exit code {code}; {wanted} was expected."


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)
