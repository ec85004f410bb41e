"""Roles made, changed and deleted; what they say counts from that moment on."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gateway import moments, names
from gateway.identity import audit, errors, logins, roles
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.permissions import EVERY_NODE, Access, Node
from gateway.identity.principals import DEFAULT_TENANT, Caller
from gateway.identity.roles import Role
from storage.database import Store
from storage.session import Session, WritingSession

T = TypeVar("T")

MAXIMUM_NAME = 256


class Roles:
    """Makes, changes and deletes roles; each change is audited and begins a new security epoch.

    Methods that name a role raise RoleNotFound; names are compared without regard to case.
    """

    def __init__(
        self, store: Store, epoch: SecurityEpoch, now: Callable[[], int] = moments.now
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._now = now

    def listed(self, tenant: int = DEFAULT_TENANT) -> list[Role]:
        """All roles, by name."""
        with self._store.reading() as session:
            return roles.listed(session, tenant)

    def find(self, name: str, tenant: int = DEFAULT_TENANT) -> Role:
        """A role by its name."""
        with self._store.reading() as session:
            return _find(session, name, tenant)

    def holders(self, name: str, tenant: int = DEFAULT_TENANT) -> list[str]:
        """The names of those who have a role, wherever."""
        with self._store.reading() as session:
            return roles.holders(session, _find(session, name, tenant).id)

    def create(
        self,
        name: str,
        permissions: Mapping[str, Access],
        caller: Caller,
        tenant: int = DEFAULT_TENANT,
    ) -> Role:
        """Make a role that says this. Raises RoleRefused, RoleExists."""
        name = _checked_name(name)
        said = {checked_node(node): access for node, access in permissions.items()}

        def work(session: Session) -> Role:
            for other in roles.listed(session, tenant):
                if names.key(other.name) == names.key(name):
                    raise errors.RoleExists(f"there is a role '{other.name}' already")
            roles.create(session, name, said, tenant=tenant)
            role = _find(session, name, tenant)
            self._record(session, caller, "role.create", role, None, _facts(role), tenant)
            return role

        return self._change(work)

    def delete(self, name: str, caller: Caller, tenant: int = DEFAULT_TENANT) -> None:
        """Delete a role that nobody has. Raises RoleRefused."""

        def work(session: Session) -> None:
            role = _find(session, name, tenant)
            if role.built_in:
                raise errors.RoleRefused(f"the role {role.name} is built in and stays")
            holders = roles.holders(session, role.id)
            if holders:
                raise errors.RoleRefused(
                    f"the role {role.name} cannot be deleted while these have it: "
                    f"{', '.join(holders)}"
                )
            roles.delete(session, role.id)
            self._record(session, caller, "role.delete", role, _facts(role), None, tenant)

        self._change(work)

    def grant(
        self, name: str, node: str, access: Access, caller: Caller, tenant: int = DEFAULT_TENANT
    ) -> Role:
        """Have a role say this about a node. Answers the role as it is then.

        UNSET has it say nothing, also where it says something about every node.

        Raises RoleRefused for one that is built in, LastAdministrator where a denial would leave
        nobody who may change logins.
        """
        node = checked_node(node)

        def work(session: Session) -> Role:
            before = _find(session, name, tenant)
            if before.built_in:
                raise errors.RoleRefused(
                    f"the role {before.name} is built in and stays as it is: make one of your own"
                )
            with logins.administrator_stays(session, tenant):
                roles.grant(session, before.id, node, access)
            after = _find(session, name, tenant)
            if after != before:
                facts = (_facts(before), _facts(after))
                self._record(session, caller, "role.grant", after, *facts, tenant)
            return after

        return self._change(work)

    def _change(self, work: Callable[[Session], T]) -> T:
        def unit(session: WritingSession) -> T:
            self._epoch.advance(session)
            return work(session)

        return self._store.unit_of_work(unit)

    def _record(
        self,
        session: Session,
        caller: Caller,
        action: str,
        role: Role,
        before: object,
        after: object,
        tenant: int,
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            action,
            "role",
            role.guid,
            role.name,
            before,
            after,
            tenant=tenant,
        )


def checked_node(node: str) -> str:
    """The node as it is spelled, of a name in any case, with blanks or without; or every node.

    Raises RoleRefused, which lists what there is.
    """
    known: dict[str, str] = {one.value.casefold(): one.value for one in Node}
    known[EVERY_NODE] = EVERY_NODE
    found = known.get("".join(node.split()).casefold())
    if found is None:
        raise errors.RoleRefused(
            f"there is no node {node!r}; there are: {', '.join(known.values())}"
        )
    return found


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAXIMUM_NAME or not name.isprintable():
        raise errors.RoleRefused(f"a role's name has 1 to {MAXIMUM_NAME} printable characters")
    return name


def _find(session: Session, name: str, tenant: int) -> Role:
    (role_id,) = roles.find(session, [name], tenant)
    return next(role for role in roles.listed(session, tenant) if role.id == role_id)


def _facts(role: Role) -> dict[str, Any]:
    return {node: access.name.lower() for node, access in role.permissions.items()}
