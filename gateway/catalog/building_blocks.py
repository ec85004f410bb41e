"""Importing and exporting building blocks."""

import enum
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from gateway import names
from gateway.catalog import (
    building_block_json,
    building_block_xml,
    changes,
    folders,
    references,
    usage,
)
from gateway.catalog import building_block_reading as reading
from gateway.catalog.blobs import BlobReference, Blobs
from gateway.catalog.building_block import (
    BlockDefinition,
    BlockFolder,
    BlockModule,
    BlockProject,
    BlockResource,
    BlockRunBook,
    BuildingBlock,
    External,
)
from gateway.catalog.building_block_plan import (
    DefinitionStep,
    OnConflict,
    Plan,
    Planner,
    ResourceStep,
)
from gateway.catalog.building_block_reading import Bundle, ImportRefused
from gateway.catalog.catalog import (
    Catalog,
    DefinitionKind,
    DefinitionNotFound,
    DefinitionSummary,
    kind_of,
)
from gateway.catalog.changes import Change, NameTaken
from gateway.catalog.folders import FolderKind
from gateway.catalog.projects import Project
from gateway.catalog.resources import Resource, ResourceInUse, Resources
from gateway.catalog.sealing import Sealed, SealedModule, SealedRunBook
from gateway.identity.principals import Caller
from gateway.tasks.registry import TaskTypes
from storage.database import Store
from storage.session import Session

D = TypeVar("D", BlockModule, BlockProject, BlockRunBook)

# Larger contents are exported beside the block: libxml2 reads no text above 10 MB.
INLINE_BYTES = 5 * 1024 * 1024


class Form(enum.StrEnum):
    """How a building block is written."""

    XML = "xml"
    JSON = "json"


class CatalogChanged(RuntimeError):
    """Somebody else changed the same resource while an import ran; nothing was imported."""


@dataclass(frozen=True)
class ImportEntry:
    """What became of one object; ``kind`` is ``resource``, ``module``, ``project`` or so."""

    kind: str
    guid: UUID
    name: str
    folder: str
    change: Change


@dataclass(frozen=True)
class ImportReport:
    """What an import did, resources first, in the order of the documents."""

    entries: tuple[ImportEntry, ...]

    def counts(self) -> Mapping[Change, int]:
        """How many objects were created, updated, skipped and so on."""
        return Counter(entry.change for entry in self.entries)


@dataclass(frozen=True)
class ExternalFile:
    """Content that belongs beside an exported block, under this name."""

    name: str
    blob: BlobReference


@dataclass(frozen=True)
class Exported:
    """A building block as it is written, and the files that belong beside it."""

    document: bytes
    files: tuple[ExternalFile, ...]


