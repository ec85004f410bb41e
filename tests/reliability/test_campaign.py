"""Ten rounds of the fault campaign, and that a seed says all about a round.

The same ten in every ordinary run, ``CAMPAIGN_MASTER`` has ten others; new ground is for ``make
soak``. Each failure says how to play its round alone.
"""

import os
from pathlib import Path

import pytest

from tests.reliability.campaign import table
from tests.reliability.campaign.plan import Fault, Plan, plan, seeds
from tests.reliability.campaign.promises import Outcome
from tests.reliability.campaign.rounds import Round, play

ROUNDS = 10
MASTER = int(os.environ.get("CAMPAIGN_MASTER", "5"))


@pytest.fixture(scope="session")
def chosen() -> list[str]:
    print(f"the same again: CAMPAIGN_MASTER={MASTER}")
    return list(seeds(ROUNDS, MASTER))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(ROUNDS))
def test_all_promises_are_kept(
    number: int, chosen: list[str], tmp_path: Path, furnished: Path
) -> None:
    done = play(chosen[number], tmp_path, furnished)
    print(f"{table.HEAD}\n{table.line(done)}")
    assert not done.outcome.broken, table.broken(done)
    assert done.outcome.counts["jobs"] >= done.outcome.counts["accepted"] > 0 or (
        Fault.RESTORE in done.plan.faults
    )


def test_ten_rounds_have_every_fault_first() -> None:
    found = list(seeds(ROUNDS, 1))
    assert found == list(seeds(ROUNDS, 1))
    assert found != list(seeds(ROUNDS, 2))
    assert len(found) == len(set(found)) == ROUNDS
    assert {fault for seed in found for fault in plan(seed).faults} == set(Fault)


def test_a_seed_has_one_plan_which_has_its_fault() -> None:
    for fault in Fault:
        plans = [plan(f"{fault.value}-{number:06}") for number in range(200)]
        assert plans == [plan(one.seed) for one in plans]
        assert all(fault in one.faults for one in plans)
        assert all(1 <= len(one.strikes) <= 3 for one in plans)
        assert not any({Fault.RESTORE, Fault.CLOCK} <= one.faults for one in plans)


@pytest.mark.parametrize("seed", ["", "disk-full", "disk-full-x", "sunshine-1"])
def test_what_is_no_seed_is_refused(seed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        plan(seed)


def test_a_broken_promise_is_told_with_its_seed() -> None:
    done = Round(Plan("disk-full-000001", (), 1, 0.5), Outcome({}, ("job 1 is lost",)), 1.0)
    assert " NO" in table.line(done)
    assert "job 1 is lost" in table.broken(done)
    assert "--seed disk-full-000001" in table.broken(done)
