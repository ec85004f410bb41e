"""SOAP secrets: what logins prove digests of UsernameTokens with.

A digest is made of the password itself, which argon2id does not keep. So a login that is to send
digests is given a secret of its own, sealed and not hashed; nothing else takes it.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway import moments, names
from gateway.identity import audit, errors, logins, principals
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.principals import (
    DEFAULT_TENANT,
    Caller,
    CredentialKind,
    Principal,
)
from gateway.identity.vault import SECRET_MARKER, Vault
from storage import models
from storage.database import Store
from storage.session import Session, WritingSession

SHORTEST = 12
LONGEST = 256
_PURPOSE = "SOAP secret"


class Proof(NamedTuple):
    """A login and the secret that its digests are made with."""

    principal: Principal
    secret: str


class SoapSecrets:
    """Gives and takes secrets; each change is audited and begins a new security epoch."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        epoch: SecurityEpoch,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._vault = vault
        self._epoch = epoch
        self._now = now

    def give(
        self, name: str, secret: str | None, caller: Caller, tenant: int = DEFAULT_TENANT
    ) -> str | None:
        """Let a login use digests with a secret; answers one that was made up, for None.

        Raises LoginNotFound, PasswordRefused.
        """
        if secret is not None:
            _check(secret)
        made = secrets.token_urlsafe(24) if secret is None else None

        def change(session: Session, login: Mapping[str, Any]) -> None:
            logins.forget_soap_secret(session, login["id"])
            self._insert(session, login["id"], secret or made or "", tenant)
            self._record(session, caller, login, {"secret": SECRET_MARKER})

        self._change(name, tenant, change)
        return made

    def take(self, name: str, caller: Caller, tenant: int = DEFAULT_TENANT) -> None:
        """Let a login use no digests any more. Raises LoginNotFound."""

        def change(session: Session, login: Mapping[str, Any]) -> None:
            logins.forget_soap_secret(session, login["id"])
            self._record(session, caller, login, {"secret": None})

        self._change(name, tenant, change)

    def find(self, name: str, tenant: int = DEFAULT_TENANT) -> Proof | None:
        """The enabled login of this name and its secret; None where it has none."""
        if not logins.is_name(name.strip()):
            return None
        with self._store.reading() as session:
            row = session.first(_with_secret(name, tenant))
            if row is None:
                return None
            return Proof(principals.from_row(row), self._vault.reveal(session, row["secret"]))

    def _change(
        self, name: str, tenant: int, change: Callable[[Session, Mapping[str, Any]], None]
    ) -> None:
        def unit(session: WritingSession) -> None:
            self._epoch.advance(session)
            change(session, logins.find_row(session, name, tenant))

        self._store.unit_of_work(unit)

    def _insert(self, session: Session, principal_id: int, secret: str, tenant: int) -> None:
        at = self._now()
        guid = self._vault.seal(session, at, _PURPOSE, secret, tenant)
        row = models.Secret
        session.execute(
            models.Credential.insert(
                guid=moments.new_guid(),
                principal_id=principal_id,
                kind=CredentialKind.SOAP_SECRET,
                verifier="",
                secret_id=session.scalar(row.select(row.id).where(row.guid == guid)),
                label="",
                created_at=at,
            )
        )

    def _record(
        self, session: Session, caller: Caller, login: Mapping[str, Any], after: object
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            "login.soap-secret",
            "login",
            login["guid"],
            login["name"],
            None,
            after,
            tenant=login["tenant_id"],
        )


def _check(secret: str) -> None:
    if not SHORTEST <= len(secret) <= LONGEST:
        raise errors.PasswordRefused(
            f"a SOAP secret has {SHORTEST} to {LONGEST} characters: whoever hears a digest may "
            "try as many secrets as he likes"
        )


def _with_secret(name: str, tenant: int) -> Any:
    principal, credential, secret = models.Principal, models.Credential, models.Secret
    return (
        principal.select(principal, secret.guid.alias("secret"))
        .join(credential, on=logins.soap_secret_of(principal.id))
        .join(secret, on=(credential.secret_id == secret.id))
        .where(
            principal.tenant_id == tenant,
            principal.name_key == names.key(name),
            principal.deleted_at.is_null(),
            ~principal.disabled,
        )
    )
