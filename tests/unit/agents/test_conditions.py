import platform
from pathlib import Path
from typing import Any

import pytest

from gateway.agents.conditions import Circumstances, Ruling, describe, ruling
from gateway.agents.parameters import RunParameters
from gateway.agents.protocol import ParameterValue
from gateway.catalog.definitions import Condition
from gateway.jobs.states import JobStatus
from gateway.tasks.base import TaskFailed
from tests.unit.agents.memory_desk import condition

PARAMETERS = RunParameters(
    [ParameterValue("Count", value="10"), ParameterValue("Word", value="Hello"),
     ParameterValue("Empty")]
).of_part(0)  # fmt: skip


def judge(*conditions: Condition, **at: Any) -> Ruling | None:
    where: dict[str, Any] = {
        "parameters": PARAMETERS,
        "previous": JobStatus.TIMED_OUT,
        "folder": lambda: Path("/"),
    }
    return ruling(conditions, Circumstances(**{**where, **at}))


def holds(subject: str, operator: str, value: str = "", name: str = "", **at: Any) -> bool:
    judged = condition(subject=subject, name=name, operator=operator, value=value)
    return judge(judged, **at) is not None


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
    assert holds("file", "exists", name="$[Word]", folder=lambda: tmp_path)
    assert holds("file", "exists", name=str(tmp_path / "Hello"))
    assert holds("file", "not_exists", name="other", folder=lambda: tmp_path)


def test_a_condition_in_words() -> None:
    judged = condition(subject="parameter", name="A_b", operator="not_equals", value="x y")
    assert describe(judged) == "parameter A_b not equals 'x y'"


HOLDS = {"subject": "parameter", "name": "Word", "operator": "exists"}
FAILS_TO = {"subject": "parameter", "name": "Word", "operator": "equals", "value": "other"}


def effects(*effects: tuple[dict[str, str], str]) -> Ruling | None:
    return judge(*(condition(**one, effect=effect) for one, effect in effects))


def test_the_effects() -> None:
    assert effects((HOLDS, "skip")) == Ruling(False, "since parameter Word exists")
    assert effects((HOLDS, "fail")) == Ruling(True, "since parameter Word exists")
    assert effects((HOLDS, "execute")) is None
    assert effects((FAILS_TO, "skip"), (FAILS_TO, "fail")) is None
    unmet = Ruling(False, "since parameter Word equals 'other' does not hold")
    assert effects((FAILS_TO, "execute")) == unmet


def test_the_first_that_decides_counts_and_all_to_execute_must_hold() -> None:
    assert effects((HOLDS, "execute"), (HOLDS, "execute")) is None
    assert effects((HOLDS, "execute"), (FAILS_TO, "execute")) is not None
    failed = effects((FAILS_TO, "skip"), (HOLDS, "fail"), (HOLDS, "skip"))
    assert failed is not None
    assert failed.failed
    skipped = effects((HOLDS, "skip"), (HOLDS, "fail"))
    assert skipped is not None
    assert not skipped.failed


def test_the_folder_is_made_for_files_alone() -> None:
    def folder() -> Path:
        raise AssertionError("no file is asked for")

    assert judge(condition(**HOLDS), folder=folder) is not None
    with pytest.raises(AssertionError):
        judge(condition(subject="file", name="x", operator="exists"), folder=folder)
