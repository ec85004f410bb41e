"""What keeps a resource from being deleted."""

import dataclasses
import uuid

import pytest

from gateway.catalog import resource_users
from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_block_reading import ImportRefused
from gateway.catalog.building_blocks import BuildingBlocks
from gateway.catalog.changes import Change
from gateway.catalog.definitions import Module, Task
from gateway.catalog.resources import (
    Resource,
    ResourceChanges,
    ResourceDetails,
    ResourceInUse,
    ResourceNotFound,
    Resources,
)
from gateway.identity.principals import MACHINE
from gateway.tasks.registry import TaskTypes
from tests.unit.catalog import samples
from tests.unit.catalog.conftest import Parts


def fetching(parts: Parts, name: str, reference: str, folder: str = "") -> Module:
    module = Module(
        guid=uuid.uuid4(),
        name=name,
        folder=folder,
        tasks=(
            Task(
                guid=uuid.uuid4(),
                name="Fetch",
                type="download_resource",
                settings={"resource": reference, "target": "x"},
            ),
        ),
    )
    parts.catalog.save(module, MACHINE)
    return module


def guarded(parts: Parts) -> Resources:
    return Resources(parts.store, parts.blobs, parts.clock, (resource_users.described,))


def added(parts: Parts, name: str = "Setup") -> Resource:
    return parts.resources.add(ResourceDetails(name, "setup.msi"), [b"x"], MACHINE)


def test_modules_fetch_a_resource_by_guid_or_name(parts: Parts) -> None:
    resource, other = added(parts), added(parts, "Other")
    modules = [
        fetching(parts, "By guid", f"{{{resource.guid}}}".upper()),
        fetching(parts, "A name", " SETUP"),
        fetching(parts, "Neither", "Else"),
    ]
    fetched = [resource_users.fetches(module, resource.keys) for module in modules]
    assert fetched == [True, True, False]
    assert not any(resource_users.fetches(module, other.keys) for module in modules)


def test_a_resource_in_use_stays_and_the_users_are_named(parts: Parts) -> None:
    resource = added(parts)
    module = fetching(parts, "Installer", "Setup", "Tools")
    with pytest.raises(ResourceInUse, match=r"module 'Installer' in the folder 'Tools'"):
        guarded(parts).delete(resource.guid, MACHINE)
    with parts.store.reading() as session:
        assert parts.resources.find(session, resource.guid) == resource
    parts.catalog.delete(module.guid, MACHINE)
    guarded(parts).delete(resource.guid, MACHINE)
    with pytest.raises(ResourceNotFound), parts.store.reading() as session:
        parts.resources.find(session, resource.guid)


def test_a_module_that_does_not_fetch_it_any_more_does_not_count(parts: Parts) -> None:
    resource = added(parts)
    module = fetching(parts, "Installer", "Setup")
    parts.catalog.save(module.model_copy(update={"tasks": ()}), MACHINE)
    guarded(parts).delete(resource.guid, MACHINE)


def test_not_all_of_many_users_are_named(parts: Parts) -> None:
    resource = added(parts)
    for number in range(7):
        fetching(parts, f"Installer {number}", "Setup")
    with pytest.raises(ResourceInUse, match=r"'Installer 4' and 2 more") as caught:
        guarded(parts).delete(resource.guid, MACHINE)
    assert len(caught.value.users) == 7


def test_a_name_that_is_used_stays(parts: Parts) -> None:
    resource, resources = added(parts), guarded(parts)
    fetching(parts, "By guid", str(resource.guid))
    renamed = ResourceChanges(name="Renamed")
    resources.check_edit(resource.guid, renamed)
    module = fetching(parts, "Installer", "setup")
    for content in (None, [b"new"]):
        with pytest.raises(ResourceInUse, match=r"cannot be renamed.* 'Installer'") as caught:
            resources.edit(resource.guid, renamed, content, MACHINE)
        assert len(caught.value.users) == 1
    with pytest.raises(ResourceInUse):
        resources.check_edit(resource.guid, renamed)
    resources.edit(resource.guid, ResourceChanges(name="SETUP", folder="Else"), None, MACHINE)
    parts.catalog.delete(module.guid, MACHINE)
    assert resources.edit(resource.guid, renamed, None, MACHINE).name == "Renamed"


def test_a_name_that_two_have_stays_with_both(parts: Parts) -> None:
    resources = guarded(parts)
    here = added(parts)
    there = parts.resources.add(ResourceDetails("SETUP", "x", "Else"), [b"x"], MACHINE)
    fetching(parts, "Installer", "Setup")
    for one in (here, there):
        with pytest.raises(ResourceInUse, match="Installer"):
            resources.delete(one.guid, MACHINE)
        with pytest.raises(ResourceInUse, match="Installer"):
            resources.edit(one.guid, ResourceChanges(name="Other"), None, MACHINE)


def test_an_import_takes_no_name_that_is_used_after_it(parts: Parts) -> None:
    blocks = BuildingBlocks(
        parts.store, parts.catalog, guarded(parts), parts.blobs, TaskTypes.load()
    )
    parts = dataclasses.replace(parts, blocks=blocks)
    by_name = {
        "guid": str(samples.GREETING),
        "name": "Fetch",
        "type": "download_resource",
        "settings": {"resource": "File", "target": "x"},
    }
    module, file = samples.module_members(tasks=[by_name]), samples.resource_members()
    parts.bring(samples.block(module, resources=(file,)))
    renamed = file | {"name": "Renamed"}
    with pytest.raises(ImportRefused, match=r"resources\[0\].*cannot be renamed.*'Greeting'"):
        parts.bring(samples.block(resources=(renamed,)), on_conflict=OnConflict.UPDATE)
    with parts.store.reading() as session:
        assert parts.resources.find(session, samples.FILE).name == "File"
    follows = by_name | {"settings": {"resource": "Renamed", "target": "x"}}
    both = samples.block(module | {"tasks": [follows]}, resources=(renamed,))
    assert parts.changes(both, on_conflict=OnConflict.UPDATE) == [Change.UPDATED] * 2
