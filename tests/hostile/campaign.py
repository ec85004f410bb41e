"""Messages sent one after the other, and what came of them."""

import dataclasses
import gc
from collections.abc import Iterable

import psutil

from tests.hostile import rules
from tests.hostile.house import Answer, Target
from tests.hostile.messages import Message

MOST_GROWTH = 1.05
"""Memory at the end over that after a quarter of the messages."""

ENOUGH_FOR_MEMORY = 2_000
"""Before so many messages have come, memory still grows into what it needs."""

_AGAIN = 4


@dataclasses.dataclass
class Report:
    """What a campaign found: broken rules by message, and the figures of all."""

    count: int = 0
    statuses: dict[int, int] = dataclasses.field(default_factory=dict)
    failures: list[tuple[Message, list[str]]] = dataclasses.field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    memory_early: int = 0
    memory_late: int = 0
    stored: list[str] = dataclasses.field(default_factory=list)

    @property
    def growth(self) -> float:
        """By what factor the memory grew after the first quarter."""
        return self.memory_late / self.memory_early

    def problems(self, *, of_memory: bool = True) -> list[str]:
        """Everything that is wrong, as sentences."""
        told = [f"{message.name}: {'; '.join(found)}" for message, found in self.failures]
        told += [f"the table {name} has changed" for name in self.stored]
        if of_memory and self.growth > MOST_GROWTH:
            told.append(f"memory grew by {self.growth - 1:.1%} after the first quarter")
        return told


def run(target: Target, messages: Iterable[Message], count: int) -> Report:
    """Send so many messages; ``count`` tells where the first quarter ends."""
    report = Report()
    before = target.stored()
    for message in messages:
        _send(target, message, report)
        if report.count == count // 4:
            report.memory_early = _memory()
    report.memory_late = _memory()
    after = target.stored()
    report.stored = [name for name in after if after[name] != before.get(name)]
    return report


def _send(target: Target, message: Message, report: Report) -> None:
    answer = target.ask(message)
    found = rules.broken(message, answer)
    seconds = _least_seconds(target, message, answer)
    if seconds > rules.MOST_SECONDS:
        found.append(f"it cost {seconds * 1000:.0f} ms of CPU")
    report.count += 1
    report.statuses[answer.status] = report.statuses.get(answer.status, 0) + 1
    report.slowest = max(report.slowest, (seconds, message.name))
    if found:
        report.failures.append((message, found))


def _least_seconds(target: Target, message: Message, answer: Answer) -> float:
    """What it costs where nothing disturbs: other programs share the caches of the processor."""
    seconds = answer.seconds
    for _ in range(_AGAIN):
        if seconds <= rules.MOST_SECONDS:
            break
        seconds = min(seconds, target.ask(message).seconds)
    return seconds


def _memory() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss
