"""What principals may do, and where: the rule of roles, and the answers of the store to it."""

import enum
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import peewee

from gateway.identity.epoch import SecurityEpoch
from gateway.identity.principals import Principal
from storage import models
from storage.database import Store
from storage.session import Session

EVERY_NODE = "*"
"""In a role: every node that the role does not name."""


class Access(enum.IntEnum):
    """What a role says about a node, and what is asked for; stored. MODIFY includes READ."""

    UNSET = 0
    READ = 1
    MODIFY = 2
    DENY = 3


class Node(enum.StrEnum):
    """What there is to read and modify. Surfaces may ask for other nodes, by any text."""

    MODULES = "Modules"
    PROJECTS = "Projects"
    RUN_BOOKS = "RunBooks"
    AGENTS = "Agents"
    TEAMS = "Teams"
    JOBS = "Jobs"
    RESOURCES = "Resources"
    REPORTS = "Reports"
    LOGINS = "Logins"
    SETTINGS = "Settings"


class ScopeKind(enum.IntEnum):
    """Where a role counts, by kind of place; stored. GLOBAL needs no place."""

    GLOBAL = 0
    FOLDER = 1
    TEAM = 2
    ENVIRONMENT = 3
    LICENCE_SCENARIO = 4
    OWN = 5


@dataclass(frozen=True)
class RolePermissions:
    """A role as the rule sees it: node to access."""

    name: str
    permissions: Mapping[str, Access]

    def says(self, node: str) -> Access:
        """What the role says about a node, by name or else about every node."""
        everywhere = self.permissions.get(EVERY_NODE, Access.UNSET)
        return self.permissions.get(node, everywhere)


@dataclass(frozen=True)
class Place:
    """Where an object lies.

    ``folders`` are the ids of its folder and of those above it, ``teams`` those of the teams that
    it belongs to, as a member of a member, too; ``owner`` is the id of the principal whose it is.
    """

    folders: frozenset[int] = frozenset()
    teams: frozenset[int] = frozenset()
    owner: int | None = None


NOWHERE = Place()
"""Of what lies in no folder and no team and is nobody's: only roles that count everywhere do."""


@dataclass(frozen=True)
class Scope:
    """Where a role counts; ``id`` is that of the folder or team."""

    kind: ScopeKind
    id: int = 0

    def covers(self, place: Place, principal_id: int) -> bool:
        """Whether an object at this place lies in the scope, for the principal who has it."""
        match self.kind:
            case ScopeKind.GLOBAL:
                return True
            case ScopeKind.FOLDER:
                return self.id in place.folders
            case ScopeKind.TEAM:
                return self.id in place.teams
            case ScopeKind.OWN:
                return place.owner == principal_id
            case _:
                # No object has a place of this kind yet.
                return False


EVERYWHERE = Scope(ScopeKind.GLOBAL)
OWN = Scope(ScopeKind.OWN)


@dataclass(frozen=True)
class Binding:
    """A role that a principal has within a scope."""

    role: RolePermissions
    scope: Scope = EVERYWHERE


@dataclass(frozen=True)
class Reach:
    """How far one principal's READ or MODIFY access to one node reaches.

    ``said`` is what his roles say about the node, each with its scope; silence is left out.
    """

    principal_id: int
    wanted: Access
    said: tuple[tuple[Scope, Access], ...]

    @functools.cached_property
    def everywhere(self) -> bool:
        """Whether all objects of the node are covered, wherever they lie."""
        denied = any(access is Access.DENY for _, access in self.said)
        return not denied and self.covers(NOWHERE)

    @functools.cached_property
    def anywhere(self) -> bool:
        """Whether there may be a place that is covered."""
        denied = any(said == (EVERYWHERE, Access.DENY) for said in self.said)
        return not denied and bool(self.granting)

    @property
    def granting(self) -> tuple[Scope, ...]:
        """The scopes of the roles that say enough; a place is covered by one of them or not."""
        return tuple(scope for scope, access in self.said if permits(access, self.wanted))

    @property
    def denying(self) -> tuple[Scope, ...]:
        """The scopes of the roles that deny; what lies in one of them is not covered."""
        return tuple(scope for scope, access in self.said if access is Access.DENY)

    def denies(self, place: Place) -> bool:
        """Whether an explicit deny counts at a place; silence is none."""
        return any(scope.covers(place, self.principal_id) for scope in self.denying)

    def covers(self, place: Place) -> bool:
        """Whether an object at this place may be read, or modified."""
        counting = (access for scope, access in self.said if scope.covers(place, self.principal_id))
        return permits(together(counting), self.wanted)


@dataclass(frozen=True)
class Finding:
    """What one binding says about a node, and whether its scope counts for what was asked."""

    role: str
    scope: Scope
    says: Access
    counts: bool


@dataclass(frozen=True)
class Explanation:
    """Why something is allowed or not: the answer, and the roles that made it, by name."""

    allowed: bool
    reason: str
    roles: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def together(said: Iterable[Access]) -> Access:
    """What several roles say together: a deny wins, else the most; silence cancels nothing."""
    # DENY is the greatest of the values.
    return max(said, default=Access.UNSET)


def permits(granted: Access, wanted: Access) -> bool:
    """Whether what is granted covers READ or MODIFY. Raises ValueError for another wish."""
    if wanted not in (Access.READ, Access.MODIFY):
        raise ValueError(f"ask for READ or MODIFY, not for {wanted.name}")
    return granted is not Access.DENY and granted >= wanted


