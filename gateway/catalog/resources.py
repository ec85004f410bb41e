"""Resources: files that tasks use, in versions."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import peewee

from gateway import moments, names
from gateway.catalog import changes, checks, folders
from gateway.catalog.blobs import BlobReference, Blobs
from gateway.catalog.changes import Change, NameTaken
from gateway.catalog.folders import FolderKind
from gateway.catalog.references import Path
from gateway.identity import audit
from gateway.identity.principals import Caller
from storage import models
from storage.database import Store
from storage.session import Row, Session

_TABLE = models.Resource
_VERSION = models.ResourceVersion
_BLOB = models.Blob
MAX_NAME = 255
FIRST_VERSION = "1.0.0"
"""What a version is called when nobody has named it (Dispatcher contract 6)."""

_MOST_USERS_NAMED = 5
# Line ends and tabs, too: none of these is a text of several lines.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class ResourceNotFound(LookupError):
    """No resource has this GUID or name."""

    @classmethod
    def of(cls, reference: UUID | str) -> Self:
        """In these words for one that somebody may not read, too."""
        if isinstance(reference, UUID):
            return cls(f"there is no resource with the GUID {reference}")
        return cls(f"there is no resource named {reference!r}")


class ResourceAmbiguous(LookupError):
    """Several resources in different folders have this name."""


class ResourceExists(ValueError):
    """A resource with this GUID is there already."""


class ContentMissing(ValueError):
    """A file has no bytes, which is more often a mistake than meant."""

    def __init__(self, file_name: str | None) -> None:
        """``file_name`` is None where only the content was to be another."""
        whose = "" if file_name is None else f" of the file {file_name!r}"
        super().__init__(f"the content{whose} is missing: a file of no bytes is not taken")


class ResourceInUse(Exception):
    """A resource cannot be deleted or renamed: ``users`` say what needs it."""

    def __init__(self, sentence: str, users: Sequence[str], advice: str = "") -> None:
        """``sentence`` ends before the users, ``advice`` comes behind them."""
        more = len(users) - _MOST_USERS_NAMED
        shown = ", ".join(users[:_MOST_USERS_NAMED]) + (f" and {more} more" if more > 0 else "")
        super().__init__(f"{sentence} {shown}{advice}")
        self.users = tuple(users)
        self._sentence, self._advice = sentence, advice

    def unnamed(self) -> "ResourceInUse":
        """The same for who may not read all that there is: how many, but not which."""
        count = len(self.users)
        told = f"{count} of the modules and jobs, not all of which you may read"
        return ResourceInUse(self._sentence, [told], self._advice)


@dataclass(frozen=True)
class ResourceDetails:
    """What is said about a resource; ``file_name`` is the name that it had where it came from.

    ``parse_content``: parameters in the content are replaced when a task fetches it;
    ``skip_environment``: environment variables in it are not.
    """

    name: str
    file_name: str
    folder: str = ""
    comment: str = ""
    version_name: str = FIRST_VERSION
    parse_content: bool = False
    skip_environment: bool = False


@dataclass(frozen=True)
class ResourceChanges:
    """What an edit gives a resource; None leaves a member as it is."""

    name: str | None = None
    file_name: str | None = None
    folder: str | None = None
    comment: str | None = None
    version_name: str | None = None
    parse_content: bool | None = None
    skip_environment: bool | None = None

    def to(self, details: ResourceDetails) -> ResourceDetails:
        """The details with these changes."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return dataclasses.replace(details, **given)

    def to_new(self) -> ResourceDetails:
        """The details of a new resource, which is called like its file unless it has a name."""
        file_name = self.file_name or ""
        return self.to(ResourceDetails(file_name, file_name))


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

    @property
    def keys(self) -> "Keys":
        """All that a task can mean it by."""
        return frozenset({self.guid, names.key(self.name)})


@dataclass(frozen=True)
class ResourceVersion:
    """One version of a resource; ``created_by`` is a login's name, None for the machine."""

    number: int
    version_name: str
    file_name: str
    comment: str
    blob: BlobReference
    created_at: int
    created_by: str | None


