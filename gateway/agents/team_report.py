"""The report of teams: who is in which, counting rules and teams within teams."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.agents import roster, teams
from gateway.agents.roster import Agent
from gateway.agents.teams import Team
from storage.session import Session


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
    session: Session, now: int, offline_after: int, shown: Callable[[Team], bool], tenant: int = 1
) -> list[ReportedTeam]:
    """The teams that are ``shown``, by name, in three queries.

    A team that is not shown still lends its agents to those that it was put into. ``now`` in epoch
    microseconds; an agent is online if it was heard of ``offline_after`` microseconds ago or later.
    """
    composed = teams.composition(session, tenant)
    agents = roster.agents(session, tenant)
    direct = composed.direct(agents)
    places = {agent.id: place for place, agent in enumerate(agents)}
    visible = {team.id for team in composed.teams.values() if shown(team)}

    def reported(team: Team) -> ReportedTeam:
        ids = {one for inner in composed.below([team.id]) for one in direct[inner]}
        found = [agents[place] for place in sorted(places[one] for one in ids)]
        return ReportedTeam(
            team,
            tuple(
                ReportedAgent(
                    agent, agent.online(now, offline_after), agent.primary_team_id == team.id
                )
                for agent in found
            ),
            tuple(
                composed.teams[inner] for inner in composed.nested_in(team.id) if inner in visible
            ),
        )

    return [reported(team) for team in composed.teams.values() if team.id in visible]
