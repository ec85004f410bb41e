"""Scopes of roles, as people write and read them."""

from gateway.catalog import folders
from gateway.catalog.folders import FolderKind, FolderPathError
from gateway.fleet import teams
from gateway.identity.errors import ScopeNotFound
from gateway.identity.permissions import EVERYWHERE, OWN, Scope, ScopeKind
from storage import models
from storage.session import Session

_FOLDER = models.Folder
_TEAM = models.Team


def folder(session: Session, reference: str) -> Scope:
    """The folder of a text such as ``module:A/B``, and what lies below it. Raises ScopeNotFound."""
    word, _, path = reference.partition(":")
    kinds = {_word(kind): kind for kind in FolderKind}
    kind = kinds.get("".join(word.split()).replace("_", "").casefold())
    if kind is None:
        raise ScopeNotFound(
            f"{reference!r} names no kind of folder: write KIND:PATH with one of "
            f"{', '.join(kinds)}, such as module:A/B"
        )
    try:
        found = folders.find(session, kind, folders.clean(path)) if path.strip() else None
    except FolderPathError as error:
        raise ScopeNotFound(str(error)) from error
    if found is None:
        raise ScopeNotFound(f"there is no {_word(kind)} folder {path!r}")
    return Scope(ScopeKind.FOLDER, found)


def team(session: Session, reference: str) -> Scope:
    """The team with a GUID or name, and those within it. Raises ScopeNotFound."""
    try:
        return Scope(ScopeKind.TEAM, teams.find(session, reference).id)
    except (teams.TeamNotFound, teams.TeamAmbiguous) as error:
        raise ScopeNotFound(str(error)) from error


def described(session: Session, scope: Scope) -> str:
    """A scope in words: ``in the module folder 'A/B'``."""
    if scope == EVERYWHERE:
        return "everywhere"
    if scope == OWN:
        return "for what is one's own"
    if scope.kind is ScopeKind.FOLDER:
        row = session.first(_FOLDER.select().where(_FOLDER.id == scope.id))
        if row is not None:
            return f"in the {_word(FolderKind(row['kind']))} folder {row['path']!r}"
    if scope.kind is ScopeKind.TEAM:
        row = session.first(_TEAM.select().where(_TEAM.id == scope.id, _TEAM.deleted_at.is_null()))
        if row is not None:
            return f"in the team {row['name']!r}"
    return f"in a {scope.kind.name.lower()} that is gone"


def _word(kind: FolderKind) -> str:
    return kind.name.replace("_", "").lower()
