"""Slowing of repeated failures."""

import hypothesis
import pytest
from hypothesis import strategies

from gateway.identity import throttle
from gateway.identity.throttle import Allowance, Throttle
from tests.unit.identity.conftest import Clock

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slowing(clock: Clock) -> Throttle:
    return Throttle(clock, Allowance(3, 10.0), Allowance(6, 1.0), size=100)


def fail(slowing: Throttle, times: int, login: str = "alice", address: str = HERE) -> None:
    for _ in range(times):
        slowing.failed(login, address)


def test_a_few_failures_are_free(slowing: Throttle) -> None:
    fail(slowing, 2)
    assert slowing.seconds_to_wait("alice", HERE) is None


def test_more_must_wait_and_are_told_how_long(slowing: Throttle, clock: Clock) -> None:
    fail(slowing, 3)
    assert slowing.seconds_to_wait("alice", HERE) == 10
    clock.seconds = 9.5
    assert slowing.seconds_to_wait("alice", HERE) == 1
    clock.seconds = 10
    assert slowing.seconds_to_wait("alice", HERE) is None
    fail(slowing, 1)
    assert slowing.seconds_to_wait("alice", HERE) == 10


def test_case_and_blanks_in_a_name_give_no_new_tries(slowing: Throttle) -> None:
    fail(slowing, 3, "Alice ")
    assert slowing.seconds_to_wait("ALICE", HERE)


def test_others_are_not_slowed(slowing: Throttle) -> None:
    fail(slowing, 3)
    assert slowing.seconds_to_wait("bob", HERE) is None
    assert slowing.seconds_to_wait("alice", THERE) is None


def test_an_address_that_tries_many_logins_is_slowed(slowing: Throttle) -> None:
    for number in range(6):
        slowing.failed(f"login{number}", HERE)
    assert slowing.seconds_to_wait("another", HERE) == 1
    assert slowing.seconds_to_wait("another", THERE) is None


def test_success_forgets_the_login_but_not_the_address(slowing: Throttle) -> None:
    fail(slowing, 6)
    slowing.succeeded("alice", HERE)
    assert slowing.seconds_to_wait("alice", HERE) == 1
    assert slowing.seconds_to_wait("bob", HERE) == 1


def test_one_program_with_an_old_password_never_keeps_its_address_out(clock: Clock) -> None:
    slowing = Throttle(clock)
    for _ in range(3600):
        clock.seconds += 1
        if slowing.seconds_to_wait("stale", HERE) is None:
            slowing.failed("stale", HERE)
        assert slowing.seconds_to_wait("other", HERE) is None


def test_what_senders_can_make_it_keep_is_bounded(slowing: Throttle) -> None:
    for number in range(1000):
        slowing.failed("x" * 10_000 + str(number), f"192.0.{number % 256}.{number // 256}")
    kept = [*slowing._logins._empty_at, *slowing._addresses._empty_at]
    assert len(kept) <= 200
    assert all(len(key[0]) <= 256 for key in kept if isinstance(key, tuple))


# Quarters of a second, which binary fractions hold exactly.
PAUSES = strategies.integers(0, 160).map(lambda quarters: quarters / 4)


@hypothesis.given(strategies.lists(PAUSES, max_size=60))
def test_no_pattern_of_tries_beats_the_rate(pauses: list[float]) -> None:
    clock = Clock()
    slowing = Throttle(clock, Allowance(3, 10.0), Allowance(1000, 0.001))
    heard = 0
    for pause in pauses:
        clock.seconds += pause
        wait = slowing.seconds_to_wait("alice", HERE)
        if wait is None:
            slowing.failed("alice", HERE)
            heard += 1
        else:
            assert 0 < wait <= 10
    assert heard <= 3 + clock.seconds / 10


def test_an_address_leaks_faster_than_a_login_fills_it() -> None:
    assert throttle.PER_ADDRESS.seconds < throttle.PER_LOGIN.seconds
