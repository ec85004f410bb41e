"""Who uses what: the definitions that deleting something would leave dangling.

Asked when something is deleted, which is seldom: the current versions are read one by one.
"""

from collections.abc import Iterator
from uuid import UUID

import peewee

from gateway import names
from gateway.catalog import catalog, references
from gateway.catalog.catalog import DefinitionKind, DefinitionSummary
from gateway.catalog.resources import Resource, as_guid
from gateway.catalog.sealing import SealedModule
from storage import models
from storage.session import Session


def resource_users(
    session: Session, resource: Resource, tenant: int = 1
) -> tuple[DefinitionSummary, ...]:
    """The modules, enabled or not, whose tasks fetch a resource, by its GUID or its name.

    A name that several resources have means none of them.
    """
    meant: set[UUID | str] = {resource.guid}
    if _alone(session, resource, tenant):
        meant.add(names.key(resource.name))
    return tuple(
        summary
        for summary, body in catalog.bodies(session, (DefinitionKind.MODULE,), tenant)
        if any(task["type"] in references.FETCHING for task in body["tasks"])
        and not meant.isdisjoint(_fetched(SealedModule.model_validate(body)))
    )


def _fetched(module: SealedModule) -> Iterator[UUID | str]:
    for task in module.tasks:
        for reference in references.resources(task):
            yield as_guid(reference.name) or names.key(reference.name)


def _alone(session: Session, resource: Resource, tenant: int) -> bool:
    table = models.Resource
    count = table.select(peewee.fn.COUNT(table.id)).where(
        table.tenant_id == tenant,
        table.deleted_at.is_null(),
        table.name_key == names.key(resource.name),
    )
    return int(session.scalar(count)) == 1
