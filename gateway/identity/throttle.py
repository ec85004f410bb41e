"""Slowing repeated failures: who guesses is told when to come again.

Each failure adds to a bucket that leaks at a steady rate; a full bucket means waiting. A bucket is
kept as the moment at which it will be empty, one number, and an empty one need not be kept at all.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from gateway import names
from gateway.identity import addresses

_NAME_CHARACTERS = 256


@dataclass(frozen=True)
class Allowance:
    """``failures`` are free; after them one every ``seconds``."""

    failures: int
    seconds: float


# One program that goes on with an old password fills its own bucket, but less than leaks from that
# of its address: others on the same machine are not kept out by it.
PER_LOGIN = Allowance(failures=5, seconds=30.0)
PER_ADDRESS = Allowance(failures=60, seconds=5.0)

_BUCKETS = 10_000


class Throttle:
    """Failures per login and address together, and per address. Never waits, never sleeps.

    An IPv6 address counts as its /64 network, which is what one customer is given.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        per_login: Allowance = PER_LOGIN,
        per_address: Allowance = PER_ADDRESS,
        size: int = _BUCKETS,
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._logins = _Buckets(per_login, size)
        self._addresses = _Buckets(per_address, size)

    def seconds_to_wait(self, login: str, address: str) -> int | None:
        """Whole seconds after which another attempt is heard; None when it is heard now."""
        origin = addresses.origin(address)
        now = self._monotonic()
        with self._lock:
            wait = max(
                self._logins.wait(_pair(login, origin), now), self._addresses.wait(origin, now)
            )
        return math.ceil(wait) if wait > 0 else None

    def failed(self, login: str, address: str) -> None:
        """Count a wrong password or an unknown login."""
        origin = addresses.origin(address)
        now = self._monotonic()
        with self._lock:
            self._logins.add(_pair(login, origin), now)
            self._addresses.add(origin, now)

    def succeeded(self, login: str, address: str) -> None:
        """Forget what failed for this login from here.

        Not what failed from this address: who has one login must not guess others between.
        """
        with self._lock:
            self._logins.forget(_pair(login, addresses.origin(address)))


class _Buckets:
    """Buckets of one kind, the longest untouched dropped first. Not for several threads."""

    def __init__(self, allowance: Allowance, size: int) -> None:
        self._allowance = allowance
        self._size = size
        self._empty_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        room = (self._allowance.failures - 1) * self._allowance.seconds
        return self._empty_at.get(key, now) - now - room

    def add(self, key: Hashable, now: float) -> None:
        empty_at = max(self._empty_at.get(key, now), now) + self._allowance.seconds
        self._empty_at[key] = empty_at
        self._empty_at.move_to_end(key)
        if len(self._empty_at) > self._size:
            self._empty_at.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        self._empty_at.pop(key, None)


def _pair(login: str, origin: str) -> tuple[str, str]:
    # Cut, since the sender chooses the length of what is kept here.
    return names.key(login[:_NAME_CHARACTERS]), origin
