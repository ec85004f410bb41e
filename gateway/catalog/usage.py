"""Who uses which resource."""

import functools
from collections.abc import Iterable, Iterator
from uuid import UUID

from gateway import names
from gateway.catalog import catalog, references
from gateway.catalog.catalog import DefinitionKind, DefinitionSummary
from gateway.catalog.definitions import Task
from gateway.catalog.resources import Keys, as_guid
from gateway.catalog.sealing import SealedModule
from storage import models
from storage.remembered import Remembered
from storage.session import Session

# Every look at a job asks.
_PARSED = Remembered(models.Resource, models.ResourceVersion)


def resource_users(session: Session, keys: Keys, tenant: int = 1) -> tuple[DefinitionSummary, ...]:
    """The modules, enabled or not, whose tasks refer to a resource by one of these keys.

    A name counts for each resource that has it: which of them is meant cannot be known. For when
    something is deleted or renamed: the current versions of all modules are read.
    """
    return tuple(
        summary
        for summary, body in catalog.bodies(session, (DefinitionKind.MODULE,), tenant)
        if any(task["type"] in references.FETCHING for task in body["tasks"])
        and not keys.isdisjoint(fetched(SealedModule.model_validate(body).tasks))
    )


def parsed_resources(session: Session, tenant: int = 1) -> frozenset[UUID | str]:
    """The keys of the resources in whose content parameters are put (by GUID and by name)."""
    read = functools.partial(_parsed_resources, session, tenant)
    return session.recall(_PARSED, tenant, read)


def _parsed_resources(session: Session, tenant: int) -> frozenset[UUID | str]:
    table, version = models.Resource, models.ResourceVersion
    query = (
        table.select(table.guid, table.name_key)
        .join(version, on=(version.id == table.version_id))
        .where(table.tenant_id == tenant, table.deleted_at.is_null(), version.parse_content)
    )
    return frozenset(key for row in session.rows(query) for key in (row["guid"], row["name_key"]))


def parses(task: Task, parsed: frozenset[UUID | str]) -> bool:
    """Whether a task puts parameters into what it fetches.

    Its own setting says so, or else the resource: whether that is one of ``parsed_resources``.
    """
    if task.type not in references.FETCHING:
        return False
    said = task.settings.get("parse")
    return not parsed.isdisjoint(fetched((task,))) if said is None else bool(said)


def fetched(tasks: Iterable[Task]) -> Iterator[UUID | str]:
    """The keys of the resources that tasks fetch."""
    for task in tasks:
        for reference in references.resources(task):
            yield resource_key(reference.name)


def resource_key(name: str) -> UUID | str:
    """What a task's reference to a resource is compared by: a GUID, or a name without case."""
    return as_guid(name) or names.key(name)
