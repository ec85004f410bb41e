"""Folders: one tree for each kind of object, named by paths such as ``A/B``."""

import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import moments, names
from storage import models
from storage.remembered import Remembered
from storage.session import Session

SEPARATOR = "/"
MAX_NAME = 255
MAX_DEPTH = 32

_TABLE = models.Folder
# Each request of a narrowed login asks what lies above what.
_TREE = Remembered(_TABLE)


class FolderKind(enum.IntEnum):
    """Whose tree it is, with the numbers of the old datastore (Dispatcher contract 6)."""

    MODULE = 1
    RESOURCE = 2
    PROJECT = 3
    RUN_BOOK = 5
    TEAM = 6


class FolderPathError(ValueError):
    """A text is not the path of a folder; the message says what to change."""


def clean(path: str) -> str:
    """The path as it is stored: names without blanks around them; ``""`` is the root.

    Raises FolderPathError.
    """
    if not path.strip():
        return ""
    parts = [part.strip() for part in path.split(SEPARATOR)]
    if not all(parts):
        raise FolderPathError(
            f"the folder path {path!r} has an empty name in it: write 'A/B', "
            "without a slash at the beginning or the end"
        )
    if len(parts) > MAX_DEPTH:
        raise FolderPathError(f"the folder path {path!r} is deeper than {MAX_DEPTH} folders")
    if any(len(part) > MAX_NAME for part in parts):
        raise FolderPathError(f"a name in the folder path is longer than {MAX_NAME} characters")
    return SEPARATOR.join(parts)


def ancestry(path: str) -> list[str]:
    """The path and those above it, from the top: ``A``, ``A/B``; none for the root."""
    parts = path.split(SEPARATOR) if path else []
    return [SEPARATOR.join(parts[: count + 1]) for count in range(len(parts))]


def ensure(session: Session, kind: FolderKind, path: str, tenant: int = 1) -> int | None:
    """The id of a folder, made with those above it when missing; None for the root.

    Raises FolderPathError.
    """
    parent: int | None = None
    for step in ancestry(clean(path)):
        parent = find(session, kind, step, tenant) or _create(session, kind, step, parent, tenant)
    return parent


def find(session: Session, kind: FolderKind, path: str, tenant: int = 1) -> int | None:
    """The id of a folder, whatever the case of its path; None when there is none."""
    found = session.scalar(
        _TABLE.select(_TABLE.id).where(
            (_TABLE.tenant_id == tenant)
            & (_TABLE.kind == kind)
            & (_TABLE.path_key == path_key(path))
        )
    )
    return None if found is None else int(found)


def paths(session: Session, kind: FolderKind, tenant: int = 1) -> list[str]:
    """The paths of all folders of a kind, sorted as people expect."""
    query = (
        _TABLE.select(_TABLE.path)
        .where((_TABLE.tenant_id == tenant) & (_TABLE.kind == kind))
        .order_by(_TABLE.path_key)
    )
    return [row["path"] for row in session.rows(query)]


@dataclass(frozen=True)
class Tree:
    """All folders, of all kinds: the id of the folder above each, None for those at the top."""

    parents: Mapping[int, int | None]

    def above(self, folder_id: int | None) -> frozenset[int]:
        """The folder and those above it; nothing for the root, which is no folder."""
        found: set[int] = set()
        while folder_id is not None and folder_id not in found:
            found.add(folder_id)
            folder_id = self.parents.get(folder_id)
        return frozenset(found)

    def below(self, folder_id: int) -> frozenset[int]:
        """The folder and those below it."""
        return frozenset(one for one in self.parents if folder_id in self.above(one))


def tree(session: Session, tenant: int = 1) -> Tree:
    """The folders as they stand, in one query; for readers remembered."""
    return session.recall(_TREE, tenant, functools.partial(_read_tree, session, tenant))


def _read_tree(session: Session, tenant: int) -> Tree:
    query = _TABLE.select(_TABLE.id, _TABLE.parent_id).where(_TABLE.tenant_id == tenant)
    return Tree({row["id"]: row["parent_id"] for row in session.rows(query)})


def path_key(path: str) -> str:
    """The form in which paths are compared."""
    return SEPARATOR.join(names.key(part) for part in path.split(SEPARATOR))


def _create(
    session: Session, kind: FolderKind, path: str, parent: int | None, tenant: int
) -> int | None:
    name = path.rpartition(SEPARATOR)[2]
    query = _TABLE.insert(
        guid=moments.new_guid(),
        tenant_id=tenant,
        kind=kind,
        parent_id=parent,
        name=name,
        name_key=names.key(name),
        path=path,
        path_key=path_key(path),
    )
    # Another gateway on the same PostgreSQL may have made it a moment ago.
    session.execute(query.on_conflict_ignore())
    return find(session, kind, path, tenant)
