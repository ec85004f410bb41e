"""Why somebody may do something or not: which role grants or denies, and where it counts."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.catalog.catalog import Catalog, DefinitionKind, DefinitionNotFound
from gateway.catalog.resources import ResourceNotFound, Resources
from gateway.fleet import roster, teams
from gateway.identity.permissions import Access, Explanation, Node, Permissions, Place, Scope
from gateway.identity.principals import Principal
from gateway.jobs import scopes
from gateway.jobs.places import Places
from gateway.jobs.service import JobNotFound, Jobs
from storage.database import Store
from storage.session import Session

_DEFINITIONS = {
    DefinitionKind.MODULE: Node.MODULES,
    DefinitionKind.PROJECT: Node.PROJECTS,
    DefinitionKind.RUN_BOOK: Node.RUN_BOOKS,
}


_WHO = frozenset({Node.AGENTS, Node.TEAMS})


@dataclass(frozen=True)
class Right:
    """What an operation of a surface needs; ``by_kind``: its node is that of its object.

    ``verb`` and ``path`` are its route, such as ``GET`` and ``jobs/{JOBID}``. The right to
    ``or_node`` will do as well; something of the nodes ``besides`` must be readable, too.
    """

    node: Node
    access: Access
    by_kind: bool = False
    verb: str = ""
    path: str = ""
    or_node: Node | None = None
    besides: tuple[Node, ...] = ()


def operations_of(rights: Mapping[str, Right], wanted: str) -> list[str]:
    """The operations of a name or a route, in any case; of a path alone those of all verbs."""
    key = " ".join(wanted.split()).casefold()
    return [
        name
        for name, right in rights.items()
        if key in {each.casefold() for each in (name, f"{right.verb} {right.path}", right.path)}
    ]


class ObjectNotFound(LookupError):
    """Nothing has this GUID or name."""


@dataclass(frozen=True)
class FoundBinding:
    """A role that somebody has: where in words, what it says of the node, whether it counts."""

    role: str
    scope: str
    says: Access
    counts: bool


@dataclass(frozen=True)
class Check:
    """One right that is asked for. ``object`` is empty where any object of the node would do."""

    node: str
    access: Access
    object: str
    allowed: bool
    reason: str
    roles: tuple[str, ...]
    bindings: tuple[FoundBinding, ...]


@dataclass(frozen=True)
class Explained:
    """Whether somebody may do something, and each right that this took."""

    allowed: bool
    verdict: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class _Object:
    node: Node
    words: str
    place: Place


class Explainer:
    """Explains by the same rule, and the same places, by which requests are decided."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        resources: Resources,
        jobs: Jobs,
        permissions: Permissions,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._resources = resources
        self._jobs = jobs
        self._permissions = permissions

    def explain(self, principal: Principal, right: Right, references: Sequence[str]) -> Explained:
        """Whether the principal may do what needs this right with these objects.

        Objects by GUID or name. One of another node than the right's must be readable; where none
        is of that node, what is made of them is asked for: a job of that module on that agent.
        Raises ObjectNotFound, and what says that a name is ambiguous.
        """
        with self._store.reading() as session:
            found = [self._object(session, Places(session), one) for one in references]
            asked = list(_asked(principal, self._chosen(principal, right, found), found))
            checks = tuple(self._check(session, principal, *one) for one in asked)
        refused = [check for check in checks if not check.allowed]
        return Explained(not refused, _verdict(refused), checks)

    def _chosen(self, principal: Principal, right: Right, found: Sequence[_Object]) -> Right:
        """The right, with its other node where that is meant or only that is had."""
        if right.or_node is None:
            return right
        nodes = {one.node for one in found}
        first, second = (
            self._permissions.explain(principal, node, right.access, None).allowed
            for node in (right.node, right.or_node)
        )
        other = right.or_node in nodes if nodes else second and not first
        return dataclasses.replace(right, node=right.or_node) if other else right

    def _check(
        self,
        session: Session,
        principal: Principal,
        node: Node,
        access: Access,
        words: str,
        place: Place | None,
    ) -> Check:
        told = self._permissions.explain(principal, node, access, place)
        return Check(
            node=str(node),
            access=access,
            object=words,
            allowed=told.allowed,
            reason=told.reason,
            roles=told.roles,
            bindings=_bindings(session, told),
        )

    def _object(self, session: Session, places: Places, reference: str) -> _Object:
        guid = roster.as_guid(reference)
        for find in (self._definition, self._agent, self._team, self._resource, self._job):
            found: _Object | None = find(session, places, reference, guid)
            if found is not None:
                return found
        raise ObjectNotFound(
            f"there is no module, project, run book, agent, team, resource or job {reference!r}; "
            "jobs are named by their id"
        )

    def _definition(
        self, session: Session, places: Places, reference: str, guid: UUID | None
    ) -> _Object | None:
        for kind in DefinitionKind:
            try:
                if guid is not None:
                    found = self._catalog.find(session, guid, kind)
                else:
                    found = self._catalog.find_by_name(session, kind, reference)
            except DefinitionNotFound:
                continue
            words = f"the {kind.word} {found.name!r}"
            return _Object(_DEFINITIONS[kind], words, places.definition(found))
        return None

    def _agent(
        self, session: Session, places: Places, reference: str, guid: UUID | None
    ) -> _Object | None:
        del guid
        try:
            agent = roster.find(session, reference)
        except roster.AgentNotFound:
            return None
        return _Object(Node.AGENTS, f"the agent {agent.name!r}", places.agent(agent))

    def _team(
        self, session: Session, places: Places, reference: str, guid: UUID | None
    ) -> _Object | None:
        del guid
        try:
            team = teams.find(session, reference)
        except teams.TeamNotFound:
            return None
        return _Object(Node.TEAMS, f"the team {team.name!r}", places.team(team))

    def _resource(
        self, session: Session, places: Places, reference: str, guid: UUID | None
    ) -> _Object | None:
        del guid
        try:
            resource = self._resources.resolve(session, reference)
        except ResourceNotFound:
            return None
        return _Object(Node.RESOURCES, f"the resource {resource.name!r}", places.resource(resource))

    def _job(
        self, session: Session, places: Places, reference: str, guid: UUID | None
    ) -> _Object | None:
        del session, reference
        if guid is None:
            return None
        try:
            job = self._jobs.get(guid)
        except JobNotFound:
            return None
        return _Object(Node.JOBS, f"the job {guid}", places.job(job))


