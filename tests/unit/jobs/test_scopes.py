"""Scopes of roles as people write and read them."""

import pytest

from gateway.catalog import folders
from gateway.catalog.folders import FolderKind
from gateway.fleet.teams import TeamContent, Teams
from gateway.identity.errors import ScopeNotFound
from gateway.identity.permissions import EVERYWHERE, OWN, Scope, ScopeKind
from gateway.identity.principals import MACHINE
from gateway.jobs import scopes
from storage.database import Store


@pytest.mark.parametrize("written", ["module:A/B", " Module : a/b ", "MODULE:A / B"])
def test_a_folder_is_named_by_its_kind_and_path(sqlite_store: Store, written: str) -> None:
    made = sqlite_store.unit_of_work(
        lambda session: folders.ensure(session, FolderKind.MODULE, "A/B")
    )
    with sqlite_store.reading() as session:
        found = scopes.folder(session, written)
        assert found == Scope(ScopeKind.FOLDER, made or 0)
        assert scopes.described(session, found) == "in the module folder 'A/B'"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("A/B", "KIND:PATH"),
        ("agent:A", "module, resource, project, runbook, team"),
        ("run book:A/B", "no runbook folder 'A/B'"),
        ("module:", "no module folder ''"),
        ("module:A//B", "empty name"),
    ],
)
def test_a_folder_that_is_none(sqlite_store: Store, written: str, words: str) -> None:
    with sqlite_store.reading() as session, pytest.raises(ScopeNotFound, match=words):
        scopes.folder(session, written)


def test_a_team_is_named_by_guid_or_name_until_it_is_gone(sqlite_store: Store) -> None:
    teams = Teams(sqlite_store)
    made = teams.create(TeamContent.of(name="Night shift"), MACHINE)
    with sqlite_store.reading() as session:
        scope = scopes.team(session, "NIGHT shift")
        assert scope == scopes.team(session, str(made.guid)) == Scope(ScopeKind.TEAM, made.id)
        assert scopes.described(session, scope) == "in the team 'Night shift'"
    teams.delete(made.guid, MACHINE)
    with sqlite_store.reading() as session:
        assert scopes.described(session, scope) == "in a team that is gone"
        with pytest.raises(ScopeNotFound, match="Night shift"):
            scopes.team(session, "Night shift")


def test_scopes_without_a_name(sqlite_store: Store) -> None:
    with sqlite_store.reading() as session:
        assert scopes.described(session, EVERYWHERE) == "everywhere"
        assert scopes.described(session, OWN) == "for what is one's own"
        gone = Scope(ScopeKind.FOLDER, 4711)
        assert scopes.described(session, gone) == "in a folder that is gone"