Keys = frozenset[UUID | str]
"""What tasks refer to resources by: GUIDs, and names without case (``names.key``)."""

Users = Callable[[Session, Keys, int], Sequence[str]]
"""Tells what refers to any of these keys in a tenant, in words such as "the module 'A'"."""


@dataclass(frozen=True)
class SavedResource:
    """What became of a resource that was to be stored."""

    resource: Resource
    change: Change


class Resources:
    """Finds and stores resources."""

    def __init__(
        self, store: Store, blobs: Blobs, now: Callable[[], int], users: Sequence[Users] = ()
    ) -> None:
        """``users`` tell what keeps a resource from being deleted or renamed."""
        self._store = store
        self._blobs = blobs
        self._now = now
        self._users = tuple(users)

    @property
    def blobs(self) -> Blobs:
        """Where the contents are."""
        return self._blobs

    def all(self, session: Session, tenant: int = 1) -> list[Resource]:
        """All resources, by name."""
        query = _current(tenant).order_by(_TABLE.name_key, _TABLE.id)
        return [_resource(row) for row in session.rows(query)]

    def find(self, session: Session, guid: UUID, tenant: int = 1) -> Resource:
        """The resource with a GUID; raises ResourceNotFound."""
        row = session.first(_current(tenant).where(_TABLE.guid == guid))
        if row is None:
            raise ResourceNotFound.of(guid)
        return _resource(row)

    def find_by_name(self, session: Session, name: str, tenant: int = 1) -> Resource:
        """The resource with a name, whatever its case.

        Raises ResourceNotFound, and ResourceAmbiguous when several folders have one.
        """
        return only(name, self.named(session, name, tenant))

    def named(self, session: Session, name: str, tenant: int = 1) -> list[Resource]:
        """The resources with a name, whatever its case, in all folders."""
        return _named(session, name, tenant)

    def resolve(self, session: Session, reference: str, tenant: int = 1) -> Resource:
        """The resource that a task means by a GUID or a name; errors as those of the finders."""
        guid = as_guid(reference)
        if guid is not None:
            return self.find(session, guid, tenant)
        return self.find_by_name(session, reference, tenant)

    def versions(self, session: Session, resource: Resource) -> list[ResourceVersion]:
        """All versions, the newest first."""
        return [_version(row) for row in session.rows(_versions(resource.id))]

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

        Raises checks.Refused, ContentMissing, ResourceExists, NameTaken.
        """
        details = checked(details)
        new = guid or moments.new_guid()

        def work(session: Session, blob: BlobReference) -> Resource:
            changes.one_at_a_time(session, tenant)
            if session.first(_current(tenant).where(_TABLE.guid == new)) is not None:
                raise ResourceExists(f"there is a resource with the GUID {new}: edit that one")
            return self._finish(session, new, details, blob, caller, tenant)

        return self._with_blob(details.file_name, content, tenant, work)

    def check_new(self, details: ResourceDetails, tenant: int = 1) -> None:
        """Raise what ``add`` would, as far as it is known before the content has come."""
        details = checked(details)
        with self._store.reading() as session:
            self._check_place(session, None, details, tenant)

    def edit(
        self,
        guid: UUID,
        wanted: ResourceChanges,
        content: Iterable[bytes] | None,
        caller: Caller,
        tenant: int = 1,
    ) -> Resource:
        """Change a resource as it is at that moment; None keeps the bytes that it has.

        Raises checks.Refused, ContentMissing, ResourceNotFound, ResourceInUse, NameTaken.
        """

        def work(session: Session, blob: BlobReference | None) -> Resource:
            changes.one_at_a_time(session, tenant)
            present = self.find(session, guid, tenant)
            details = checked(wanted.to(present.details))
            self.check_renamed(session, present, details.name, tenant)
            return self._finish(session, guid, details, blob or present.blob, caller, tenant)

        if content is None:
            return self._store.unit_of_work(lambda session: work(session, None))
        return self._with_blob(wanted.file_name, content, tenant, work)

    def check_edit(self, guid: UUID, wanted: ResourceChanges, tenant: int = 1) -> None:
        """Raise what ``edit`` would, as far as it is known before the content has come."""
        with self._store.reading() as session:
            present = self.find(session, guid, tenant)
            details = checked(wanted.to(present.details))
            self.check_renamed(session, present, details.name, tenant)
            self._check_place(session, guid, details, tenant)

    def delete(self, guid: UUID, caller: Caller, tenant: int = 1) -> None:
        """Take a resource out of all lists; its versions stay.

        Raises ResourceNotFound, ResourceInUse.
        """

        def work(session: Session) -> None:
            changes.one_at_a_time(session, tenant)
            found = self.find(session, guid, tenant)
            users = self._users_of(session, found.keys, tenant)
            if users:
                raise ResourceInUse(f"the resource {found.name!r} is in use by", users)
            session.execute(_TABLE.update(deleted_at=self._now()).where(_TABLE.id == found.id))
            audit.record(
                session,
                caller,
                self._now(),
                "delete",
                "resource",
                guid,
                found.name,
                before=_facts(found),
                tenant=tenant,
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
        self._check_place(session, resource.guid, resource.details, tenant)

    def check_renamed(
        self, session: Session, present: Resource, name: str, tenant: int = 1
    ) -> None:
        """Raise ResourceInUse when something refers to a resource by a name that it is to lose.

        Who refers to it by its GUID minds no other name, nor does anybody another case.
        """
        key = names.key(present.name)
        if names.key(name) == key:
            return
        users = self._users_of(session, frozenset({key}), tenant)
        if users:
            raise ResourceInUse(
                f"the resource {present.name!r} cannot be renamed: by this name it is in use by",
                users,
                "; have them use its GUID",
            )

    def _users_of(self, session: Session, keys: Keys, tenant: int) -> list[str]:
        return [user for tell in self._users for user in tell(session, keys, tenant)]

    @staticmethod
    def _check_place(
        session: Session, guid: UUID | None, details: ResourceDetails, tenant: int
    ) -> None:
        place = folders.path_key(details.folder)
        for other in _named(session, details.name, tenant):
            if other.guid != guid and folders.path_key(other.details.folder) == place:
                raise NameTaken("resource", details.name, details.folder)

    def _with_blob(
        self,
        file_name: str | None,
        content: Iterable[bytes],
        tenant: int,
        work: Callable[[Session, BlobReference], Resource],
    ) -> Resource:
        """Store content, and what refers to it; where nothing came to do so, nothing is left."""
        blob = self._blobs.write(_some(content, file_name), tenant)
        try:
            stored = self._store.unit_of_work(lambda session: work(session, blob))
        except BaseException:
            self._blobs.give_up(blob)
            raise
        if stored.blob.id != blob.id:
            self._blobs.give_up(blob)
        return stored

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
                version_name=details.version_name,
                parse_content=details.parse_content,
                skip_environment=details.skip_environment,
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


def _some(content: Iterable[bytes], file_name: str | None) -> Iterator[bytes]:
    """The same content, the first of it read. Raises ContentMissing where there is none."""
    pieces = iter(content)
    for piece in pieces:
        if piece:
            return itertools.chain((piece,), pieces)
    raise ContentMissing(file_name)


def only(name: str, found: Sequence[Resource]) -> Resource:
    """The one of those that were found by a name. Raises ResourceNotFound, ResourceAmbiguous."""
    if not found:
        raise ResourceNotFound.of(name)
    if len(found) > 1:
        places = ", ".join(repr(one.details.folder) for one in found)
        raise ResourceAmbiguous(
            f"there are {len(found)} resources named {name!r}, in the folders {places}: "
            "give the GUID"
        )
    return found[0]


def checked(details: ResourceDetails) -> ResourceDetails:
    """The details with their folder's path cleaned. Raises checks.Refused, FolderPathError."""
    checks.refuse(faults(details))
    return dataclasses.replace(details, folder=folders.clean(details.folder))


