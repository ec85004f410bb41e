"""What there is to tell of a machine since it was last told.

Facts are told at once when they change. How the machine is (disk, memory, load) changes with every
look: that is told after a while, sooner if it has changed much.
"""

import dataclasses
import time
from collections.abc import Callable

from gateway.agents.desk import AgentFacts, AgentHealth

# In seconds: how often a machine is looked at, which takes milliseconds.
LOOK = 2.0
# In seconds: how often a great change of health is told, and how often any.
SOON = 60.0
LATER = 600.0
# Parts of the whole (of disk or memory), and threads for each processor, that are a great change.
_GREAT_PART = 0.1
_GREAT_LOAD = 1.0


class News:
    """Compares what is with what was told. ``told`` is what the desk knows already; ``describe``
    gives the present facts; ``elapsed`` is a steady clock in seconds.
    """

    def __init__(
        self,
        told: AgentFacts,
        describe: Callable[[], AgentFacts],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = told
        self._describe = describe
        self._elapsed = elapsed
        self._told_at = elapsed()
        self._looked_at: float | None = None
        self._news: AgentFacts | None = None

    def look(self) -> AgentFacts | None:
        """What is to be told now; None if there is nothing."""
        now = self._elapsed()
        if self._looked_at is None or now - self._looked_at >= LOOK:
            self._looked_at = now
            present = self._describe()
            self._news = present if self._is_news(present) else None
        return self._news

    def told(self, facts: AgentFacts) -> None:
        """Remember that this was told."""
        self._told = facts
        self._told_at = self._elapsed()
        self._news = None

    def _is_news(self, present: AgentFacts) -> bool:
        if dataclasses.replace(present, health=self._told.health) != self._told:
            return True
        since = self._elapsed() - self._told_at
        if since < SOON or present.health == self._told.health:
            return False
        return since >= LATER or _greatly_changed(self._told.health, present.health)


def _greatly_changed(before: AgentHealth | None, after: AgentHealth | None) -> bool:
    if before is None or after is None:
        return True
    return (
        _differ(before.disk_free, after.disk_free, after.disk_total)
        or _differ(before.memory_free, after.memory_free, after.memory_total)
        or abs(before.load - after.load) >= _GREAT_LOAD
    )


def _differ(before: int, after: int, whole: int) -> bool:
    return abs(before - after) >= _GREAT_PART * whole
