"""The operations on agents and teams."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway import names
from gateway.fleet import roster, team_report, teams
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Team
from gateway.identity.permissions import Access, Node
from gateway.jobs.places import Places
from gateway.surfaces.dispatcher import mapping, member_rights, messages
from gateway.surfaces.dispatcher.operation import Argument, Call, Operation, Place, query
from gateway.wire.messages import list_of
from gateway.wire.scalars import BOOLEAN, TEXT


def _get_who(
    call: Call,
    agents: bool | None,
    teams: bool | None,
    online: bool | None,
    licensed: bool | None,
    search: str | None,
) -> tuple[messages.JobWho, ...]:
    del licensed  # every agent of this installation is
    with_agents, with_teams = _kinds(agents, teams)
    found: list[Agent | Team] = []
    if with_agents:
        found += _agents(call, online_only=bool(online))
    if with_teams:
        found += _teams(call)
    part = names.key(search or "")
    listed = [(names.key(one.name), one) for one in found]
    fitting = [pair for pair in listed if part in pair[0]]
    return tuple(_shown(one) for _, one in sorted(fitting, key=lambda pair: pair[0]))


def _kinds(agents: bool | None, teams: bool | None) -> tuple[bool, bool]:
    """Whether agents are asked for, and teams: what is not said is the other way round, or both."""
    if agents is None and teams is None:
        return True, True
    return (not teams if agents is None else agents), (not agents if teams is None else teams)


def _agents(call: Call, *, online_only: bool) -> list[Agent]:
    services = call.services
    with services.store.reading() as session:
        found = roster.agents(session)
    now = services.now()
    return [
        agent
        for agent in call.readable(Node.AGENTS, found, Places.agent)
        if not online_only or agent.online(now, services.offline_after)
    ]


def _teams(call: Call) -> list[Team]:
    with call.services.store.reading() as session:
        found = teams.teams(session)
    return call.readable(Node.TEAMS, found, Places.team)


def _shown(found: Agent | Team) -> messages.JobWho:
    return mapping.agent(found) if isinstance(found, Agent) else mapping.team(found)


def _node_of_list(arguments: Mapping[str, Any]) -> Node:
    with_agents, _ = _kinds(arguments.get("agents"), arguments.get("teams"))
    return Node.AGENTS if with_agents else Node.TEAMS


def _modify_agent_membership(
    call: Call, membership: messages.AgentMembership
) -> messages.AgentMembership:
    named = mapping.named("Agent", membership.Agent, messages.JobWhoType.Agent)
    agent, change = member_rights.agent_change(call, named, mapping.agent_change(membership))
    changed = call.services.memberships.change_agent(
        agent, change, call.caller, membership.Comment or ""
    )
    return mapping.agent_membership(member_rights.shown_agent(call, changed))


def _modify_team_membership(
    call: Call, membership: messages.TeamMembership
) -> messages.TeamMembership:
    named = mapping.named("Team", membership.Team, messages.JobWhoType.Team)
    team, change = member_rights.team_change(call, named, mapping.team_change(membership))
    changed = call.services.memberships.change_team(
        team, change, call.caller, membership.Comment or ""
    )
    return mapping.team_membership(member_rights.shown_team(call, changed))


def _remove_agent(call: Call, removal: messages.AgentRemoval) -> messages.AgentRemoval:
    named = mapping.named("Agent", removal.Agent, messages.JobWhoType.Agent)
    agent = member_rights.removable(call, named)
    removed = call.services.removal.remove(agent, call.caller, removal.Comment or "")
    return mapping.removal(removed)


def _get_teams_report(call: Call) -> Iterator[messages.TeamReport]:
    services = call.services
    shown = {team.id for team in _teams(call)}
    found = team_report.report(
        services.store,
        services.now(),
        services.offline_after,
        shown,
        services.give_way,
        _denied_agents(call),
    )
    return map(mapping.team_report, found)


def _denied_agents(call: Call) -> frozenset[int]:
    """The agents that the caller is denied: the right to a team shows its agents, but not these."""
    reach = call.reach(Node.AGENTS, Access.READ)
    if not reach.denying:
        return frozenset()
    with call.services.store.reading() as session:
        places = Places(session)
        return frozenset(
            agent.id for agent in roster.agents(session) if reach.denies(places.agent(agent))
        )


def _nothing(_arguments: Mapping[str, Any]) -> tuple[()]:
    """What a list holds for who may read none of it."""
    return ()


WHO_OPERATIONS = (
    Operation(
        "GetWho",
        "GET",
        "who",
        "Lists agents and teams, by name.",
        Node.AGENTS,
        Access.READ,
        (
            query("agents", BOOLEAN, "Agents; listed unless only teams are asked for."),
            query("teams", BOOLEAN, "Teams; listed unless only agents are asked for."),
            # A client sends False with every call and means "not only those".
            query("online", BOOLEAN, "True: of the agents only those that are online."),
            query("licensed", BOOLEAN, "True: of the agents only those that are licensed."),
            query("search", TEXT, "A part of the name.", sample="PC"),
        ),
        list_of(messages.JobWho),
        _get_who,
        _nothing,
        _node_of_list,
        Node.TEAMS,
    ),
    Operation(
        "ModifyAgentMembership",
        "POST",
        "agentmembership",
        "Puts an agent into teams, takes it out of others, and sets its primary team.",
        Node.TEAMS,
        Access.MODIFY,
        (
            Argument(
                "membership",
                "",
                "membership",
                Place.BODY,
                messages.AgentMembership,
                "The agent and what is to change.",
            ),
        ),
        messages.AgentMembership,
        _modify_agent_membership,
        besides=(Node.AGENTS,),
    ),
    Operation(
        "ModifyTeamMembership",
        "POST",
        "teammembership",
        "Puts agents and teams into a team and takes others out of it.",
        Node.TEAMS,
        Access.MODIFY,
        (
            Argument(
                "membership",
                "",
                "membership",
                Place.BODY,
                messages.TeamMembership,
                "The team and what is to change.",
            ),
        ),
        messages.TeamMembership,
        _modify_team_membership,
        besides=(Node.AGENTS,),
    ),
    Operation(
        "RemoveAgent",
        "POST",
        "removeagent",
        "Removes an agent that is offline, and ends what it had to do.",
        Node.AGENTS,
        Access.MODIFY,
        (Argument("removal", "", "removal", Place.BODY, messages.AgentRemoval, "The agent."),),
        messages.AgentRemoval,
        _remove_agent,
    ),
    Operation(
        "GetTeamsReport",
        "GET",
        "report/teams",
        "Lists all teams with the agents that belong to each.",
        Node.TEAMS,
        Access.READ,
        (),
        list_of(messages.TeamReport),
        _get_teams_report,
        _nothing,
    ),
)
