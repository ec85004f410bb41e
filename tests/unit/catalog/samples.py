"""Building blocks written by hand for tests."""

import json
import uuid
from typing import Any

from gateway.catalog.building_block import NAMESPACE
from gateway.catalog.definitions import Module, Parameter, ParameterType, Task
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import (
    LinkAction,
    ParameterLink,
    RunBook,
    RunBookJob,
    RunBookWhat,
    WhatKind,
)

GREETING = uuid.UUID("11111111-1111-4111-8111-111111111111")
FILE = uuid.UUID("22222222-2222-4222-8222-222222222222")


def task(name: str = "Say", **members: Any) -> Task:
    """A task with a GUID made from its name."""
    values: dict[str, Any] = {"type": "command", "settings": {"argv": ["echo", "hello"]}}
    return Task(guid=uuid.uuid5(GREETING, name), name=name, **(values | members))


def module(*tasks: Task, **members: Any) -> Module:
    """A module named Greeting."""
    values: dict[str, Any] = {"guid": GREETING, "name": "Greeting", "tasks": tasks}
    return Module(**(values | members))


def parameter(name: str, kind: ParameterType = ParameterType.TEXT, **members: Any) -> Parameter:
    """A parameter."""
    return Parameter(name=name, type=kind, **members)


def module_members(**members: Any) -> dict[str, Any]:
    """The JSON members of a small module."""
    plain = {
        "guid": str(GREETING),
        "name": "Greeting",
        "folder": "Demo",
        "parameters": [{"name": "Word", "type": "text", "default": "hello"}],
        "tasks": [
            {
                "guid": "33333333-3333-4333-8333-333333333333",
                "name": "Say",
                "type": "command",
                "settings": {"argv": ["echo", "$[Word]"]},
            }
        ],
    }
    return plain | members


def resource_members(**members: Any) -> dict[str, Any]:
    """The JSON members of a small resource with the content b'data'."""
    plain = {"guid": str(FILE), "name": "File", "file_name": "file.txt", "content": "ZGF0YQ=="}
    return plain | members


def block(
    *modules: dict[str, Any],
    resources: tuple[dict[str, Any], ...] = (),
    folders: tuple[dict[str, Any], ...] = (),
) -> str:
    """A building block in JSON."""
    return json.dumps(
        {
            "format": NAMESPACE,
            "modules": modules,
            "resources": resources,
            "folders": folders,
        }
    )


def password_module(value: str, kind: str = "password", member: str = "default") -> str:
    """A block whose module has one secret parameter."""
    secret = {"name": "Key", "type": kind, member: value}
    return block(module_members(parameters=[{"name": "Word"}, secret]))


def guid(name: str) -> uuid.UUID:
    """The GUID that a definition of this name has here."""
    return uuid.uuid5(FILE, name)


def simple(name: str, *parameters: Parameter, **members: Any) -> Module:
    """A module of this name whose only task uses all of its parameters."""
    used = [f"$[{one.name}]" for one in parameters]
    only = task(settings={"argv": ["echo", *used]})
    values: dict[str, Any] = {"guid": guid(name), "name": name, "parameters": parameters}
    return Module(**(values | {"tasks": (only,)} | members))


def project(name: str, *modules: str, **members: Any) -> Project:
    """A project of modules, by their names."""
    entries = tuple(
        ProjectModule(guid=uuid.uuid5(guid(name), f"{number}"), module=guid(module))
        for number, module in enumerate(modules)
    )
    return Project(**({"guid": guid(name), "name": name, "modules": entries} | members))


def what(name: str, kind: WhatKind = WhatKind.MODULE) -> RunBookWhat:
    """Something that a job of a run book runs, by its name."""
    return RunBookWhat(kind=kind, guid=guid(name))


def job(name: str, *whats: RunBookWhat, **members: Any) -> RunBookJob:
    """A job of a run book."""
    return RunBookJob(**({"guid": guid(name), "name": name, "what": whats} | members))


def run_book(name: str, *jobs: RunBookJob, **members: Any) -> RunBook:
    """A run book of this name."""
    return RunBook(**({"guid": guid(name), "name": name, "jobs": jobs} | members))


def link(
    name: str,
    target: str,
    action: LinkAction = LinkAction.SET,
    definition: uuid.UUID | None = None,
) -> ParameterLink:
    """A link from a run book's parameter to one of what a job runs."""
    return ParameterLink(parameter=name, target=target, action=action, definition=definition)
