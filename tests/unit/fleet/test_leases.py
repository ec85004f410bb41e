"""Leases end by a steady clock alone, and only if somebody looked on."""

from gateway.fleet.leases import Leases

LENGTH = 60.0


class Steady:
    """Seconds that only ever grow."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_lease_that_is_not_renewed_ends() -> None:
    clock = Steady()
    leases = Leases(LENGTH, clock)
    assert leases.ended({1: 100, 2: 100}) == []
    clock.seconds += LENGTH / 2
    assert leases.ended({1: 100, 2: 200}) == []
    clock.seconds += LENGTH / 2
    assert leases.ended({1: 100, 2: 200}) == [1]
    clock.seconds += LENGTH / 2
    assert leases.ended({2: 200}) == [2]


def test_a_wall_clock_that_was_set_back_renews_all_the_same() -> None:
    clock = Steady()
    leases = Leases(LENGTH, clock)
    for lease in (100, 50, 75, 20):
        assert leases.ended({1: lease}) == []
        clock.seconds += LENGTH - 1
    assert leases.ended({1: 20}) == []


def test_renewals_that_could_not_be_stored_are_not_the_agents_fault() -> None:
    clock = Steady()
    leases = Leases(LENGTH, clock)
    leases.ended({1: 100})
    clock.seconds += LENGTH
    leases.forget()
    assert leases.ended({1: 100}) == []
    clock.seconds += LENGTH
    assert leases.ended({1: 100}) == [1]
