import uuid

import pytest

from gateway.catalog import checks
from gateway.catalog.changes import NameTaken
from gateway.catalog.folders import FolderPathError
from gateway.catalog.resources import (
    Resource,
    ResourceAmbiguous,
    ResourceDetails,
    ResourceExists,
    ResourceNotFound,
)
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from storage import models
from tests.unit.catalog.conftest import Parts

DETAILS = ResourceDetails("Agent setup", "setup.msi", "Tools/Windows", "first")


def added(parts: Parts, details: ResourceDetails = DETAILS, data: bytes = b"one") -> Resource:
    return parts.resources.add(details, [data], MACHINE)


def bytes_of(parts: Parts, resource: Resource, offset: int = 0) -> bytes:
    return b"".join(parts.resources.content(resource, offset))


def found(parts: Parts, reference: str) -> Resource:
    with parts.store.reading() as session:
        return parts.resources.resolve(session, reference)


def test_a_resource_is_found_by_guid_and_name(parts: Parts) -> None:
    resource = added(parts)
    assert resource.details == DETAILS
    assert resource.version == 1
    for reference in (str(resource.guid), f"{{{resource.guid}}}".upper(), "AGENT  setup"):
        assert found(parts, reference) == resource
    assert bytes_of(parts, resource) == b"one"
    assert bytes_of(parts, resource, 1) == b"ne"


def test_versions_are_kept(parts: Parts) -> None:
    first = added(parts)
    second = parts.resources.edit(first.guid, DETAILS, [b"two"], MACHINE)
    assert second.version == 2
    assert bytes_of(parts, first) == b"one"
    assert bytes_of(parts, found(parts, "Agent setup")) == b"two"


def test_an_edit_of_the_details_keeps_the_bytes(parts: Parts) -> None:
    first = added(parts)
    details = ResourceDetails("Setup", "setup.exe", "", "renamed")
    second = parts.resources.edit(first.guid, details, None, MACHINE)
    assert (second.details, second.version, second.blob) == (details, 2, first.blob)


def test_an_edit_that_changes_nothing_makes_no_version(parts: Parts) -> None:
    first = added(parts)
    assert parts.resources.edit(first.guid, DETAILS, [b"one"], MACHINE) == first
    parts.clock.moment += 1
    assert parts.blobs.sweep(older_than=parts.clock.moment) == 1


def test_a_deleted_resource_is_gone_but_for_its_history(parts: Parts) -> None:
    resource = added(parts)
    parts.resources.delete(resource.guid, MACHINE)
    for reference in (str(resource.guid), "Agent setup"):
        with pytest.raises(ResourceNotFound, match=r"Agent setup|GUID"):
            found(parts, reference)
    with pytest.raises(ResourceNotFound):
        parts.resources.delete(resource.guid, MACHINE)
    with pytest.raises(ResourceNotFound):
        parts.resources.edit(resource.guid, DETAILS, None, MACHINE)
    assert bytes_of(parts, resource) == b"one"
    again = parts.resources.add(DETAILS, [b"two"], MACHINE, guid=resource.guid)
    assert (again.id, again.version) == (resource.id, 2)


def test_a_name_is_taken_within_its_folder_only(parts: Parts) -> None:
    first = added(parts)
    with pytest.raises(NameTaken, match="Tools/Windows"):
        added(parts, ResourceDetails("AGENT SETUP", "x", "tools/windows"))
    other = added(parts, ResourceDetails("Agent setup", "x"))
    with pytest.raises(ResourceAmbiguous, match="give the GUID"):
        found(parts, "Agent setup")
    with pytest.raises(NameTaken):
        parts.resources.edit(other.guid, DETAILS, None, MACHINE)
    with pytest.raises(ResourceExists):
        parts.resources.add(ResourceDetails("New", "x"), [b""], MACHINE, guid=first.guid)


@pytest.mark.parametrize(
    "details",
    [
        ResourceDetails("", "x"),
        ResourceDetails("x", " "),
        ResourceDetails("x" * 256, "x"),
        ResourceDetails("a\x00b", "x"),
        ResourceDetails("x", "x", comment="\x1b[31m"),
    ],
)
def test_details_that_cannot_be_stored_are_refused(parts: Parts, details: ResourceDetails) -> None:
    with pytest.raises(checks.Refused):
        added(parts, details)


def test_a_wrong_folder_is_refused(parts: Parts) -> None:
    with pytest.raises(FolderPathError):
        added(parts, ResourceDetails("x", "x", "/A"))


def test_changes_are_audited(parts: Parts) -> None:
    resource = added(parts)
    parts.resources.edit(resource.guid, DETAILS, [b"two"], MACHINE)
    parts.resources.delete(resource.guid, MACHINE)
    with parts.store.reading() as session:
        entries = audit.page(session)
    assert [(one.action, one.object_guid) for one in entries] == [
        ("delete", resource.guid),
        ("update", resource.guid),
        ("create", resource.guid),
    ]
    assert entries[1].before["version"] == 1
    assert entries[1].after["version"] == 2


def test_numbers_are_public(parts: Parts) -> None:
    added(parts)
    with parts.store.reading() as session:
        number = session.scalar(models.Resource.select(models.Resource.id))
    assert number > 10_000


def test_what_is_no_guid_is_a_name(parts: Parts) -> None:
    with pytest.raises(ResourceNotFound, match="named 'x'"):
        found(parts, "x")
    with pytest.raises(ResourceNotFound, match="GUID"):
        found(parts, str(uuid.UUID(int=5)))
