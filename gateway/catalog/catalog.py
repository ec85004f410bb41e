"""Definitions: what can be run, in versions that never change."""

import enum
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from uuid import UUID

import peewee

from gateway import moments, names
from gateway.catalog import changes, checks, connections, folders, sealing
from gateway.catalog.changes import Change, InUse, NameTaken
from gateway.catalog.definitions import Module
from gateway.catalog.projects import Project
from gateway.catalog.run_books import WhatKind
from gateway.catalog.sealing import Definition, Sealed, SealedModule, SealedRunBook
from gateway.identity import audit
from gateway.identity.errors import SecretDamaged, SecretNotFound
from gateway.identity.principals import Caller
from gateway.identity.vault import Vault
from gateway.tasks.registry import TaskTypes
from storage import models, statements
from storage.database import Store
from storage.remembered import Remembered
from storage.session import Row, Session
from storage.statements import named

_TABLE = models.Definition
_VERSION = models.DefinitionVersion
_CACHED_VERSIONS = 4096
# Every order looks its definitions up.
_FOUND = Remembered(_TABLE, models.Folder)
_SECRET_PURPOSE = "module parameter"  # noqa: S105  # what for, not what

S = TypeVar("S", bound=Sealed)


class DefinitionKind(enum.IntEnum):
    """What a definition is, with the Dispatcher's numbers (Dispatcher contract 2.1)."""

    MODULE = 0
    PROJECT = 1
    RUN_BOOK = 2

    @classmethod
    def of(cls, kind: WhatKind) -> "DefinitionKind":
        """The kind of what a run book's job runs."""
        return cls[kind.name]

    @property
    def folders(self) -> folders.FolderKind:
        """The tree of folders that it lies in."""
        return folders.FolderKind[self.name]

    @property
    def word(self) -> str:
        """What people call it."""
        return self.name.lower().replace("_", " ")


_SHAPES: dict[DefinitionKind, type[Sealed]] = {
    DefinitionKind.MODULE: SealedModule,
    DefinitionKind.PROJECT: Project,
    DefinitionKind.RUN_BOOK: SealedRunBook,
}


def kind_of(definition: Definition) -> DefinitionKind:
    """What a definition is, by its shape."""
    if isinstance(definition, Module):
        return DefinitionKind.MODULE
    return DefinitionKind.PROJECT if isinstance(definition, Project) else DefinitionKind.RUN_BOOK


class DefinitionNotFound(LookupError):
    """No definition has this GUID or name."""

    @classmethod
    def of(cls, guid: UUID, kind: DefinitionKind | None) -> Self:
        """In these words for one that somebody may not read, too."""
        word = "definition" if kind is None else kind.word
        return cls(f"there is no {word} with the GUID {guid}")


class DefinitionAmbiguous(LookupError):
    """Several definitions in different folders have this name."""


class KindTaken(ValueError):
    """The GUID belongs to a definition of another kind."""


@dataclass(frozen=True)
class DefinitionSummary:
    """A definition without its content; ``folder`` is a path, ``version_id`` the current one."""

    id: int
    guid: UUID
    kind: DefinitionKind
    name: str
    folder: str
    version_id: int
    enabled: bool
    folder_id: int | None = None

    @property
    def titled(self) -> str:
        """What people call it: the kind and the name."""
        return f"the {self.kind.word} {self.name!r}"


@dataclass(frozen=True)
class Saved:
    """What became of a definition that was to be stored."""

    definition: DefinitionSummary
    change: Change


