import uuid
from typing import Any

import pydantic
import pytest

from gateway.catalog.definitions import (
    Capture,
    Condition,
    Module,
    Operator,
    Parameter,
    ParameterType,
    Subject,
    Task,
)


def module(**members: Any) -> Module:
    return Module(guid=uuid.uuid4(), name="m", **members)


def a_task(**members: Any) -> Task:
    return Task(guid=uuid.uuid4(), name="t", type="delay", **members)


def test_a_module_survives_json() -> None:
    condition = Condition(
        subject=Subject.PARAMETER, name="P", operator=Operator.MATCHES, value="^a+$"
    )
    first = module(
        folder="A/B",
        parameters=(Parameter(name="P", type=ParameterType.LIST, allowed=("a", "b"), default="a"),),
        tasks=(a_task(settings={"seconds": 1, "deep": [{"x": None}]}, conditions=(condition,)),),
        retries=2,
    )
    assert Module.model_validate_json(first.model_dump_json()) == first
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        first.name = "other"


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"name": "a$[b"}, "must not contain"),
        ({"name": "a]"}, "must not contain"),
        ({"name": " "}, "blank"),
        ({"type": 9}, "type"),
        ({"allowed": ("a",), "displays": ("A", "B")}, "2 texts for 1"),
        ({"type": 1, "allowed": ("a",), "default": "b"}, "'b' is not among"),
        ({"type": 3, "allowed": ("a", "b"), "default": "a;c"}, "'c' is not among"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_parameters_that_make_no_sense(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        Parameter(**{"name": "p", **members})


def test_choices() -> None:
    several = Parameter(
        name="p", type=ParameterType.MULTI_SELECT, allowed=("a", "b"), default="a;b"
    )
    assert several.chosen("a;;b;") == ("a", "b")
    assert Parameter(name="p", default="a;b").chosen("a;b") == ("a;b",)
    assert Parameter(name="p", type=ParameterType.LIST, default="free").allows("anything")
    assert [kind.name for kind in ParameterType if kind.secret] == ["CREDENTIALS", "PASSWORD"]


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"subject": "file", "name": "x", "operator": "equals"}, "exists, not_exists"),
        ({"subject": "file", "operator": "exists"}, "needs a name"),
        ({"subject": "parameter", "operator": "exists"}, "needs a name"),
        ({"subject": "platform", "operator": "less", "value": "1"}, "can use"),
        ({"subject": "platform", "operator": "matches", "value": "("}, "regular expression"),
        ({"subject": "platform", "operator": "matches", "value": "(?=a)"}, "look-around"),
        ({"subject": "platform", "operator": "matches", "value": "a" * 1001}, "1001 characters"),
        ({"subject": "weather", "operator": "equals"}, "subject"),
        ({"subject": "platform", "operator": "equals", "effect": "explode"}, "effect"),
    ],
)
def test_conditions_that_make_no_sense(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        Condition(**members)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), 1e12])
def test_timeouts_are_bounded(timeout: float) -> None:
    with pytest.raises(pydantic.ValidationError, match="timeout"):
        a_task(timeout=timeout)


def test_names_and_guids_are_unique_within_a_module() -> None:
    with pytest.raises(pydantic.ValidationError, match="named 'strasse'"):
        module(parameters=(Parameter(name="Straße"), Parameter(name="STRASSE")))
    task = a_task()
    with pytest.raises(pydantic.ValidationError, match=str(task.guid)):
        module(tasks=(task, task))


@pytest.mark.parametrize(
    ("kind", "expression", "sentence"),
    [
        ("output", "(", "regular expression"),
        ("output", "(?<=a)b", "regular expression"),
        ("output", "", "needs an expression"),
        ("json_path", "$[", "no JSON path"),
        ("xpath", "//", "no XPath"),
        ("exit_code", "x", "leave the expression out"),
    ],
)
def test_a_capture_that_cannot_find_anything_is_refused(
    kind: str, expression: str, sentence: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        Capture.model_validate({"parameter": "X", "kind": kind, "expression": expression})


@pytest.mark.parametrize(
    ("kind", "expression"),
    [("output", r"id=(\d+)"), ("json_path", "$[0]"), ("xpath", "//a[1]"), ("exit_code", "")],
)
def test_a_capture(kind: str, expression: str) -> None:
    Capture.model_validate({"parameter": "X", "kind": kind, "expression": expression})