class BuildingBlocks:
    """Carries definitions, resources and folders in and out of the catalog."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        resources: Resources,
        blobs: Blobs,
        task_types: TaskTypes,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._resources = resources
        self._blobs = blobs
        self._task_types = task_types

    def import_blocks(
        self,
        documents: Sequence[tuple[str, bytes]],
        on_conflict: OnConflict,
        caller: Caller,
        tenant: int = 1,
    ) -> ImportReport:
        """Import (name, bytes) documents: blocks in XML or JSON, and external contents of theirs.

        All or nothing over all documents. Raises ImportRefused with everything that is wrong in
        them, CatalogChanged, StoreUnavailable.
        """
        bundle = reading.read(documents)
        planner = Planner(self._catalog, self._resources, bundle, on_conflict, tenant)
        problems = tuple(reading.problems(bundle, self._task_types))
        with self._store.reading() as session:
            plan = planner.plan(session, problems)
        # Contents go in beforehand, in short transactions; they count once they are published.
        blobs = {
            step.resource.guid: self._blobs.write([step.data], tenant)
            for step in plan.changed_resources()
            if step.data is not None
        }

        def work(session: Session) -> ImportReport:
            changes.one_at_a_time(session, tenant)
            # The catalog may have changed since: what counts is planned in the transaction.
            return self._apply(session, bundle, planner.plan(session), blobs, caller, tenant)

        return self._store.unit_of_work(work)

    def export(
        self,
        guids: Collection[UUID] | None = None,
        form: Form = Form.XML,
        inline_bytes: int = INLINE_BYTES,
        tenant: int = 1,
    ) -> Exported:
        """The definitions and resources with these GUIDs, or everything.

        What the chosen ones refer to comes along: definitions that projects and run books run,
        resources that tasks fetch. Contents above ``inline_bytes`` become files of their own.
        Secrets are markers. Raises DefinitionNotFound.
        """
        with self._store.reading() as session:
            definitions = [
                self._catalog.current(session, one)
                for kind in DefinitionKind
                for one in self._catalog.definitions(session, kind, disabled=True, tenant=tenant)
            ]
            resources = self._resources.all(session, tenant)
            tree = _listed_folders(session, tenant) if guids is None else ()
        if guids is not None:
            definitions, resources = _chosen(definitions, resources, frozenset(guids))
        external = [one for one in resources if one.blob.size > inline_bytes]
        block = BuildingBlock(
            folders=tree,
            resources=tuple(self._exported(one, one in external) for one in resources),
            modules=_of_shape(BlockModule, SealedModule, definitions),
            projects=_of_shape(BlockProject, Project, definitions),
            run_books=_of_shape(BlockRunBook, SealedRunBook, definitions),
        )
        write = building_block_xml.write if form is Form.XML else building_block_json.write
        files = tuple(ExternalFile(_external_name(one), one.blob) for one in external)
        return Exported(write(block.canonical()), files)

    def _apply(
        self,
        session: Session,
        bundle: Bundle,
        plan: Plan,
        blobs: Mapping[UUID, BlobReference],
        caller: Caller,
        tenant: int,
    ) -> ImportReport:
        for document in bundle.documents:
            for folder in document.block.folders:
                folders.ensure(session, folder.tree, folder.path, tenant)
        saved_resources = [
            (step, self._put_resource(session, step, blobs, caller, tenant))
            for step in plan.changed_resources()
        ]
        saved_definitions = [
            (step, self._catalog.put(session, step.definition, caller, tenant).definition)
            for step in plan.changed_definitions()
        ]
        self._check_names(session, saved_resources, saved_definitions, tenant)
        return ImportReport(
            (
                *(_entry("resource", step.resource, step.change) for step in plan.resources),
                *(
                    _entry(kind_of(step.definition).name.lower(), step.definition, step.change)
                    for step in plan.definitions
                ),
            )
        )

    def _put_resource(
        self,
        session: Session,
        step: ResourceStep,
        blobs: Mapping[UUID, BlobReference],
        caller: Caller,
        tenant: int,
    ) -> Resource:
        resource = step.resource
        blob = step.present.blob if step.present and step.data is None else None
        blob = blob or blobs.get(resource.guid)
        if blob is None:
            raise CatalogChanged(
                f"the resource {resource.name!r} was changed by somebody else during the import: "
                "nothing was imported, import again"
            )
        saved = self._resources.put(session, resource.guid, step.details, blob, caller, tenant)
        return saved.resource

    def _check_names(
        self,
        session: Session,
        resources: Sequence[tuple[ResourceStep, Resource]],
        definitions: Sequence[tuple[DefinitionStep, DefinitionSummary]],
        tenant: int,
    ) -> None:
        """Only when all is stored: two objects of one import may have swapped their names.

        What uses a name counts as it is then, too.
        """
        problems = []
        for step, resource in resources:
            try:
                self._resources.check_name(session, resource, tenant)
                if step.present is not None:
                    self._resources.check_renamed(session, step.present, resource.name, tenant)
            except (NameTaken, ResourceInUse) as error:
                problems.append(step.item.problem(str(error), ("name",)))
        for definition_step, definition in definitions:
            try:
                self._catalog.check_name(session, definition, tenant)
            except NameTaken as error:
                problems.append(definition_step.item.problem(str(error), ("name",)))
        if problems:
            raise ImportRefused(problems)

    def _exported(self, resource: Resource, external: bool) -> BlockResource:
        details = resource.details
        return BlockResource(
            guid=resource.guid,
            name=details.name,
            folder=details.folder,
            file_name=details.file_name,
            comment=details.comment,
            version_name=details.version_name,
            parse_content=details.parse_content,
            skip_environment=details.skip_environment,
            content=None if external else b"".join(self._resources.content(resource)),
            external=External(file=_external_name(resource), sha256=resource.blob.sha256)
            if external
            else None,
        )


def _entry(kind: str, one: BlockDefinition | BlockResource, change: Change) -> ImportEntry:
    return ImportEntry(kind, one.guid, one.name, one.folder, change)


def _listed_folders(session: Session, tenant: int) -> tuple[BlockFolder, ...]:
    return tuple(
        BlockFolder(kind=kind.name.lower(), path=path)
        for kind in FolderKind
        for path in folders.paths(session, kind, tenant)
    )


def _chosen(
    definitions: Sequence[Sealed], resources: Sequence[Resource], guids: frozenset[UUID]
) -> tuple[list[Sealed], list[Resource]]:
    """Those with the GUIDs, and what they refer to."""
    known = {one.guid: one for one in definitions}
    missing = guids - known.keys() - {one.guid for one in resources}
    if missing:
        listed = ", ".join(sorted(map(str, missing)))
        raise DefinitionNotFound(f"there is no definition or resource with the GUID {listed}")
    reached: set[UUID] = set()
    waiting = list(guids & known.keys())
    while waiting:
        guid = waiting.pop()
        if guid not in reached:
            reached.add(guid)
            waiting += [other for other in references.definitions(known[guid]) if other in known]
    chosen = [one for one in definitions if one.guid in reached]
    modules = (one for one in chosen if isinstance(one, SealedModule))
    wanted = guids | {key for one in modules for key in usage.fetched(one.tasks)}
    return chosen, [one for one in resources if {one.guid, names.key(one.name)} & wanted]


def _of_shape(shape: type[D], stored: type[Sealed], definitions: Sequence[Sealed]) -> tuple[D, ...]:
    """Stored definitions as a block holds them: without the references to their secrets."""
    hidden: Any = {"parameters": {"__all__": {"secret"}}}
    return tuple(
        shape.model_validate(one.model_dump(mode="json", exclude=hidden))
        for one in definitions
        if isinstance(one, stored)
    )


def _external_name(resource: Resource) -> str:
    return f"{resource.guid}.content"
