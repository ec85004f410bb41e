"""The operations on resources (Dispatcher contract 3, rows 19 and 20).

Their metadata come in headers, of which only ``Filename`` is known; the others are our choice and
published on the help page, in ``docs/rest.md`` and in the WSDL.
"""

import contextlib
import uuid
from collections.abc import Iterator

from gateway import moments
from gateway.catalog import folders
from gateway.catalog.checks import Fault, Refused
from gateway.catalog.folders import FolderKind, FolderPathError
from gateway.catalog.resources import (
    Resource,
    ResourceChanges,
    ResourceInUse,
    ResourceNotFound,
    only,
)
from gateway.identity import permissions
from gateway.identity.permissions import Access, Node
from gateway.jobs.places import Places
from gateway.surfaces.dispatcher import resource_messages
from gateway.surfaces.dispatcher.operation import (
    Argument,
    BadArgument,
    Call,
    Content,
    Operation,
    Place,
    Received,
    header,
)
from gateway.wire.scalars import BOOLEAN, BYTES, GUID, TEXT


def _upload(
    call: Call,
    guid: uuid.UUID | None,
    file_name: str | None,
    name: str | None,
    folder: str | None,
    comment: str | None,
    version_name: str | None,
    parse_content: bool | None,
    skip_environment: bool | None,
    content: Content,
) -> resource_messages.Resource:
    # An empty name is none; a folder and a description may be made empty.
    changes = ResourceChanges(
        name=name or None,
        file_name=file_name or None,
        folder=folder,
        comment=comment,
        version_name=version_name or None,
        parse_content=parse_content,
        skip_environment=skip_environment,
    )
    try:
        if guid is None:
            return _message(_new(call, changes, content))
        return _message(_edit(call, guid, changes, content))
    except FolderPathError as error:
        raise Refused([Fault(("folder",), str(error))]) from None


def _new(call: Call, changes: ResourceChanges, content: Content) -> Resource:
    resources = call.services.resources
    if changes.file_name is None:
        raise BadArgument(
            "is missing; a new resource needs it and the file's content (to edit one, say which "
            "by its GUID)",
            "file_name",
        )
    details = changes.to_new()
    call.may_change(Node.RESOURCES, details.folder, _folder, _titled(details.folder))
    resources.check_new(details)
    received = _received(call, content)
    return resources.add(details, received.pieces, call.caller)


def _edit(call: Call, guid: uuid.UUID, changes: ResourceChanges, content: Content) -> Resource:
    resources = call.services.resources
    _changeable(call, _found(call, guid))
    if changes.folder is not None:
        call.may_change(Node.RESOURCES, changes.folder, _folder, _titled(changes.folder))
    with _discretion(call):
        resources.check_edit(guid, changes)
    received = _received(call, content)
    # No body is none to be stored; but who names a file means to send it.
    is_sent = received.length > 0 or changes.file_name is not None
    pieces = received.pieces if is_sent else None
    with _discretion(call):
        return resources.edit(guid, changes, pieces, call.caller)


@contextlib.contextmanager
def _discretion(call: Call) -> Iterator[None]:
    """Have what uses a resource named only to who may read all modules and jobs."""
    try:
        yield
    except ResourceInUse as error:
        if all(call.reach(node, Access.READ).everywhere for node in (Node.MODULES, Node.JOBS)):
            raise
        raise error.unnamed() from None


def _received(call: Call, content: Content) -> Received:
    """The content, if there is room for it: once while it comes, and once in the store."""
    blobs = call.services.resources.blobs
    blobs.check_room(2 * content.announced())
    received = content.receive()
    blobs.check_room(received.length)
    return received


def _delete(call: Call, guid: uuid.UUID | None, name: str | None) -> resource_messages.Resource:
    resources = call.services.resources
    if guid is None and not name:
        raise BadArgument("is missing; give it, or the name where only one has that", "guid")
    found = _changeable(call, _found(call, name or "" if guid is None else guid))
    with _discretion(call):
        resources.delete(found.guid, call.caller)
    return _message(found)


