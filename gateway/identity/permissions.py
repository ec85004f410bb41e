"""What principals may do: the rule of roles, and the answers of the store to it."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
class Explanation:
    """Why something is allowed or not: the answer and the roles that made it, by name."""

    allowed: bool
    reason: str
    roles: tuple[str, ...]


def effective(roles: Iterable[RolePermissions], node: str) -> Access:
    """What several roles say together: a deny wins, else the most; silence cancels nothing."""
    # DENY is the greatest of the values.
    return max((role.says(node) for role in roles), default=Access.UNSET)


def permits(granted: Access, wanted: Access) -> bool:
    """Whether what is granted covers READ or MODIFY. Raises ValueError for another wish."""
    if wanted not in (Access.READ, Access.MODIFY):
        raise ValueError(f"ask for READ or MODIFY, not for {wanted.name}")
    return granted is not Access.DENY and granted >= wanted


def explained(roles: Iterable[RolePermissions], node: str, wanted: Access) -> Explanation:
    """The rule's answer with its reason."""
    said = [(role.name, role.says(node)) for role in roles]
    granted = max((access for _, access in said), default=Access.UNSET)
    if permits(granted, wanted):
        grantors = tuple(name for name, access in said if access >= wanted)
        return Explanation(True, f"{wanted.name} on {node} is granted", grantors)
    if granted is Access.DENY:
        deniers = tuple(name for name, access in said if access is Access.DENY)
        return Explanation(False, f"{node} is denied", deniers)
    lesser = tuple(name for name, access in said if access)
    return Explanation(False, f"no role grants {wanted.name} on {node}", lesser)


class Permissions:
    """Answers for principals, remembered for one security epoch."""

    def __init__(self, store: Store, epoch: SecurityEpoch) -> None:
        self._store = store
        self._epoch = epoch
        self._remembered = _Remembered(0)

    def allowed(self, principal: Principal | None, node: str, access: Access) -> bool:
        """Whether the principal has READ or MODIFY access to a node, everywhere.

        None stands for the machine itself, or for anybody where no login is defined: all is
        allowed. Who is disabled or removed may do nothing. Raises StoreUnavailable.
        """
        if principal is None:
            return True
        answers = self._present()
        key = (principal.id, node)
        granted = answers.granted.get(key)
        if granted is None:
            granted = answers.granted[key] = effective(self._roles(answers, principal), node)
        return permits(granted, access)

    def explain(self, principal: Principal | None, node: str, access: Access) -> Explanation:
        """As ``allowed``, with the roles that grant or deny."""
        if principal is None:
            return Explanation(True, "the machine itself, or no login is defined", ())
        return explained(self._roles(self._present(), principal), node, access)

    def _present(self) -> "_Remembered":
        epoch = self._epoch.current()
        remembered = self._remembered
        if remembered.epoch != epoch:
            remembered = self._remembered = _Remembered(epoch)
        return remembered

    def _roles(self, answers: "_Remembered", principal: Principal) -> tuple[RolePermissions, ...]:
        roles = answers.roles.get(principal.id)
        if roles is None:
            with self._store.reading() as session:
                roles = answers.roles[principal.id] = roles_of(session, principal.id)
        return roles


class _Remembered:
    """What was found out within one epoch; replaced as a whole by the next one's."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.roles: dict[int, tuple[RolePermissions, ...]] = {}
        self.granted: dict[tuple[int, str], Access] = {}


def roles_of(session: Session, principal_id: int) -> tuple[RolePermissions, ...]:
    """The roles that a principal has everywhere, by name; none when disabled or removed."""
    binding, role, permission = models.RoleBinding, models.Role, models.RolePermission
    principal = models.Principal
    query = (
        binding.select(role.name, permission.node, permission.access)
        .join(principal, on=(principal.id == binding.principal_id))
        .join(role, on=(role.id == binding.role_id))
        .join(permission, on=(permission.role_id == role.id))
        .where(
            binding.principal_id == principal_id,
            binding.scope_kind == ScopeKind.GLOBAL,
            ~principal.disabled,
            principal.deleted_at.is_null(),
        )
        .order_by(role.name)
    )
    found: dict[str, dict[str, Access]] = {}
    for row in session.rows(query):
        found.setdefault(row["name"], {})[row["node"]] = Access(row["access"])
    return tuple(RolePermissions(name, permissions) for name, permissions in found.items())