def reach(bindings: Iterable[Binding], principal_id: int, node: str, wanted: Access) -> Reach:
    """How far these bindings of a principal reach."""
    said = ((binding.scope, binding.role.says(node)) for binding in bindings)
    return Reach(principal_id, wanted, tuple((scope, access) for scope, access in said if access))


def explained(
    bindings: Iterable[Binding],
    principal_id: int,
    node: str,
    wanted: Access,
    place: Place | None = None,
) -> Explanation:
    """The rule's answer for an object at a place, with its reason.

    Without a place the question is whether the principal gets anything of the node at all; then a
    deny counts only where it counts everywhere.
    """
    findings = tuple(_finding(binding, principal_id, node, place) for binding in bindings)
    counting = [finding for finding in findings if finding.counts]
    granted = together(finding.says for finding in counting)
    if permits(granted, wanted):
        roles = tuple(found.role for found in counting if found.says >= wanted)
        return Explanation(True, f"{wanted.name} on {node} is granted", roles, findings)
    if granted is Access.DENY:
        roles = tuple(found.role for found in counting if found.says is Access.DENY)
        return Explanation(False, f"{node} is denied", roles, findings)
    roles = tuple(found.role for found in counting if found.says)
    return Explanation(False, f"no role grants {wanted.name} on {node}", roles, findings)


def _finding(binding: Binding, principal_id: int, node: str, place: Place | None) -> Finding:
    says = binding.role.says(node)
    if place is None:
        counts = says is not Access.DENY or binding.scope == EVERYWHERE
    else:
        counts = binding.scope.covers(place, principal_id)
    return Finding(binding.role.name, binding.scope, says, counts)


class Permissions:
    """Answers for principals, remembered for one security epoch."""

    def __init__(self, store: Store, epoch: SecurityEpoch) -> None:
        self._store = store
        self._epoch = epoch
        self._remembered = _Remembered(0)

    def reach(self, principal: Principal | None, node: str, access: Access) -> Reach:
        """How far the principal's READ or MODIFY access to a node reaches.

        None stands for the machine itself, or for anybody where no login is defined: everywhere.
        That of somebody who is disabled or removed reaches nothing. Raises StoreUnavailable.
        """
        if principal is None:
            return _UNLIMITED[access]
        answers = self._present()
        key = (principal.id, node, access)
        found = answers.reaches.get(key)
        if found is None:
            bindings = self._bindings(answers, principal)
            found = answers.reaches[key] = reach(bindings, principal.id, node, access)
        return found

    def allowed(self, principal: Principal | None, node: str, access: Access) -> bool:
        """Whether there may be an object of a node that the principal may READ or MODIFY.

        Which ones is what ``reach`` tells. Raises StoreUnavailable.
        """
        return self.reach(principal, node, access).anywhere

    def explain(
        self, principal: Principal | None, node: str, access: Access, place: Place | None = None
    ) -> Explanation:
        """The answer for an object at a place, or for the node, and the roles that make it."""
        if principal is None:
            return Explanation(True, "the machine itself, or no login is defined", ())
        bindings = self._bindings(self._present(), principal)
        return explained(bindings, principal.id, node, access, place)

    def _present(self) -> "_Remembered":
        epoch = self._epoch.current()
        remembered = self._remembered
        if remembered.epoch != epoch:
            remembered = self._remembered = _Remembered(epoch)
        return remembered

    def _bindings(self, answers: "_Remembered", principal: Principal) -> tuple[Binding, ...]:
        bindings = answers.bindings.get(principal.id)
        if bindings is None:
            with self._store.reading() as session:
                bindings = answers.bindings[principal.id] = bindings_of(session, principal.id)
        return bindings


_UNLIMITED = {
    access: Reach(0, access, ((EVERYWHERE, Access.MODIFY),))
    for access in (Access.READ, Access.MODIFY)
}


class _Remembered:
    """What was found out within one epoch; replaced as a whole by the next one's."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.bindings: dict[int, tuple[Binding, ...]] = {}
        self.reaches: dict[tuple[int, str, Access], Reach] = {}


def bindings_of(session: Session, principal_id: int) -> tuple[Binding, ...]:
    """The roles that a principal has and where, by role; none when disabled or removed."""
    binding, role, permission = models.RoleBinding, models.Role, models.RolePermission
    principal = models.Principal
    query = (
        binding.select(
            binding.id,
            binding.scope_kind,
            binding.scope_id,
            role.name,
            permission.node,
            permission.access,
        )
        .join(principal, on=(principal.id == binding.principal_id))
        .join(role, on=(role.id == binding.role_id))
        .join(permission, peewee.JOIN.LEFT_OUTER, on=(permission.role_id == role.id))
        .where(
            binding.principal_id == principal_id,
            ~principal.disabled,
            principal.deleted_at.is_null(),
        )
        .order_by(role.name, binding.scope_kind, binding.id)
    )
    found: dict[int, tuple[str, Scope, dict[str, Access]]] = {}
    for row in session.rows(query):
        scope = Scope(ScopeKind(row["scope_kind"]), row["scope_id"])
        permissions = found.setdefault(row["id"], (row["name"], scope, {}))[2]
        if row["node"] is not None:
            permissions[row["node"]] = Access(row["access"])
    return tuple(
        Binding(RolePermissions(name, permissions), scope)
        for name, scope, permissions in found.values()
    )
