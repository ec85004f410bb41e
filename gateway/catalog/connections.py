"""What is wrong between definitions: dangling references, links that do not fit, circles."""

from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from gateway import names
from gateway.catalog import references
from gateway.catalog.checks import Fault
from gateway.catalog.definitions import Module, Parameter
from gateway.catalog.projects import Project
from gateway.catalog.run_books import ParameterLink, RunBook, RunBookJob, WhatKind
from gateway.catalog.sealing import Definition

_SHOWN_NAMES = 5

Look = Callable[[WhatKind, UUID], Definition | None]
"""The definition of a kind with a GUID, as it will be; None when there is none."""


def faults(definition: Definition, look: Look) -> Iterator[Fault]:
    """Everything wrong with what a definition says of others."""
    if isinstance(definition, Project):
        yield from _project_faults(definition, look)
    elif isinstance(definition, RunBook):
        yield from _run_book_faults(definition, look)


def _project_faults(project: Project, look: Look) -> Iterator[Fault]:
    for index, entry in enumerate(project.modules):
        place = ("modules", index)
        module = look(WhatKind.MODULE, entry.module)
        if not isinstance(module, Module):
            yield Fault((*place, "module"), _missing(WhatKind.MODULE, entry.module))
            continue
        for reference in references.judged(entry.conditions):
            if references.resolve(module.parameters, reference.name) is None:
                yield Fault(
                    (*place, *reference.path),
                    f"the condition refers to the parameter {reference.name!r}, which the module "
                    f"{module.name!r} does not have: declare it or correct the name",
                )


def _run_book_faults(run_book: RunBook, look: Look) -> Iterator[Fault]:
    for index, job in enumerate(run_book.jobs):
        for fault in (*_what_faults(run_book, job, look), *_link_faults(run_book, job, look)):
            yield fault.below("jobs", index)


def _what_faults(run_book: RunBook, job: RunBookJob, look: Look) -> Iterator[Fault]:
    for index, what in enumerate(job.what):
        place = ("what", index)
        found = look(what.kind, what.guid)
        if found is None:
            yield Fault((*place, "guid"), _missing(what.kind, what.guid))
        elif isinstance(found, RunBook):
            way = _way_back(run_book, found, look)
            if way:
                yield Fault(place, circle_sentence([run_book.name, *way]))


def circle_sentence(way: Iterable[str]) -> str:
    """What is said of a run book that contains itself: the way round, by name."""
    return f"a run book cannot contain itself: {' -> '.join(way)}"


def _way_back(top: RunBook, start: RunBook, look: Look) -> list[str]:
    """The names from a run book within another back to that; empty when there is no way."""
    seen: set[UUID] = set()
    waiting: list[tuple[RunBook, list[str]]] = [(start, [])]
    while waiting:
        present, way = waiting.pop()
        if present.guid == top.guid:
            return [*way, top.name]
        if present.guid in seen:
            continue
        seen.add(present.guid)
        waiting += [(each, [*way, present.name]) for each in _nested(present, look)]
    return []


def _nested(run_book: RunBook, look: Look) -> Iterator[RunBook]:
    for job in run_book.jobs:
        for what in job.what:
            if what.kind is WhatKind.RUN_BOOK:
                found = look(what.kind, what.guid)
                if isinstance(found, RunBook):
                    yield found


def _link_faults(run_book: RunBook, job: RunBookJob, look: Look) -> Iterator[Fault]:
    run = list(_run_by(job, look))
    complete = all(one is not None for _, one in run)
    for index, link in enumerate(job.links):
        place = ("links", index)
        tied = [(guid, one) for guid, one in run if link.definition in (None, guid)]
        found = _declared(link, [one for _, one in tied])
        if complete and link.definition is not None and not tied:
            yield Fault(
                (*place, "definition"),
                f"the link {_shown(link)} names {link.definition}, which is no module or run book "
                f"that the job {job.name!r} runs: correct it, or leave it out to mean all",
            )
        elif complete and not found:
            where = _any_of({one.name for _, one in tied if one is not None})
            yield Fault(
                (*place, "target"),
                f"the link {_shown(link)} refers to the parameter {link.target!r}, which {where} "
                "does not have: declare it there or correct the name",
            )
        for sentence in _secret_sentences(run_book, link, found):
            yield Fault(place, sentence)


def _run_by(job: RunBookJob, look: Look) -> Iterator[tuple[UUID, Module | RunBook | None]]:
    """The modules and run books of a job by their GUIDs; None for what is missing."""
    for what in job.what:
        found = look(what.kind, what.guid)
        if isinstance(found, Project):
            for entry in found.modules:
                module = look(WhatKind.MODULE, entry.module)
                yield entry.module, module if isinstance(module, Module) else None
        else:
            yield what.guid, found


def _declared(link: ParameterLink, tied: Iterable[Module | RunBook | None]) -> list[Parameter]:
    return [
        parameter
        for one in tied
        if one is not None
        for parameter in one.parameters
        if names.key(parameter.name) == names.key(link.target)
    ]


def _secret_sentences(
    run_book: RunBook, link: ParameterLink, found: Iterable[Parameter]
) -> Iterator[str]:
    """Links that would carry a secret to where it can be read."""
    source = references.resolve(run_book.parameters, link.parameter)
    for target in found:
        if link.action.gets and target.type.secret:
            yield (
                f"the link {_shown(link)} gets a value from {target.name!r}, which is secret: an "
                "agent reports no secrets; use 'set', or link a parameter of another type"
            )
            return
        if link.action.sets and source and source.type.secret and source.type is not target.type:
            yield (
                f"the link {_shown(link)} would show the secret parameter {source.name!r} as "
                f"{target.name!r}: give both the same type"
            )
            return


def _any_of(several: set[str]) -> str:
    shown = sorted(map(repr, several))
    return " or ".join(shown) if 0 < len(shown) <= _SHOWN_NAMES else "what the job runs"


def _shown(link: ParameterLink) -> str:
    return f"{link.parameter!r} - {link.target!r}"


def _missing(kind: WhatKind, guid: UUID) -> str:
    word = kind.replace("_", " ")
    return f"there is no {word} with the GUID {guid}: import it too, or correct the reference"
