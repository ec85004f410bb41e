"""What an import would do to the catalog as it is: one step for each object, and its problems."""

import enum
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway import names
from gateway.catalog import connections, references, usage
from gateway.catalog.building_block import (
    BlockDefinition,
    BlockModule,
    BlockProject,
    BlockResource,
)
from gateway.catalog.building_block_reading import Bundle, ImportRefused, Item, Problem
from gateway.catalog.catalog import (
    Catalog,
    DefinitionKind,
    DefinitionNotFound,
    KindTaken,
    kind_of,
)
from gateway.catalog.changes import Change
from gateway.catalog.resources import (
    Resource,
    ResourceAmbiguous,
    ResourceDetails,
    ResourceNotFound,
    Resources,
)
from gateway.catalog.run_books import WhatKind
from gateway.catalog.sealing import Definition, SecretMissing
from storage.session import Session


class OnConflict(enum.StrEnum):
    """What to do with an object that is there already and has other content."""

    SKIP = "skip"
    UPDATE = "update"
    FAIL = "fail"


@dataclass(frozen=True)
class DefinitionStep:
    """A module, project or run book and what is to be done with it."""

    item: Item
    definition: BlockDefinition
    change: Change
    problems: tuple[Problem, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether what is there already stays instead."""
        return self.change is Change.SKIPPED and not self.problems


@dataclass(frozen=True)
class ResourceStep:
    """A resource and what is to be done with it.

    ``data`` are the new bytes; None where those of ``present`` are the same already.
    """

    item: Item
    resource: BlockResource
    change: Change
    present: Resource | None
    data: bytes | None
    problems: tuple[Problem, ...] = ()

    @property
    def details(self) -> ResourceDetails:
        """What is to be said about the resource."""
        return self.resource.details


@dataclass(frozen=True)
class Plan:
    """The steps of an import: all of them, and those that change something."""

    resources: tuple[ResourceStep, ...]
    definitions: tuple[DefinitionStep, ...]

    def changed_resources(self) -> list[ResourceStep]:
        """The resources to be written."""
        return [step for step in self.resources if step.change.writes]

    def changed_definitions(self) -> list[DefinitionStep]:
        """The definitions to be written: those first that others are made of."""
        return [step for step in self.definitions if step.change.writes]


@dataclass(frozen=True)
class _Content:
    """The bytes that an import brings for a resource (None: none), and their SHA-256."""

    data: bytes | None
    sha256: str


class Planner:
    """Plans one import."""

    def __init__(
        self,
        catalog: Catalog,
        resources: Resources,
        bundle: Bundle,
        on_conflict: OnConflict,
        tenant: int,
    ) -> None:
        self._catalog = catalog
        self._resources = resources
        self._bundle = bundle
        self._on_conflict = on_conflict
        self._tenant = tenant
        # Hashed once and outside the transaction, since a plan is made twice.
        self._contents = {one.guid: _content(bundle, one) for _, one in bundle.resources()}
        self._brought = {
            key for _, one in bundle.resources() for key in (one.guid, names.key(one.name))
        }

    def plan(self, session: Session, problems: tuple[Problem, ...] = ()) -> Plan:
        """What is to be done; raises ImportRefused, with ``problems`` found before in front."""
        resources = tuple(self._resource(session, *pair) for pair in self._bundle.resources())
        definitions = tuple(self._definition(session, *pair) for pair in self._bundle.definitions())
        found = list(problems)
        found += [problem for step in resources for problem in step.problems]
        found += [problem for step in definitions for problem in step.problems]
        found += self._unconnected(session, definitions)
        if found:
            raise ImportRefused(found)
        return Plan(resources, definitions)

    def _unconnected(self, session: Session, steps: Sequence[DefinitionStep]) -> Iterator[Problem]:
        """What definitions say of others that are neither imported nor there, or do not fit."""
        brought: dict[tuple[DefinitionKind, UUID], Definition] = {
            (kind_of(step.definition), step.definition.guid): step.definition
            for step in steps
            if not step.is_kept
        }

        @functools.cache
        def look(what: WhatKind, guid: UUID) -> Definition | None:
            kind = DefinitionKind.of(what)
            return brought.get((kind, guid)) or self._catalog.look(
                session, kind, guid, self._tenant
            )

        for step in steps:
            # What stays as it is was found right once, or is somebody else's to mend.
            if step.change.writes or step.problems:
                for fault in connections.faults(step.definition, look):
                    yield step.item.problem(fault.sentence, fault.path)

    def _resource(self, session: Session, item: Item, resource: BlockResource) -> ResourceStep:
        present = self._present(session, resource.guid)
        content = self._contents[resource.guid]
        same_bytes = present is not None and present.blob.sha256 == content.sha256
        data = None if same_bytes else content.data
        step = ResourceStep(item, resource, Change.CREATED, present, data)
        change = self._resources.compare(
            session, resource.guid, step.details, content.sha256, self._tenant
        )
        change, conflicts = self._decided(item, change)
        problems = (*_content_problems(item, resource, content, same_bytes), *conflicts)
        return ResourceStep(item, resource, change, present, data, problems)

    def _definition(
        self, session: Session, item: Item, definition: BlockDefinition
    ) -> DefinitionStep:
        change, problems = self._compared(session, item, definition)
        if isinstance(definition, BlockModule):
            problems = (*self._dangling(session, item, definition), *problems)
        return DefinitionStep(item, definition, change, problems)

    def _compared(
        self, session: Session, item: Item, definition: BlockDefinition
    ) -> tuple[Change, tuple[Problem, ...]]:
        try:
            change = self._catalog.compare(session, definition, self._tenant)
        except SecretMissing as error:
            if self._on_conflict is OnConflict.SKIP and self._is_there(session, definition):
                return Change.SKIPPED, ()
            path = _parameter_path(definition, error)
            return Change.SKIPPED, (item.problem(str(error), path),)
        except KindTaken as error:
            sentence = f"{error}: give the {kind_of(definition).word} another one"
            return Change.SKIPPED, (item.problem(sentence, ("guid",)),)
        return self._decided(item, change)

    def _decided(self, item: Item, change: Change) -> tuple[Change, tuple[Problem, ...]]:
        """What to do with an object, given what storing it would do."""
        if change is not Change.UPDATED or self._on_conflict is OnConflict.UPDATE:
            return change, ()
        if self._on_conflict is OnConflict.SKIP:
            return Change.SKIPPED, ()
        sentence = (
            f"{item.content.name!r} ({item.content.guid}) is there already with other content: "
            "import with 'update' to replace it or 'skip' to keep it"
        )
        return Change.SKIPPED, (item.problem(sentence),)

    def _present(self, session: Session, guid: UUID) -> Resource | None:
        try:
            return self._resources.find(session, guid, self._tenant)
        except ResourceNotFound:
            return None

    def _is_there(self, session: Session, definition: BlockDefinition) -> bool:
        try:
            self._catalog.find(session, definition.guid, kind_of(definition), self._tenant)
        except DefinitionNotFound:
            return False
        return True

    def _dangling(self, session: Session, item: Item, module: BlockModule) -> Iterator[Problem]:
        """References of tasks to resources that are neither imported nor there."""
        for index, task in enumerate(module.tasks):
            for reference in references.resources(task):
                if usage.resource_key(reference.name) not in self._brought:
                    path = ("tasks", index, *reference.path)
                    yield from self._unknown(session, item, reference.name, path)

    def _unknown(
        self, session: Session, item: Item, name: str, path: references.Path
    ) -> Iterator[Problem]:
        try:
            self._resources.resolve(session, name, self._tenant)
        except ResourceNotFound as error:
            yield item.problem(f"{error}: import it too, or correct the reference", path)
        except ResourceAmbiguous as error:
            yield item.problem(str(error), path)


def _content(bundle: Bundle, resource: BlockResource) -> _Content:
    if resource.external is not None:
        return _Content(bundle.contents.get(resource.external.file), resource.external.sha256)
    return _Content(resource.content, hashlib.sha256(resource.content or b"").hexdigest())


def _content_problems(
    item: Item, resource: BlockResource, content: _Content, same_bytes: bool
) -> Iterator[Problem]:
    external = resource.external
    if external is None:
        return
    if content.data is None and not same_bytes:
        yield item.problem(
            f"the file {external.file!r} with the content of the resource {resource.name!r} was "
            "not given: hand it over together with the building block",
            ("external", "file"),
        )
    if content.data is not None and hashlib.sha256(content.data).hexdigest() != external.sha256:
        yield item.problem(
            f"the file {external.file!r} does not have the SHA-256 that the block says: "
            "it is damaged or another version",
            ("external", "sha256"),
        )


def _parameter_path(definition: BlockDefinition, error: SecretMissing) -> references.Path:
    if isinstance(definition, BlockProject):
        return ()
    index = [parameter.name for parameter in definition.parameters].index(error.parameter)
    return ("parameters", index, error.member)
