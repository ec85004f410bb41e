"""Roles made, changed and deleted; bound within scopes; the last administrator stays."""

import pytest

from gateway.identity import audit, errors
from gateway.identity.permissions import EVERYWHERE, OWN, Access, Node, Scope, ScopeKind
from gateway.identity.principals import MACHINE
from gateway.identity.role_changes import Roles
from tests.unit.identity.conftest import CALLER, Parts

FOLDER = Scope(ScopeKind.FOLDER, 3)


@pytest.fixture
def roles(parts: Parts) -> Roles:
    """The roles of the store, with those that are built in."""
    parts.logins.add("root", "rootpw", ["Administrators"], MACHINE)
    return Roles(parts.store, parts.epoch, parts.now)


def newest(parts: Parts) -> audit.Entry:
    with parts.store.reading() as session:
        return audit.page(session)[0]


def facts(entry: audit.Entry) -> tuple[str, str, str, object, object]:
    return entry.action, entry.object_kind, entry.object_name, entry.before, entry.after


def test_a_role_is_made_listed_changed_and_deleted(parts: Parts, roles: Roles) -> None:
    made = roles.create(" Night shift ", {"jobs": Access.MODIFY, "run books": Access.READ}, CALLER)
    assert made.name == "Night shift"
    assert made.permissions == {"Jobs": Access.MODIFY, "RunBooks": Access.READ}
    said = {"Jobs": "modify", "RunBooks": "read"}
    assert facts(newest(parts)) == ("role.create", "role", "Night shift", None, said)
    assert newest(parts).principal == CALLER.name
    changed = roles.grant("night SHIFT", "AGENTS", Access.DENY, CALLER)
    assert changed.permissions["Agents"] is Access.DENY
    after = said | {"Agents": "deny"}
    assert facts(newest(parts)) == ("role.grant", "role", "Night shift", said, after)
    assert "Night shift" in [role.name for role in roles.listed()]
    roles.delete("Night shift", CALLER)
    assert facts(newest(parts)) == ("role.delete", "role", "Night shift", after, None)
    with pytest.raises(errors.RoleNotFound):
        roles.find("Night shift")


def test_a_grant_that_changes_nothing_leaves_no_entry(parts: Parts, roles: Roles) -> None:
    roles.create("Night", {Node.JOBS: Access.READ}, CALLER)
    before = newest(parts)
    roles.grant("Night", Node.JOBS, Access.READ, CALLER)
    assert newest(parts) == before


def test_unset_is_silence_even_where_every_node_is_named(parts: Parts, roles: Roles) -> None:
    roles.create("All but jobs", {"*": Access.READ}, CALLER)
    principal = parts.logins.add("somebody", "secret", ["All but jobs"], MACHINE)
    assert parts.permissions.allowed(principal, Node.JOBS, Access.READ)
    roles.grant("All but jobs", Node.JOBS, Access.UNSET, CALLER)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.READ)
    assert parts.permissions.allowed(principal, Node.AGENTS, Access.READ)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 257])
def test_names_that_no_role_can_have(roles: Roles, name: str) -> None:
    with pytest.raises(errors.RoleRefused):
        roles.create(name, {}, CALLER)


def test_what_is_no_node_is_refused_with_all_that_are(roles: Roles) -> None:
    with pytest.raises(errors.RoleRefused, match=r"'Jbos'.*Modules.*Settings"):
        roles.create("Night", {"Jbos": Access.READ}, CALLER)


def test_names_are_unique_without_regard_to_case(roles: Roles) -> None:
    with pytest.raises(errors.RoleExists, match="Readers"):
        roles.create("READERS", {}, CALLER)


def test_built_in_roles_stay_as_they_are(roles: Roles) -> None:
    with pytest.raises(errors.RoleRefused, match="built in"):
        roles.grant("Readers", "Jobs", Access.MODIFY, CALLER)
    with pytest.raises(errors.RoleRefused, match="built in"):
        roles.delete("Administrators", CALLER)


def test_a_role_that_somebody_has_cannot_be_deleted(parts: Parts, roles: Roles) -> None:
    roles.create("Night", {}, CALLER)
    parts.logins.add("somebody", "secret", [], MACHINE)
    parts.logins.bind("somebody", "night", FOLDER, "in the folder", MACHINE)
    assert roles.holders("Night") == ["somebody"]
    with pytest.raises(errors.RoleRefused, match="somebody"):
        roles.delete("Night", CALLER)
    parts.logins.unbind("somebody", "Night", FOLDER, "in the folder", MACHINE)
    roles.delete("Night", CALLER)


def test_a_role_within_a_scope_is_listed_apart_and_counts_at_once(
    parts: Parts, roles: Roles
) -> None:
    del roles
    principal = parts.logins.add("somebody", "secret", ["Readers"], MACHINE)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.MODIFY)
    assert parts.logins.bind("SOMEBODY", "operators", OWN, "own", CALLER)
    told = {"role": "Operators", "scope": "own"}
    assert facts(newest(parts)) == ("login.bind", "login", "somebody", None, told)
    assert not parts.logins.bind("somebody", "Operators", OWN, "own", CALLER)
    found = parts.permissions.reach(principal, Node.JOBS, Access.MODIFY)
    assert found.anywhere
    assert not found.everywhere
    (listed,) = [login for login in parts.logins.listed() if login.name == "somebody"]
    assert (listed.roles, listed.narrowed) == (("Readers",), (("Operators", OWN),))
    parts.logins.unbind("somebody", "Operators", OWN, "own", CALLER)
    assert facts(newest(parts)) == ("login.unbind", "login", "somebody", told, None)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.MODIFY)
    with pytest.raises(errors.BindingNotFound, match="Operators"):
        parts.logins.unbind("somebody", "Operators", OWN, "own", CALLER)


def test_a_removed_login_has_no_role_in_any_scope(parts: Parts, roles: Roles) -> None:
    parts.logins.add("somebody", "secret", [], MACHINE)
    parts.logins.bind("somebody", "Operators", FOLDER, "in the folder", MACHINE)
    parts.logins.remove("somebody", MACHINE)
    assert roles.holders("Operators") == []


def test_the_last_administrator_stays(parts: Parts, roles: Roles) -> None:
    with pytest.raises(errors.LastAdministrator, match="root"):
        parts.logins.unbind("root", "Administrators", EVERYWHERE, "everywhere", CALLER)
    roles.create("No logins", {Node.LOGINS: Access.DENY}, CALLER)
    with pytest.raises(errors.LastAdministrator, match="root"):
        parts.logins.bind("root", "No logins", EVERYWHERE, "everywhere", CALLER)
    roles.create("Harmless", {}, CALLER)
    parts.logins.bind("root", "Harmless", EVERYWHERE, "everywhere", CALLER)
    for node in (Node.LOGINS, "*"):
        with pytest.raises(errors.LastAdministrator, match="root"):
            roles.grant("Harmless", node, Access.DENY, CALLER)
    roles.grant("Harmless", Node.JOBS, Access.DENY, CALLER)
    parts.logins.add("second", "secondpw", ["Administrators"], MACHINE)
    parts.logins.unbind("root", "Administrators", EVERYWHERE, "everywhere", CALLER)


def test_an_administrator_of_a_folder_only_is_none(parts: Parts, roles: Roles) -> None:
    del roles
    parts.logins.add("second", "secondpw", [], MACHINE)
    parts.logins.bind("second", "Administrators", FOLDER, "in the folder", MACHINE)
    with pytest.raises(errors.LastAdministrator):
        parts.logins.disable("root", MACHINE)
