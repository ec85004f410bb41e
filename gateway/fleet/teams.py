"""Teams: agents and teams under one name.

An agent belongs to a team because it was put into it, because a rule of the team fits it, or
because it belongs to a team that was put into it. Teams may be put into one another, in a circle,
too: the walk remembers where it has been.
"""

import enum
import functools
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import peewee
import pydantic

from gateway import moments, names
from gateway.catalog import changes, checks, folders
from gateway.catalog.changes import NameTaken
from gateway.catalog.definitions import Name
from gateway.catalog.folders import FolderKind
from gateway.catalog.shapes import Shape
from gateway.fleet import roster
from gateway.fleet.roster import Agent
from gateway.fleet.rules import Rule
from gateway.identity import audit
from gateway.identity.principals import Caller
from storage import models, statements
from storage.database import Store
from storage.remembered import Remembered
from storage.session import Row, Session
from storage.statements import named

_TEAM = models.Team
_MEMBER = models.TeamMember
_AGENT = models.Agent
# Jobs look their teams up, and each request of a narrowed login asks who belongs where.
_FOUND = Remembered(_TEAM, models.Folder)
_COMPOSED = Remembered(_TEAM, _MEMBER, models.Folder)

MOST_TOLD = 100
"""How many members of a team that is deleted the audit trail names."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class MemberKind(enum.IntEnum):
    """What is put into a team; stored, and the numbers of Dispatcher contract 2.2."""

    AGENT = 0
    TEAM = 1


class TeamNotFound(LookupError):
    """No team has this GUID or name."""

    @classmethod
    def of(cls, reference: str) -> Self:
        """In these words for one that somebody may not read, too."""
        return cls(f"there is no team with the GUID or name {reference.strip()!r}")


class TeamAmbiguous(LookupError):
    """Several teams in different folders have this name."""

    @classmethod
    def of(cls, reference: str, paths: Iterable[str]) -> Self:
        """Of teams in these folders."""
        places = [repr(path) for path in paths]
        return cls(
            f"{len(places)} teams are called {reference.strip()!r}, in the folders "
            f"{', '.join(places)}: name one by its GUID"
        )


class TeamRefused(ValueError):
    """A team cannot be as it is given; the message names the member at fault."""


class TeamContent(Shape):
    """What a team is apart from its members; ``folder`` is a path such as ``A/B``."""

    name: Name
    description: str = pydantic.Field(default="", max_length=4000)
    folder: str = ""
    rule: Rule | None = None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """The content of these values, all checked. Raises TeamRefused."""
        try:
            content = cls.model_validate(values)
            return content.model_copy(update={"folder": folders.clean(content.folder)})
        except pydantic.ValidationError as error:
            raise TeamRefused("; ".join(map(_told, error.errors()))) from error
        except folders.FolderPathError as error:
            raise TeamRefused(f"folder: {error}") from error


@dataclass(frozen=True)
class Team:
    """A team without its members; ``folder`` is a path."""

    id: int
    guid: uuid.UUID
    name: str
    folder: str
    folder_id: int | None
    description: str
    rule: Rule | None

    @property
    def content(self) -> TeamContent:
        """What can be changed in it."""
        return TeamContent(
            name=self.name, description=self.description, folder=self.folder, rule=self.rule
        )


def teams(session: Session, tenant: int = 1) -> list[Team]:
    """All teams, by name."""
    return [_team(row) for row in session.select(_ALL, {"tenant_id": tenant})]


def find(session: Session, reference: str, tenant: int = 1) -> Team:
    """The team with this GUID (braces and case do not matter) or name.

    Raises TeamNotFound, TeamAmbiguous.
    """
    read = functools.partial(_find, session, reference, tenant)
    return session.recall(_FOUND, (reference, tenant), read)


def agents_of(session: Session, team_ids: Iterable[int], tenant: int = 1) -> list[Agent]:
    """The agents that belong to any of the teams, each once, by name, enabled or not.

    Of an agent or team that was removed nothing is left. At most one query for each 512 agents.
    """
    composed = composition(session, tenant)
    within = composed.below(team_ids)
    if any(composed.teams[team_id].rule is not None for team_id in within):
        return [agent for agent in roster.agents(session, tenant) if composed.holds(within, agent)]
    return roster.living(session, composed.put_into(within))


@dataclass(frozen=True)
class Composition:
    """All teams with what was put into each, as it stands.

    ``agents`` and ``nested`` have the ids by the id of the team, ``outer`` the teams that a team
    was put into.
    """

    teams: Mapping[int, Team]
    agents: Mapping[int, frozenset[int]]
    nested: Mapping[int, frozenset[int]]
    outer: Mapping[int, frozenset[int]]

    @classmethod
    def made(cls, all_teams: Iterable[Team], members: Iterable[tuple[int, int, int]]) -> Self:
        """Of teams, and of ``(team, kind, member)``; members of no known team are left out."""
        known = {team.id: team for team in all_teams}
        put: dict[MemberKind, dict[int, set[int]]] = {kind: defaultdict(set) for kind in MemberKind}
        outer: dict[int, set[int]] = defaultdict(set)
        for team_id, kind, member_id in members:
            if team_id not in known or (kind == MemberKind.TEAM and member_id not in known):
                continue
            put[MemberKind(kind)][team_id].add(member_id)
            if kind == MemberKind.TEAM:
                outer[member_id].add(team_id)
        return cls(
            known, _fixed(put[MemberKind.AGENT]), _fixed(put[MemberKind.TEAM]), _fixed(outer)
        )

    def below(self, team_ids: Iterable[int]) -> frozenset[int]:
        """These teams and all within them; those that do not exist are left out."""
        return _reached(self.teams.keys() & set(team_ids), self.nested)

    def above(self, team_ids: Iterable[int]) -> frozenset[int]:
        """These teams and all that they are within."""
        return _reached(self.teams.keys() & set(team_ids), self.outer)

    def put_into(self, team_ids: Iterable[int]) -> set[int]:
        """The agents that were put into any of the teams themselves."""
        return {agent for team_id in team_ids for agent in self.agents.get(team_id, ())}

    def nested_in(self, team_id: int) -> list[int]:
        """The teams that were put into a team itself, by name."""
        put = self.nested.get(team_id, frozenset())
        return sorted(put, key=lambda inner: (names.key(self.teams[inner].name), inner))

    def fits(self, team_id: int, agent: Agent) -> bool:
        """Whether the team has a rule that the agent fits."""
        rule = self.teams[team_id].rule
        return rule is not None and rule.holds(agent)

    def holds(self, team_ids: Iterable[int], agent: Agent) -> bool:
        """Whether the agent was put into one of the teams or fits its rule; not nested."""
        return any(
            agent.id in self.agents.get(team_id, ()) or self.fits(team_id, agent)
            for team_id in team_ids
        )

    def teams_of(self, agent: Agent) -> frozenset[int]:
        """The teams that an agent belongs to in any way."""
        return self.above(team_id for team_id in self.teams if self.holds((team_id,), agent))

    def primary_of(self, agent: Agent) -> Team | None:
        """The primary team of an agent; one that it does not belong to (any more) is none."""
        team = self.teams.get(agent.primary_team_id or 0)
        return team if team and self.holds(self.below([team.id]), agent) else None


def composition(session: Session, tenant: int = 1) -> Composition:
    """The teams and their members as they stand, in two queries; for readers remembered."""
    return session.recall(_COMPOSED, tenant, functools.partial(_composed, session, tenant))


def settle_primaries(
    session: Session,
    before: Composition,
    team: Team,
    caller: Caller,
    now: int,
    comment: str,
    tenant: int,
) -> None:
    """Once who belongs to a team has changed: agents whose primary team that, or one around it,
    was, and who belong to it no more, have none. Each of them is audited.

    ``before`` is how teams were. For use in the unit of work that makes the change.
    """
    around = before.above([team.id])
    asked = _AGENT.select().where(
        _AGENT.tenant_id == tenant,
        _AGENT.deleted_at.is_null(),
        _AGENT.primary_team_id.is_null(False),
    )
    agents = [Agent.of(row) for row in session.rows(asked.order_by(_AGENT.id))]
    concerned = [agent for agent in agents if agent.primary_team_id in around]
    if not concerned:
        return
    composed = composition(session, tenant)
    for agent in concerned:
        if composed.primary_of(agent) is not None:
            continue
        session.execute(_AGENT.update(primary_team_id=None).where(_AGENT.id == agent.id))
        was = before.teams[agent.primary_team_id or 0]
        audit.record(
            session,
            caller,
            now,
            "membership",
            "agent",
            agent.guid,
            agent.name,
            {"primary": as_told([was])[0]},
            {"primary": None},
            comment,
            tenant,
        )


def as_told(members: Iterable[Agent | Team]) -> list[dict[str, str]]:
    """Agents and teams as the audit trail names them."""
    return [
        {"kind": kind_of(one).name.lower(), "guid": str(one.guid), "name": one.name}
        for one in members
    ]


def kind_of(member: Agent | Team) -> MemberKind:
    """Which of the two it is."""
    return MemberKind.TEAM if isinstance(member, Team) else MemberKind.AGENT


class Teams:
    """Makes, changes and deletes teams; each change is audited, with an optional comment."""

    def __init__(self, store: Store, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._now = now

    def create(
        self,
        content: TeamContent,
        caller: Caller,
        comment: str = "",
        guid: uuid.UUID | None = None,
        tenant: int = 1,
    ) -> Team:
        """Make a team without members. Raises TeamRefused, NameTaken, CommentRefused."""
        _check_texts(content)
        audit.check_comment(comment)

        def work(session: Session) -> Team:
            changes.one_at_a_time(session, tenant)
            _refuse_taken_name(session, content, None, tenant)
            made = moments.new_guid() if guid is None else guid
            _refuse_taken_guid(session, made, tenant)
            values = _values(session, content, tenant)
            session.execute(
                _TEAM.insert(guid=made, tenant_id=tenant, created_at=self._now(), **values)
            )
            team = find(session, str(made), tenant)
            self._record(session, caller, "create", team, None, _facts(team), comment, tenant)
            return team

        return self._store.unit_of_work(work)

    def update(
        self,
        guid: uuid.UUID,
        content: TeamContent,
        caller: Caller,
        comment: str = "",
        tenant: int = 1,
    ) -> Team:
        """Give a team another content; its members stay. Raises TeamNotFound and as ``create``.

        It is the primary team no more of agents that belonged to it by its rule alone.
        """
        _check_texts(content)
        audit.check_comment(comment)

        def work(session: Session) -> Team:
            changes.one_at_a_time(session, tenant)
            before = find(session, str(guid), tenant)
            composed = composition(session, tenant)
            _refuse_taken_name(session, content, before.id, tenant)
            values = _values(session, content, tenant)
            session.execute(_TEAM.update(**values).where(_TEAM.id == before.id))
            team = find(session, str(guid), tenant)
            if team != before:
                facts = (_facts(before), _facts(team))
                self._record(session, caller, "update", team, *facts, comment, tenant)
            if team.rule != before.rule:
                settle_primaries(session, composed, team, caller, self._now(), comment, tenant)
            return team

        return self._store.unit_of_work(work)

    def delete(self, guid: uuid.UUID, caller: Caller, comment: str = "", tenant: int = 1) -> None:
        """Delete a team: it leaves all teams, and is nobody's primary team.

        Nor are the teams around it, of agents that belonged to those through it.
        Raises TeamNotFound, CommentRefused.
        """
        audit.check_comment(comment)

        def work(session: Session) -> None:
            changes.one_at_a_time(session, tenant)
            team = find(session, str(guid), tenant)
            composed = composition(session, tenant)
            before = _facts(team) | _members_told(session, composed, team)
            as_member = (_MEMBER.kind == MemberKind.TEAM) & (_MEMBER.member_id == team.id)
            session.execute(_MEMBER.delete().where((_MEMBER.team_id == team.id) | as_member))
            session.execute(_TEAM.update(deleted_at=self._now()).where(_TEAM.id == team.id))
            self._record(session, caller, "delete", team, before, None, comment, tenant)
            settle_primaries(session, composed, team, caller, self._now(), comment, tenant)

        self._store.unit_of_work(work)

    def _record(
        self,
        session: Session,
        caller: Caller,
        action: str,
        team: Team,
        before: object,
        after: object,
        comment: str,
        tenant: int,
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            action,
            "team",
            team.guid,
            team.name,
            before,
            after,
            comment,
            tenant,
        )


def _placed() -> Any:
    """Living teams with the path of their folder; NULL at the root."""
    folder = models.Folder
    query = _TEAM.select(_TEAM, folder.path).join(
        folder, peewee.JOIN.LEFT_OUTER, on=(folder.id == _TEAM.folder_id)
    )
    return query.where(_TEAM.tenant_id == named(_TEAM.tenant_id), _TEAM.deleted_at.is_null())


_ALL = statements.Statement(lambda: _placed().order_by(_TEAM.name_key, _TEAM.id))
_BY_GUID = statements.Statement(lambda: _placed().where(_TEAM.guid == named(_TEAM.guid)))
_BY_NAME = statements.Statement(
    lambda: _placed().where(_TEAM.name_key == named(_TEAM.name_key)).order_by(_TEAM.id)
)
_MEMBERS = statements.Statement(
    lambda: (
        _MEMBER.select(_MEMBER.team_id, _MEMBER.kind, _MEMBER.member_id)
        .join(_TEAM, on=(_TEAM.id == _MEMBER.team_id))
        .where(_TEAM.tenant_id == named(_TEAM.tenant_id), _TEAM.deleted_at.is_null())
    )
)


def _find(session: Session, reference: str, tenant: int) -> Team:
    guid = roster.as_guid(reference)
    by_guid = [] if guid is None else session.select(_BY_GUID, {"tenant_id": tenant, "guid": guid})
    key = {"tenant_id": tenant, "name_key": names.key(reference)}
    found = by_guid or session.select(_BY_NAME, key)
    if not found:
        raise TeamNotFound.of(reference)
    if len(found) > 1:
        raise TeamAmbiguous.of(reference, (row["path"] or "" for row in found))
    return _team(found[0])


def _team(row: Row) -> Team:
    return Team(
        id=row["id"],
        guid=row["guid"],
        name=row["name"],
        folder=row["path"] or "",
        folder_id=row["folder_id"],
        description=row["description"],
        rule=None if row["rule"] is None else Rule.model_validate(row["rule"]),
    )


def _composed(session: Session, tenant: int) -> Composition:
    members = session.select(_MEMBERS, {"tenant_id": tenant})
    put = ((row["team_id"], row["kind"], row["member_id"]) for row in members)
    return Composition.made(teams(session, tenant), put)


def _reached(start: Iterable[int], steps: Mapping[int, frozenset[int]]) -> frozenset[int]:
    """All that can be reached from the start, itself included."""
    seen = set(start)
    ahead = list(seen)
    while ahead:
        new = steps.get(ahead.pop(), frozenset()) - seen
        seen |= new
        ahead += new
    return frozenset(seen)


def _fixed(sets: Mapping[int, set[int]]) -> Mapping[int, frozenset[int]]:
    return {key: frozenset(values) for key, values in sets.items()}


def _values(session: Session, content: TeamContent, tenant: int) -> dict[str, Any]:
    rule = content.rule
    return {
        "folder_id": folders.ensure(session, FolderKind.TEAM, content.folder, tenant),
        "name": content.name,
        "name_key": names.key(content.name),
        "description": content.description,
        "rule": None if rule is None else rule.model_dump(mode="json"),
    }


def _members_told(session: Session, composed: Composition, team: Team) -> dict[str, Any]:
    """Who was put into a team: how many of each kind, and the first of them by name."""
    agents = roster.living(session, composed.agents.get(team.id, ()))
    inner = [composed.teams[one] for one in composed.nested_in(team.id)]
    return {
        "agents": len(agents),
        "teams": len(inner),
        "members": [*as_told(agents[:MOST_TOLD]), *as_told(inner)][:MOST_TOLD],
    }


def _check_texts(content: TeamContent) -> None:
    faults = [str(fault) for fault in checks.text_faults(content.model_dump(mode="json"))]
    if _CONTROL.search(content.name):
        faults.append("name: must be one line, without control characters")
    if faults:
        raise TeamRefused("; ".join(faults))


def _refuse_taken_name(
    session: Session, content: TeamContent, own: int | None, tenant: int
) -> None:
    key = {"tenant_id": tenant, "name_key": names.key(content.name)}
    place = folders.path_key(content.folder)
    for row in session.select(_BY_NAME, key):
        if row["id"] != own and folders.path_key(row["path"] or "") == place:
            raise NameTaken("team", content.name, content.folder)


def _refuse_taken_guid(session: Session, guid: uuid.UUID, tenant: int) -> None:
    """A deleted team's GUID stays its own: the audit trail and old jobs name it."""
    query = _TEAM.select(_TEAM.id).where(_TEAM.tenant_id == tenant, _TEAM.guid == guid)
    if session.scalar(query) is not None:
        raise TeamRefused(f"guid: {guid} belongs to another team, or did once")


def _facts(team: Team) -> dict[str, Any]:
    return team.content.model_dump(mode="json")


def _told(error: Any) -> str:
    path = ".".join(map(str, error["loc"]))
    sentence = error["msg"].removeprefix("Value error, ")
    return f"{path}: {sentence}" if path else sentence
