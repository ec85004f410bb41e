import concurrent.futures
import dataclasses
import uuid
from collections.abc import Iterator

import pytest

from gateway.catalog import checks, resources
from gateway.catalog.blobs import Blobs, NoRoom
from gateway.catalog.changes import NameTaken
from gateway.catalog.folders import FolderPathError
from gateway.catalog.resources import (
    ContentMissing,
    Resource,
    ResourceAmbiguous,
    ResourceChanges,
    ResourceDetails,
    ResourceExists,
    ResourceNotFound,
)
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from storage import models
from tests.unit.catalog.conftest import Parts

DETAILS = ResourceDetails("Agent setup", "setup.msi", "Tools/Windows", "first")
SAME = ResourceChanges(**vars(DETAILS))


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
    second = parts.resources.edit(first.guid, SAME, [b"two"], MACHINE)
    assert second.version == 2
    assert bytes_of(parts, first) == b"one"
    assert bytes_of(parts, found(parts, "Agent setup")) == b"two"


def test_an_edit_of_the_details_keeps_the_bytes(parts: Parts) -> None:
    first = added(parts)
    details = ResourceDetails("Setup", "setup.exe", "", "renamed")
    second = parts.resources.edit(first.guid, ResourceChanges(**vars(details)), None, MACHINE)
    assert (second.details, second.version, second.blob) == (details, 2, first.blob)


def test_an_edit_that_changes_nothing_makes_no_version(parts: Parts) -> None:
    first = added(parts)
    assert parts.resources.edit(first.guid, SAME, [b"one"], MACHINE) == first
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
        parts.resources.edit(resource.guid, SAME, None, MACHINE)
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
        parts.resources.edit(other.guid, SAME, None, MACHINE)
    with pytest.raises(ResourceExists):
        parts.resources.add(ResourceDetails("New", "x"), [b"x"], MACHINE, guid=first.guid)


@pytest.mark.parametrize(
    "details",
    [
        ResourceDetails("", "x"),
        ResourceDetails("x", " "),
        ResourceDetails("x" * 256, "x"),
        ResourceDetails("a\x00b", "x"),
        ResourceDetails("x", "x", comment="\x1b[31m"),
        ResourceDetails("x", "../../etc/passwd"),
        ResourceDetails("x", "..\\..\\system.ini"),
        ResourceDetails("x", "/etc/passwd"),
        ResourceDetails("x", ".."),
        ResourceDetails("x", "a\nb"),
        ResourceDetails("a\tb", "x"),
        ResourceDetails("x", "x", version_name=""),
    ],
)
def test_details_that_cannot_be_stored_are_refused(parts: Parts, details: ResourceDetails) -> None:
    with pytest.raises(checks.Refused):
        added(parts, details)


@pytest.mark.parametrize(
    ("details", "told"),
    [
        (ResourceDetails("a/b", "a/b"), ["file_name"]),
        (ResourceDetails("a\x00", "a\x00"), ["file_name"]),
        (ResourceDetails("\x00\t", "x"), ["name"]),
        (ResourceDetails(" ", "a/b", version_name=""), ["file_name", "name", "version_name"]),
    ],
)
def test_each_member_at_fault_is_told_once(details: ResourceDetails, told: list[str]) -> None:
    assert [one.path for one in resources.faults(details)] == [(member,) for member in told]


@pytest.mark.parametrize("content", [[], [b""], [b"", b""]])
def test_a_file_without_a_byte_is_not_taken(parts: Parts, content: list[bytes]) -> None:
    with pytest.raises(ContentMissing, match=r"'setup.msi' is missing"):
        parts.resources.add(DETAILS, content, MACHINE)
    resource = added(parts)
    with pytest.raises(ContentMissing):
        parts.resources.edit(resource.guid, SAME, content, MACHINE)
    with pytest.raises(ContentMissing, match="the content is missing"):
        parts.resources.edit(resource.guid, ResourceChanges(), content, MACHINE)
    with parts.store.reading() as session:
        assert len(session.rows(models.Blob.select(models.Blob.id))) == 1
    assert found(parts, "Agent setup") == resource


def test_a_wrong_folder_is_refused(parts: Parts) -> None:
    with pytest.raises(FolderPathError):
        added(parts, ResourceDetails("x", "x", "/A"))


