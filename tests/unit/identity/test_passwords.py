"""Hashing of passwords."""

import contextlib
import threading
from collections.abc import Iterator

import argon2
import pytest

from gateway.identity import errors, passwords
from gateway.identity.passwords import Passwords
from tests.unit.identity.conftest import quick_hasher


@pytest.fixture
def quick() -> Passwords:
    return Passwords(hasher=quick_hasher())


def matches(quick: Passwords, verifier: str | None, password: str) -> bool:
    with quick.turn() as turn:
        return turn.matches(verifier, password)


def test_a_password_matches_its_own_verifier_only(quick: Passwords) -> None:
    verifier = quick.hash("correct horse")
    assert matches(quick, verifier, "correct horse")
    assert not matches(quick, verifier, "correct horsf")
    assert not matches(quick, verifier, "")


def test_equal_passwords_have_different_verifiers_without_the_password(quick: Passwords) -> None:
    first, second = quick.hash("correct horse"), quick.hash("correct horse")
    assert first != second
    assert "correct" not in first


def test_standard_parameters_are_those_decided() -> None:
    parameters = argon2.extract_parameters(Passwords().hash("x"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)


@pytest.mark.parametrize("password", ["", "x" * 1025, "é" * 513])
def test_empty_and_overlong_passwords_are_refused(quick: Passwords, password: str) -> None:
    with pytest.raises(errors.PasswordRefused) as raised:
        quick.hash(password)
    assert not password or password not in str(raised.value)


def test_the_longest_password_is_accepted(quick: Passwords) -> None:
    assert matches(quick, quick.hash("x" * 1024), "x" * 1024)


def test_an_overlong_password_matches_nothing_and_is_not_hashed() -> None:
    counting = CountingHasher()
    quick = Passwords(hasher=counting)
    assert not matches(quick, quick.hash("x"), "x" * 100_000)
    assert counting.mismatches == 0


def test_accents_match_however_the_keyboard_composes_them(quick: Passwords) -> None:
    assert matches(quick, quick.hash("caf\u00e9"), "cafe\u0301")


def test_a_lone_surrogate_is_a_password_like_others(quick: Passwords) -> None:
    assert matches(quick, quick.hash("\ud800"), "\ud800")


class CountingHasher(argon2.PasswordHasher):
    """Counts what it has really compared."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.mismatches = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002  # the library's name
        try:
            return bool(super().verify(hash, password))
        except argon2.exceptions.VerifyMismatchError:
            self.mismatches += 1
            raise


def test_an_unknown_login_costs_a_verification_too() -> None:
    counting = CountingHasher()
    quick = Passwords(hasher=counting)
    assert not matches(quick, None, "anything")
    assert counting.mismatches == 1


@pytest.mark.parametrize("verifier", ["$argon2id$nonsense", "nonsense", "$argon2id$v=19$m=8,t=1"])
def test_a_damaged_verifier_matches_nothing(
    quick: Passwords, verifier: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not matches(quick, verifier, "anything")
    assert "set it again" in caplog.text
    assert "anything" not in caplog.text


def test_a_verifier_of_other_parameters_is_outdated(quick: Passwords) -> None:
    verifier = quick.hash("x")
    with Passwords(hasher=quick_hasher(memory=16)).turn() as turn:
        assert turn.outdated(verifier)
        assert turn.matches(verifier, "x")
        assert not turn.outdated(turn.hash("x"))


def test_generated_passwords_are_long_and_differ() -> None:
    assert len({passwords.generate() for _ in range(100)}) == 100
    assert len(passwords.generate()) >= 20


def test_two_at_once_and_no_third() -> None:
    quick = Passwords(hasher=quick_hasher())
    third_inside = threading.Event()

    def third() -> None:
        with quick.turn():
            third_inside.set()

    waiting = threading.Thread(target=third)
    with quick.turn(), quick.turn():
        waiting.start()
        assert not third_inside.wait(timeout=0.2)
    assert third_inside.wait(timeout=30)
    waiting.join()


def test_others_are_let_in_before_waiting_and_after_the_turn_is_given_back() -> None:
    events: list[str] = []

    @contextlib.contextmanager
    def released() -> Iterator[None]:
        events.append("out")
        yield
        events.append("in")

    quick = Passwords(released, quick_hasher())
    with quick.turn():
        events.append("hash")
    assert events == ["out", "hash", "in"]
