"""Turns: in which order runs of one agent and priority begin.

Each run has a virtual time. The first of a definition has the present; each further one that waits
for the same agent comes a quantum after the one before. So jobs of one definition keep their order,
and a flood of them holds up no other: what comes later has an earlier turn than most of the flood.
"""

import threading
from collections import defaultdict
from collections.abc import Callable

from gateway import moments
from storage.session import Session

# Long beside the time that an agent takes for a run; the size of it matters little.
QUANTUM = 10 * 60 * moments.SECOND
_MOST = 100_000


def of(session: Session) -> "Turns":
    """Those of the session's store."""
    return session.kept(Turns)


class Turns:
    """Gives out turns. Kept in memory: after a restart all begin anew, which is fair."""

    def __init__(self, now: Callable[[], int] = moments.now) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last: dict[int, dict[int, int]] = defaultdict(dict)
        self._count = 0

    def take(self, agent: int, definition: int | None) -> int:
        """The turn of a new run of a definition on an agent, in epoch microseconds."""
        now = self._now()
        with self._lock:
            last = self._last[agent]
            before = last.get(definition or 0)
            turn = now if before is None else max(now, before + QUANTUM)
            last[definition or 0] = turn
            self._count += before is None
            if self._count > _MOST:
                # So many definitions have none that floods.
                self._last.clear()
                self._count = 0
            return turn

    def forget(self, agent: int) -> None:
        """Nothing waits for the agent any more: all begin anew."""
        with self._lock:
            self._count -= len(self._last.pop(agent, {}))