def test_an_edit_gives_only_what_it_names(parts: Parts) -> None:
    first = added(parts)
    second = parts.resources.edit(first.guid, ResourceChanges(version_name="2.0"), None, MACHINE)
    assert second.details == dataclasses.replace(DETAILS, version_name="2.0")
    third = parts.resources.edit(first.guid, ResourceChanges(comment=""), [b"three"], MACHINE)
    assert third.details == dataclasses.replace(DETAILS, version_name="2.0", comment="")
    moved = parts.resources.edit(first.guid, ResourceChanges(folder=""), None, MACHINE)
    assert (moved.details.folder, moved.version, moved.blob) == ("", 3, third.blob)


def test_all_versions_can_be_listed(parts: Parts) -> None:
    first = added(parts)
    changed = ResourceChanges(version_name="1.1.0", parse_content=True)
    parts.resources.edit(first.guid, changed, [b"second"], MACHINE)
    with parts.store.reading() as session:
        second, oldest = parts.resources.versions(session, found(parts, "Agent setup"))
    assert (second.number, second.version_name, second.blob.size) == (2, "1.1.0", 6)
    assert (oldest.number, oldest.version_name, oldest.blob) == (1, "1.0.0", first.blob)
    assert oldest.created_by is None


def test_edits_at_the_same_time_are_all_kept(parts: Parts) -> None:
    resource = added(parts)
    wanted = [
        ResourceChanges(name="Renamed"),
        ResourceChanges(comment="Described"),
        ResourceChanges(version_name="9"),
        ResourceChanges(folder="Elsewhere"),
    ]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        edits = [
            pool.submit(parts.resources.edit, resource.guid, each, [b"%d" % number], MACHINE)
            for number, each in enumerate(wanted)
        ]
        done = [edit.result() for edit in edits]
    assert sorted(each.version for each in done) == [2, 3, 4, 5]
    last = found(parts, str(resource.guid)).details
    assert (last.name, last.comment, last.version_name) == ("Renamed", "Described", "9")
    assert last.folder == "Elsewhere"


def test_content_of_what_was_refused_is_swept_next(parts: Parts) -> None:
    added(parts)
    other = added(parts, ResourceDetails("Other", "x"))
    for call in (
        lambda: added(parts),
        lambda: parts.resources.edit(other.guid, SAME, [b"x"], MACHINE),
        lambda: parts.resources.edit(uuid.uuid4(), ResourceChanges(), [b"x"], MACHINE),
    ):
        with pytest.raises((NameTaken, ResourceNotFound)):
            call()
    # What was given up goes without waiting for its time.
    assert parts.blobs.sweep(older_than=1) == 3
    assert bytes_of(parts, other) == b"one"


def test_content_that_breaks_off_is_swept_next(parts: Parts) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(300_000)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        parts.resources.add(DETAILS, broken(), MACHINE)
    assert parts.blobs.sweep(older_than=1) == 1
    with pytest.raises(ResourceNotFound):
        found(parts, "Agent setup")


def test_what_would_be_refused_is_known_before_the_content(parts: Parts) -> None:
    first = added(parts)
    for details, error in (
        (DETAILS, NameTaken),
        (ResourceDetails("x", "a/b"), checks.Refused),
        (ResourceDetails("x", "x", "/A"), FolderPathError),
    ):
        with pytest.raises(error):
            parts.resources.check_new(details)
    parts.resources.check_new(ResourceDetails("Other", "x"))
    parts.resources.check_edit(first.guid, SAME)
    other = added(parts, ResourceDetails("Other", "x"))
    with pytest.raises(NameTaken):
        parts.resources.check_edit(other.guid, SAME)
    with pytest.raises(ResourceNotFound):
        parts.resources.check_edit(uuid.uuid4(), SAME)


def test_no_room_is_made_by_taking_what_jobs_need(sqlite_parts: Parts) -> None:
    free = sqlite_parts.store.free_bytes()
    assert free is not None
    kept = Blobs(sqlite_parts.store, sqlite_parts.clock, low_disk_bytes=free // 2)
    kept.check_room(0)
    with pytest.raises(NoRoom, match="try again later"):
        kept.check_room(free)


def test_changes_are_audited(parts: Parts) -> None:
    resource = added(parts)
    parts.resources.edit(resource.guid, SAME, [b"two"], MACHINE)
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