def _found(call: Call, reference: uuid.UUID | str) -> Resource:
    """A resource that the caller may read. Raises ResourceNotFound, ResourceAmbiguous."""
    resources = call.services.resources
    if isinstance(reference, str):
        with call.services.store.reading() as session:
            named = resources.named(session, reference)
        return only(reference, call.readable(Node.RESOURCES, named, Places.resource))
    with call.services.store.reading() as session:
        found = resources.find(session, reference)
    missing = ResourceNotFound.of(reference)
    return call.find(Node.RESOURCES, found, Places.resource, missing)


def _changeable(call: Call, resource: Resource) -> Resource:
    """The resource, if the caller may modify it. Raises MissingRight."""
    titled = f"the resource {resource.name!r}"
    call.may_change(Node.RESOURCES, resource, Places.resource, titled)
    return resource


def _folder(places: Places, path: str) -> permissions.Place:
    return places.path(FolderKind.RESOURCE, folders.clean(path))


def _titled(path: str) -> str:
    return f"the folder {path!r}" if path else "the top folder"


def _message(resource: Resource) -> resource_messages.Resource:
    details = resource.details
    return resource_messages.Resource(
        ID=resource.guid,
        Name=details.name,
        Filename=details.file_name,
        Folder=details.folder,
        Description=details.comment,
        Version=details.version_name,
        VersionNumber=resource.version,
        VersionDateTime=moments.to_datetime(resource.created_at),
        ParseContent=details.parse_content,
        SkipEnvironmentVariables=details.skip_environment,
        Size=resource.blob.size,
        Sha256=resource.blob.sha256,
    )


RESOURCE_OPERATIONS = (
    Operation(
        "UploadResource",
        "POST",
        "UploadResource",
        "Stores a file as a new resource, or, with Guid, edits the one that has it: what is not "
        "sent stays as it is, and the version before is kept.",
        Node.RESOURCES,
        Access.MODIFY,
        (
            header("guid", "Guid", GUID, "The resource to edit; left out for a new one.", "ID"),
            header(
                "file_name",
                "Filename",
                TEXT,
                "The name of the file, without folders. A new resource needs it; with it the "
                "content is mandatory.",
                sample="driver.msi",
            ),
            header(
                "name",
                "Name",
                TEXT,
                "The resource's name; Filename when left out.",
                sample="Printer driver",
            ),
            header(
                "folder",
                "Folder",
                TEXT,
                "The path of its folder, such as A/B.",
                sample="Drivers/Printers",
            ),
            header(
                "comment",
                "Description",
                TEXT,
                "What it is.",
                "Comment",
                "Comments",
                sample="For the second floor",
            ),
            header(
                "version_name",
                "Version",
                TEXT,
                "The name of the version; 1.0.0 when left out.",
                sample="1.0.0",
            ),
            header(
                "parse_content",
                "ParseContent",
                BOOLEAN,
                "Whether parameters in the content are replaced when a task fetches it.",
                "ParseFileContent",
            ),
            header(
                "skip_environment",
                "SkipEnvironmentVariables",
                BOOLEAN,
                "Whether environment variables in the content are left alone.",
            ),
            Argument(
                "content", "", "content", Place.CONTENT, BYTES, "The content of the file, as it is."
            ),
        ),
        resource_messages.Resource,
        _upload,
    ),
    Operation(
        "DeleteResource",
        "POST",
        "DeleteResource",
        "Deletes a resource that no module and no job uses; its history stays.",
        Node.RESOURCES,
        Access.MODIFY,
        (
            header("guid", "Guid", GUID, "The resource.", "ID"),
            header(
                "name",
                "Name",
                TEXT,
                "Its name, if Guid is left out and only one has it.",
                sample="Printer driver",
            ),
        ),
        resource_messages.Resource,
        _delete,
    ),
)
