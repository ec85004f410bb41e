import platform
from pathlib import Path
from typing import Any

import pytest

from gateway.agents.conditions import Circumstances, describe, first_met
from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import ParameterValue
from gateway.jobs.states import JobStatus
from gateway.tasks.base import TaskFailed
from tests.unit.agents.memory_desk import condition

PARAMETERS = RunParameters(
    [ParameterValue("Count", value="10"), ParameterValue("Word", value="Hello"),
     ParameterValue("Empty")]
)  # fmt: skip


def holds(subject: str, operator: str, value: str = "", name: str = "", **at: Any) -> bool:
    judged = condition(subject=subject, name=name, operator=operator, value=value)
    where: dict[str, Any] = {
        "parameters": PARAMETERS,
        "previous": JobStatus.TIMED_OUT,
        "folder": Path("/"),
    }
    circumstances = Circumstances(**{**where, **at})
    return first_met((judged,), circumstances) is not None


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("WORD", "equals", "Hello", True),
        ("Word", "equals", "hello", False),
        ("Word", "not_equals", "hello", True),
        ("Word", "contains", "ell", True),
        ("Word", "matches", "^H.l+o$", True),
        ("Word", "matches", "^el", False),
        ("Word", "exists", "", True),
        ("Empty", "exists", "", False),
        ("Missing", "exists", "", False),
        ("Missing", "not_exists", "", True),
        ("Count", "less", "9.5", False),
        ("Count", "greater", "9.5", True),
        ("Count", "equals", "$[count]", True),
    ],
)
def test_parameters(name: str, operator: str, value: str, expected: bool) -> None:
    assert holds("parameter", operator, value, name) is expected


@pytest.mark.parametrize(
    ("name", "operator", "value", "sentence"),
    [
        ("Missing", "equals", "x", "'Missing'"),
        ("Word", "equals", "$[Missing]", "'Missing'"),
        ("Word", "less", "5", "numbers"),
        ("Count", "greater", "many", "numbers"),
        ("Word", "matches", "$[Word](", "regular expression"),
    ],
)
def test_what_cannot_be_judged(name: str, operator: str, value: str, sentence: str) -> None:
    with pytest.raises(TaskFailed) as failed:
        holds("parameter", operator, value, name)
    assert sentence in str(failed.value) or operator == "matches"


def test_platform() -> None:
    assert holds("platform", "equals", platform.system().upper())
    assert holds("platform", "matches", f"^{platform.system().lower()}$")
    assert not holds("platform", "contains", "dos")


@pytest.mark.parametrize("word", ["TimedOut", "timed out", "TIMED_OUT"])
def test_previous_status(word: str) -> None:
    assert holds("previous_status", "equals", word)
    assert not holds("previous_status", "not_equals", word)
    assert not holds("previous_status", "equals", word, previous=None)
    assert holds("previous_status", "matches", "^(failed|timed)")


def test_files(tmp_path: Path) -> None:
    (tmp_path / "Hello").touch()
    assert holds("file", "exists", name="$[Word]", folder=tmp_path)
    assert holds("file", "exists", name=str(tmp_path / "Hello"))
    assert holds("file", "not_exists", name="other", folder=tmp_path)


def test_a_condition_in_words() -> None:
    judged = condition(subject="parameter", name="A_b", operator="not_equals", value="x y")
    assert describe(judged) == "parameter A_b not equals 'x y'"
