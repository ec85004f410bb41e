"""A task type that does nothing, to measure what is around it; and one that breaks."""

from gateway.tasks.base import COMPLETED, TaskContext, TaskOutcome, TaskSettings, TaskType


class NoSettings(TaskSettings):
    pass


class NoopTask(TaskType[NoSettings]):
    name = "noop"
    Settings = NoSettings

    def run(self, context: TaskContext[NoSettings]) -> TaskOutcome:
        return COMPLETED


class BrokenTask(TaskType[NoSettings]):
    name = "broken"
    Settings = NoSettings

    def run(self, context: TaskContext[NoSettings]) -> TaskOutcome:
        print("this must not disturb the channel")
        raise KeyError("s3cret-value")
