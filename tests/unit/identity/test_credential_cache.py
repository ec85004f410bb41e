"""The cache of verified credentials."""

import hypothesis
from hypothesis import strategies

from gateway.identity.credential_cache import CredentialCache
from tests.unit.identity.conftest import ALICE, Clock


def cache_of(clock: Clock | None = None, size: int = 4) -> CredentialCache:
    return CredentialCache(seconds=300, size=size, monotonic=clock or Clock())


def test_only_the_same_pair_is_found() -> None:
    cache = cache_of()
    cache.put(cache.fingerprint("alice", "secret"), 1, ALICE)
    assert cache.get(cache.fingerprint("alice", "secret"), 1) is ALICE
    assert cache.get(cache.fingerprint("alice", "Secret"), 1) is None
    assert cache.get(cache.fingerprint("bob", "secret"), 1) is None


@hypothesis.given(
    *([strategies.text(alphabet="ab\0é\ud800", max_size=4)] * 4),
)
def test_different_pairs_have_different_fingerprints(a: str, b: str, c: str, d: str) -> None:
    cache = cache_of()
    equal = cache.fingerprint(a, b) == cache.fingerprint(c, d)
    assert equal == ((a, b) == (c, d))


def test_fingerprints_of_another_process_are_of_no_use() -> None:
    assert cache_of().fingerprint("alice", "secret") != cache_of().fingerprint("alice", "secret")


def test_entries_end_with_their_time_but_are_recognised() -> None:
    clock = Clock()
    cache = cache_of(clock)
    fingerprint = cache.fingerprint("alice", "secret")
    cache.put(fingerprint, 1, ALICE)
    clock.seconds = 299.9
    assert cache.get(fingerprint, 1) is ALICE
    clock.seconds = 300
    assert cache.get(fingerprint, 1) is None
    assert cache.recognises(fingerprint, 1)


def test_a_new_epoch_empties_it() -> None:
    cache = cache_of()
    fingerprint = cache.fingerprint("alice", "secret")
    cache.put(fingerprint, 1, ALICE)
    assert cache.get(fingerprint, 2) is None
    assert not cache.recognises(fingerprint, 2)
    assert len(cache) == 0


def test_what_was_verified_in_an_old_epoch_does_not_come_back() -> None:
    cache = cache_of()
    fingerprint = cache.fingerprint("alice", "secret")
    cache.get(fingerprint, 2)
    cache.put(fingerprint, 1, ALICE)
    assert cache.get(fingerprint, 2) is None
    assert cache.get(fingerprint, 1) is None


def test_the_least_used_go_first() -> None:
    cache = cache_of(size=2)
    one, two, three = (cache.fingerprint("alice", password) for password in "123")
    cache.put(one, 1, ALICE)
    cache.put(two, 1, ALICE)
    cache.get(one, 1)
    cache.put(three, 1, ALICE)
    assert len(cache) == 2
    assert cache.get(one, 1)
    assert not cache.get(two, 1)
    assert cache.get(three, 1)


def test_the_second_half_of_a_fingerprint_counts_too() -> None:
    cache = cache_of()
    fingerprint = cache.fingerprint("alice", "secret")
    cache.put(fingerprint, 1, ALICE)
    forged = fingerprint[:16] + bytes(16)
    assert cache.get(forged, 1) is None
