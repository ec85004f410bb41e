"""What the tasks of a module refer to: its own parameters, and resources."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway import names
from gateway.catalog.definitions import Condition, Module, Parameter, ParameterType, Subject, Task
from gateway.tasks import placeholders

Path = tuple[str | int, ...]

# The settings that name a parameter or a resource outright, by task type.
_TARGETS: Mapping[str, str] = {"set_parameter": "name"}
_RESOURCES: Mapping[str, str] = {"download_resource": "resource"}

FETCHING = frozenset(_RESOURCES)
"""The task types that fetch resources."""

# The parts of a credentials parameter: $[Name.User], $[Name.Password].
_PARTS = ("user", "password")


@dataclass(frozen=True)
class Reference:
    """A name that stands in a task; ``path`` is the member, counted from the module."""

    path: Path
    name: str


def parameters_read(task: Task) -> Iterator[Reference]:
    """The parameters whose values decide on what the task does, as they are written there."""
    for member, value in task.settings.items():
        for name in placeholders.names(value):
            yield Reference(("settings", member), name)
    for index, condition in enumerate(task.conditions):
        for name in _names_in(condition):
            yield Reference(("conditions", index), name)


def parameters_written(task: Task) -> Iterator[Reference]:
    """The parameters that the task gives a new value."""
    yield from _outright(task, _TARGETS)


def resources(task: Task) -> Iterator[Reference]:
    """The resources that the task fetches, by GUID or name; not those known only when it runs."""
    yield from _outright(task, _RESOURCES)


def resolve(module: Module, name: str) -> Parameter | None:
    """The parameter that is meant by a name in one of the module's tasks, or None."""
    known = {names.key(parameter.name): parameter for parameter in module.parameters}
    return _resolve(known, name)


def input_parameters(module: Module) -> tuple[Parameter, ...]:
    """The parameters to ask for when a job is scheduled, as they are declared.

    Only those that an enabled task really uses (Dispatcher contract 2.4): a parameter that is
    written and never read is not asked for.
    """
    known = {names.key(parameter.name): parameter for parameter in module.parameters}
    used = {
        id(_resolve(known, reference.name))
        for task in module.tasks
        if task.enabled
        for reference in parameters_read(task)
    }
    return tuple(
        parameter for parameter in module.parameters if parameter.ask and id(parameter) in used
    )


def _names_in(condition: Condition) -> Iterator[str]:
    if condition.subject is Subject.PARAMETER:
        yield condition.name
    else:
        yield from placeholders.names(condition.name)
    yield from placeholders.names(condition.value)


def _outright(task: Task, members: Mapping[str, str]) -> Iterator[Reference]:
    member = members.get(task.type)
    value = task.settings.get(member) if member else None
    if member and isinstance(value, str) and not placeholders.present(value):
        yield Reference(("settings", member), value)


def _resolve(known: Mapping[str, Parameter], name: str) -> Parameter | None:
    found = known.get(names.key(name))
    if found is not None:
        return found
    whole, _, part = names.key(name).rpartition(".")
    owner = known.get(whole)
    if owner is None or owner.type is not ParameterType.CREDENTIALS or part not in _PARTS:
        return None
    return owner
