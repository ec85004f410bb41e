"""What a job is meant for: the agent or team that a reference names."""

from gateway.agents import roster, teams
from gateway.agents.roster import Agent
from gateway.agents.teams import Team
from gateway.jobs.orders import Who, WhoKind
from storage.session import Session


class TargetDisabled(ValueError):
    """The agent is switched off: nothing new is to be run on it."""


def resolve(session: Session, who: Who, tenant: int = 1) -> Agent | Team:
    """The living agent or team that an order names, by GUID or name.

    A team may have no agents at present: they are found when the job starts. Raises AgentNotFound,
    AgentAmbiguous, TeamNotFound, TeamAmbiguous (all LookupErrors), TargetDisabled, each with a
    sentence for the client.
    """
    if who.kind is WhoKind.TEAM:
        return teams.find(session, who.reference, tenant)
    agent = roster.find(session, who.reference, tenant)
    if not agent.enabled:
        raise TargetDisabled(f"the agent {agent.name!r} is disabled")
    return agent
