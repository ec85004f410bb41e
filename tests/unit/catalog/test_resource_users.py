"""What keeps a resource from being deleted."""

import uuid

import pytest

from gateway.catalog import resource_users
from gateway.catalog.definitions import Module, Task
from gateway.catalog.resources import (
    Resource,
    ResourceDetails,
    ResourceInUse,
    ResourceNotFound,
    Resources,
)
from gateway.identity.principals import MACHINE
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
    fetched = [resource_users.fetches(module, resource) for module in modules]
    assert fetched == [True, True, False]
    assert not any(resource_users.fetches(module, other) for module in modules)


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