class Catalog:
    """Finds and stores definitions."""

    def __init__(
        self, store: Store, vault: Vault, now: Callable[[], int], task_types: TaskTypes
    ) -> None:
        self._store = store
        self._vault = vault
        self._now = now
        self._task_types = task_types
        self._versions: dict[int, Sealed] = {}

    def definitions(
        self, session: Session, kind: DefinitionKind, *, disabled: bool = False, tenant: int = 1
    ) -> list[DefinitionSummary]:
        """All of a kind, by name; with ``disabled``, those too that cannot be run at present."""
        rows = session.select(_OF_KIND, {"tenant_id": tenant, "kind": kind})
        return [_summary(row) for row in rows if row["enabled"] or disabled]

    def find(
        self, session: Session, guid: UUID, kind: DefinitionKind | None = None, tenant: int = 1
    ) -> DefinitionSummary:
        """The definition with a GUID, enabled or not; raises DefinitionNotFound."""
        read = functools.partial(self._find, session, guid, kind, tenant)
        return session.recall(_FOUND, (guid, kind, tenant), read)

    def _find(
        self, session: Session, guid: UUID, kind: DefinitionKind | None, tenant: int
    ) -> DefinitionSummary:
        row = _any(session, guid, tenant)
        if row is None or row["deleted_at"] is not None or kind not in (None, row["kind"]):
            raise DefinitionNotFound.of(guid, kind)
        return _summary(row)

    def find_by_name(
        self,
        session: Session,
        kind: DefinitionKind,
        name: str,
        folder: str | None = None,
        tenant: int = 1,
    ) -> DefinitionSummary:
        """The definition with a name, in any folder or the one given; case does not matter.

        Raises DefinitionNotFound, DefinitionAmbiguous.
        """
        found = _named(session, kind, name, tenant)
        if folder is not None:
            wanted = folders.path_key(folders.clean(folder))
            found = [one for one in found if folders.path_key(one.folder) == wanted]
        if not found:
            raise DefinitionNotFound(f"there is no {kind.word} named {name!r}")
        if len(found) > 1:
            places = ", ".join(repr(one.folder) for one in found)
            raise DefinitionAmbiguous(
                f"there are {len(found)} {kind.word}s named {name!r}, in the folders {places}: "
                "give the folder or the GUID"
            )
        return found[0]

    def module(self, session: Session, version_id: int) -> SealedModule:
        """A version of a module; its secrets stay references. Raises DefinitionNotFound."""
        return self._version(session, version_id, DefinitionKind.MODULE, SealedModule)

    def project(self, session: Session, version_id: int) -> Project:
        """A version of a project. Raises DefinitionNotFound."""
        return self._version(session, version_id, DefinitionKind.PROJECT, Project)

    def run_book(self, session: Session, version_id: int) -> SealedRunBook:
        """A version of a run book; its secrets stay references. Raises DefinitionNotFound."""
        return self._version(session, version_id, DefinitionKind.RUN_BOOK, SealedRunBook)

    def current(self, session: Session, definition: DefinitionSummary) -> Sealed:
        """A definition as it is now; name, place and state are those of the summary."""
        shape = _SHAPES[definition.kind]
        content = self._version(session, definition.version_id, definition.kind, shape)
        return content.model_copy(
            update={
                "name": definition.name,
                "folder": definition.folder,
                "enabled": definition.enabled,
            }
        )

    def compare(self, session: Session, definition: Definition, tenant: int = 1) -> Change:
        """What storing a definition would do. Raises SecretMissing, KindTaken."""
        row = _any(session, definition.guid, tenant)
        previous = self._previous(session, row, kind_of(definition))
        sealed = self._seal(session, definition, previous, lambda _: moments.new_guid())
        return _change(row, previous, sealed)

    def put(
        self, session: Session, definition: Definition, caller: Caller, tenant: int = 1
    ) -> Saved:
        """Store a definition that was found right: a new version, unless nothing is different.

        For use in a unit of work that has called ``changes.one_at_a_time`` and calls
        ``check_name`` when all is put. Raises SecretMissing, KindTaken, FolderPathError.
        """
        folder = folders.clean(definition.folder)
        placed: Definition = definition.model_copy(update={"folder": folder})
        row = _any(session, placed.guid, tenant)
        previous = self._previous(session, row, kind_of(placed))
        sealed = self._seal(session, placed, previous, self._conceal(session, tenant))
        change = _change(row, previous, sealed)
        if change is Change.UNCHANGED:
            return Saved(self.find(session, placed.guid, tenant=tenant), change)
        definition_id = _write_definition(session, sealed, row, self._now(), tenant)
        self._write_version(session, definition_id, sealed, changes.author(caller))
        saved = self.find(session, placed.guid, tenant=tenant)
        self._record(session, caller, change, saved, previous, tenant)
        return Saved(saved, change)

    def save(self, definition: Definition, caller: Caller, tenant: int = 1) -> Saved:
        """Check a definition and store it in a unit of work of its own.

        Raises checks.Refused with all that is wrong in it, NameTaken, KindTaken, SecretMissing.
        """
        checks.refuse(checks.faults(definition, self._task_types))

        def work(session: Session) -> Saved:
            changes.one_at_a_time(session, tenant)
            saved = self.put(session, definition, caller, tenant)
            checks.refuse(
                connections.faults(
                    definition,
                    lambda kind, guid: self.look(session, DefinitionKind.of(kind), guid, tenant),
                )
            )
            self.check_name(session, saved.definition, tenant)
            return saved

        return self._store.unit_of_work(work)

    def look(
        self, session: Session, kind: DefinitionKind, guid: UUID, tenant: int = 1
    ) -> Sealed | None:
        """A definition as it is now, or None when there is none of the kind."""
        try:
            return self.current(session, self.find(session, guid, kind, tenant))
        except DefinitionNotFound:
            return None

    def check_name(self, session: Session, definition: DefinitionSummary, tenant: int = 1) -> None:
        """Raise NameTaken when another definition of the kind has the name in the same folder."""
        for other in _named(session, definition.kind, definition.name, tenant):
            if other.guid != definition.guid and other.folder == definition.folder:
                raise NameTaken(definition.kind.word, definition.name, definition.folder)

    def delete(self, guid: UUID, caller: Caller, tenant: int = 1) -> None:
        """Take a definition out of all lists; jobs keep their versions.

        Raises DefinitionNotFound, InUse.
        """

        def work(session: Session) -> None:
            changes.one_at_a_time(session, tenant)
            found = self.find(session, guid, tenant=tenant)
            users = [one.titled for one in users_of(session, guid, tenant)]
            if users:
                raise InUse(found.kind.word, found.name, users)
            session.execute(_TABLE.update(deleted_at=self._now()).where(_TABLE.id == found.id))
            audit.record(
                session,
                caller,
                self._now(),
                "delete",
                found.kind.word,
                guid,
                found.name,
                tenant=tenant,
            )

        self._store.unit_of_work(work)

    def _seal(
        self,
        session: Session,
        definition: Definition,
        previous: Sealed | None,
        conceal: Callable[[str], UUID],
    ) -> Sealed:
        def reveal(guid: UUID) -> str | None:
            try:
                return self._vault.reveal(session, guid)
            except (SecretDamaged, SecretNotFound):
                # Storing the password anew is how an operator mends this.
                return None

        return sealing.seal(definition, previous, reveal, conceal)

    def _conceal(self, session: Session, tenant: int) -> Callable[[str], UUID]:
        return lambda text: self._vault.seal(session, self._now(), _SECRET_PURPOSE, text, tenant)

    def _version(
        self, session: Session, version_id: int, kind: DefinitionKind, shape: type[S]
    ) -> S:
        found = self._versions.get(version_id)
        if found is None:
            rows = session.select(_VERSION_OF_KIND, {"id": version_id, "kind": kind})
            found = self._keep(version_id, shape.model_validate(rows[0]["body"])) if rows else None
        if not isinstance(found, shape):
            raise DefinitionNotFound(
                f"there is no version of a {kind.word} with the number {version_id}"
            )
        return found

    def _previous(self, session: Session, row: Row | None, kind: DefinitionKind) -> Sealed | None:
        """What is stored under a GUID, also when it was deleted. Raises KindTaken."""
        if row is None:
            return None
        if row["kind"] != kind:
            word = DefinitionKind(row["kind"]).word
            raise KindTaken(f"the GUID {row['guid']} belongs to the {word} {row['name']!r}")
        return self.current(session, _summary(row))

    def _write_version(
        self, session: Session, definition_id: int, content: Sealed, author: int | None
    ) -> None:
        count = _VERSION.select(peewee.fn.COALESCE(peewee.fn.MAX(_VERSION.number), 0))
        number = session.scalar(count.where(_VERSION.definition_id == definition_id)) + 1
        version_id = session.execute(
            _VERSION.insert(
                definition_id=definition_id,
                number=number,
                body=content.model_dump(mode="json"),
                created_at=self._now(),
                created_by=author,
            )
        )
        # SQLite gives the number of a version that was rolled back to the next one; another unit
        # of the same transaction may have read the lost one meanwhile.
        self._versions.pop(version_id, None)
        session.execute(_TABLE.update(version_id=version_id).where(_TABLE.id == definition_id))

    def _record(
        self,
        session: Session,
        caller: Caller,
        change: Change,
        saved: DefinitionSummary,
        previous: Sealed | None,
        tenant: int,
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            "create" if change is Change.CREATED else "update",
            saved.kind.word,
            saved.guid,
            saved.name,
            before=None if previous is None else _facts(previous),
            after=_facts(self.current(session, saved)),
            tenant=tenant,
        )

    def _keep(self, version_id: int, content: S) -> S:
        if len(self._versions) >= _CACHED_VERSIONS:
            self._versions.clear()
        self._versions[version_id] = content
        return content


