"""What a login whose rights do not reach everywhere may change in teams, and what it is shown.

Who may modify a team decides who belongs to it, and so how far roles that are bound to it reach.
"""

import dataclasses
from collections.abc import Sequence

from gateway.fleet import teams
from gateway.fleet.membership import (
    MOST_REFERENCES,
    AgentChange,
    AgentMembership,
    MembershipRefused,
    Reference,
    TeamChange,
    TeamMembership,
)
from gateway.fleet.roster import Agent, AgentAmbiguous, AgentNotFound
from gateway.fleet.teams import MemberKind, Team, TeamAmbiguous, TeamNotFound
from gateway.identity.permissions import Access, Node, Place
from gateway.jobs.places import Places
from gateway.jobs.sight import Seen
from gateway.surfaces.dispatcher.operation import Call
from gateway.web.authentication import MissingRight
from storage.session import Session

_UNKNOWN = (AgentNotFound, AgentAmbiguous, TeamNotFound, TeamAmbiguous)


def agent_change(call: Call, agent: str, change: AgentChange) -> tuple[str, AgentChange]:
    """The agent and the change, with GUIDs for all that is named.

    The agent must be readable and each team modifiable; what may not be read does not exist.
    Raises AgentNotFound, AgentAmbiguous, MembershipRefused, MissingRight.
    """
    if _reaches_all(call) or _is_too_long(change.add_to, change.remove_from):
        return agent, change
    with call.services.store.reading() as session:
        seen = _seen(call, session)
        found, _ = seen.agent(agent)
        if change.primary is not None:
            # Another one displaces the present one.
            _may_leave_primary(call, session, found)
        return str(found.guid), AgentChange(
            [_team(call, seen, f"AddTo[{i}]", one) for i, one in enumerate(change.add_to)],
            [
                _team(call, seen, f"RemoveFrom[{i}]", one)
                for i, one in enumerate(change.remove_from)
            ],
            _team(call, seen, "PrimaryTeam", change.primary) if change.primary else change.primary,
        )


def team_change(call: Call, team: str, change: TeamChange) -> tuple[str, TeamChange]:
    """The team and the change, with GUIDs for all that is named.

    The team must be modifiable and each member readable; what may not be read does not exist.
    Raises TeamNotFound, TeamAmbiguous, MembershipRefused, MissingRight.
    """
    if _reaches_all(call) or _is_too_long(change.add, change.remove):
        return team, change
    with call.services.store.reading() as session:
        seen = _seen(call, session)
        found, place = seen.team(team)
        _may_change(call, found, place)
        return str(found.guid), TeamChange(
            [_member(seen, f"Add[{i}]", one) for i, one in enumerate(change.add)],
            [_member(seen, f"Remove[{i}]", one) for i, one in enumerate(change.remove)],
        )


def removable(call: Call, agent: str) -> str:
    """The agent to remove, by its GUID where the right does not reach everywhere.

    Raises AgentNotFound, AgentAmbiguous, MissingRight.
    """
    reading, changing = (call.reach(Node.AGENTS, access) for access in (Access.READ, Access.MODIFY))
    if reading.everywhere and changing.everywhere:
        return agent
    with call.services.store.reading() as session:
        found, place = Seen(session, reading, None).agent(agent)
    if not changing.covers(place):
        raise MissingRight(call.caller, Node.AGENTS, Access.MODIFY, f"the agent {found.name!r}")
    return str(found.guid)


def shown_agent(call: Call, changed: AgentMembership) -> AgentMembership:
    """The teams of an agent that the caller may read."""
    primary = [] if changed.primary is None else [changed.primary]
    return dataclasses.replace(
        changed,
        teams=tuple(call.readable(Node.TEAMS, changed.teams, Places.team)),
        by_rule=tuple(call.readable(Node.TEAMS, changed.by_rule, Places.team)),
        primary=next(iter(call.readable(Node.TEAMS, primary, Places.team)), None),
    )


def shown_team(call: Call, changed: TeamMembership) -> TeamMembership:
    """The members of a team that the caller may read."""
    return dataclasses.replace(
        changed,
        agents=tuple(call.readable(Node.AGENTS, changed.agents, Places.agent)),
        teams=tuple(call.readable(Node.TEAMS, changed.teams, Places.team)),
        by_rule=tuple(call.readable(Node.AGENTS, changed.by_rule, Places.agent)),
    )


def _reaches_all(call: Call) -> bool:
    needed = (
        (Node.AGENTS, Access.READ),
        (Node.TEAMS, Access.READ),
        (Node.TEAMS, Access.MODIFY),
    )
    return all(call.reach(node, access).everywhere for node, access in needed)


def _is_too_long(*references: Sequence[object]) -> bool:
    """Whether the change is refused anyway, before anything is looked up."""
    return any(len(some) > MOST_REFERENCES for some in references)


def _seen(call: Call, session: Session) -> Seen:
    return Seen(session, call.reach(Node.AGENTS, Access.READ), call.reach(Node.TEAMS, Access.READ))


def _team(call: Call, seen: Seen, path: str, reference: str) -> str:
    try:
        found, place = seen.team(reference)
    except _UNKNOWN as error:
        raise MembershipRefused(path, str(error)) from error
    _may_change(call, found, place)
    return str(found.guid)


def _member(seen: Seen, path: str, reference: Reference) -> Reference:
    find = seen.team if reference.kind is MemberKind.TEAM else seen.agent
    try:
        found, _ = find(reference.text)
    except _UNKNOWN as error:
        raise MembershipRefused(path, str(error)) from error
    return Reference(str(found.guid), reference.kind)


def _may_leave_primary(call: Call, session: Session, agent: Agent) -> None:
    """An agent that is to have no primary team leaves the one that it has."""
    team = teams.composition(session).primary_of(agent)
    if team is not None:
        _may_change(call, team, Places(session).team(team), "its primary team")


def _may_change(call: Call, team: Team, place: Place, words: str = "") -> None:
    if not call.reach(Node.TEAMS, Access.MODIFY).covers(place):
        words = words or f"the team {team.name!r}"
        raise MissingRight(call.caller, Node.TEAMS, Access.MODIFY, words)
