"""Why a resource cannot be deleted, in words; who uses it is found by ``usage``."""

from gateway import names
from gateway.catalog import references, usage
from gateway.catalog.catalog import DefinitionSummary
from gateway.catalog.definitions import Module
from gateway.catalog.resources import Resource, as_guid
from storage.session import Session


def described(session: Session, resource: Resource, tenant: int = 1) -> list[str]:
    """The definitions that use a resource."""
    return [_described(each) for each in usage.resource_users(session, resource, tenant)]


def fetches(module: Module, resource: Resource) -> bool:
    """Whether a task of a module fetches a resource, by its GUID or by its name.

    What is known only when the task runs, for a parameter stands there, is not seen.
    """
    named = (each.name for task in module.tasks for each in references.resources(task))
    return any(_means(name, resource) for name in named)


def _means(reference: str, resource: Resource) -> bool:
    guid = as_guid(reference)
    if guid is not None:
        return guid == resource.guid
    return names.key(reference) == names.key(resource.name)


def _described(definition: DefinitionSummary) -> str:
    place = f" in the folder {definition.folder!r}" if definition.folder else ""
    return f"the {definition.kind.word} {definition.name!r}{place}"
