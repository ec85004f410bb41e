"""Putting agents and teams into teams, and taking them out again.

What is changed here is who was put into a team, itself. Who belongs to it by a rule, or because it
belongs to a team within it, is found by ``teams``. All of a change happens or nothing does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.catalog import changes
from gateway.fleet import roster, teams
from gateway.fleet.roster import Agent
from gateway.fleet.teams import (
    Composition,
    MemberKind,
    Team,
    as_told,
    kind_of,
    settle_primaries,
)
from gateway.identity import audit
from gateway.identity.principals import Caller
from storage import models
from storage.database import Store
from storage.session import Session

_MEMBER = models.TeamMember
_AGENT = models.Agent

MOST_REFERENCES = 1000
NO_TEAM = ""
"""In place of a reference to the primary team: the agent is to have none."""


class MembershipRefused(ValueError):
    """A change cannot be made; ``path`` names the member at fault, ``RemoveFrom[0]``."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}")
        self.path = path


@dataclass(frozen=True)
class AgentChange:
    """What is to become of an agent: teams by GUID or name; ``primary`` None keeps what is."""

    add_to: Sequence[str] = ()
    remove_from: Sequence[str] = ()
    primary: str | None = None


@dataclass(frozen=True)
class Reference:
    """An agent or a team, by GUID or name."""

    text: str
    kind: MemberKind = MemberKind.AGENT


@dataclass(frozen=True)
class TeamChange:
    """What is to become of a team's members."""

    add: Sequence[Reference] = ()
    remove: Sequence[Reference] = ()


@dataclass(frozen=True)
class AgentMembership:
    """The teams of an agent, by name: into which it was put, and whose rule it fits."""

    agent: Agent
    teams: tuple[Team, ...]
    by_rule: tuple[Team, ...]
    primary: Team | None


@dataclass(frozen=True)
class TeamMembership:
    """The members of a team, by name: put into it, and agents that fit its rule."""

    team: Team
    agents: tuple[Agent, ...]
    teams: tuple[Team, ...]
    by_rule: tuple[Agent, ...]


