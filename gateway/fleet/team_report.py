"""The report of teams: who is in which, counting rules and teams within teams.

It is made one team at a time. What is kept meanwhile is what was put into teams, all agents once,
and for each team that was looked at a number whose bits are its agents.
"""

import itertools
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.fleet import roster, teams
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Composition, Team
from storage.database import Store

# Rules take as long as their patterns do: so many seconds are computed in one go.
_IN_ONE_GO = 0.02


@dataclass(frozen=True)
class ReportedAgent:
    """An agent of a team; ``primary`` says that this is its primary team."""

    agent: Agent
    online: bool
    primary: bool


@dataclass(frozen=True)
class ReportedTeam:
    """A team with the agents that belong to it in any way and the teams put into it, by name."""

    team: Team
    agents: tuple[ReportedAgent, ...]
    teams: tuple[Team, ...]


def report(
    store: Store,
    now: int,
    offline_after: int,
    shown: Container[int],
    give_way: Callable[[], None] = lambda: None,
    hidden: Container[int] = frozenset(),
    tenant: int = 1,
) -> Iterator[ReportedTeam]:
    """The teams whose ids are ``shown``, by name, as they are now; each is made when asked for.

    A team that is not shown still lends its agents to those that it was put into. Agents whose ids
    are ``hidden`` are left out. ``now`` in epoch
    microseconds; an agent is online if it was heard of ``offline_after`` microseconds ago or later.
    ``give_way`` is called every now and then where much is computed. Raises StoreUnavailable.
    """
    with store.reading(long=True) as session:
        composed = teams.composition(session, tenant)
        agents = roster.agents(session, tenant)
    belonging = Belonging(composed, agents, give_way)

    def reported(team: Team) -> ReportedTeam:
        found = belonging.of(composed.below([team.id]))
        return ReportedTeam(
            team,
            tuple(
                ReportedAgent(
                    agent, agent.online(now, offline_after), agent.primary_team_id == team.id
                )
                for agent in found
                if agent.id not in hidden
            ),
            tuple(composed.teams[inner] for inner in composed.nested_in(team.id) if inner in shown),
        )

    return (reported(team) for team in composed.teams.values() if team.id in shown)


class _Pace:
    """Gives way to others after each ``_IN_ONE_GO`` seconds."""

    def __init__(self, give_way: Callable[[], None]) -> None:
        self._give_way = give_way
        self._until = time.monotonic() + _IN_ONE_GO

    def step(self) -> None:
        """Say that some more was computed."""
        if time.monotonic() >= self._until:
            self._give_way()
            self._until = time.monotonic() + _IN_ONE_GO


class Belonging:
    """Which agents were put into teams or fit their rules; of each team when it is asked for.

    Kept as a number for each team, one bit for each agent: sets of them would take hundreds of
    times as much where teams are many and large.
    """

    def __init__(
        self,
        composed: Composition,
        agents: Sequence[Agent],
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        self._composed = composed
        self._agents = agents
        self._pace = _Pace(give_way)
        self._places = {agent.id: place for place, agent in enumerate(agents)}
        self._known: dict[int, int] = {}

    def of(self, team_ids: Iterable[int]) -> Iterator[Agent]:
        """The agents of any of these teams, in their order, each once; not nested."""
        bits = 0
        for team_id in team_ids:
            if team_id not in self._known:
                self._known[team_id] = self._look(team_id)
            bits |= self._known[team_id]
        return itertools.compress(self._agents, map(int, reversed(f"{bits:b}")))

    def _look(self, team_id: int) -> int:
        bits = 0
        for agent_id in self._composed.agents.get(team_id, ()):
            if agent_id in self._places:
                bits |= 1 << self._places[agent_id]
        rule = self._composed.teams[team_id].rule
        for place, agent in enumerate(self._agents if rule is not None else ()):
            if rule is not None and rule.holds(agent):
                bits |= 1 << place
            self._pace.step()
        self._pace.step()
        return bits
