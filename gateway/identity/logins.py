"""Logins: people and programs that prove who they are with a password."""

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import peewee

from gateway import moments, names
from gateway.identity import (
    audit,
    errors,
    passwords,
    permissions,
    principals,
    roles,
    store_facts,
)
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.passwords import Passwords
from gateway.identity.permissions import EVERYWHERE, Access, Node, Scope
from gateway.identity.principals import (
    DEFAULT_TENANT,
    Caller,
    CredentialKind,
    Principal,
    PrincipalKind,
)
from gateway.identity.vault import SECRET_MARKER
from storage import models
from storage.database import Store
from storage.session import Session, WritingSession

T = TypeVar("T")

ADMINISTRATOR = "admin"
MAXIMUM_NAME = 256
MAXIMUM_DESCRIPTION = 1024

WITHOUT_LOGIN = "initialised_without_login"
"""The store fact that ``init --no-login`` leaves."""


@dataclass(frozen=True)
class Login:
    """A login as it is listed; ``created_at`` in UTC epoch microseconds.

    ``roles`` count everywhere, those of ``narrowed`` within their scopes.
    """

    id: int
    guid: uuid.UUID
    name: str
    description: str
    disabled: bool
    has_password: bool
    roles: tuple[str, ...]
    created_at: int
    narrowed: tuple[tuple[str, Scope], ...] = ()


