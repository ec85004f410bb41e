"""What a job is meant for: agents and teams, found by reference and turned into agents."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.fleet import roster, teams
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Team
from gateway.jobs.orders import WhoKind
from storage.session import Session

Stored = Mapping[str, Any]
"""An agent or team as a job keeps it: ``agent`` or ``team`` (its number), ``guid``, ``name``."""


class TargetNotFound(LookupError):
    """A reference names no agent or team, or several, or one that is disabled."""


def resolve(session: Session, kind: WhoKind, reference: str) -> Agent | Team:
    """The agent or team of a GUID or name. Raises TargetNotFound."""
    try:
        if kind is WhoKind.TEAM:
            return teams.find(session, reference)
        agent = roster.find(session, reference)
    except (
        roster.AgentNotFound,
        roster.AgentAmbiguous,
        teams.TeamNotFound,
        teams.TeamAmbiguous,
    ) as error:
        raise TargetNotFound(str(error)) from error
    if not agent.enabled:
        raise TargetNotFound(f"the agent {agent.name!r} is disabled")
    return agent


def stored(found: Agent | Team) -> dict[str, Any]:
    """The form in which a job keeps it."""
    key = "agent" if isinstance(found, Agent) else "team"
    return {key: found.id, "guid": found.guid, "name": found.name}


def agents_of(session: Session, found: Iterable[Agent | Team]) -> list[Agent]:
    """The agents to run on now, each once: those named, then the enabled ones of the teams."""
    agents: dict[int, Agent] = {}
    team_ids = []
    for one in found:
        if isinstance(one, Agent):
            agents[one.id] = one
        else:
            team_ids.append(one.id)
    if team_ids:
        for agent in teams.agents_of(session, team_ids):
            if agent.enabled:
                agents.setdefault(agent.id, agent)
    return list(agents.values())


def agent_ids(session: Session, who: Iterable[Stored]) -> list[int]:
    """The numbers of the agents that a job's ``who`` means now, each once.

    An agent that was removed since is among them, so that its run ends with that reason.
    """
    listed = list(who)
    found = dict.fromkeys(one["agent"] for one in listed if "agent" in one)
    team_ids = [one["team"] for one in listed if "team" in one]
    if team_ids:
        found |= dict.fromkeys(
            agent.id for agent in teams.agents_of(session, team_ids) if agent.enabled
        )
    return list(found)


def any_left(session: Session, who: Iterable[Stored]) -> bool:
    """Whether any agent or team that a job's ``who`` names is still there."""
    listed = list(who)
    if roster.living(session, [one["agent"] for one in listed if "agent" in one]):
        return True
    known = teams.composition(session).teams
    return any(one["team"] in known for one in listed if "team" in one)
