"""UsernameTokens of WS-Security: who sends a message, told within the message.

OASIS Web Services Security UsernameToken Profile 1.0: a name and a password, or the digest
``Base64(SHA-1(nonce + created + password))``. A token that has a nonce is taken once, by any of
the gateways of a store, also after a restart; one whose ``Created`` lies too far back or ahead is
not taken at all, so nonces need not be kept for ever.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import moments
from gateway.identity.authentication import Authenticated, Authenticator, Challenge, Outcome, Reason
from gateway.identity.soap_secrets import SoapSecrets
from storage import models
from storage.database import Store
from storage.session import Session


@dataclass(frozen=True)
class UsernameToken:
    """A token as it was sent. ``created`` is in UTC epoch microseconds.

    ``password`` is the password or, where ``is_digest``, the digest. ``created_text`` is what
    the digest is made of; ``nonce`` is decoded.
    """

    name: str
    password: str = field(repr=False)
    is_digest: bool = False
    nonce: bytes | None = None
    created: int | None = None
    created_text: str = ""


@dataclass(frozen=True)
class Freshness:
    """How old a token may be, and how far ahead of ours a client's clock; in microseconds."""

    lifetime: int
    skew: int

    def allows(self, created: int, now: int) -> bool:
        """Whether a token of then may be taken now."""
        return now - self.lifetime - self.skew <= created <= now + self.skew

    def ends(self, created: int) -> int:
        """From when on a token cannot be taken any more."""
        return created + self.lifetime + self.skew + 1


class UsernameTokens:
    """Verifies tokens. ``now`` answers epoch microseconds."""

    def __init__(
        self,
        store: Store,
        authenticator: Authenticator,
        secrets: SoapSecrets,
        freshness: Freshness,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._secrets = secrets
        self._freshness = freshness
        self._now = now

    def verify(self, token: UsernameToken, address: str) -> Outcome:
        """Who sends a message from an address. Raises StoreUnavailable."""
        if token.is_digest and (token.nonce is None or token.created is None):
            return Challenge(Reason.DIGEST_INCOMPLETE)
        if token.created is not None and not self._freshness.allows(token.created, self._now()):
            return Challenge(Reason.STALE)
        outcome = self._proved(token, address)
        if isinstance(outcome, Authenticated) and not self._first_use(outcome, token):
            return Challenge(Reason.REPLAYED)
        return outcome

    def _proved(self, token: UsernameToken, address: str) -> Outcome:
        if not token.is_digest:
            return self._authenticator.verify(token.name, token.password, address)
        found = self._secrets.find(token.name)
        # As long for a login that there is not: who asks learns nothing of that.
        right = _digest(token, "" if found is None else found.secret)
        same = hmac.compare_digest(right, token.password.strip().encode("utf-8"))
        principal = found.principal if found is not None and same else None
        return self._authenticator.decide(token.name, principal, address)

    def _first_use(self, outcome: Authenticated, token: UsernameToken) -> bool:
        """Note the nonce of a token that was right; False if it was there."""
        if token.nonce is None:
            return True
        # Without a date it could come again at any time; the first one counts as its date.
        ends = self._freshness.ends(self._now() if token.created is None else token.created)
        digest, mine = _identity(outcome.principal.id, token), moments.new_guid()

        def work(session: Session) -> bool:
            used = models.UsedNonce
            note = used.insert(digest=digest, used_by=mine, expires_at=ends)
            session.execute(note.on_conflict_ignore())
            # Of two that come at once the second one waits here, and then finds the first's.
            first = session.scalar(used.select(used.used_by).where(used.digest == digest))
            return bool(first == mine)

        return self._store.unit_of_work(work)

    def sweep(self, portion: int) -> int:
        """Forget nonces of tokens that are too old; answers how many, ``portion`` at most."""

        def work(session: Session) -> int:
            used = models.UsedNonce
            old = used.select(used.digest).where(used.expires_at < self._now()).limit(portion)
            return int(session.execute(used.delete().where(used.digest.in_(old))) or 0)

        return self._store.unit_of_work(work)


def _digest(token: UsernameToken, secret: str) -> bytes:
    made = (token.nonce or b"") + token.created_text.encode("utf-8") + secret.encode("utf-8")
    # SHA-1 is the profile's choice. The secret is long and of no use elsewhere.
    return base64.b64encode(hashlib.sha1(made, usedforsecurity=False).digest())


def _identity(principal_id: int, token: UsernameToken) -> bytes:
    parts = (str(principal_id), (token.nonce or b"").hex(), token.created_text)
    return hashlib.sha256("|".join(parts).encode("utf-8")).digest()
