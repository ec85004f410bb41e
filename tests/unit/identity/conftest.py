"""Parts of the identity package over the store of a test, quick to hash and with a set clock."""

import contextlib
import functools
import itertools
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import argon2
import pytest

from gateway.identity.authentication import Authenticator
from gateway.identity.credential_cache import CredentialCache
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.logins import Logins
from gateway.identity.passwords import Passwords
from gateway.identity.permissions import Permissions
from gateway.identity.principals import Caller, Principal, PrincipalKind
from gateway.identity.throttle import Throttle
from gateway.identity.vault import Vault, open_vault
from storage.database import Store, Work
from storage.session import Session

T = TypeVar("T")

ALICE = Principal(7, uuid.UUID(int=7), 1, PrincipalKind.LOGIN, "Alice")
CALLER = Caller(ALICE, "192.0.2.1", "console", "request-1")
FIRST_MOMENT = 1_000_000


@functools.cache
def quick_hasher(memory: int = 8) -> argon2.PasswordHasher:
    """argon2id at its least cost."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=memory, parallelism=1)


@dataclass
class Clock:
    """Seconds that pass when told to."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Parts:
    """One process's parts over a store."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    passwords: Passwords = field(default_factory=lambda: Passwords(hasher=quick_hasher()))

    def __post_init__(self) -> None:
        ticks = itertools.count(FIRST_MOMENT)
        self.now: Callable[[], int] = lambda: next(ticks)
        self.epoch = SecurityEpoch(self.store, self.clock)
        self.logins = Logins(self.store, self.passwords, self.epoch, self.now)
        self.permissions = Permissions(self.store, self.epoch)
        self.cache = CredentialCache(monotonic=self.clock)
        self.throttle = Throttle(self.clock)
        self.authenticator = Authenticator(
            self.store, self.passwords, self.epoch, self.cache, self.throttle
        )


class StoreAround(Store):
    """Another store; subclasses change one thing about it."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.inner = store

    def submit(self, work: Work[T]) -> "Future[T]":
        return self.inner.submit(work)

    def reading(self) -> contextlib.AbstractContextManager[Session]:
        return self.inner.reading()

    def check(self, *, full: bool) -> list[str]:
        return self.inner.check(full=full)

    def free_bytes(self) -> int | None:
        return self.inner.free_bytes()

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def parts(store: Store) -> Parts:
    """The parts of one process over the test's store."""
    return Parts(store)


@pytest.fixture
def sqlite_parts(sqlite_store: Store) -> Parts:
    """The same on SQLite only: for what does not depend on the database."""
    return Parts(sqlite_store)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Where a key file may lie."""
    return tmp_path / "keys.json"


@pytest.fixture
def vault(store: Store, key_file: Path) -> Vault:
    """A vault over the test's store, at its first start."""
    return open_vault(store, key_file)
