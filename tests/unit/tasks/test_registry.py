import dataclasses
import importlib.metadata
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.tasks import registry
from gateway.tasks.registry import TaskSettingsError, TaskTypes


@dataclasses.dataclass(frozen=True)
class Step:
    name: str
    type: str
    settings: Mapping[str, Any]


def refusal(kind: str, settings: Mapping[str, Any]) -> TaskSettingsError:
    with pytest.raises(TaskSettingsError) as refused:
        TaskTypes.load().validate(Step("step", kind, settings))
    return refused.value


def test_the_table_is_that_of_the_distribution() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"][registry.GROUP] == dict(registry.BUILT_IN)


def test_all_types_load_and_know_their_names() -> None:
    types = TaskTypes.load()
    assert [types.get(name).name for name in types.names()] == sorted(registry.BUILT_IN)


def test_a_site_adds_its_own_but_replaces_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [
        importlib.metadata.EntryPoint("noop", "tests.unit.agents.noop:NoopTask", registry.GROUP),
        importlib.metadata.EntryPoint("command", "evil:Task", registry.GROUP),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    types = TaskTypes.load()
    assert types.get("noop").name == "noop"
    assert types.get("command").name == "command"
    assert "evil:Task is ignored" in caplog.text


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("no_such_module:Task", "No module"),
        ("gateway.tasks.delay:Nothing", "Nothing"),
        ("builtins:dict", "not derived from TaskType"),
        ("not a reference", "cannot be loaded"),
    ],
)
def test_a_type_that_cannot_be_loaded(reference: str, sentence: str) -> None:
    with pytest.raises(TaskSettingsError, match=sentence) as refused:
        TaskTypes({"own": reference}).get("own")
    assert refused.value.member == "type"


@pytest.mark.parametrize(
    ("kind", "settings", "member"),
    [
        ("nothing", {}, "type"),
        ("delay", {}, "seconds"),
        ("delay", {"seconds": -1}, "seconds"),
        ("delay", {"seconds": 1, "extra": 2}, "extra"),
        ("command", {"argv": []}, "argv"),
        ("command", {"argv": [" "]}, "argv"),
        ("command", {"argv": "true"}, "argv"),
        ("command", {"argv": ["a\0b"]}, "argv.0"),
        ("command", {"argv": ["a"], "environment": {"A=B": "1"}}, "environment"),
        ("command", {"argv": ["a"], "environment": {"GATEWAY_RUN": "1"}}, "environment"),
        ("command", {"argv": ["a"], "exit_codes": []}, "exit_codes"),
        ("script", {}, "text"),
        ("http", {"url": "ftp://x"}, "url"),
        ("http", {"url": "http://x", "method": "GET /"}, "method"),
        ("http", {"url": "http://x", "headers": {"A": "b\r\nC: d"}}, "headers"),
        ("http", {"url": "http://x", "expected": ["299-200"]}, "expected.0"),
        ("http", {"url": "http://x", "max_body": 10**12}, "max_body"),
        ("download_resource", {"resource": "r", "target": "t", "mode": "999"}, "mode"),
        ("set_parameter", {"name": "n"}, "value"),
    ],
)
def test_a_refusal_names_the_task_and_the_member(
    kind: str, settings: Mapping[str, Any], member: str
) -> None:
    error = refusal(kind, settings)
    assert error.member == member
    assert str(error).startswith("task 'step': ")


def test_a_refusal_does_not_tell_the_value() -> None:
    assert "hunter2" not in str(refusal("delay", {"seconds": "hunter2"}))


def test_what_is_known_only_later_is_not_judged_now() -> None:
    TaskTypes.load().validate(Step("step", "delay", {"seconds": "$[Wait]"}))
    assert refusal("delay", {"seconds": "$[Wait]", "extra": 1}).member == "extra"
    with pytest.raises(TaskSettingsError, match="'seconds'"):
        TaskTypes.load().settings("delay", {"seconds": "$[Wait]"})
