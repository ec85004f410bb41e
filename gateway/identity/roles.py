"""Roles, those that every installation has, and who is bound to them."""

from collections.abc import Iterable, Mapping

from gateway import moments, names
from gateway.identity import errors
from gateway.identity.permissions import EVERY_NODE, Access, Node, ScopeKind
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


def bind(session: Session, principal_id: int, role_ids: Iterable[int]) -> None:
    """Let a principal have exactly these roles everywhere; roles bound elsewhere stay."""
    binding = models.RoleBinding
    session.execute(
        binding.delete().where(
            binding.principal_id == principal_id, binding.scope_kind == ScopeKind.GLOBAL
        )
    )
    for role_id in role_ids:
        session.execute(
            binding.insert(
                principal_id=principal_id,
                role_id=role_id,
                scope_kind=ScopeKind.GLOBAL,
                scope_id=0,
            )
        )


def unbind(session: Session, principal_id: int) -> None:
    """Take all roles from a principal, wherever they are bound."""
    binding = models.RoleBinding
    session.execute(binding.delete().where(binding.principal_id == principal_id))


def bound(session: Session, tenant: int) -> dict[int, tuple[str, ...]]:
    """The roles that count everywhere, by principal id; names in order."""
    binding, role = models.RoleBinding, models.Role
    query = (
        binding.select(binding.principal_id, role.name)
        .join(role, on=(role.id == binding.role_id))
        .where(role.tenant_id == tenant, binding.scope_kind == ScopeKind.GLOBAL)
        .order_by(role.name)
    )
    found: dict[int, tuple[str, ...]] = {}
    for row in session.rows(query):
        found[row["principal_id"]] = (*found.get(row["principal_id"], ()), row["name"])
    return found
