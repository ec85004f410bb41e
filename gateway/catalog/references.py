"""What definitions refer to: the parameters of their own, and resources."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from gateway import names
from gateway.catalog.definitions import (
    Condition,
    Evaluator,
    Evidence,
    Module,
    Parameter,
    ParameterType,
    Subject,
    Task,
)
from gateway.catalog.projects import Project
from gateway.catalog.run_books import RunBook
from gateway.catalog.sealing import Definition
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
    """A name that stands somewhere; ``path`` is the member, from where it was looked for."""

    path: Path
    name: str


def parameters_read(task: Task) -> Iterator[Reference]:
    """The parameters whose values decide on what the task does, as they are written there."""
    for member, value in task.settings.items():
        for name in placeholders.names(value):
            yield Reference(("settings", member), name)
    yield from judged(task.conditions, task.evaluators)


def judged(
    conditions: Iterable[Condition], evaluators: Iterable[Evaluator] = ()
) -> Iterator[Reference]:
    """The parameters that conditions and evaluators look at, wherever these belong."""
    for index, condition in enumerate(conditions):
        for name in _names_in(condition, condition.subject is Subject.PARAMETER):
            yield Reference(("conditions", index), name)
    for index, evaluator in enumerate(evaluators):
        for name in _names_in(evaluator, evaluator.subject is Evidence.PARAMETER):
            yield Reference(("evaluators", index), name)


def parameters_written(task: Task) -> Iterator[Reference]:
    """The parameters that the task gives a new value."""
    yield from _outright(task, _TARGETS)
    for index, capture in enumerate(task.captures):
        yield Reference(("captures", index), capture.parameter)


def resources(task: Task) -> Iterator[Reference]:
    """The resources that the task fetches, by GUID or name; not those known only when it runs."""
    yield from _outright(task, _RESOURCES)


def definitions(definition: Definition) -> Iterator[UUID]:
    """The definitions that a project or run book runs, also in what is disabled in it."""
    if isinstance(definition, Project):
        yield from (entry.module for entry in definition.modules)
    elif isinstance(definition, RunBook):
        yield from (what.guid for job in definition.jobs for what in job.what)


def resolve(parameters: Iterable[Parameter], name: str) -> Parameter | None:
    """The one of some parameters that is meant by a name, or None.

    A part of credentials (``Name.User``) means the whole.
    """
    return _resolve(_by_name(parameters), name)


def used_parameters(module: Module, conditions: Iterable[Condition] = ()) -> tuple[Parameter, ...]:
    """The parameters that decide on what an enabled task, or the module, does.

    ``conditions`` are those of a project's entry. One that is written and never read is not used.
    """
    read = [*judged(module.conditions, module.evaluators), *judged(conditions)]
    for task in module.tasks:
        if task.enabled:
            read += parameters_read(task)
    return meant(module.parameters, read)


def set_parameters(module: Module) -> tuple[Parameter, ...]:
    """The parameters that an enabled task gives a value."""
    written = [each for task in module.tasks if task.enabled for each in parameters_written(task)]
    return meant(module.parameters, written)


def input_parameters(module: Module) -> tuple[Parameter, ...]:
    """The parameters to ask for when a job is scheduled, as they are declared.

    Only those that an enabled task really uses (Dispatcher contract 2.4).
    """
    return tuple(parameter for parameter in used_parameters(module) if parameter.ask)


def meant(parameters: tuple[Parameter, ...], found: Iterable[Reference]) -> tuple[Parameter, ...]:
    """Those of some parameters that references mean, in the order in which they are declared."""
    known = _by_name(parameters)
    wanted = {id(_resolve(known, reference.name)) for reference in found}
    return tuple(parameter for parameter in parameters if id(parameter) in wanted)


def _by_name(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    return {names.key(parameter.name): parameter for parameter in parameters}


def _names_in(one: Condition | Evaluator, outright: bool) -> Iterator[str]:
    if outright:
        yield one.name
    else:
        yield from placeholders.names(one.name)
    yield from placeholders.names(one.value)


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
