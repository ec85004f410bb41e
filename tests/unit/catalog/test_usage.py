from typing import Any
from uuid import UUID

from gateway.catalog import usage
from gateway.identity.principals import MACHINE
from storage import models
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import FILE, block, guid, parameter, resource_members, simple, task


def fetching(name: str, resource: str, **members: Any) -> Any:
    settings = {"resource": resource, "target": "x"}
    only = task("Fetch", type="download_resource", settings=settings, **members)
    return simple(name).model_copy(update={"tasks": (task(), only)})


def users(parts: Parts, resource: UUID = FILE) -> list[str]:
    with parts.store.reading() as session:
        keys = parts.resources.find(session, resource).keys
        return [one.titled for one in usage.resource_users(session, keys)]


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


def test_resources_in_whose_content_parameters_are_put(parts: Parts) -> None:
    bring(parts, resource_members(guid=str(guid("2")), name="Other One"))

    def parsed() -> frozenset[Any]:
        with parts.store.reading() as session:
            return usage.parsed_resources(session)

    assert parsed() == frozenset()
    with parts.store.reading() as session:
        version = parts.resources.find(session, guid("2")).id
    change = models.ResourceVersion.update(parse_content=True)
    query = change.where(models.ResourceVersion.resource_id == version)
    parts.store.unit_of_work(lambda session: session.execute(query))
    assert parsed() == {guid("2"), "other one"}
    parts.resources.delete(guid("2"), MACHINE)
    assert parsed() == frozenset()


def test_a_name_that_two_have_counts_for_each_of_them(sqlite_parts: Parts) -> None:
    bring(sqlite_parts, resource_members(guid=str(guid("2")), name="FILE", folder="Else"))
    sqlite_parts.catalog.save(fetching("By name", "file"), MACHINE)
    sqlite_parts.catalog.save(fetching("By GUID", str(FILE)), MACHINE)
    assert users(sqlite_parts) == ["the module 'By GUID'", "the module 'By name'"]
    assert users(sqlite_parts, guid("2")) == ["the module 'By name'"]