def faults(details: ResourceDetails) -> Iterator[checks.Fault]:
    """What is wrong with details, but for their folder: one fault for each member.

    A resource may be called like its file: what is wrong with both is wrong with the file's name.
    """
    told: set[Path] = set()
    for fault in _faults(details):
        if fault.path not in told:
            told.add(fault.path)
            yield fault


def _faults(details: ResourceDetails) -> Iterator[checks.Fault]:
    members = dict(vars(details))
    if details.name == details.file_name:
        del members["name"]
    yield from checks.text_faults(members)
    for each in _file_name_faults(details.file_name):
        yield checks.Fault(("file_name",), each)
    for member in ("name", "file_name", "version_name"):
        if member in members:
            for each in _name_faults(members[member]):
                yield checks.Fault((member,), each)


def _name_faults(name: str) -> Iterator[str]:
    if not name.strip() or len(name) > MAX_NAME:
        yield f"must have 1 to {MAX_NAME} characters"
    if _CONTROL.search(name):
        yield "must be one line, without control characters"


def _file_name_faults(name: str) -> Iterator[str]:
    if "/" in name or "\\" in name or name.strip() in (".", ".."):
        yield f"{name[:MAX_NAME]!r} is no name of a file: leave its folders out"


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
            _VERSION.version_name,
            _VERSION.parse_content,
            _VERSION.skip_environment,
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
        details=ResourceDetails(
            name=row["name"],
            file_name=row["file_name"],
            folder=row["folder"] or "",
            comment=row["comment"],
            version_name=row["version_name"],
            parse_content=bool(row["parse_content"]),
            skip_environment=bool(row["skip_environment"]),
        ),
        version=row["number"],
        blob=_blob(row),
        created_at=row["created_at"],
    )


