from typing import Any

import pytest

from gateway.catalog import usage
from gateway.identity.principals import MACHINE
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import FILE, block, guid, parameter, resource_members, simple, task


def fetching(name: str, resource: str, **members: Any) -> Any:
    settings = {"resource": resource, "target": "x"}
    only = task("Fetch", type="download_resource", settings=settings, **members)
    return simple(name).model_copy(update={"tasks": (task(), only)})


def users(parts: Parts) -> list[str]:
    with parts.store.reading() as session:
        resource = parts.resources.find(session, FILE)
        return [one.titled for one in usage.resource_users(session, resource)]


def bring(parts: Parts, *resources: dict[str, Any]) -> None:
    parts.bring(block(resources=(resource_members(), *resources)))


def test_modules_that_fetch_it_use_a_resource(parts: Parts) -> None:
    bring(parts)
    assert users(parts) == []
    for one in (
        fetching("By GUID", f"{{{str(FILE).upper()}}}"),
        fetching("By name", " file "),
        fetching("Disabled", "File", enabled=False).model_copy(update={"enabled": False}),
        fetching("Another", "Other"),
        fetching("Late", "$[Which]").model_copy(update={"parameters": (parameter("Which"),)}),
        simple("None"),
    ):
        parts.catalog.save(one, MACHINE)
    assert users(parts) == ["the module 'By GUID'", "the module 'By name'", "the module 'Disabled'"]
    parts.catalog.delete(guid("By name"), MACHINE)
    parts.catalog.save(simple("By GUID"), MACHINE)
    assert users(parts) == ["the module 'Disabled'"]


@pytest.mark.parametrize("again", [True, False])
def test_a_name_that_two_have_means_none_of_them(sqlite_parts: Parts, again: bool) -> None:
    bring(sqlite_parts, resource_members(guid=str(guid("2")), name="FILE", folder="Else"))
    sqlite_parts.catalog.save(fetching("By name", "file"), MACHINE)
    assert users(sqlite_parts) == []
    if again:
        sqlite_parts.resources.delete(guid("2"), MACHINE)
        assert users(sqlite_parts) == ["the module 'By name'"]
