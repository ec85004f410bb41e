"""Turns: in which order runs of one agent and priority begin.

Each run has a virtual time. The first of a definition has the present; each further one that waits
for the same agent comes a quantum after the one before. So jobs of one definition keep their order,
and a flood of them holds up no other: what comes later has an earlier turn than most of the flood.
"""

import threading
from collections.abc import Callable, Mapping

import peewee

from gateway import moments
from storage import models
from storage.session import Session

# Long beside the time that an agent takes for a run; the size of it matters little.
QUANTUM = 10 * 60 * moments.SECOND
_MOST = 100_000

_JOB = models.Job
_RUN = models.Run

# The words of the partial index, so that the planner sees that it fits.
_WAITING = peewee.SQL("t1.status = 0")

Last = Callable[[], Mapping[int, int]]
"""The last turn of each definition among the runs that wait for an agent, by the store."""


def take(session: Session, agent: int, definition: int | None) -> int:
    """The turn of a new run of a definition on an agent, in epoch microseconds."""
    return of(session).take(agent, definition, lambda: _last(session, agent))


def of(session: Session) -> "Turns":
    """Those of the session's store."""
    return session.kept(Turns)


class Turns:
    """Gives out turns. What waited before it was there, such as before a restart, it is told."""

    def __init__(self, now: Callable[[], int] = moments.now) -> None:
        self._now = now
        self._lock = threading.Lock()
        # No agent that is not among them is known.
        self._last: dict[int, dict[int, int]] = {}
        self._count = 0

    def take(self, agent: int, definition: int | None, waiting: Last) -> int:
        """The turn of a new run; ``waiting`` is asked only for an agent that is not known."""
        # Outside the lock: the store is asked.
        known = None if agent in self._last else dict(waiting())
        now = self._now()
        with self._lock:
            if known is not None and agent not in self._last:
                self._last[agent] = known
                self._count += len(known)
            # Between the look and the lock all may have been forgotten.
            last = self._last.setdefault(agent, {})
            before = last.get(definition or 0)
            turn = now if before is None else max(now, before + QUANTUM)
            last[definition or 0] = turn
            self._count += before is None
            if self._count > _MOST:
                # So many definitions have none that floods; who waits is looked up again.
                self._last.clear()
                self._count = 0
            return turn

    def forget(self, agent: int) -> None:
        """Nothing waits for the agent any more: all begin anew."""
        with self._lock:
            self._count -= len(self._last.get(agent, {}))
            self._last[agent] = {}


def _last(session: Session, agent: int) -> dict[int, int]:
    query = (
        _RUN.select(_JOB.definition_id, peewee.fn.MAX(_RUN.turn).alias("turn"))
        .join(_JOB, on=(_JOB.id == _RUN.job_id))
        .where(_WAITING, _RUN.agent_id == agent)
        .group_by(_JOB.definition_id)
    )
    return {row["definition_id"] or 0: row["turn"] for row in session.rows(query)}
