"""A task type that does nothing, installed as a site installs its own: by an entry point."""

import uuid
from pathlib import Path

from gateway.catalog.definitions import Task
from gateway.tasks.base import COMPLETED, TaskContext, TaskOutcome, TaskSettings, TaskType

_ROOT = Path(__file__).parents[2]


class NoSettings(TaskSettings):
    """There is nothing to set."""


class NoopTask(TaskType[NoSettings]):
    """Ends at once."""

    name = "noop"
    Settings = NoSettings

    def run(self, context: TaskContext[NoSettings]) -> TaskOutcome:
        """Do nothing."""
        return COMPLETED


def task() -> Task:
    """A task of a module that does nothing."""
    return Task(guid=uuid.uuid4(), name="Nothing", type=NoopTask.name)


def installed(folder: Path) -> dict[str, str]:
    """The environment in which the program finds the type among its entry points."""
    metadata = folder / "noop-1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: noop\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        f"[dispatcher_gateway.tasks]\nnoop = {__name__}:{NoopTask.__name__}\n"
    )
    return {"PYTHONPATH": f"{folder}:{_ROOT}"}
