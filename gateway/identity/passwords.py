"""Passwords: hashed with argon2id, two at a time, none of them ever kept."""

import contextlib
import logging
import secrets
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import argon2
from argon2 import exceptions

from gateway.identity import errors

log = logging.getLogger(__name__)

MAXIMUM_BYTES = 1024

# The second of OWASP's recommended sets: 19 MiB, two passes.  The library's defaults cost several
# times as much, which a server with Basic on each request cannot give.
_MEMORY_KIB = 19 * 1024
_PASSES = 2
_LANES = 1

# So that hashing takes two cores and 38 MiB at most, whatever comes in.
_AT_ONCE = 2


def standard_hasher() -> argon2.PasswordHasher:
    """argon2id with this program's parameters."""
    return argon2.PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)


def generate() -> str:
    """A new random password of 160 bits."""
    return secrets.token_urlsafe(20)


class Passwords:
    """Hashes passwords, a few at a time.

    ``released`` is entered while a thread waits for its turn and for the hash: the place to let
    other requests compute meanwhile.
    """

    def __init__(
        self,
        released: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        hasher: argon2.PasswordHasher | None = None,
    ) -> None:
        self._released = released
        self._turns = threading.Semaphore(_AT_ONCE)
        self._turn = Turn(hasher or standard_hasher())

    @contextlib.contextmanager
    def turn(self) -> Iterator["Turn"]:
        """Wait for one of the few turns; hashing is possible within one only."""
        with self._released(), self._turns:
            yield self._turn

    def hash(self, password: str) -> str:
        """The verifier of a new password. Raises PasswordRefused."""
        with self.turn() as turn:
            return turn.hash(password)


class Turn:
    """What may be done while a turn is held."""

    def __init__(self, hasher: argon2.PasswordHasher) -> None:
        self._hasher = hasher
        self._nobody = hasher.hash(secrets.token_bytes(16))

    def hash(self, password: str) -> str:
        """The verifier of a password, with a new salt. Raises PasswordRefused."""
        return self._hasher.hash(_checked(password))

    def matches(self, verifier: str | None, password: str) -> bool:
        """Whether this is the password behind the verifier.

        Without a verifier (no such login) the answer is False after as much work, so that the
        time taken does not tell which logins exist.
        """
        data = _encoded(password)
        if not 0 < len(data) <= MAXIMUM_BYTES:
            return False
        return self._verified(verifier or self._nobody, data) and verifier is not None

    def outdated(self, verifier: str) -> bool:
        """Whether the verifier was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(verifier)

    def _verified(self, verifier: str, data: bytes) -> bool:
        try:
            return self._hasher.verify(verifier, data)
        except exceptions.VerifyMismatchError:
            return False
        except (exceptions.VerificationError, exceptions.InvalidHashError) as error:
            log.error("a stored password cannot be verified (%s): set it again", error)  # noqa: TRY400  # a trace would say no more
            return False


def _checked(password: str) -> bytes:
    data = _encoded(password)
    if not data:
        raise errors.PasswordRefused(
            "an empty password is no password: give one, or add the login without any"
        )
    if len(data) > MAXIMUM_BYTES:
        raise errors.PasswordRefused(
            f"the password is {len(data)} bytes long: at most {MAXIMUM_BYTES} are allowed"
        )
    return data


def _encoded(password: str) -> bytes:
    """UTF-8 of the composed form: keyboards differ in how they send an accented letter."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
