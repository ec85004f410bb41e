"""The parameters of modules, projects and run books: which there are, are asked for, come out.

All of them are found in the tree of a definition (``trees.tree``). Names are compared without case;
where several modules of a project have a parameter of one name, the first declaration counts.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias
from uuid import UUID

from gateway import names
from gateway.catalog import references, usage
from gateway.catalog.definitions import Parameter
from gateway.catalog.run_books import ParameterLink, RunBook
from gateway.catalog.trees import ModulePart, StepTree, Tree

Keys: TypeAlias = frozenset[UUID | str]
"""Of resources: see ``usage.resource_key``."""


def declared_parameters(tree: Tree) -> tuple[Parameter, ...]:
    """The parameters that a value can be given to."""
    if tree.run_book is not None:
        return tree.run_book.parameters
    return _merged(part.module.parameters for part in _enabled(tree))


def input_parameters(tree: Tree, parsed: Keys = frozenset()) -> tuple[Parameter, ...]:
    """The parameters to ask for when a job is scheduled (Dispatcher contract 2.4).

    Only those that are really used: by an enabled task; for a run book, by an enabled job. A module
    that puts parameters into the content of resources may use any of its own; ``parsed`` are the
    resources that ask for that (``usage.parsed_resources``).
    """
    if tree.run_book is not None:
        used = _used_in_run_book(tree.run_book, tree.steps, parsed)
        return tuple(each for each in used if each.ask)
    return _merged((each for each in _used(part, parsed) if each.ask) for part in _enabled(tree))


def output_parameters(tree: Tree) -> tuple[Parameter, ...]:
    """The parameters that have another value afterwards.

    Those that an enabled task sets; for a run book, those that a link gets from an enabled job.
    """
    if tree.run_book is None:
        return _merged(references.set_parameters(part.module) for part in _enabled(tree))
    got = {
        names.key(link.parameter)
        for job in tree.run_book.jobs
        if job.enabled
        for link in job.links
        if link.action.gets
    }
    return tuple(each for each in tree.run_book.parameters if names.key(each.name) in got)


def _linked(tree: Tree, definition: UUID | None) -> Iterator[Tree | ModulePart]:
    """What a link can be tied to: modules, also those of projects, and run books."""
    if tree.run_book is not None and definition in (None, tree.summary.guid):
        yield tree
    for part in _enabled(tree):
        if definition in (None, part.summary.guid):
            yield part


def _used_in_run_book(
    run_book: RunBook, steps: Iterable[StepTree], parsed: Keys
) -> tuple[Parameter, ...]:
    """The run book's parameters that decide on what it does."""
    used: set[str] = set()
    for step in steps:
        job = step.job
        if not job.enabled:
            continue
        read = references.judged(job.conditions, job.evaluators)
        used.update(names.key(each.name) for each in references.meant(run_book.parameters, read))
        if job.use_run_book_who:
            used.add(names.key(run_book.who_parameter))
        used.update(
            names.key(link.parameter)
            for link in job.links
            if link.action.sets and _is_used(step, link, parsed)
        )
    return tuple(each for each in run_book.parameters if names.key(each.name) in used)


def _is_used(step: StepTree, link: ParameterLink, parsed: Keys) -> bool:
    target = names.key(link.target)
    return any(
        names.key(each.name) == target
        for tree in step.what
        for linked in _linked(tree, link.definition)
        for each in _used(linked, parsed)
    )


def _used(linked: Tree | ModulePart, parsed: Keys) -> tuple[Parameter, ...]:
    if isinstance(linked, Tree):
        book = linked.run_book
        return () if book is None else _used_in_run_book(book, linked.steps, parsed)
    module = linked.module
    if any(task.enabled and usage.parses(task, parsed) for task in module.tasks):
        return module.parameters
    return references.used_parameters(module, linked.conditions)


def _enabled(tree: Tree) -> Iterator[ModulePart]:
    return (part for part in tree.modules if part.enabled)


def _merged(several: Iterable[Iterable[Parameter]]) -> tuple[Parameter, ...]:
    first: dict[str, Parameter] = {}
    for parameter in chain.from_iterable(several):
        first.setdefault(names.key(parameter.name), parameter)
    return tuple(first.values())