def bodies(
    session: Session, kinds: Sequence[DefinitionKind], tenant: int = 1
) -> Iterator[tuple[DefinitionSummary, dict[str, Any]]]:
    """All definitions of some kinds, enabled or not, each with its stored content."""
    query = _living(tenant).select_extend(_VERSION.body)
    query = query.join(_VERSION, on=(_VERSION.id == _TABLE.version_id))
    for row in session.each(query.where(_TABLE.kind.in_(kinds)).order_by(_TABLE.name_key)):
        yield _summary(row), row["body"]


def users_of(session: Session, guid: UUID, tenant: int = 1) -> list[DefinitionSummary]:
    """The projects and run books that run a definition, also in what is disabled in them."""
    composed = (DefinitionKind.PROJECT, DefinitionKind.RUN_BOOK)
    return [
        summary
        for summary, body in bodies(session, composed, tenant)
        if str(guid) in _named_within(body) and summary.guid != guid
    ]


def _named_within(body: dict[str, Any]) -> set[str]:
    """The GUIDs of the definitions that the content of a project or run book names."""
    modules = {entry["module"] for entry in body.get("modules", ())}
    return modules | {what["guid"] for job in body.get("jobs", ()) for what in job["what"]}


def _living(tenant: Any) -> Any:
    return _placed().where(_TABLE.tenant_id == tenant, _TABLE.deleted_at.is_null())