_Asked = tuple[Node, Access, str, Place | None]


def _asked(principal: Principal, right: Right, found: Sequence[_Object]) -> Iterator[_Asked]:
    node = found[0].node if right.by_kind and found else right.node
    for other in right.besides:
        if all(one.node is not other for one in found):
            yield other, Access.READ, "", None
    if not found:
        yield node, right.access, "", None
        return
    for one in found:
        yield one.node, Access.READ, one.words, one.place
        if one.node is node and right.access is Access.MODIFY:
            yield one.node, Access.MODIFY, one.words, one.place
    if all(one.node is not node for one in found):
        words = " and ".join(one.words for one in found)
        for place in _made_with(principal, found):
            yield node, right.access, f"what is made with {words}", place


def _made_with(principal: Principal, found: Sequence[_Object]) -> Iterator[Place]:
    """The places of what is made of these: one for each definition with each agent or team."""
    who = [one for one in found if one.node in _WHO]
    what = [one for one in found if one.node not in _WHO]
    for inside in {one.place.folders for one in what} or {frozenset[int]()}:
        for belonging in {one.place.teams for one in who} or {frozenset[int]()}:
            yield Place(inside, belonging, principal.id)


def _verdict(refused: Sequence[Check]) -> str:
    if not refused:
        return "may do it"
    first = refused[0]
    if not first.object:
        return f"may not do it: {first.reason}"
    if first.access is Access.READ:
        return f"does not see {first.object}, as if it did not exist: {first.reason}"
    return f"may not do it with {first.object}: {first.reason}"


def _bindings(session: Session, told: Explanation) -> tuple[FoundBinding, ...]:
    described: dict[Scope, str] = {}
    for finding in told.findings:
        if finding.scope not in described:
            described[finding.scope] = scopes.described(session, finding.scope)
    return tuple(
        FoundBinding(one.role, described[one.scope], one.says, one.counts) for one in told.findings
    )