class Logins:
    """Adds and changes logins; each change is audited and begins a new security epoch.

    Methods that name a login raise LoginNotFound; those that would leave nobody who may change
    logins raise LastAdministrator. Names are compared without regard to case.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        epoch: SecurityEpoch,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._epoch = epoch
        self._now = now

    def add(
        self,
        name: str,
        password: str | None,
        role_names: Iterable[str],
        caller: Caller,
        description: str = "",
        tenant: int = DEFAULT_TENANT,
    ) -> Principal:
        """Add a login; without a password it cannot be used with Basic.

        Raises LoginRefused, LoginExists, PasswordRefused, RoleNotFound.
        """
        name = checked_name(name)
        _check_description(description)
        wanted = tuple(role_names)
        verifier = None if password is None else self._passwords.hash(password)

        def work(session: Session) -> Principal:
            _refuse_taken(session, name, tenant)
            return self._insert(session, name, verifier, wanted, caller, description, tenant)

        return self._change(work)

    def listed(self, tenant: int = DEFAULT_TENANT) -> list[Login]:
        """All logins, by name."""
        with self._store.reading() as session:
            bound = roles.bound_within(session, tenant)
            return [_login(row, bound.get(row["id"], [])) for row in session.rows(_listing(tenant))]

    def count(self, tenant: int = DEFAULT_TENANT) -> int:
        """How many logins there are, disabled ones included."""
        with self._store.reading() as session:
            return count(session, tenant)

    def set_password(
        self, name: str, password: str | None, caller: Caller, tenant: int = DEFAULT_TENANT
    ) -> None:
        """Give a login another password, or none. Raises PasswordRefused."""
        verifier = None if password is None else self._passwords.hash(password)

        def change(session: Session, login: Mapping[str, Any]) -> None:
            _forget_password(session, login["id"])
            if verifier is not None:
                _insert_password(session, login["id"], verifier, self._now())
            after = {"password": None if verifier is None else SECRET_MARKER}
            self._record(session, caller, "login.password", login, None, after)

        self._change_login(name, tenant, change)

    def set_roles(
        self, name: str, role_names: Iterable[str], caller: Caller, tenant: int = DEFAULT_TENANT
    ) -> None:
        """Let a login have exactly these roles everywhere. Raises RoleNotFound."""
        wanted = tuple(role_names)

        def change(session: Session, login: Mapping[str, Any]) -> None:
            before = roles.bound(session, tenant).get(login["id"], ())
            found = roles.find(session, wanted, tenant)
            roles.bind(session, login["id"], found)
            after = {"roles": sorted(found.values())}
            self._record(session, caller, "login.roles", login, {"roles": before}, after)

        self._change_login(name, tenant, change)

    def bind(
        self,
        name: str,
        role: str,
        scope: Scope,
        where: str,
        caller: Caller,
        tenant: int = DEFAULT_TENANT,
    ) -> bool:
        """Let a login have a role within a scope, too; answers whether it had not.

        ``where`` is the scope in words, for the audit trail. Raises RoleNotFound.
        """

        def change(session: Session, login: Mapping[str, Any]) -> bool:
            ((role_id, role_name),) = roles.find(session, [role], tenant).items()
            new = roles.bind_within(session, login["id"], role_id, scope)
            if new:
                after = {"role": role_name, "scope": where}
                self._record(session, caller, "login.bind", login, None, after)
            return new

        return self._change_login(name, tenant, change)

    def unbind(
        self,
        name: str,
        role: str,
        scope: Scope,
        where: str,
        caller: Caller,
        tenant: int = DEFAULT_TENANT,
    ) -> None:
        """Take a role within a scope from a login. Raises RoleNotFound, BindingNotFound."""

        def change(session: Session, login: Mapping[str, Any]) -> None:
            ((role_id, role_name),) = roles.find(session, [role], tenant).items()
            if not roles.unbind_within(session, login["id"], role_id, scope):
                raise errors.BindingNotFound(
                    f"the login '{login['name']}' has not the role {role_name} {where}"
                )
            before = {"role": role_name, "scope": where}
            self._record(session, caller, "login.unbind", login, before, None)

        self._change_login(name, tenant, change)

    def find(self, name: str, tenant: int = DEFAULT_TENANT) -> Principal:
        """The principal of a login. Raises LoginNotFound."""
        with self._store.reading() as session:
            return principals.from_row(find_row(session, name, tenant))

    def disable(self, name: str, caller: Caller, tenant: int = DEFAULT_TENANT) -> None:
        """Keep a login from being used, for the time being."""
        self._set_disabled(name, True, caller, tenant)

    def enable(self, name: str, caller: Caller, tenant: int = DEFAULT_TENANT) -> None:
        """Let a disabled login be used again."""
        self._set_disabled(name, False, caller, tenant)

    def remove(self, name: str, caller: Caller, tenant: int = DEFAULT_TENANT) -> None:
        """Remove a login with its password and roles; what it did stays, and its name is free."""

        def change(session: Session, login: Mapping[str, Any]) -> None:
            before = {"roles": roles.bound(session, tenant).get(login["id"], ())}
            _forget_password(session, login["id"])
            forget_soap_secret(session, login["id"])
            roles.unbind(session, login["id"])
            _update(session, login["id"], deleted_at=self._now())
            self._record(session, caller, "login.remove", login, before, None)

        self._change_login(name, tenant, change)

    def ensure_administrator(
        self, password: str | None, caller: Caller = principals.MACHINE
    ) -> str | None:
        """At the first start, add the login ``admin``; answers its password if it was generated.

        Does nothing where a login exists, or where none is wanted (``init --no-login``).
        Raises PasswordRefused.
        """
        with self._store.reading() as session:
            if not _wants_administrator(session):
                return None
        generated = passwords.generate() if password is None else None
        verifier = self._passwords.hash(password or generated or "")

        def work(session: Session) -> bool:
            # Asked again, since two gateways may have their first start at once.
            if not _wants_administrator(session):
                return False
            wanted = (roles.ADMINISTRATORS,)
            self._insert(session, ADMINISTRATOR, verifier, wanted, caller, "", DEFAULT_TENANT)
            return True

        return generated if self._change(work) else None

    def do_without(self, caller: Caller) -> None:
        """Note that this store was initialised with ``--no-login``; see ``open_access``.

        Raises LoginExists where there are logins.
        """

        def work(session: Session) -> None:
            if count(session):
                raise errors.LoginExists(
                    "this store has logins: '--no-login' is for a store without any"
                )
            store_facts.write(session, WITHOUT_LOGIN, "yes")
            audit.record(session, caller, self._now(), "login.none", "store", None, "")

        self._change(work)

    def _change(self, work: Callable[[Session], T]) -> T:
        """Do work as one unit in a new security epoch, in which no other identity changes."""

        def unit(session: WritingSession) -> T:
            self._epoch.advance(session)
            return work(session)

        return self._store.unit_of_work(unit)

    def _change_login(
        self, name: str, tenant: int, change: Callable[[Session, Mapping[str, Any]], T]
    ) -> T:
        """Change one login, unless nobody could change logins afterwards."""

        def work(session: Session) -> T:
            login = find_row(session, name, tenant)
            with administrator_stays(session, tenant):
                return change(session, login)

        return self._change(work)

    def _insert(
        self,
        session: Session,
        name: str,
        verifier: str | None,
        role_names: Iterable[str],
        caller: Caller,
        description: str,
        tenant: int,
    ) -> Principal:
        at = self._now()
        principal = _insert_principal(session, name, description, tenant, at)
        if verifier is not None:
            _insert_password(session, principal.id, verifier, at)
        roles.create_built_in(session, tenant)
        found = roles.find(session, role_names, tenant)
        roles.bind(session, principal.id, found)
        after = {
            "description": description,
            "roles": sorted(found.values()),
            "password": None if verifier is None else SECRET_MARKER,
        }
        row = {"guid": principal.guid, "name": name, "tenant_id": tenant}
        self._record(session, caller, "login.add", row, None, after)
        return principal

    def _set_disabled(self, name: str, disabled: bool, caller: Caller, tenant: int) -> None:
        def change(session: Session, login: Mapping[str, Any]) -> None:
            _update(session, login["id"], disabled=disabled)
            action = "login.disable" if disabled else "login.enable"
            before, after = {"disabled": login["disabled"]}, {"disabled": disabled}
            self._record(session, caller, action, login, before, after)

        self._change_login(name, tenant, change)

    def _record(
        self,
        session: Session,
        caller: Caller,
        action: str,
        login: Mapping[str, Any],
        before: object,
        after: object,
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            action,
            "login",
            login["guid"],
            login["name"],
            before,
            after,
            tenant=login["tenant_id"],
        )


def checked_name(name: str) -> str:
    """The name without blanks around it. Raises LoginRefused."""
    name = name.strip()
    if not is_name(name):
        raise errors.LoginRefused(
            f"{name[:MAXIMUM_NAME]!r} cannot be a login's name: 1 to {MAXIMUM_NAME} printable "
            "characters, and no colon, since Basic authentication ends the name with one"
        )
    return name


def _check_description(text: str) -> None:
    if len(text) > MAXIMUM_DESCRIPTION or not text.isprintable():
        raise errors.LoginRefused(
            f"a login's description is one line of at most {MAXIMUM_DESCRIPTION} characters"
        )


def is_name(name: str) -> bool:
    """Whether a login can have this name; others need not be looked up."""
    return 0 < len(name) <= MAXIMUM_NAME and name.isprintable() and ":" not in name


def count(session: Session, tenant: int = DEFAULT_TENANT) -> int:
    """How many logins there are, disabled ones included."""
    found: int = session.scalar(_existing(tenant, peewee.fn.COUNT(models.Principal.id)))
    return found


def is_without(session: Session) -> bool:
    """Whether the store was initialised with ``--no-login``."""
    return store_facts.read(session, WITHOUT_LOGIN) is not None


def _wants_administrator(session: Session) -> bool:
    return not is_without(session) and not count(session)


def _existing(tenant: int, *columns: Any) -> Any:
    principal = models.Principal
    return principal.select(*columns).where(
        principal.tenant_id == tenant,
        principal.kind == PrincipalKind.LOGIN,
        principal.deleted_at.is_null(),
    )


def _password_of(principal_id: Any) -> Any:
    """The condition under which a credential is the password of a principal."""
    credential = models.Credential
    return (
        (credential.principal_id == principal_id)
        & (credential.kind == CredentialKind.PASSWORD)
        & credential.revoked_at.is_null()
    )


def with_verifier(name: str, now: int, tenant: int = DEFAULT_TENANT) -> Any:
    """The query for an enabled login that has a password, with ``credential`` and ``verifier``.

    A password that has expired by ``now`` is none.
    """
    principal, credential = models.Principal, models.Credential
    unexpired = credential.expires_at.is_null() | (credential.expires_at > now)
    return (
        _existing(tenant, principal, credential.id.alias("credential"), credential.verifier)
        .join(credential, on=_password_of(principal.id))
        .where(principal.name_key == names.key(name), ~principal.disabled, unexpired)
    )


def _listing(tenant: int) -> Any:
    principal, credential = models.Principal, models.Credential
    return (
        _existing(tenant, principal, credential.id.alias("credential"))
        .join(credential, peewee.JOIN.LEFT_OUTER, on=_password_of(principal.id))
        .order_by(principal.name_key)
    )


@contextlib.contextmanager
def administrator_stays(session: Session, tenant: int) -> Iterator[None]:
    """Raise LastAdministrator at the end of a block that left nobody who may change logins."""
    before = _administrators(session, tenant)
    yield
    if before and not _administrators(session, tenant):
        raise errors.LastAdministrator(
            f"the last enabled administrator ({', '.join(before)}) must stay: give another login "
            f"with a password the role {roles.ADMINISTRATORS} first"
        )


def _administrators(session: Session, tenant: int) -> list[str]:
    """The names of the logins that have the role for all, are denied nothing and can be used."""
    bound = roles.bound(session, tenant)
    return [
        row["name"]
        for row in session.rows(_listing(tenant))
        if not row["disabled"]
        and row["credential"] is not None
        and roles.ADMINISTRATORS in bound.get(row["id"], ())
        and _may_change_logins(session, row["id"])
    ]


def _may_change_logins(session: Session, principal_id: int) -> bool:
    bindings = permissions.bindings_of(session, principal_id)
    return permissions.reach(bindings, principal_id, Node.LOGINS, Access.MODIFY).everywhere


def _login(row: Mapping[str, Any], bound: Iterable[tuple[str, Scope]]) -> Login:
    return Login(
        id=row["id"],
        guid=row["guid"],
        name=row["name"],
        description=row["description"],
        disabled=row["disabled"],
        has_password=row["credential"] is not None,
        roles=tuple(name for name, scope in bound if scope == EVERYWHERE),
        created_at=row["created_at"],
        narrowed=tuple((name, scope) for name, scope in bound if scope != EVERYWHERE),
    )


def find_row(session: Session, name: str, tenant: int) -> Mapping[str, Any]:
    """The row of a login that is not removed. Raises LoginNotFound."""
    row = _first(session, name, tenant)
    if row is None:
        raise errors.LoginNotFound(f"there is no login {name[:MAXIMUM_NAME]!r}")
    return row


def _first(session: Session, name: str, tenant: int) -> Mapping[str, Any] | None:
    if not is_name(name.strip()):
        return None
    return session.first(_existing(tenant).where(models.Principal.name_key == names.key(name)))


def _refuse_taken(session: Session, name: str, tenant: int) -> None:
    taken = _first(session, name, tenant)
    if taken is not None:
        raise errors.LoginExists(f"there is a login '{taken['name']}' already")


def _insert_principal(
    session: Session, name: str, description: str, tenant: int, at: int
) -> Principal:
    guid = moments.new_guid()
    principal_id = session.execute(
        models.Principal.insert(
            guid=guid,
            tenant_id=tenant,
            kind=PrincipalKind.LOGIN,
            name=name,
            name_key=names.key(name),
            description=description,
            disabled=False,
            created_at=at,
        )
    )
    return Principal(principal_id, guid, tenant, PrincipalKind.LOGIN, name)


def _insert_password(session: Session, principal_id: int, verifier: str, at: int) -> None:
    session.execute(
        models.Credential.insert(
            guid=moments.new_guid(),
            principal_id=principal_id,
            kind=CredentialKind.PASSWORD,
            verifier=verifier,
            label="",
            created_at=at,
        )
    )


def _forget_password(session: Session, principal_id: int) -> None:
    # Deleted and not revoked: nobody needs the hash of an old password but a thief.
    session.execute(models.Credential.delete().where(_password_of(principal_id)))


def soap_secret_of(principal_id: Any) -> Any:
    """The condition under which a credential is the SOAP secret of a principal."""
    credential = models.Credential
    return (
        (credential.principal_id == principal_id)
        & (credential.kind == CredentialKind.SOAP_SECRET)
        & credential.revoked_at.is_null()
    )


def forget_soap_secret(session: Session, principal_id: int) -> None:
    """Delete the SOAP secret of a principal, sealed as it is, if there is one."""
    credential, secret = models.Credential, models.Secret
    own = credential.select(credential.secret_id).where(soap_secret_of(principal_id))
    held = session.scalar(own)
    session.execute(credential.delete().where(soap_secret_of(principal_id)))
    session.execute(secret.delete().where(secret.id == held))


def _update(session: Session, principal_id: int, **values: Any) -> None:
    principal = models.Principal
    session.execute(principal.update(**values).where(principal.id == principal_id))
