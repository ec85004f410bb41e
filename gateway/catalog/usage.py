"""Who uses a resource: what keeps it from being deleted."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import peewee

from gateway import names
from gateway.catalog import references
from gateway.catalog.catalog import DefinitionKind, DefinitionSummary
from gateway.catalog.definitions import Module
from gateway.catalog.resources import Resource, as_guid
from gateway.catalog.sealing import SealedModule
from storage import models
from storage.session import Session

_TABLE = models.Definition
_VERSION = models.DefinitionVersion
# Each has its content; so many are read at once.
_AT_ONCE = 200


def resource_users(
    session: Session, resource: Resource, tenant: int = 1
) -> tuple[DefinitionSummary, ...]:
    """The modules whose tasks fetch a resource, by name; those that are disabled, too."""
    return tuple(
        _summary(row)
        for row in _current_modules(session, tenant)
        if uses(SealedModule.model_validate(row["body"]), resource)
    )


def uses(module: Module, resource: Resource) -> bool:
    """Whether a task of a module fetches a resource, by its GUID or by its name.

    What is known only when the task runs, for a parameter stands there, is not seen.
    """
    named = (each.name for task in module.tasks for each in references.resources(task))
    return any(_means(name, resource) for name in named)


def described_users(session: Session, resource: Resource, tenant: int = 1) -> list[str]:
    """The modules that use a resource, in words."""
    return [_described(each) for each in resource_users(session, resource, tenant)]


def _described(module: DefinitionSummary) -> str:
    place = f" in the folder {module.folder!r}" if module.folder else ""
    return f"the module {module.name!r}{place}"


def _means(reference: str, resource: Resource) -> bool:
    guid: UUID | None = as_guid(reference)
    if guid is not None:
        return guid == resource.guid
    return names.key(reference) == names.key(resource.name)


def _current_modules(session: Session, tenant: int) -> Iterator[dict[str, Any]]:
    """The rows of all modules with their content, a few at a time."""
    folder = models.Folder
    query = (
        _TABLE.select(_TABLE, folder.path, _VERSION.body)
        .join(_VERSION, on=(_VERSION.id == _TABLE.version_id))
        .join(folder, peewee.JOIN.LEFT_OUTER, on=(folder.id == _TABLE.folder_id))
        .where(
            (_TABLE.tenant_id == tenant)
            & (_TABLE.kind == DefinitionKind.MODULE)
            & _TABLE.deleted_at.is_null()
            # What fetches nothing need not be taken apart.
            & _VERSION.body.cast("TEXT").contains("download_resource")
        )
        .order_by(_TABLE.name_key, _TABLE.id)
    )
    page = 1
    while rows := session.rows(query.paginate(page, _AT_ONCE)):
        yield from rows
        page += 1


def _summary(row: dict[str, Any]) -> DefinitionSummary:
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
