"""Credentials that were right a moment ago, so that Basic on each request stays cheap.

No password is kept: an entry is found under a keyed hash (BLAKE2b) of name and password, whose key
lives and dies with the process.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from gateway.identity.principals import Principal

# A fingerprint is found by its first half and compared by its second.
_PLACE = slice(0, 16)
_PROOF = slice(16, 32)


class _Entry(NamedTuple):
    proof: bytes
    principal: Principal
    fresh_until: float


class CredentialCache:
    """Successes only, for one security epoch and ``seconds`` each; the least used go first.

    A new epoch empties it. An epoch older than the one seen last finds and leaves nothing, so that
    a slow verification cannot bring back what was true before a change.
    """

    def __init__(
        self,
        seconds: float = 300.0,
        size: int = 4096,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._size = size
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._entries)

    def fingerprint(self, name: str, password: str) -> bytes:
        """What an entry is found by; different for every pair of name and password."""
        user = name.encode("utf-8", "surrogatepass")
        # The length of the name keeps ("a", "b\0c") and ("a\0b", "c") apart.
        message = b"%d\0%b\0%b" % (len(user), user, password.encode("utf-8", "surrogatepass"))
        return hashlib.blake2b(message, key=self._key, digest_size=32).digest()

    def get(self, fingerprint: bytes, epoch: int) -> Principal | None:
        """Whose credentials these are, if they were right within this epoch and the time given."""
        entry = self._entry(fingerprint, epoch)
        if entry is None or self._monotonic() >= entry.fresh_until:
            return None
        return entry.principal

    def recognises(self, fingerprint: bytes, epoch: int) -> bool:
        """Whether these credentials were right within this epoch, however long ago."""
        return self._entry(fingerprint, epoch) is not None

    def put(self, fingerprint: bytes, epoch: int, principal: Principal) -> None:
        """Remember credentials verified against what was stored in ``epoch`` or later."""
        entry = _Entry(fingerprint[_PROOF], principal, self._monotonic() + self._seconds)
        with self._lock:
            if self._enter(epoch):
                self._entries[fingerprint[_PLACE]] = entry
                self._entries.move_to_end(fingerprint[_PLACE])
                if len(self._entries) > self._size:
                    self._entries.popitem(last=False)

    def _entry(self, fingerprint: bytes, epoch: int) -> _Entry | None:
        place = fingerprint[_PLACE]
        with self._lock:
            if not self._enter(epoch):
                return None
            entry = self._entries.get(place)
            if entry is None or not hmac.compare_digest(entry.proof, fingerprint[_PROOF]):
                return None
            self._entries.move_to_end(place)
            return entry

    def _enter(self, epoch: int) -> bool:
        """Whether this is the present epoch; a later one becomes it, and empties the cache."""
        if epoch > self._epoch:
            self._entries.clear()
            self._epoch = epoch
        return epoch == self._epoch
