"""Resources: files that tasks use, in versions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import peewee

from gateway import moments, names
from gateway.catalog import changes, checks, folders
from gateway.catalog.blobs import BlobReference, Blobs
from gateway.catalog.changes import Change, NameTaken
from gateway.catalog.folders import FolderKind
from gateway.identity import audit
from gateway.identity.principals import Caller
from storage import models
from storage.database import Store
from storage.session import Row, Session

_TABLE = models.Resource
_VERSION = models.ResourceVersion
_BLOB = models.Blob
MAX_NAME = 255


class ResourceNotFound(LookupError):
    """No resource has this GUID or name."""


class ResourceAmbiguous(LookupError):
    """Several resources in different folders have this name."""


class ResourceExists(ValueError):
    """A resource with this GUID is there already."""


@dataclass(frozen=True)
class ResourceDetails:
    """What is said about a resource; ``file_name`` is the name that it had where it came from."""

    name: str
    file_name: str
    folder: str = ""
    comment: str = ""
    parse_content: bool = False
    skip_environment: bool = False


@dataclass(frozen=True)
class Resource:
    """A resource in its current version, counted from 1; ``created_at`` is that version's."""

    id: int
    guid: UUID
    details: ResourceDetails
    version: int
    blob: BlobReference
    created_at: int

    @property
    def name(self) -> str:
        """The name, for people and for tasks."""
        return self.details.name


@dataclass(frozen=True)
class SavedResource:
    """What became of a resource that was to be stored."""

    resource: Resource
    change: Change


