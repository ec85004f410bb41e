"""The commands ``agent limit``, ``team limit`` and ``window``, and policies of jobs."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.test_teams import agents

__all__ = ["agents"]


def test_limits_are_set_and_taken_away(agents: Run) -> None:
    agents("team", "create", "Floor 2")
    assert agents("agent", "limit", "PC1", "4", "--comment", "small").out == "PC1: 4\n"
    assert agents("team", "limit", "floor 2", "10").out == "Floor 2: 10\n"
    assert agents("team", "limit", "Floor 2", "None").out == "Floor 2: none\n"
    trail = agents("audit", "list", "--json").json
    assert sum(row["action"] == "limit" for row in trail) == 3
    assert any(row["comment"] == "small" for row in trail)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("agent", "limit", "PC1", "-1"), "-1"),
        (("agent", "limit", "PC1", "many"), "'many' is neither a number nor 'none'"),
        (("agent", "limit", "PC1", "100001"), "from 0 to 100000"),
        (("agent", "limit", "nobody", "1"), "nobody"),
        (("team", "limit", "nobody", "1"), "nobody"),
        (("window", "show", "nothing"), "there is no exclusive window 'nothing'"),
        (("window", "delete", "nothing"), "there is no exclusive window 'nothing'"),
        (("window", "create", "x", "22:00"), "'22:00' is not FROM-TO"),
        (("window", "create", "x", "22:00-25:00"), "'25:00' is no time of day"),
        (("window", "create", "x", "1:00-2:00", "--definition", "none"), "no definition 'none'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    agents: Run, command: tuple[str, ...], sentence: str
) -> None:
    refused = agents(*command)
    assert refused.code != 0
    assert sentence in refused.err
    assert "Traceback" not in refused.err


def test_a_window_from_its_making_to_its_end(agents: Run, block: Path) -> None:
    agents("import", str(block))
    made = agents(
        *("window", "create", "Month end", "22:00-04:00", "--day", "fri", "--utc"),
        *("--agent", "PC1", "--definition", "hello", "--comment", "books"),
    )
    assert made.out == "Month end: 22:00-04:00\n"
    (row,) = agents("window", "list", "--json").json
    assert (row["scope"], row["days"], row["utc"]) == ("agent", [4], True)
    assert agents("window", "show", "month END", "--json").json == row
    assert agents("window", "show", row["guid"], "--json").json == row
    assert "22:00" in agents("window", "show", "Month end").out
    assert agents("window", "delete", "Month end").out == "deleted Month end\n"
    assert agents("window", "list", "--json").json == []


def test_a_job_with_a_policy(agents: Run, block: Path) -> None:
    agents("import", str(block))
    submit = ("job", "submit", "hello", "--agent", "PC1")
    made = agents(
        *(*submit, "--retries", "3", "--retry-delay", "30", "--retry-factor", "2"),
        *("--retry-on", "failed", "--timeout", "60", "--concurrency", "queue"),
        *("--lock", "warehouse", "--priority", "8", "--json"),
    )
    assert made.code == 0, made.err
    assert made.json["priority"] == 8
    for wrong in (("--retries", "101"), ("--retry-factor", "0.5"), ("--timeout", "nan")):
        refused = agents(*submit, *wrong)
        assert refused.code != 0
        assert "Traceback" not in refused.err
