"""Polls that wait, found by what is asked of them: whose they are, and whose time is up.

Thousands wait, and each job that is accepted concerns one of them: none of this looks at all.
"""

import dataclasses
import heapq
import itertools
import uuid
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future

from gateway.agents.desk import Abort, AgentSession, Refusal
from gateway.agents.protocol import RunOrder

# So many deadlines of polls that are gone are kept before they are cleared away.
_SLACK = 100


@dataclasses.dataclass(frozen=True)
class Errand:
    """What there is to do for an agent; nothing when its time is up."""

    orders: tuple[RunOrder, ...] = ()
    aborts: tuple[Abort, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclasses.dataclass(eq=False)
class ParkedPoll:
    """A poll that waits; ``until`` and ``in_vain_until`` by the steady clock.

    ``freed`` counts the runs whose end was reported since it came.
    """

    agent: AgentSession
    places: int
    until: float
    answer: "Future[Errand]"
    freed: int = 0
    in_vain_until: float = 0.0


class ParkedPolls:
    """The polls that wait, one of each session at the most. Not for several threads at once."""

    def __init__(self) -> None:
        self._by_session: dict[uuid.UUID, ParkedPoll] = {}
        # An agent may have two sessions for a moment: the older one is over.
        self._by_agent: dict[int, list[ParkedPoll]] = {}
        self._ends: list[tuple[float, int, ParkedPoll]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[ParkedPoll]:
        return iter(self._by_session.values())

    def __contains__(self, one: object) -> bool:
        return isinstance(one, ParkedPoll) and self._by_session.get(one.agent.session) is one

    @property
    def sessions(self) -> Collection[uuid.UUID]:
        """Those that have a poll here."""
        return self._by_session.keys()

    def of_session(self, session: uuid.UUID) -> ParkedPoll | None:
        """The poll of a session."""
        return self._by_session.get(session)

    def of_agents(self, agents: Iterable[int]) -> list[ParkedPoll]:
        """The polls of these agents."""
        return [one for agent in agents for one in self._by_agent.get(agent, ())]

    def add(self, one: ParkedPoll) -> None:
        """Keep a poll, of a session that has none here."""
        self._by_session[one.agent.session] = one
        self._by_agent.setdefault(one.agent.agent_id, []).append(one)
        self._push(one)

    def remove(self, one: ParkedPoll) -> bool:
        """Keep it no longer; False when it was not kept."""
        if one not in self:
            return False
        del self._by_session[one.agent.session]
        own = self._by_agent[one.agent.agent_id]
        own.remove(one)
        if not own:
            del self._by_agent[one.agent.agent_id]
        return True

    def first_end(self) -> float | None:
        """When the time of the first of them is up, at the earliest."""
        return self._ends[0][0] if self._ends else None

    def over(self, at: float) -> list[ParkedPoll]:
        """Those whose time is up; they are kept no longer."""
        found = []
        while self._ends and self._ends[0][0] <= at:
            _, _, one = heapq.heappop(self._ends)
            if self.remove(one):
                found.append(one)
        return found

    def _push(self, one: ParkedPoll) -> None:
        heapq.heappush(self._ends, (one.until, next(self._numbers), one))
        if len(self._ends) > 2 * len(self) + _SLACK:
            self._ends = [(kept.until, next(self._numbers), kept) for kept in self]
            heapq.heapify(self._ends)
