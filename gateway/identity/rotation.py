"""Rotating the keys: a new one seals from now on, and everything old is sealed anew with it."""

from collections.abc import Callable, Collection

from gateway.identity import audit, store_facts, vault
from gateway.identity.keyring import Key
from gateway.identity.principals import Caller
from gateway.identity.vault import Vault
from storage import models
from storage.database import Store
from storage.session import Session

# Small, so that other writers come in between.
_BATCH = 100


class Rotation:
    """Seals the secrets of a store anew, in small units of work while the store is in use.

    It may be interrupted at any point: the old keys stay until nothing needs them, and ``finish``
    goes on where it stopped.
    """

    def __init__(self, store: Store, opened: Vault, now: Callable[[], int]) -> None:
        self._store = store
        self._keyring = opened.keyring
        self._now = now

    def rotate(self, caller: Caller) -> int:
        """Make a new key, seal everything with it, drop the old keys; answers how many secrets.

        Raises SecretDamaged, naming the secret; KeyFileError.
        """
        self._store.unit_of_work(self._add_key)
        return self.finish(caller)

    def unfinished(self) -> bool:
        """Whether a rotation was interrupted."""
        return len(self._keyring.ids()) > 1

    def finish(self, caller: Caller) -> int:
        """Seal with the active key what is sealed with others, then drop those."""
        done, gone = 0, False
        *old, _ = self._keyring.ids()
        while not gone:
            while sealed := self._store.unit_of_work(self._seal_some):
                done += sealed
            self._store.unit_of_work(lambda session: self._seal_canary(session, caller))
            # Only what is durable by now lets a key go.
            gone = self._store.unit_of_work(lambda session: self._drop(session, old))
        return done

    def _add_key(self, session: Session) -> Key:
        # Alone, so that of two processes which rotate none overwrites the other's new key.
        vault.hold_keys(session, alone=True)
        return self._keyring.add()

    def _seal_some(self, session: Session) -> int:
        secret = models.Secret
        active = self._keyring.active
        query = secret.select(secret.id, secret.guid, secret.purpose, secret.sealed)
        query = query.where(secret.key_id != active.id).order_by(secret.id).limit(_BATCH)
        rows = session.rows(query.for_update() if session.postgres else query)
        for row in rows:
            plaintext = vault.opened(
                self._keyring, row["guid"], row["purpose"], bytes(row["sealed"])
            )
            sealed = vault.sealed(active, row["guid"], row["purpose"], plaintext)
            session.execute(
                secret.update(key_id=active.id, sealed=sealed).where(secret.id == row["id"])
            )
        return len(rows)

    def _seal_canary(self, session: Session, caller: Caller) -> None:
        vault.hold_keys(session, alone=True)
        active = self._keyring.active
        store_facts.write(session, vault.CANARY, vault.sealed_canary(active))
        audit.record(
            session, caller, self._now(), "key.rotate", "key", None, "", None, {"active": active.id}
        )

    def _drop(self, session: Session, old: Collection[str]) -> bool:
        """Drop keys, unless another process sealed with one of them until a moment ago."""
        vault.hold_keys(session, alone=True)
        secret = models.Secret
        if session.first(secret.select(secret.id).where(secret.key_id.in_(old))):
            return False
        self._keyring.drop(old)
        return True
