"""Messages made by chance, in processes of their own: their memory is looked at, too."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import generator
from tests.hostile.__main__ import ROOT

# The same ones in every run; `make fuzz` sends others.
SEED = 20_261_126
MESSAGES = 5_000
GUIDED = 5_000


def run(*arguments: str) -> str:
    """What the program says, of which it must find nothing wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--seed", str(SEED), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    return done.stdout + done.stderr


def test_thousands_of_generated_messages_are_answered_within_the_rules(tmp_path: Path) -> None:
    told = run("--messages", str(MESSAGES), "--keep", str(tmp_path))
    assert f"{MESSAGES} answered" in told
    # Were most of them refused at the door, nothing behind it would have been tried.
    statuses = {int(s): int(n) for s, n in re.findall(r"(\d{3}): (\d+)", told)}
    assert statuses[401] < MESSAGES / 5
    assert statuses[200] > MESSAGES / 50
    assert statuses[500] > MESSAGES / 5
    assert list(tmp_path.iterdir()) == []


def test_inputs_that_are_found_by_coverage_break_no_rule(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="there is no wheel of atheris for this machine")
    told = run("--coverage", "--messages", str(GUIDED), "--keep", str(tmp_path))
    assert int(re.findall(r"Done (\d+) runs", told)[-1]) >= GUIDED
    begun, ended = (
        int(re.findall(rf"{which} +cov: (\d+)", told)[-1]) for which in ("INITED", "DONE")
    )
    assert ended >= begun > 200
    assert list(tmp_path.iterdir()) == []


def test_a_seed_gives_the_same_messages() -> None:
    first, again, others = (
        [generator.message(seed, number) for number in range(300)] for seed in (1, 1, 2)
    )
    assert first == again
    assert len({each.body for each in first} & {each.body for each in others}) < 50


def test_the_messages_of_a_seed_have_all_operations_and_logins_in_them() -> None:
    made = [generator.message(SEED, number) for number in range(1000)]
    for call in generator.calls():
        assert any(call.name.encode() in each.body for each in made), call.name
    logins = {each.header("Authorization") for each in made}
    assert len(logins) >= 4
    assert any(b"UsernameToken" in each.body for each in made)
    assert max(len(each.body) for each in made) > 100_000