class Resources:
    """Finds and stores resources."""

    def __init__(self, store: Store, blobs: Blobs, now: Callable[[], int]) -> None:
        self._store = store
        self._blobs = blobs
        self._now = now

    def all(self, session: Session, tenant: int = 1) -> list[Resource]:
        """All resources, by name."""
        query = _current(tenant).order_by(_TABLE.name_key, _TABLE.id)
        return [_resource(row) for row in session.rows(query)]

    def find(self, session: Session, guid: UUID, tenant: int = 1) -> Resource:
        """The resource with a GUID; raises ResourceNotFound."""
        row = session.first(_current(tenant).where(_TABLE.guid == guid))
        if row is None:
            raise ResourceNotFound(f"there is no resource with the GUID {guid}")
        return _resource(row)

    def find_by_name(self, session: Session, name: str, tenant: int = 1) -> Resource:
        """The resource with a name, whatever its case.

        Raises ResourceNotFound, and ResourceAmbiguous when several folders have one.
        """
        found = _named(session, name, tenant)
        if not found:
            raise ResourceNotFound(f"there is no resource named {name!r}")
        if len(found) > 1:
            places = ", ".join(repr(one.details.folder) for one in found)
            raise ResourceAmbiguous(
                f"there are {len(found)} resources named {name!r}, in the folders {places}: "
                "give the GUID"
            )
        return found[0]

    def resolve(self, session: Session, reference: str, tenant: int = 1) -> Resource:
        """The resource that a task means by a GUID or a name; errors as those of the finders."""
        guid = as_guid(reference)
        if guid is not None:
            return self.find(session, guid, tenant)
        return self.find_by_name(session, reference, tenant)

    def content(self, resource: Resource, offset: int = 0) -> Iterator[bytes]:
        """The bytes of this very version from ``offset`` on; see Blobs.read."""
        return self._blobs.read(resource.blob.id, offset)

    def add(
        self,
        details: ResourceDetails,
        content: Iterable[bytes],
        caller: Caller,
        guid: UUID | None = None,
        tenant: int = 1,
    ) -> Resource:
        """Store a new resource, with a GUID of its own unless one is given.

        Raises checks.Refused, ResourceExists, NameTaken.
        """
        details = checked(details)
        new = guid or moments.new_guid()
        blob = self._blobs.write(content, tenant)

        def work(session: Session) -> Resource:
            changes.one_at_a_time(session, tenant)
            if session.first(_current(tenant).where(_TABLE.guid == new)) is not None:
                raise ResourceExists(f"there is a resource with the GUID {new}: edit that one")
            return self._finish(session, new, details, blob, caller, tenant)

        return self._store.unit_of_work(work)

    def edit(
        self,
        guid: UUID,
        details: ResourceDetails,
        content: Iterable[bytes] | None,
        caller: Caller,
        tenant: int = 1,
    ) -> Resource:
        """Change a resource; None keeps the bytes that it has.

        Raises checks.Refused, ResourceNotFound, NameTaken.
        """
        details = checked(details)
        blob = None if content is None else self._blobs.write(content, tenant)

        def work(session: Session) -> Resource:
            changes.one_at_a_time(session, tenant)
            present = self.find(session, guid, tenant)
            return self._finish(session, guid, details, blob or present.blob, caller, tenant)

        return self._store.unit_of_work(work)

    def delete(self, guid: UUID, caller: Caller, tenant: int = 1) -> None:
        """Take a resource out of all lists; its versions stay. Raises ResourceNotFound."""

        def work(session: Session) -> None:
            found = self.find(session, guid, tenant)
            session.execute(_TABLE.update(deleted_at=self._now()).where(_TABLE.id == found.id))
            audit.record(
                session, caller, self._now(), "delete", "resource", guid, found.name, tenant=tenant
            )

        self._store.unit_of_work(work)

    def compare(
        self,
        session: Session,
        guid: UUID,
        details: ResourceDetails,
        sha256: str,
        tenant: int = 1,
    ) -> Change:
        """What storing a resource with such content would do."""
        row = session.first(_current(tenant).where(_TABLE.guid == guid))
        return Change.CREATED if row is None else _change(_resource(row), details, sha256)

    def put(
        self,
        session: Session,
        guid: UUID,
        details: ResourceDetails,
        blob: BlobReference,
        caller: Caller,
        tenant: int = 1,
    ) -> SavedResource:
        """Store a resource whose bytes are ``blob``: a written one, or that of the present version.

        For use in a unit of work that has called ``changes.one_at_a_time`` and calls
        ``check_name`` when all is put. Raises FolderPathError, blobs.BlobLost.
        """
        row = session.first(_all(tenant).where(_TABLE.guid == guid))
        previous = None if row is None else _resource(row)
        deleted = row is not None and row["deleted_at"] is not None
        change = Change.CREATED
        if previous is not None and not deleted:
            change = _change(previous, details, blob.sha256)
        if previous is not None and change is Change.UNCHANGED:
            return SavedResource(previous, change)
        resource_id = self._write_resource(session, guid, details, previous, tenant)
        if previous is None or _content_differs(previous, details, blob.sha256):
            self._write_version(session, resource_id, details, blob, previous, caller)
        saved = self.find(session, guid, tenant)
        self._record(session, caller, change, saved, previous, tenant)
        return SavedResource(saved, change)

    def check_name(self, session: Session, resource: Resource, tenant: int = 1) -> None:
        """Raise NameTaken when another resource has the name in the same folder."""
        for other in _named(session, resource.name, tenant):
            same_place = other.details.folder == resource.details.folder
            if other.guid != resource.guid and same_place:
                raise NameTaken("resource", resource.name, resource.details.folder)

    def _finish(
        self,
        session: Session,
        guid: UUID,
        details: ResourceDetails,
        blob: BlobReference,
        caller: Caller,
        tenant: int,
    ) -> Resource:
        saved = self.put(session, guid, details, blob, caller, tenant).resource
        self.check_name(session, saved, tenant)
        return saved

    def _write_resource(
        self,
        session: Session,
        guid: UUID,
        details: ResourceDetails,
        previous: Resource | None,
        tenant: int,
    ) -> int:
        values = {
            "folder_id": folders.ensure(session, FolderKind.RESOURCE, details.folder, tenant),
            "name": details.name,
            "name_key": names.key(details.name),
            "deleted_at": None,
        }
        if previous is not None:
            session.execute(_TABLE.update(**values).where(_TABLE.id == previous.id))
            return previous.id
        new = _TABLE.insert(guid=guid, tenant_id=tenant, created_at=self._now(), **values)
        return int(session.execute(new))

    def _write_version(
        self,
        session: Session,
        resource_id: int,
        details: ResourceDetails,
        blob: BlobReference,
        previous: Resource | None,
        caller: Caller,
    ) -> None:
        if previous is None or previous.blob.id != blob.id:
            self._blobs.publish(session, blob)
        version_id = session.execute(
            _VERSION.insert(
                resource_id=resource_id,
                number=1 if previous is None else previous.version + 1,
                file_name=details.file_name,
                blob_id=blob.id,
                comment=details.comment,
                created_at=self._now(),
                created_by=changes.author(caller),
            )
        )
        session.execute(_TABLE.update(version_id=version_id).where(_TABLE.id == resource_id))

    def _record(
        self,
        session: Session,
        caller: Caller,
        change: Change,
        saved: Resource,
        previous: Resource | None,
        tenant: int,
    ) -> None:
        audit.record(
            session,
            caller,
            self._now(),
            "create" if change is Change.CREATED else "update",
            "resource",
            saved.guid,
            saved.name,
            before=None if previous is None else _facts(previous),
            after=_facts(saved),
            tenant=tenant,
        )