class Memberships:
    """Changes who is in which team; each change is audited, with an optional comment.

    Adding a member that is there and removing one that is not is passed over, and a call that so
    changes nothing leaves no trace.
    """

    def __init__(self, store: Store, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._now = now

    def change_agent(
        self, agent: str, change: AgentChange, caller: Caller, comment: str = "", tenant: int = 1
    ) -> AgentMembership:
        """Put an agent into teams and take it out of others.

        A primary team that it does not belong to it is put into; one that it does not belong to
        afterwards is its primary team no more. Raises AgentNotFound, AgentAmbiguous,
        MembershipRefused, CommentRefused.
        """
        audit.check_comment(comment)
        _check_length("AddTo", change.add_to)
        _check_length("RemoveFrom", change.remove_from)

        def work(session: Session) -> AgentMembership:
            changes.one_at_a_time(session, tenant)
            found = roster.find(session, agent, tenant)
            before = of_agent(session, found, tenant)
            self._change_agent(session, found, change, tenant)
            after = of_agent(session, roster.find(session, str(found.guid), tenant), tenant)
            was, became = facts(before), facts(after)
            if was != became:
                self._record(session, caller, "agent", found, was, became, comment, tenant)
            return after

        return self._store.unit_of_work(work)

    def change_team(
        self, team: str, change: TeamChange, caller: Caller, comment: str = "", tenant: int = 1
    ) -> TeamMembership:
        """Put agents and teams into a team and take others out of it.

        It, and each team around it, is the primary team no more of agents that belonged to it
        through what is taken out; each of them is audited. A team is within itself
        anyway. Raises TeamNotFound, TeamAmbiguous, MembershipRefused, CommentRefused.
        """
        audit.check_comment(comment)
        _check_length("Add", change.add)
        _check_length("Remove", change.remove)

        def work(session: Session) -> TeamMembership:
            changes.one_at_a_time(session, tenant)
            found = teams.find(session, team, tenant)
            composed = teams.composition(session, tenant)
            added, removed = self._change_team(session, composed, found, change, tenant)
            after = of_team(session, found, tenant)
            if added or removed:
                was = _counts(composed, found)
                became = _counts(teams.composition(session, tenant), found)
                became |= {"added": as_told(added), "removed": as_told(removed)}
                self._record(session, caller, "team", found, was, became, comment, tenant)
            if removed:
                settle_primaries(session, composed, found, caller, self._now(), comment, tenant)
            return after

        return self._store.unit_of_work(work)

    def _change_agent(
        self, session: Session, agent: Agent, change: AgentChange, tenant: int
    ) -> None:
        composed = teams.composition(session, tenant)
        add = _teams(session, "AddTo", change.add_to, tenant)
        remove = _teams(session, "RemoveFrom", change.remove_from, tenant)
        primary = _primary(session, change.primary, tenant)
        _refuse_both("RemoveFrom", remove, add)
        if primary is not None:
            _refuse_both("RemoveFrom", remove, [primary])
        for index, team in enumerate(remove):
            _refuse_by_rule(composed, f"RemoveFrom[{index}]", team, agent)
        own = {team.id for team in remove if _is_in(composed, team, agent)}
        _remove(session, MemberKind.AGENT, [agent], own)
        _put_into(
            session, agent, [team for team in _once(add) if not _is_in(composed, team, agent)]
        )
        if primary is not None:
            # Asked again: what it was taken out of may have been its way into this one.
            if primary.id not in teams.composition(session, tenant).teams_of(agent):
                _put_into(session, agent, [primary])
            _set_primary(session, agent, primary.id)
        elif change.primary is not None or _has_lost_primary(session, agent, tenant):
            # The entry of this change tells of it.
            _set_primary(session, agent, None)

    def _change_team(
        self, session: Session, composed: Composition, team: Team, change: TeamChange, tenant: int
    ) -> tuple[list[Agent | Team], list[Agent | Team]]:
        """Make the change; who was added and who was removed."""
        add = _members(session, "Add", change.add, tenant)
        remove = _members(session, "Remove", change.remove, tenant)
        _refuse_both("Remove", remove, add)
        for index, member in enumerate(remove):
            if isinstance(member, Agent):
                _refuse_by_rule(composed, f"Remove[{index}]", team, member)
        added = [one for one in _once(add) if one != team and not _is_in(composed, team, one)]
        removed = [one for one in _once(remove) if _is_in(composed, team, one)]
        _insert(session, [(team.id, kind_of(one), one.id) for one in added])
        for kind in MemberKind:
            _remove(session, kind, [one for one in removed if kind_of(one) is kind], {team.id})
        return added, removed

    def _record(
        self,
        session: Session,
        caller: Caller,
        kind: str,
        changed: Agent | Team,
        before: object,
        after: object,
        comment: str,
        tenant: int,
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            "membership",
            kind,
            changed.guid,
            changed.name,
            before,
            after,
            comment,
            tenant,
        )


def of_agent(session: Session, agent: Agent, tenant: int = 1) -> AgentMembership:
    """The teams of an agent as they are."""
    composed = teams.composition(session, tenant)
    own = [team for team in composed.teams.values() if _is_in(composed, team, agent)]
    by_rule = [team for team in composed.teams.values() if composed.fits(team.id, agent)]
    return AgentMembership(agent, tuple(own), tuple(by_rule), composed.primary_of(agent))


def of_team(session: Session, team: Team, tenant: int = 1) -> TeamMembership:
    """The members of a team as they are; whom it has through teams within it is not listed."""
    composed = teams.composition(session, tenant)
    by_rule: list[Agent] = []
    if team.rule is not None:
        by_rule = [one for one in roster.agents(session, tenant) if composed.fits(team.id, one)]
    return TeamMembership(
        team,
        tuple(roster.living(session, composed.agents.get(team.id, ()))),
        tuple(composed.teams[inner] for inner in composed.nested_in(team.id)),
        tuple(by_rule),
    )


def forget_agent(session: Session, agent: Agent) -> list[int]:
    """Take an agent that goes out of all teams; their ids. For use in a unit of work."""
    own = (_MEMBER.kind == MemberKind.AGENT) & (_MEMBER.member_id == agent.id)
    left = [row["team_id"] for row in session.rows(_MEMBER.select(_MEMBER.team_id).where(own))]
    session.execute(_MEMBER.delete().where(own))
    return left


def _check_length(path: str, references: Sequence[object]) -> None:
    if len(references) > MOST_REFERENCES:
        raise MembershipRefused(path, f"names more than {MOST_REFERENCES}: send them in portions")


def _teams(session: Session, path: str, references: Iterable[str], tenant: int) -> list[Team]:
    return [
        _team(session, f"{path}[{index}]", reference, tenant)
        for index, reference in enumerate(references)
    ]


def _team(session: Session, path: str, reference: str, tenant: int) -> Team:
    try:
        return teams.find(session, reference, tenant)
    except (teams.TeamNotFound, teams.TeamAmbiguous) as error:
        raise MembershipRefused(path, str(error)) from error


def _primary(session: Session, reference: str | None, tenant: int) -> Team | None:
    if reference is None or reference == NO_TEAM:
        return None
    return _team(session, "PrimaryTeam", reference, tenant)


def _members(
    session: Session, path: str, references: Iterable[Reference], tenant: int
) -> list[Agent | Team]:
    return [
        _member(session, f"{path}[{index}]", reference, tenant)
        for index, reference in enumerate(references)
    ]


def _member(session: Session, path: str, reference: Reference, tenant: int) -> Agent | Team:
    if reference.kind is MemberKind.TEAM:
        return _team(session, path, reference.text, tenant)
    try:
        return roster.find(session, reference.text, tenant)
    except (roster.AgentNotFound, roster.AgentAmbiguous) as error:
        raise MembershipRefused(path, str(error)) from error


def _refuse_both(path: str, remove: Sequence[Agent | Team], add: Sequence[Agent | Team]) -> None:
    kept = {(kind_of(one), one.id) for one in add}
    for index, one in enumerate(remove):
        if (kind_of(one), one.id) in kept:
            sentence = f"{one.name!r} is to be added and removed at once: name it in one place"
            raise MembershipRefused(f"{path}[{index}]", sentence)


def _refuse_by_rule(composed: Composition, path: str, team: Team, agent: Agent) -> None:
    if composed.fits(team.id, agent):
        raise MembershipRefused(
            path,
            f"the agent {agent.name!r} belongs to the team {team.name!r} by the team's rule: "
            "change the rule instead",
        )


def _is_in(composed: Composition, team: Team, member: Agent | Team) -> bool:
    """Whether the member was put into the team itself."""
    put = composed.nested if isinstance(member, Team) else composed.agents
    return member.id in put.get(team.id, ())


def _once(members: Iterable[Any]) -> list[Any]:
    """Each once: a client may name one twice, by GUID and by name."""
    return list({(kind_of(one), one.id): one for one in members}.values())


def _insert(session: Session, members: Sequence[tuple[int, MemberKind, int]]) -> None:
    for team_id, kind, member_id in members:
        values = {"team_id": team_id, "kind": kind, "member_id": member_id}
        session.execute(_MEMBER.insert(**values))


def _put_into(session: Session, agent: Agent, found: Iterable[Team]) -> None:
    _insert(session, [(team.id, MemberKind.AGENT, agent.id) for team in found])


def _remove(
    session: Session, kind: MemberKind, members: Sequence[Agent | Team], team_ids: set[int]
) -> None:
    if members and team_ids:
        of_these = _MEMBER.member_id.in_([one.id for one in members])
        session.execute(
            _MEMBER.delete().where(
                _MEMBER.team_id.in_(sorted(team_ids)), _MEMBER.kind == kind, of_these
            )
        )


def _set_primary(session: Session, agent: Agent, team_id: int | None) -> None:
    session.execute(_AGENT.update(primary_team_id=team_id).where(_AGENT.id == agent.id))


def _has_lost_primary(session: Session, agent: Agent, tenant: int) -> bool:
    if agent.primary_team_id is None:
        return False
    return teams.composition(session, tenant).primary_of(agent) is None


def facts(membership: AgentMembership) -> dict[str, Any]:
    """What the audit trail says of an agent's teams."""
    primary = membership.primary
    return {
        "teams": as_told(membership.teams),
        "primary": None if primary is None else as_told([primary])[0],
    }


def _counts(composed: Composition, team: Team) -> dict[str, Any]:
    """How many members a team has; all of them would make an entry of any length."""
    return {
        "agents": len(composed.agents.get(team.id, ())),
        "teams": len(composed.nested.get(team.id, ())),
    }
