from typing import Any

import pytest

from gateway.catalog import references
from gateway.catalog.definitions import Condition, Module, Operator, ParameterType, Subject
from tests.unit.catalog.samples import module, parameter, task


def asked(one: Module) -> list[str]:
    return [each.name for each in references.input_parameters(one)]


def using(text: Any, **members: Any) -> Module:
    parameters = (
        parameter("Login", ParameterType.CREDENTIALS),
        parameter("Größe"),
        parameter("a.user"),
        parameter("Quiet", ask=False),
    )
    return module(task(settings={"argv": text}, **members), parameters=parameters)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (["echo"], []),
        (["$[Login]"], ["Login"]),
        (["x$[LOGIN.user]y"], ["Login"]),
        (["$[Login.Password]"], ["Login"]),
        (["$[Login.Other]"], []),
        (["$[GRÖSSE]"], ["Größe"]),
        (["$[ größe ]"], ["Größe"]),
        (["$[a.user]"], ["a.user"]),
        (["$[Größe.User]"], []),
        (["$[Quiet]"], []),
        (["$[Größe] $[Login]"], ["Login", "Größe"]),
        ({"deep": [{"er": "$[Größe]"}]}, ["Größe"]),
        ({"$[Größe]": "a name of a member is no text of the task"}, []),
        ([1, None, True], []),
    ],
)
def test_parameters_are_asked_for_that_a_task_uses(text: Any, names: list[str]) -> None:
    assert asked(using(text)) == names


def test_a_disabled_task_uses_nothing() -> None:
    assert asked(using(["$[Login]"], enabled=False)) == []


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (Condition(subject=Subject.PARAMETER, name="größe", operator=Operator.EXISTS), ["Größe"]),
        (
            Condition(subject=Subject.FILE, name="/tmp/$[Größe]", operator=Operator.EXISTS),
            ["Größe"],
        ),
        (
            Condition(subject=Subject.PLATFORM, operator=Operator.EQUALS, value="$[Größe]"),
            ["Größe"],
        ),
        (Condition(subject=Subject.FILE, name="Größe", operator=Operator.EXISTS), []),
    ],
)
def test_conditions_use_parameters(condition: Condition, names: list[str]) -> None:
    assert asked(using(["echo"], conditions=(condition,))) == names


def test_a_parameter_that_is_only_written_is_not_asked_for() -> None:
    write = task("Set", type="set_parameter", settings={"name": "Word", "value": "x"})
    word = parameter("Word")
    assert asked(module(write, parameters=(word,))) == []
    read = task("Get", settings={"argv": ["echo", "$[Word]"]})
    assert asked(module(write, read, parameters=(word,))) == ["Word"]


def test_resources_are_those_named_outright() -> None:
    named = task(type="download_resource", settings={"resource": "File", "target": "x"})
    late = task(type="download_resource", settings={"resource": "$[Which]", "target": "x"})
    assert [found.name for found in references.resources(named)] == ["File"]
    assert list(references.resources(late)) == []
    assert list(references.resources(task())) == []
