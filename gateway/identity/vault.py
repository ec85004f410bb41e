"""Sealed values: kept in the store, opened only with a key from outside it.

A sealed value is ``version (1 byte) | key id (4) | nonce (12) | AES-256-GCM of UTF-8``. The first
two parts, the GUID of the row and the purpose are associated data: a value that was changed, or
moved to another row or purpose, does not open.
"""

import os
import uuid
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway import moments
from gateway.identity import errors, keyring, store_facts
from gateway.identity.keyring import Key, Keyring
from gateway.identity.principals import DEFAULT_TENANT
from storage import models
from storage.database import Store
from storage.session import Session

SECRET_MARKER = "********"  # noqa: S105  # what is shown in place of one
"""Shown by answers and exports in place of a secret; sent back, it keeps the stored value."""

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + keyring.ID_BYTES

# A value with known content, by which a wrong key file is found out at the start.
CANARY = "vault_canary"
_CANARY_GUID = uuid.UUID(int=0)
_CANARY_TEXT = "the key file belongs to this store"


class Vault:
    """Seals and reveals the secrets of a store with the keys of one file."""

    def __init__(self, keys: Keyring) -> None:
        self.keyring = keys

    def seal(
        self, session: Session, at: int, purpose: str, plaintext: str, tenant: int = DEFAULT_TENANT
    ) -> uuid.UUID:
        """Keep a secret; answers the GUID by which everything else refers to it."""
        hold_keys(session)
        guid = moments.new_guid()
        key = self.keyring.active
        session.execute(
            models.Secret.insert(
                guid=guid,
                tenant_id=tenant,
                purpose=purpose,
                key_id=key.id,
                sealed=sealed(key, guid, purpose, plaintext),
                created_at=at,
            )
        )
        return guid

    def reveal(self, session: Session, guid: uuid.UUID) -> str:
        """The secret in clear. Raises SecretNotFound, SecretDamaged."""
        secret = models.Secret
        row = session.first(secret.select(secret.purpose, secret.sealed).where(secret.guid == guid))
        if row is None:
            raise errors.SecretNotFound(f"there is no secret {guid}")
        return opened(self.keyring, guid, row["purpose"], bytes(row["sealed"]))

    def drop(self, session: Session, guid: uuid.UUID) -> None:
        """Delete a secret; one that is gone already is no error."""
        session.execute(models.Secret.delete().where(models.Secret.guid == guid))


def open_vault(store: Store, path: Path) -> Vault:
    """The vault of a store, with the key file made when both are new.

    Raises KeyFileError when the file is missing, damaged or not the one that this store's secrets
    were sealed with.
    """
    with store.reading() as session:
        used = store_facts.read(session, CANARY) is not None
    if used and not path.exists():
        raise errors.KeyFileError(
            f"the key file {path} is missing, and secrets of this store are sealed with it: "
            "restore it from your backup"
        )
    keys = Keyring(path) if path.exists() else keyring.create(path)
    # Written once: of two gateways that start at once, the second checks its file by the first's.
    store.unit_of_work(
        lambda session: store_facts.write_once(session, CANARY, sealed_canary(keys.active))
    )
    _check_canary(store, keys)
    return Vault(keys)


def sealed_canary(key: Key) -> str:
    """The canary under a key, as the text of a store fact."""
    return sealed(key, _CANARY_GUID, CANARY, _CANARY_TEXT).hex()


def _check_canary(store: Store, keys: Keyring) -> None:
    with store.reading() as session:
        canary = store_facts.read(session, CANARY) or ""
    try:
        opened(keys, _CANARY_GUID, CANARY, bytes.fromhex(canary))
    except (errors.SecretDamaged, ValueError) as error:
        raise errors.KeyFileError(
            f"the key file {keys.path} does not belong to this store: restore it from your backup"
        ) from error


def sealed(key: Key, guid: uuid.UUID, purpose: str, plaintext: str) -> bytes:
    """The sealed form of a text for one row."""
    head = _VERSION + bytes.fromhex(key.id)
    nonce = os.urandom(_NONCE_BYTES)
    data = plaintext.encode("utf-8", "surrogatepass")
    return head + nonce + AESGCM(key.material).encrypt(nonce, data, _bound(head, guid, purpose))


def opened(keys: Keyring, guid: uuid.UUID, purpose: str, data: bytes) -> str:
    """The text of a sealed value. Raises SecretDamaged, also for a key that is not there."""
    head, nonce = data[:_HEAD_BYTES], data[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
    key = keys.find(head[len(_VERSION) :].hex())
    if head[: len(_VERSION)] != _VERSION or key is None or len(nonce) < _NONCE_BYTES:
        raise errors.SecretDamaged(
            f"the secret {guid} ({purpose}) is not sealed with any key of {keys.path}"
        )
    try:
        plain = AESGCM(key.material).decrypt(
            nonce, data[_HEAD_BYTES + _NONCE_BYTES :], _bound(head, guid, purpose)
        )
    except InvalidTag as error:
        raise errors.SecretDamaged(
            f"the secret {guid} ({purpose}) was changed in the store: set it again"
        ) from error
    return plain.decode("utf-8", "surrogatepass")


def hold_keys(session: Session, *, alone: bool = False) -> None:
    """Keep the keys from being dropped until this unit of work ends; ``alone`` to drop them.

    On SQLite units of work run one at a time anyway.
    """
    if session.postgres:
        fact = models.StoreFact
        query: Any = fact.select(fact.value).where(fact.name == CANARY)
        session.scalar(query.for_update("FOR UPDATE" if alone else "FOR SHARE"))


def _bound(head: bytes, guid: uuid.UUID, purpose: str) -> bytes:
    return head + guid.bytes + purpose.encode("utf-8")
