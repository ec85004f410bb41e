"""Roles, those that every installation has, and who is bound to them."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import moments, names
from gateway.identity import errors
from gateway.identity.permissions import EVERY_NODE, EVERYWHERE, Access, Node, Scope, ScopeKind
from storage import models
from storage.session import Session

ADMINISTRATORS = "Administrators"

BUILT_IN: Mapping[str, Mapping[str, Access]] = {
    ADMINISTRATORS: {EVERY_NODE: Access.MODIFY},
    "Operators": {EVERY_NODE: Access.READ, Node.JOBS: Access.MODIFY},
    "Schedulers": {
        Node.MODULES: Access.READ,
        Node.PROJECTS: Access.READ,
        Node.RUN_BOOKS: Access.READ,
        Node.AGENTS: Access.READ,
        Node.TEAMS: Access.READ,
        Node.JOBS: Access.MODIFY,
    },
    "Readers": {EVERY_NODE: Access.READ},
}


@dataclass(frozen=True)
class Role:
    """A role as it is listed; nodes that it does not name are left out."""

    id: int
    guid: uuid.UUID
    name: str
    built_in: bool
    permissions: Mapping[str, Access]


def create_built_in(session: Session, tenant: int) -> None:
    """Create the built-in roles that are not there yet; those that are stay as they are."""
    role = models.Role
    there = {
        row["name_key"]
        for row in session.rows(role.select(role.name_key).where(role.tenant_id == tenant))
    }
    for name, permissions in BUILT_IN.items():
        if names.key(name) not in there:
            create(session, name, permissions, built_in=True, tenant=tenant)


def create(
    session: Session,
    name: str,
    permissions: Mapping[str, Access],
    *,
    built_in: bool = False,
    tenant: int,
) -> int:
    """Create a role; answers its id. A name that is taken is the database's error."""
    role_id: int = session.execute(
        models.Role.insert(
            guid=moments.new_guid(),
            tenant_id=tenant,
            name=name,
            name_key=names.key(name),
            builtin=built_in,
        )
    )
    for node, access in permissions.items():
        session.execute(
            models.RolePermission.insert(role_id=role_id, node=str(node), access=access)
        )
    return role_id


def find(session: Session, wanted: Iterable[str], tenant: int) -> dict[int, str]:
    """Ids and names of roles, named in any case. Raises RoleNotFound, which lists what exists."""
    role = models.Role
    rows = session.rows(
        role.select(role.id, role.name, role.name_key)
        .where(role.tenant_id == tenant)
        .order_by(role.name)
    )
    by_key = {row["name_key"]: row for row in rows}
    found: dict[int, str] = {}
    for name in wanted:
        row = by_key.get(names.key(name))
        if row is None:
            existing = ", ".join(row["name"] for row in rows)
            raise errors.RoleNotFound(f"there is no role '{name}'; there are: {existing}")
        found[row["id"]] = row["name"]
    return found


def listed(session: Session, tenant: int) -> list[Role]:
    """All roles, by name."""
    role, permission = models.Role, models.RolePermission
    said: dict[int, dict[str, Access]] = {}
    for row in session.rows(permission.select().order_by(permission.node)):
        said.setdefault(row["role_id"], {})[row["node"]] = Access(row["access"])
    rows = session.rows(role.select().where(role.tenant_id == tenant).order_by(role.name))
    return [
        Role(row["id"], row["guid"], row["name"], bool(row["builtin"]), said.get(row["id"], {}))
        for row in rows
    ]


def grant(session: Session, role_id: int, node: str, access: Access) -> None:
    """Have a role say this about a node; UNSET is silence, whatever it says of every node."""
    permission = models.RolePermission
    session.execute(
        permission.delete().where(permission.role_id == role_id, permission.node == node)
    )
    session.execute(permission.insert(role_id=role_id, node=node, access=access))


def delete(session: Session, role_id: int) -> None:
    """Delete a role that nobody has."""
    permission = models.RolePermission
    session.execute(permission.delete().where(permission.role_id == role_id))
    session.execute(models.Role.delete().where(models.Role.id == role_id))


def holders(session: Session, role_id: int) -> list[str]:
    """The names of the principals who have a role, wherever."""
    binding, principal = models.RoleBinding, models.Principal
    query = (
        binding.select(principal.name)
        .join(principal, on=(principal.id == binding.principal_id))
        .where(binding.role_id == role_id)
        .order_by(principal.name)
        .distinct()
    )
    return [row["name"] for row in session.rows(query)]


def bind_within(session: Session, principal_id: int, role_id: int, scope: Scope) -> bool:
    """Let a principal have a role within a scope, too; answers whether he had not."""
    binding = models.RoleBinding
    if session.scalar(binding.select(binding.id).where(_bound(principal_id, role_id, scope))):
        return False
    session.execute(
        binding.insert(
            principal_id=principal_id, role_id=role_id, scope_kind=scope.kind, scope_id=scope.id
        )
    )
    return True


def unbind_within(session: Session, principal_id: int, role_id: int, scope: Scope) -> bool:
    """Take a role within a scope from a principal; answers whether he had it."""
    query = models.RoleBinding.delete().where(_bound(principal_id, role_id, scope))
    return bool(session.execute(query))


def _bound(principal_id: int, role_id: int, scope: Scope) -> Any:
    binding = models.RoleBinding
    return (
        (binding.principal_id == principal_id)
        & (binding.role_id == role_id)
        & (binding.scope_kind == scope.kind)
        & (binding.scope_id == scope.id)
    )


def bind(session: Session, principal_id: int, role_ids: Iterable[int]) -> None:
    """Let a principal have exactly these roles everywhere; roles bound elsewhere stay."""
    binding = models.RoleBinding
    session.execute(
        binding.delete().where(
            binding.principal_id == principal_id, binding.scope_kind == ScopeKind.GLOBAL
        )
    )
    for role_id in role_ids:
        bind_within(session, principal_id, role_id, EVERYWHERE)


def unbind(session: Session, principal_id: int) -> None:
    """Take all roles from a principal, wherever they are bound."""
    binding = models.RoleBinding
    session.execute(binding.delete().where(binding.principal_id == principal_id))


def bound(session: Session, tenant: int) -> dict[int, tuple[str, ...]]:
    """The roles that count everywhere, by principal id; names in order."""
    return {
        principal_id: tuple(name for name, scope in held if scope == EVERYWHERE)
        for principal_id, held in bound_within(session, tenant).items()
    }


def bound_within(session: Session, tenant: int) -> dict[int, list[tuple[str, Scope]]]:
    """All roles with their scopes, by principal id; names in order."""
    binding, role = models.RoleBinding, models.Role
    query = (
        binding.select(binding.principal_id, binding.scope_kind, binding.scope_id, role.name)
        .join(role, on=(role.id == binding.role_id))
        .where(role.tenant_id == tenant)
        .order_by(role.name, binding.scope_kind, binding.scope_id)
    )
    found: dict[int, list[tuple[str, Scope]]] = {}
    for row in session.rows(query):
        scope = Scope(ScopeKind(row["scope_kind"]), row["scope_id"])
        found.setdefault(row["principal_id"], []).append((row["name"], scope))
    return found
