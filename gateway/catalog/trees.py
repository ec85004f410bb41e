"""What a definition comes down to: everything in it, pinned to versions.

A job keeps the tree of what it will run, so that changes made later do not touch it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from gateway.catalog import connections
from gateway.catalog.catalog import (
    Catalog,
    DefinitionKind,
    DefinitionNotFound,
    DefinitionSummary,
)
from gateway.catalog.definitions import Condition, OnFailure
from gateway.catalog.policies import NOTHING, Policy
from gateway.catalog.projects import ProjectModule
from gateway.catalog.run_books import RunBookJob, RunBookWhat
from gateway.catalog.sealing import SealedModule, SealedRunBook
from storage.session import Session

DEEPEST = 16
"""Run books within run books."""
MOST_JOBS_IN_ALL = 2000
MOST_MODULES_IN_ALL = 10_000
"""Of all jobs together: what keeps a run book of run books of projects from filling a store."""


class TreeImpossible(ValueError):
    """A definition cannot be run as it is; the message names the way to what is wrong."""


@dataclass(frozen=True)
class ModulePart:
    """A module that is run, with what the project's entry says of it.

    ``entry_guid`` is that entry's; None for a module that is scheduled by itself. One that is not
    ``enabled`` is skipped.
    """

    entry_guid: UUID | None
    summary: DefinitionSummary
    module: SealedModule
    on_failure: OnFailure
    conditions: tuple[Condition, ...]
    enabled: bool


@dataclass(frozen=True)
class StepTree:
    """A job of a run book and what it runs; nothing for a job that is disabled."""

    job: RunBookJob
    what: tuple["Tree", ...]


@dataclass(frozen=True)
class Tree:
    """A definition at one version: its modules, or the run book itself with its jobs."""

    summary: DefinitionSummary
    modules: tuple[ModulePart, ...] = ()
    run_book: SealedRunBook | None = None
    steps: tuple[StepTree, ...] = ()
    policy: Policy = NOTHING


def tree(catalog: Catalog, session: Session, summary: DefinitionSummary, tenant: int = 1) -> Tree:
    """What a definition comes down to, in the versions of now.

    Whether ``summary`` itself is enabled is not asked, only what is within it. A disabled entry of
    a project stays, unless its module is gone. Raises TreeImpossible.
    """
    return _Walk(catalog, session, tenant).grown(summary, ()).tree


@dataclass(frozen=True)
class _Grown:
    """A tree and its size: jobs and modules counted as often as they are run."""

    tree: Tree
    height: int = 0
    jobs: int = 0
    modules: int = 0


class _Walk:
    """Grows one tree; a definition that is there several times is grown once."""

    def __init__(self, catalog: Catalog, session: Session, tenant: int) -> None:
        self._catalog = catalog
        self._session = session
        self._tenant = tenant
        self._grown: dict[UUID, _Grown] = {}

    def grown(self, summary: DefinitionSummary, above: tuple[DefinitionSummary, ...]) -> _Grown:
        """The tree of a definition within those ``above`` it."""
        known = self._grown.get(summary.guid)
        if known is None:
            known = self._grown[summary.guid] = self._grow(summary, above)
        _check_size(known, summary, above)
        return known

    def _grow(self, summary: DefinitionSummary, above: tuple[DefinitionSummary, ...]) -> _Grown:
        if summary.kind is DefinitionKind.MODULE:
            module = self._catalog.module(self._session, summary.version_id)
            part = ModulePart(None, summary, module, OnFailure.STOP, (), True)
            return _Grown(Tree(summary, (part,), policy=module.policy), modules=1)
        if summary.kind is DefinitionKind.PROJECT:
            project = self._catalog.project(self._session, summary.version_id)
            modules = tuple(
                part for entry in project.modules for part in self._part(summary, entry)
            )
            return _Grown(Tree(summary, modules, policy=project.policy), modules=len(modules))
        return self._grow_run_book(summary, (*above, summary))

    def _part(self, project: DefinitionSummary, entry: ProjectModule) -> Iterator[ModulePart]:
        try:
            found = self._catalog.find(
                self._session, entry.module, DefinitionKind.MODULE, self._tenant
            )
        except DefinitionNotFound as error:
            if entry.enabled:
                raise TreeImpossible(f"in the project {project.name!r}: {error}") from error
            return
        if entry.enabled and not found.enabled:
            raise TreeImpossible(
                f"in the project {project.name!r}: the module {found.name!r} is disabled"
            )
        module = self._catalog.module(self._session, found.version_id)
        yield ModulePart(
            entry.guid, found, module, entry.on_failure, entry.conditions, entry.enabled
        )

    def _grow_run_book(
        self, summary: DefinitionSummary, path: tuple[DefinitionSummary, ...]
    ) -> _Grown:
        if len(path) > DEEPEST:
            # Already on the way down, which may be a long one.
            raise TreeImpossible(_too_deep(path[0]))
        run_book = self._catalog.run_book(self._session, summary.version_id)
        steps, height, jobs, modules = [], 0, 0, 0
        for job in run_book.jobs:
            inner = [self._what(what, job, path) for what in job.what if job.enabled]
            height = max([height, *(one.height for one in inner)])
            jobs += 1 + sum(one.jobs for one in inner)
            modules += sum(one.modules for one in inner)
            steps.append(StepTree(job, tuple(one.tree for one in inner)))
        return _Grown(
            Tree(summary, run_book=run_book, steps=tuple(steps), policy=run_book.policy),
            height + 1,
            jobs,
            modules,
        )

    def _what(
        self, what: RunBookWhat, job: RunBookJob, path: tuple[DefinitionSummary, ...]
    ) -> _Grown:
        place = f"in the run book {path[-1].name!r}, job {job.name!r}"
        try:
            found = self._catalog.find(
                self._session, what.guid, DefinitionKind.of(what.kind), self._tenant
            )
        except DefinitionNotFound as error:
            raise TreeImpossible(f"{place}: {error}") from error
        if not found.enabled:
            raise TreeImpossible(f"{place}: the {found.kind.word} {found.name!r} is disabled")
        _refuse_circle(found, path)
        return self.grown(found, path)


def _refuse_circle(found: DefinitionSummary, path: tuple[DefinitionSummary, ...]) -> None:
    guids = [one.guid for one in path]
    if found.guid in guids:
        names = [one.name for one in path[guids.index(found.guid) :]]
        raise TreeImpossible(connections.circle_sentence([*names, found.name]))


def _too_deep(top: DefinitionSummary) -> str:
    return f"run books are nested deeper than {DEEPEST} levels in the run book {top.name!r}"


def _check_size(
    grown: _Grown, summary: DefinitionSummary, above: tuple[DefinitionSummary, ...]
) -> None:
    if len(above) + grown.height > DEEPEST:
        raise TreeImpossible(_too_deep(above[0] if above else summary))
    if grown.jobs > MOST_JOBS_IN_ALL:
        raise TreeImpossible(
            f"the run book {summary.name!r} has {grown.jobs} jobs in all, with those of the run "
            f"books in it; {MOST_JOBS_IN_ALL} are allowed"
        )
    if grown.modules > MOST_MODULES_IN_ALL:
        raise TreeImpossible(
            f"the {summary.kind.word} {summary.name!r} runs {grown.modules} modules in all; "
            f"{MOST_MODULES_IN_ALL} are allowed"
        )
