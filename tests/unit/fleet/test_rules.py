"""Rules of teams against what agents tell of themselves."""

import uuid
from typing import Any

import pydantic
import pytest

from gateway.fleet.roster import Agent
from gateway.fleet.rules import Rule

FACTS = {
    "name": "PC1",
    "platform": "linux",
    "version": "1.2.3",
    "addresses": ["10.0.0.7", "FD00::7"],
    "capabilities": ["bash", "python"],
}


def agent(name: str = "Straße 1", facts: dict[str, Any] | None = None) -> Agent:
    told = FACTS if facts is None else facts
    return Agent(1, uuid.uuid4(), name, True, True, 10, None, "boot", None, None, "", told)


def comparison(fact: str, operator: str, value: str) -> dict[str, str]:
    return {"fact": fact, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("fact", "operator", "value", "holds"),
    [
        ("name", "equals", "STRASSE 1", True),
        ("name", "contains", "ASSE", True),
        ("name", "matches", "^straß.*[0-9]$", True),
        ("name", "matches", "^1", False),
        ("platform", "equals", "Linux", True),
        ("platform", "not_equals", "LINUX", False),
        ("platform", "not_equals", "windows", True),
        ("version", "matches", r"^1\.2\.", True),
        ("address", "equals", "fd00::7", True),
        ("address", "contains", "10.0.", True),
        ("address", "not_equals", "10.0.0.7", False),
        ("address", "not_equals", "10.0.0.8", True),
        ("capability", "equals", "Python", True),
        ("capability", "matches", "power", False),
    ],
)
def test_one_comparison(fact: str, operator: str, value: str, holds: bool) -> None:
    given = {"all": [comparison(fact, operator, value)]}
    assert Rule.model_validate(given).holds(agent()) is holds


def test_all_of_all_and_one_of_any() -> None:
    linux, windows = (comparison("platform", "equals", text) for text in ("linux", "windows"))
    bash, ruby = (comparison("capability", "equals", text) for text in ("bash", "ruby"))
    assert Rule.model_validate({"all": [linux, bash]}).holds(agent())
    assert not Rule.model_validate({"all": [linux, ruby]}).holds(agent())
    assert Rule.model_validate({"any": [windows, bash]}).holds(agent())
    assert not Rule.model_validate({"any": [windows, ruby]}).holds(agent())
    assert not Rule.model_validate({"all": [windows], "any": [bash]}).holds(agent())
    assert Rule.model_validate({"all": [linux], "any": [ruby, bash]}).holds(agent())


def test_an_agent_that_has_told_nothing_equals_nothing() -> None:
    silent = agent(facts={})
    assert not Rule.model_validate({"all": [comparison("platform", "equals", "")]}).holds(silent)
    told = comparison("platform", "not_equals", "linux")
    assert Rule.model_validate({"all": [told]}).holds(silent)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "at least one comparison"),
        ({"all": [comparison("name", "less", "1")]}, "a rule can use: contains, equals"),
        ({"all": [comparison("colour", "equals", "red")]}, "colour|'name'"),
        ({"any": [comparison("name", "matches", "(")]}, "not a regular expression"),
        ({"any": [comparison("name", "equals", "x" * 1000)]}, "at most 900"),
        ({"none": []}, "none"),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        Rule.model_validate(rule)
