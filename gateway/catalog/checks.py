"""What can be wrong in a definition beyond its shape: texts, task settings, references."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.catalog import folders, references
from gateway.catalog.definitions import Module, Parameter, Task
from gateway.catalog.references import Path, Reference
from gateway.catalog.run_books import RunBook
from gateway.catalog.sealing import Definition
from gateway.tasks.registry import TaskSettingsError, TaskTypes

# XML cannot carry these, not even escaped, and PostgreSQL no NUL: refused wherever they come from,
# so that whatever is stored can be exported in both formats.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
MODULE_DEPTH = 32
# A module is the item of a list of a block.
BLOCK_DEPTH = MODULE_DEPTH + 2


@dataclass(frozen=True)
class Fault:
    """Something wrong with one member; ``path`` leads to it, outermost first."""

    path: Path
    sentence: str

    def below(self, *outer: str | int) -> "Fault":
        """The same fault, seen from further out."""
        return Fault((*outer, *self.path), self.sentence)

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.sentence}" if self.path else self.sentence


class Refused(ValueError):
    """A definition cannot be stored; ``faults`` are all that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def refuse(faults: Iterable[Fault]) -> None:
    """Raise Refused when there are any faults."""
    found = tuple(faults)
    if found:
        raise Refused(found)


def dotted(path: Path) -> str:
    """A path as people write it: ``tasks[0].timeout``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def faults(definition: Definition, task_types: TaskTypes) -> Iterator[Fault]:
    """Everything wrong with a definition that can be known without the store."""
    yield from text_faults(definition.model_dump(mode="python"))
    yield from _folder_faults(definition.folder)
    if isinstance(definition, Module):
        yield from _module_faults(definition, task_types)

    elif isinstance(definition, RunBook):
        yield from _run_book_faults(definition)


def _module_faults(module: Module, task_types: TaskTypes) -> Iterator[Fault]:
    for index, task in enumerate(module.tasks):
        for fault in _settings_faults(task, task_types):
            yield fault.below("tasks", index)
    yield from _reference_faults(module)


def text_faults(value: Any, depth: int = MODULE_DEPTH, path: Path = ()) -> Iterator[Fault]:
    """The texts in a value of dicts, lists and plain values that cannot be stored.

    What is nested deeper than ``depth`` is not looked at, but is a fault.
    """
    if len(path) > depth:
        yield Fault(path, f"this is nested {len(path)} levels deep: make it flatter")
    elif isinstance(value, str):
        yield from _characters(value, path)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _characters(key, path)
            yield from text_faults(member, depth, (*path, key))
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from text_faults(member, depth, (*path, index))


def _characters(text: str, path: Path) -> Iterator[Fault]:
    found = _UNPRINTABLE.search(text)
    if found:
        yield Fault(
            tuple(_UNPRINTABLE.sub("?", step) if isinstance(step, str) else step for step in path),
            f"the character U+{ord(found[0]):04X} at place {found.start()} cannot be stored: "
            "remove it, or have the task make it (printf '\\033' in a script)",
        )


def _folder_faults(path: str) -> Iterator[Fault]:
    try:
        folders.clean(path)
    except folders.FolderPathError as error:
        yield Fault(("folder",), str(error))


def _settings_faults(task: Task, task_types: TaskTypes) -> Iterator[Fault]:
    try:
        task_types.validate(task)
    except TaskSettingsError as error:
        place = error.member.split(".") if error.member else []
        path = ("type",) if error.member == "type" else ("settings", *place)
        yield Fault(path, str(error))


def _reference_faults(module: Module) -> Iterator[Fault]:
    whose = f"module {module.name!r}"
    known = module.parameters
    of_module = references.judged(module.conditions, module.evaluators)
    yield from _unknown(known, of_module, f"module {module.name!r}", "it")
    for index, task in enumerate(module.tasks):
        found = (*references.parameters_read(task), *references.parameters_written(task))
        for fault in _unknown(known, found, f"task {task.name!r}", whose):
            yield fault.below("tasks", index)


def _run_book_faults(run_book: RunBook) -> Iterator[Fault]:
    for index, job in enumerate(run_book.jobs):
        found = references.judged(job.conditions, job.evaluators)
        whose = f"run book {run_book.name!r}"
        for fault in _unknown(run_book.parameters, found, f"job {job.name!r}", whose):
            yield fault.below("jobs", index)


def _unknown(
    known: Iterable[Parameter], found: Iterable[Reference], who: str, whose: str
) -> Iterator[Fault]:
    known = tuple(known)
    for reference in found:
        if references.resolve(known, reference.name) is None:
            yield Fault(
                reference.path,
                f"{who} refers to the parameter {reference.name!r}, which {whose} does not have: "
                "declare it or correct the name",
            )