def _versions(resource_id: int) -> Any:
    author = models.Principal
    return (
        _VERSION.select(
            _VERSION.number,
            _VERSION.version_name,
            _VERSION.file_name,
            _VERSION.comment,
            _VERSION.created_at,
            author.name.alias("created_by"),
            _BLOB.id.alias("blob_id"),
            _BLOB.guid.alias("blob_guid"),
            _BLOB.size,
            _BLOB.sha256,
        )
        .join(_BLOB, on=(_BLOB.id == _VERSION.blob_id))
        .join(author, peewee.JOIN.LEFT_OUTER, on=(author.id == _VERSION.created_by))
        .where(_VERSION.resource_id == resource_id)
        .order_by(_VERSION.number.desc())
    )


def _version(row: Row) -> ResourceVersion:
    return ResourceVersion(
        number=row["number"],
        version_name=row["version_name"],
        file_name=row["file_name"],
        comment=row["comment"],
        blob=_blob(row),
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


def _blob(row: Row) -> BlobReference:
    return BlobReference(row["blob_id"], row["blob_guid"], row["size"], row["sha256"])


def _change(present: Resource, details: ResourceDetails, sha256: str) -> Change:
    place = (details.name, folders.path_key(details.folder))
    moved = place != (present.name, folders.path_key(present.details.folder))
    differs = moved or _content_differs(present, details, sha256)
    return Change.UPDATED if differs else Change.UNCHANGED


def _content_differs(present: Resource, details: ResourceDetails, sha256: str) -> bool:
    there = dataclasses.replace(
        present.details, name=details.name, folder=details.folder
    )  # which have no versions
    return (details, sha256) != (there, present.blob.sha256)


def _facts(resource: Resource) -> dict[str, object]:
    """What the audit trail says of a resource."""
    return {
        "name": resource.name,
        "folder": resource.details.folder,
        "file_name": resource.details.file_name,
        "comment": resource.details.comment,
        "version": resource.version,
        "version_name": resource.details.version_name,
        "parse_content": resource.details.parse_content,
        "skip_environment": resource.details.skip_environment,
        "size": resource.blob.size,
        "sha256": resource.blob.sha256,
    }