def checked(details: ResourceDetails) -> ResourceDetails:
    """The details with their folder's path cleaned. Raises checks.Refused, FolderPathError."""
    faults = list(checks.text_faults(vars(details)))
    faults += [
        checks.Fault((member,), f"must have 1 to {MAX_NAME} characters")
        for member in ("name", "file_name")
        if not getattr(details, member).strip() or len(getattr(details, member)) > MAX_NAME
    ]
    checks.refuse(faults)
    folder = folders.clean(details.folder)
    return ResourceDetails(details.name, details.file_name, folder, details.comment)


def as_guid(reference: str) -> UUID | None:
    """The GUID that a text is, with or without braces; None for a name."""
    try:
        return UUID(reference.strip())
    except ValueError:
        return None


def _all(tenant: int) -> Any:
    folder = models.Folder
    return (
        _TABLE.select(
            _TABLE.id,
            _TABLE.guid,
            _TABLE.name,
            _TABLE.deleted_at,
            folder.path.alias("folder"),
            _VERSION.number,
            _VERSION.file_name,
            _VERSION.comment,
            _VERSION.created_at,
            _BLOB.id.alias("blob_id"),
            _BLOB.guid.alias("blob_guid"),
            _BLOB.size,
            _BLOB.sha256,
        )
        .join(_VERSION, on=(_VERSION.id == _TABLE.version_id))
        .join(_BLOB, on=(_BLOB.id == _VERSION.blob_id))
        .join(folder, peewee.JOIN.LEFT_OUTER, on=(folder.id == _TABLE.folder_id))
        .where(_TABLE.tenant_id == tenant)
    )


def _current(tenant: int) -> Any:
    return _all(tenant).where(_TABLE.deleted_at.is_null())


def _named(session: Session, name: str, tenant: int) -> list[Resource]:
    query = _current(tenant).where(_TABLE.name_key == names.key(name)).order_by(_TABLE.id)
    return [_resource(row) for row in session.rows(query)]


def _resource(row: Row) -> Resource:
    return Resource(
        id=row["id"],
        guid=row["guid"],
        details=ResourceDetails(row["name"], row["file_name"], row["folder"] or "", row["comment"]),
        version=row["number"],
        blob=BlobReference(row["blob_id"], row["blob_guid"], row["size"], row["sha256"]),
        created_at=row["created_at"],
    )


def _change(present: Resource, details: ResourceDetails, sha256: str) -> Change:
    place = (details.name, folders.path_key(details.folder))
    moved = place != (present.name, folders.path_key(present.details.folder))
    differs = moved or _content_differs(present, details, sha256)
    return Change.UPDATED if differs else Change.UNCHANGED


def _content_differs(present: Resource, details: ResourceDetails, sha256: str) -> bool:
    content = (details.file_name, details.comment, sha256)
    return content != (present.details.file_name, present.details.comment, present.blob.sha256)


def _facts(resource: Resource) -> dict[str, object]:
    """What the audit trail says of a resource."""
    return {
        "name": resource.name,
        "folder": resource.details.folder,
        "file_name": resource.details.file_name,
        "version": resource.version,
        "size": resource.blob.size,
        "sha256": resource.blob.sha256,
    }
