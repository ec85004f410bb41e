"""Who sends a request: Basic credentials, verified, remembered and slowed when they fail."""

import base64
import binascii
import enum
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway import moments
from gateway.identity import logins, principals
from gateway.identity.credential_cache import CredentialCache
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.passwords import Passwords, Turn
from gateway.identity.principals import Principal
from gateway.identity.throttle import Throttle
from storage import models
from storage.database import Store
from storage.errors import StoreError
from storage.session import Session

log = logging.getLogger(__name__)


class Reason(enum.Enum):
    """Why a request must (again) say who sends it."""

    NO_CREDENTIALS = "no credentials were sent"
    NOT_BASIC = "the credentials are not of the Basic scheme"
    UNREADABLE = "the Basic credentials cannot be read"
    WRONG = "unknown login, wrong password, or a login that may not be used"
    THROTTLED = "too many failures: come again later"
    DIGEST_INCOMPLETE = "a password digest needs a Nonce and a Created"
    STALE = "Created lies too far back or ahead: compare the client's clock with the server's"
    REPLAYED = "this UsernameToken has been used: make a new Nonce for every message"


@dataclass(frozen=True)
class Authenticated:
    """It is known who sends the request."""

    principal: Principal


@dataclass(frozen=True)
class Challenge:
    """The answer is 401 with a Basic challenge, and Retry-After in seconds where given."""

    reason: Reason
    retry_after: int | None = None


Outcome = Authenticated | Challenge


class Credentials(NamedTuple):
    """What Basic carries."""

    name: str
    password: str


@dataclass(frozen=True)
class _Attempt:
    """Credentials that are not in the cache, on their way to be verified."""

    name: str
    password: str = field(repr=False)
    address: str
    epoch: int
    fingerprint: bytes = field(repr=False)


class Authenticator:
    """Verifies credentials of one store.

    What was right within the cache's time and the present security epoch costs microseconds; all
    else costs a read and a hash. So a password that expires is taken for the cache's time after
    that at most. ``now`` answers epoch microseconds. Raises StoreUnavailable.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        epoch: SecurityEpoch,
        cache: CredentialCache,
        throttle: Throttle,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._epoch = epoch
        self._cache = cache
        self._throttle = throttle
        self._now = now

    def authenticate(self, header: str | None, address: str) -> Outcome:
        """The outcome for an Authorization header and the address of the client."""
        if header is None or not header.strip():
            return Challenge(Reason.NO_CREDENTIALS)
        credentials = read_basic(header)
        if isinstance(credentials, Reason):
            return Challenge(credentials)
        return self.verify(credentials.name, credentials.password, address)

    def verify(self, name: str, password: str, address: str) -> Outcome:
        """The outcome for a name and password; both empty means that none were sent."""
        # The epoch is read first: what is verified against anything later may be kept under it.
        epoch = self._epoch.current()
        fingerprint = self._cache.fingerprint(name, password)
        principal = self._cache.get(fingerprint, epoch)
        if principal is not None:
            return Authenticated(principal)
        if not name and not password:
            return Challenge(Reason.NO_CREDENTIALS)
        return self._attempt(_Attempt(name, password, address, epoch, fingerprint))

    def decide(self, name: str, principal: Principal | None, address: str) -> Outcome:
        """The outcome for who has proved by other means to be a principal, or has failed to."""
        wait = self._throttle.seconds_to_wait(name, address)
        if wait is not None:
            return Challenge(Reason.THROTTLED, wait)
        if principal is None:
            self._throttle.failed(name, address)
            _log_failure(address, self._find(name))
            return Challenge(Reason.WRONG)
        self._throttle.succeeded(name, address)
        return Authenticated(principal)

    def _attempt(self, attempt: _Attempt) -> Outcome:
        challenge = self._throttled(attempt)
        if challenge is not None:
            return challenge
        login = self._find(attempt.name)
        with self._passwords.turn() as turn:
            outcome = self._decided_meanwhile(attempt) or self._verified(attempt, login, turn)
        if isinstance(outcome, Challenge) and outcome.reason is Reason.WRONG:
            _log_failure(attempt.address, login)
        return outcome

    def _throttled(self, attempt: _Attempt) -> Challenge | None:
        # What was right before in this epoch is no guess, however many others guess meanwhile.
        if self._cache.recognises(attempt.fingerprint, attempt.epoch):
            return None
        wait = self._throttle.seconds_to_wait(attempt.name, attempt.address)
        return None if wait is None else Challenge(Reason.THROTTLED, wait)

    def _decided_meanwhile(self, attempt: _Attempt) -> Outcome | None:
        """What others found out while this thread waited for its turn to hash."""
        principal = self._cache.get(attempt.fingerprint, attempt.epoch)
        return self._throttled(attempt) if principal is None else Authenticated(principal)

    def _verified(self, attempt: _Attempt, login: Mapping[str, Any] | None, turn: Turn) -> Outcome:
        verifier = None if login is None else login["verifier"]
        if not turn.matches(verifier, attempt.password) or login is None:
            self._throttle.failed(attempt.name, attempt.address)
            return Challenge(Reason.WRONG)
        self._throttle.succeeded(attempt.name, attempt.address)
        principal = principals.from_row(login)
        self._cache.put(attempt.fingerprint, attempt.epoch, principal)
        if turn.outdated(login["verifier"]):
            self._renew(login, turn.hash(attempt.password))
        return Authenticated(principal)

    def _find(self, name: str) -> Mapping[str, Any] | None:
        if not logins.is_name(name.strip()):
            return None
        with self._store.reading() as session:
            return session.first(logins.with_verifier(name, self._now()))

    def _renew(self, login: Mapping[str, Any], verifier: str) -> None:
        """Keep the same password under today's parameters, unless it was changed meanwhile."""
        credential = models.Credential
        query = credential.update(verifier=verifier).where(
            credential.id == login["credential"], credential.verifier == login["verifier"]
        )

        def work(session: Session) -> None:
            session.execute(query)

        try:
            self._store.unit_of_work(work)
        except StoreError as error:
            log.warning("the password of '%s' keeps its old hash: %s", login["name"], error)


def read_basic(header: str) -> Credentials | Reason:
    """The credentials of an Authorization header, or why there are none.

    UTF-8, and Latin-1 where it is not UTF-8: old .NET and PowerShell clients send that. Blanks in
    the encoded part are ignored: old encoders break it into lines.
    """
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return Reason.NOT_BASIC
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return Reason.UNREADABLE
    name, colon, password = _decoded(data).partition(":")
    return Credentials(name, password) if colon else Reason.UNREADABLE


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _log_failure(address: str, login: Mapping[str, Any] | None) -> None:
    # An unknown name is not logged: it may be a password typed into the wrong field.
    who = "an unknown login" if login is None else f"login '{login['name']}'"
    log.warning("authentication failed for %s from %s", who, address)
