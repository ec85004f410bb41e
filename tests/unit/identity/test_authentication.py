"""Basic authentication: reading, verifying, remembering, slowing."""

import base64
import contextlib
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import argon2
import hypothesis
import pytest
from hypothesis import strategies

from gateway.identity.authentication import (
    Authenticated,
    Authenticator,
    Challenge,
    Credentials,
    Outcome,
    Reason,
    read_basic,
)
from gateway.identity.credential_cache import CredentialCache
from gateway.identity.passwords import Passwords
from gateway.identity.principals import MACHINE
from gateway.identity.throttle import Throttle
from storage import models
from storage.database import Store, Work
from storage.errors import StoreUnavailable
from tests.unit.identity.conftest import Clock, Parts, StoreAround, quick_hasher

HERE, THERE = "192.0.2.1", "192.0.2.2"
T = TypeVar("T")
WRONG = Challenge(Reason.WRONG)


class CountingHasher(argon2.PasswordHasher):
    """Counts what it is asked to verify; may be held back."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self._lock = threading.Lock()
        self.verified = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.entered = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002  # the library's name
        with self._lock:
            self.verified += 1
        self.entered.set()
        assert self.go_on.wait(timeout=30)
        return bool(super().verify(hash, password))


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def parts(store: Store, hasher: CountingHasher) -> Parts:
    """With Alice, whose password is "wonderland"."""
    made = Parts(store, passwords=Passwords(hasher=hasher))
    made.logins.add("Alice", "wonderland", ["Administrators"], MACHINE)
    return made


def basic(name: str, password: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode(encoding)).decode()


def verified(parts: Parts, name: str, password: str, address: str = HERE) -> Outcome:
    return parts.authenticator.authenticate(basic(name, password), address)


def name_of(outcome: Outcome) -> str | None:
    return outcome.principal.name if isinstance(outcome, Authenticated) else None


# Reading the header


@pytest.mark.parametrize("text", ["a:b", "a:", ":b", "a:b:c", "é:ü", ":"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_both_encodings_are_read(text: str, encoding: str) -> None:
    name, _, password = text.partition(":")
    assert read_basic(basic(name, password, encoding)) == Credentials(name, password)


@pytest.mark.parametrize("header", ["basic YTpi", "BASIC  YTpi", " Basic YTpi ", "Basic YT\r\n pi"])
def test_case_blanks_and_folding_do_not_matter(header: str) -> None:
    assert read_basic(header) == Credentials("a", "b")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw==", Reason.NOT_BASIC),
        ("Negotiate YIIF", Reason.NOT_BASIC),
        ("Bearer abc", Reason.NOT_BASIC),
        ("YTpi", Reason.NOT_BASIC),
        ("Basic", Reason.UNREADABLE),
        ("Basic YWI=", Reason.UNREADABLE),
        ("Basic !!!!", Reason.UNREADABLE),
        ("Basic YTp", Reason.UNREADABLE),
        ("Basic \u00ff", Reason.UNREADABLE),
        ("Basic \ud800", Reason.UNREADABLE),
    ],
)
def test_all_else_is_a_challenge(sqlite_store: Store, header: str, reason: Reason) -> None:
    assert read_basic(header) == reason
    outcome = Parts(sqlite_store).authenticator.authenticate(header, HERE)
    assert outcome == Challenge(reason)


@hypothesis.given(strategies.text() | strategies.binary().map(lambda data: data.decode("latin-1")))
def test_no_header_is_an_error(text: str) -> None:
    for header in (text, f"Basic {text}"):
        assert isinstance(read_basic(header), Credentials | Reason)


@hypothesis.given(strategies.binary())
def test_whatever_is_encoded_is_read_or_refused(data: bytes) -> None:
    found = read_basic("Basic " + base64.b64encode(data).decode())
    assert (found is Reason.UNREADABLE) == (b":" not in data)


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_header_is_challenged(sqlite_store: Store, header: str | None) -> None:
    outcome = Parts(sqlite_store).authenticator.authenticate(header, HERE)
    assert outcome == Challenge(Reason.NO_CREDENTIALS)


def test_empty_name_and_password_are_no_credentials(parts: Parts, hasher: CountingHasher) -> None:
    assert verified(parts, "", "") == Challenge(Reason.NO_CREDENTIALS)
    assert hasher.verified == 0


# Verifying


def test_the_right_password_says_who_it_is(parts: Parts) -> None:
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"
    assert name_of(verified(parts, " ALICE ", "wonderland")) == "Alice"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        *(("alice", "Wonderland"), ("alice", ""), ("bob", "wonderland"), ("", "wonderland")),
        *(("a\0b", "x"), ("\ud800", "x"), ("x" * 70_000, "x"), ("alice", "x" * 70_000)),
    ],
)
def test_all_other_credentials_are_wrong(parts: Parts, name: str, password: str) -> None:
    assert parts.authenticator.verify(name, password, HERE) == WRONG


def test_unknown_logins_and_those_without_password_cost_as_much(
    parts: Parts, hasher: CountingHasher
) -> None:
    parts.logins.add("nopassword", None, [], MACHINE)
    parts.logins.add("disabled", "secret", [], MACHINE)
    parts.logins.disable("disabled", MACHINE)
    for name in ("nobody", "nopassword", "disabled"):
        before = hasher.verified
        assert verified(parts, name, "secret") == WRONG
        assert hasher.verified == before + 1


def test_failures_are_logged_without_what_was_sent(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    verified(parts, "hunter2", "correct horse")
    verified(parts, "alice", "correct horse")
    assert "an unknown login from 192.0.2.1" in caplog.text
    assert "login 'Alice' from 192.0.2.1" in caplog.text
    assert "hunter2" not in caplog.text
    assert "horse" not in caplog.text


# Remembering


def test_a_second_time_costs_no_hash(parts: Parts, hasher: CountingHasher) -> None:
    for _ in range(10):
        assert name_of(verified(parts, "alice", "wonderland")) == "Alice"
    assert hasher.verified == 1


def test_after_its_time_it_is_verified_again(parts: Parts, hasher: CountingHasher) -> None:
    verified(parts, "alice", "wonderland")
    parts.clock.seconds += 300
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"
    assert hasher.verified == 2


def test_failures_are_not_remembered(parts: Parts, hasher: CountingHasher) -> None:
    parts.logins.add("bob", "old", [], MACHINE)
    assert verified(parts, "bob", "new") == WRONG
    parts.logins.set_password("bob", "new", MACHINE)
    assert name_of(verified(parts, "bob", "new")) == "bob"


def test_a_change_elsewhere_counts_within_a_second(parts: Parts) -> None:
    elsewhere = Parts(parts.store)
    assert name_of(verified(elsewhere, "alice", "wonderland")) == "Alice"
    parts.logins.set_password("alice", "looking glass", MACHINE)
    elsewhere.clock.seconds += 1
    assert verified(elsewhere, "alice", "wonderland") == WRONG
    assert name_of(verified(elsewhere, "alice", "looking glass")) == "Alice"


def test_a_change_beats_a_verification_under_way(parts: Parts, hasher: CountingHasher) -> None:
    hasher.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(verified, parts, "alice", "wonderland")
        assert hasher.entered.wait(timeout=30)
        parts.logins.set_password("alice", "looking glass", MACHINE)
        hasher.go_on.set()
        # It began before the change, so either answer would do; it must only leave nothing.
        slow.result()
    assert verified(parts, "alice", "wonderland") == WRONG


def test_32_threads_and_a_changing_password_never_pass_with_the_old_one(parts: Parts) -> None:
    current = "wonderland"
    changed = [f"password {number}" for number in range(8)]
    retired: list[str] = []
    done = threading.Event()

    def knock(thread: int) -> int:
        wrong = 0
        for turn in itertools.count():
            finished = done.is_set()
            for old in retired[-2:]:
                outcome = verified(parts, "alice", old, f"10.{thread}.{turn // 200}.{turn % 200}")
                wrong += isinstance(outcome, Authenticated)
            if current not in retired:
                verified(parts, "alice", current, f"10.{thread}.0.0")
            if finished:
                return wrong
        raise AssertionError

    with ThreadPoolExecutor(32) as pool:
        knocking = [pool.submit(knock, thread) for thread in range(32)]
        try:
            for password in changed:
                parts.logins.set_password("alice", password, MACHINE)
                retired.append(current)
                current = password
        finally:
            done.set()
        assert sum(each.result() for each in knocking) == 0
    assert name_of(verified(parts, "alice", changed[-1])) == "Alice"


def test_32_threads_with_the_same_password_cost_two_hashes_at_most(
    parts: Parts, hasher: CountingHasher
) -> None:
    together = threading.Barrier(32)

    def knock(_: int) -> str | None:
        together.wait(timeout=30)
        return name_of(verified(parts, "alice", "wonderland"))

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(knock, range(32))) == {"Alice"}
    assert hasher.verified <= 2


# Slowing


def exhaust(parts: Parts, name: str = "alice", address: str = HERE) -> Challenge:
    for number in range(100):
        outcome = verified(parts, name, f"guess {number}", address)
        assert isinstance(outcome, Challenge)
        if outcome.retry_after is not None:
            return outcome
    raise AssertionError("never slowed")


def test_guesses_are_told_to_wait_and_not_verified(parts: Parts, hasher: CountingHasher) -> None:
    outcome = exhaust(parts)
    assert outcome.reason is Reason.THROTTLED
    assert outcome.retry_after is not None
    assert outcome.retry_after > 0
    before = hasher.verified
    assert isinstance(verified(parts, "alice", "wonderland"), Challenge)
    assert hasher.verified == before
    parts.clock.seconds += outcome.retry_after
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"


def test_the_same_wrong_password_again_and_again_is_slowed_too(parts: Parts) -> None:
    outcomes = [verified(parts, "alice", "stale") for _ in range(10)]
    assert outcomes[0] == WRONG
    assert isinstance(outcomes[-1], Challenge)
    assert outcomes[-1].retry_after is not None


def test_others_go_on_meanwhile(parts: Parts) -> None:
    parts.logins.add("bob", "secret", [], MACHINE)
    exhaust(parts)
    assert name_of(verified(parts, "bob", "secret")) == "bob"
    assert name_of(verified(parts, "alice", "wonderland", THERE)) == "Alice"


def test_who_was_right_before_is_never_slowed_by_who_guesses(parts: Parts) -> None:
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"
    exhaust(parts)
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"
    # Also when it must be verified again.
    parts.clock.seconds += 300
    exhaust(parts)
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"


def test_missing_and_unreadable_credentials_slow_nobody(parts: Parts) -> None:
    for header in (None, "NTLM TlRM", "Basic ???") * 100:
        assert isinstance(parts.authenticator.authenticate(header, HERE), Challenge)
    assert name_of(verified(parts, "alice", "wonderland")) == "Alice"


def test_32_threads_of_guesses_are_verified_no_more_than_allowed(
    parts: Parts, hasher: CountingHasher
) -> None:
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda number: verified(parts, "alice", f"guess {number}"), range(200)))
    # Five are free; a second one may hash while the fifth does.
    assert hasher.verified <= 6


# Waiting and renewing


def test_others_may_compute_while_it_waits_for_a_hash(store: Store) -> None:
    events: list[str] = []

    @contextlib.contextmanager
    def released() -> Iterator[None]:
        events.append("released")
        yield
        events.append("taken again")

    parts = Parts(store, passwords=Passwords(released, quick_hasher()))
    parts.logins.add("alice", "wonderland", [], MACHINE)
    events.clear()
    verified(parts, "alice", "wonderland")
    verified(parts, "alice", "wonderland")
    assert events == ["released", "taken again"]


def stored_verifier(parts: Parts) -> str:
    with parts.store.reading() as session:
        return str(session.scalar(models.Credential.select(models.Credential.verifier)))


def test_a_hash_of_old_parameters_is_renewed_once(parts: Parts) -> None:
    stronger = Parts(parts.store, passwords=Passwords(hasher=quick_hasher(memory=16)))
    assert name_of(verified(stronger, "alice", "wonderland")) == "Alice"
    renewed = stored_verifier(parts)
    assert argon2.extract_parameters(renewed).memory_cost == 16
    stronger.clock.seconds += 300
    assert name_of(verified(stronger, "alice", "wonderland")) == "Alice"
    assert stored_verifier(parts) == renewed


def test_a_wrong_password_renews_nothing(parts: Parts) -> None:
    before = stored_verifier(parts)
    stronger = Parts(parts.store, passwords=Passwords(hasher=quick_hasher(memory=16)))
    assert verified(stronger, "alice", "wrong") == WRONG
    assert stored_verifier(parts) == before


class FullStore(StoreAround):
    """Its disk is full."""

    def submit(self, work: Work[T]) -> "Future[T]":
        raise StoreUnavailable("disk full")


def test_a_full_disk_keeps_nobody_out(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    full = Parts(FullStore(parts.store), Clock(), Passwords(hasher=quick_hasher(memory=16)))
    assert isinstance(full.authenticator, Authenticator)
    assert name_of(verified(full, "alice", "wonderland")) == "Alice"
    assert "keeps its old hash: disk full" in caplog.text


def test_a_password_is_good_until_it_expires(parts: Parts) -> None:
    credential, moment = models.Credential, 5_000_000
    parts.store.unit_of_work(lambda session: session.execute(credential.update(expires_at=moment)))

    def outcome(now: int) -> Outcome:
        authenticator = Authenticator(
            parts.store, parts.passwords, parts.epoch, CredentialCache(), Throttle(), lambda: now
        )
        return authenticator.verify("alice", "wonderland", HERE)

    assert isinstance(outcome(moment - 1), Authenticated)
    assert outcome(moment) == WRONG