def _placed() -> Any:
    """Definitions with the path of their folder; NULL at the root."""
    folder = models.Folder
    return _TABLE.select(_TABLE, folder.path).join(
        folder, peewee.JOIN.LEFT_OUTER, on=(folder.id == _TABLE.folder_id)
    )


_BY_GUID = statements.Statement(
    lambda: _placed().where(
        _TABLE.tenant_id == named(_TABLE.tenant_id), _TABLE.guid == named(_TABLE.guid)
    )
)


_OF_KIND = statements.Statement(
    lambda: (
        _living(named(_TABLE.tenant_id))
        .where(_TABLE.kind == named(_TABLE.kind))
        .order_by(_TABLE.name_key, _TABLE.id)
    )
)


# Both ask for the kind: what a version holds can only be read by one who knows what it is.
_VERSION_OF_KIND = statements.Statement(
    lambda: (
        _VERSION.select(_VERSION.body)
        .join(_TABLE, on=(_TABLE.id == _VERSION.definition_id))
        .where(_VERSION.id == named(_VERSION.id), _TABLE.kind == named(_TABLE.kind))
    )
)


def _any(session: Session, guid: UUID, tenant: int) -> Row | None:
    """The definition with a GUID, also a deleted one: its GUID and its history stay its own."""
    found = session.select(_BY_GUID, {"tenant_id": tenant, "guid": guid})
    return found[0] if found else None


def _named(
    session: Session, kind: DefinitionKind, name: str, tenant: int
) -> list[DefinitionSummary]:
    query = _living(tenant).where((_TABLE.kind == kind) & (_TABLE.name_key == names.key(name)))
    return [_summary(row) for row in session.rows(query.order_by(_TABLE.id))]


def _summary(row: Row) -> DefinitionSummary:
    return DefinitionSummary(
        id=row["id"],
        guid=row["guid"],
        kind=DefinitionKind(row["kind"]),
        name=row["name"],
        folder=row["path"] or "",
        version_id=row["version_id"],
        enabled=bool(row["enabled"]),
        folder_id=row["folder_id"],
    )


def _change(row: Row | None, previous: Sealed | None, sealed: Sealed) -> Change:
    if row is None or previous is None or row["deleted_at"] is not None:
        return Change.CREATED
    return Change.UNCHANGED if _exactly(previous) == _exactly(sealed) else Change.UPDATED


def _exactly(definition: Sealed) -> str:
    """A text that is equal for equal content only: to Python, 1, 1.0 and True are the same."""
    # A folder that exists keeps its spelling, so the case of a path is no difference.
    content = definition.model_dump(mode="json")
    content["folder"] = folders.path_key(definition.folder)
    return json.dumps(content, sort_keys=True)


def _write_definition(
    session: Session, definition: Sealed, row: Row | None, at: int, tenant: int
) -> int:
    kind = kind_of(definition)
    values = {
        "folder_id": folders.ensure(session, kind.folders, definition.folder, tenant),
        "name": definition.name,
        "name_key": names.key(definition.name),
        "enabled": definition.enabled,
        "deleted_at": None,
    }
    if row is not None:
        session.execute(_TABLE.update(**values).where(_TABLE.id == row["id"]))
        return int(row["id"])
    new = _TABLE.insert(guid=definition.guid, tenant_id=tenant, kind=kind, created_at=at, **values)
    return int(session.execute(new))


def _facts(definition: Sealed) -> dict[str, object]:
    """What the audit trail says of a definition; nothing of its content, which has versions."""
    counted = ("parameters", "tasks", "modules", "jobs")
    return {
        "name": definition.name,
        "folder": definition.folder,
        "enabled": definition.enabled,
        **{name: len(getattr(definition, name)) for name in counted if hasattr(definition, name)},
    }
