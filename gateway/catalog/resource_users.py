"""Why a resource cannot be deleted or renamed, in words; who uses it is found by ``usage``."""

from gateway.catalog import usage
from gateway.catalog.catalog import DefinitionSummary
from gateway.catalog.definitions import Module
from gateway.catalog.resources import Keys
from storage.session import Session


def described(session: Session, keys: Keys, tenant: int = 1) -> list[str]:
    """The definitions that refer to a resource by one of these keys."""
    return [_described(each) for each in usage.resource_users(session, keys, tenant)]


def fetches(module: Module, keys: Keys) -> bool:
    """Whether a task of a module refers to a resource by one of these keys.

    What is known only when the task runs, for a parameter stands there, is not seen.
    """
    return not keys.isdisjoint(usage.fetched(module.tasks))


def _described(definition: DefinitionSummary) -> str:
    place = f" in the folder {definition.folder!r}" if definition.folder else ""
    return f"the {definition.kind.word} {definition.name!r}{place}"
