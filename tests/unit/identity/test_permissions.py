"""What roles allow: the rule against a plain model, and its answers for principals of a store."""

import dataclasses
import uuid

import hypothesis
import pytest
from hypothesis import strategies

from gateway.identity import permissions, roles
from gateway.identity.permissions import Access, Node, RolePermissions, ScopeKind
from gateway.identity.principals import MACHINE, Principal, PrincipalKind
from storage import models
from storage.session import Session
from tests.unit.identity.conftest import Parts

NODES = ("Jobs", "Modules", "*")
ROLES = strategies.lists(
    strategies.dictionaries(strategies.sampled_from(NODES), strategies.sampled_from(Access)),
    max_size=4,
)
WISHES = strategies.sampled_from([Access.READ, Access.MODIFY])


def as_roles(tables: list[dict[str, Access]]) -> list[RolePermissions]:
    return [RolePermissions(f"role {number}", table) for number, table in enumerate(tables)]


def model(tables: list[dict[str, Access]], node: str, wanted: Access) -> bool:
    """The rule in other words: collect what is said, look for a deny, then for enough."""
    said = []
    for table in tables:
        if node in table:
            said.append(table[node].name)
        elif "*" in table:
            said.append(table["*"].name)
    if "DENY" in said:
        return False
    enough = {"READ": {"READ", "MODIFY"}, "MODIFY": {"MODIFY"}}[wanted.name]
    return bool(enough & set(said))


@hypothesis.given(ROLES, strategies.sampled_from(["Jobs", "Modules", "Reports"]), WISHES)
def test_the_rule_is_the_models(tables: list[dict[str, Access]], node: str, wanted: Access) -> None:
    found = as_roles(tables)
    allowed = permissions.permits(permissions.effective(found, node), wanted)
    assert allowed == model(tables, node, wanted)
    assert permissions.explained(found, node, wanted).allowed == allowed


@hypothesis.given(ROLES, ROLES, WISHES)
def test_a_silent_role_changes_nothing(
    tables: list[dict[str, Access]], silent: list[dict[str, Access]], wanted: Access
) -> None:
    found = as_roles(tables)
    muted = as_roles([dict.fromkeys(table, Access.UNSET) for table in silent])
    before = permissions.effective(found, "Jobs")
    assert permissions.effective([*found, *muted], "Jobs") == before


@hypothesis.given(ROLES)
def test_modify_includes_read(tables: list[dict[str, Access]]) -> None:
    granted = permissions.effective(as_roles(tables), "Jobs")
    if permissions.permits(granted, Access.MODIFY):
        assert permissions.permits(granted, Access.READ)


@hypothesis.given(ROLES, WISHES)
def test_an_explanation_names_who_decided(tables: list[dict[str, Access]], wanted: Access) -> None:
    found = as_roles(tables)
    explanation = permissions.explained(found, "Jobs", wanted)
    without = [role for role in found if role.name not in explanation.roles]
    if explanation.roles:
        left = permissions.effective(without, "Jobs")
        assert not permissions.permits(left, wanted) or not explanation.allowed
    assert explanation.roles or not explanation.allowed


@pytest.mark.parametrize("wish", [Access.UNSET, Access.DENY])
def test_only_read_and_modify_can_be_asked_for(wish: Access) -> None:
    with pytest.raises(ValueError, match=wish.name):
        permissions.permits(Access.MODIFY, wish)


def login(parts: Parts, *role_names: str) -> Principal:
    return parts.logins.add(f"user {uuid.uuid4()}", "secret", role_names, MACHINE)


@pytest.mark.parametrize(
    ("role", "node", "readable", "modifiable"),
    [
        ("Administrators", Node.LOGINS, True, True),
        ("Administrators", "something later", True, True),
        ("Operators", Node.JOBS, True, True),
        ("Operators", Node.MODULES, True, False),
        ("Schedulers", Node.JOBS, True, True),
        ("Schedulers", Node.TEAMS, True, False),
        ("Schedulers", Node.SETTINGS, False, False),
        ("Readers", Node.JOBS, True, False),
    ],
)
def test_built_in_roles(
    sqlite_parts: Parts, role: str, node: str, readable: bool, modifiable: bool
) -> None:
    principal = login(sqlite_parts, role)
    assert sqlite_parts.permissions.allowed(principal, node, Access.READ) is readable
    assert sqlite_parts.permissions.allowed(principal, node, Access.MODIFY) is modifiable


def test_no_role_allows_nothing(parts: Parts) -> None:
    assert not parts.permissions.allowed(login(parts), Node.JOBS, Access.READ)


def test_nobody_in_particular_may_do_everything(sqlite_parts: Parts) -> None:
    assert sqlite_parts.permissions.allowed(None, Node.LOGINS, Access.MODIFY)
    assert sqlite_parts.permissions.explain(None, Node.LOGINS, Access.MODIFY).allowed


def test_an_unknown_principal_may_do_nothing(parts: Parts) -> None:
    stranger = Principal(4711, uuid.UUID(int=1), 1, PrincipalKind.LOGIN, "stranger")
    assert not parts.permissions.allowed(stranger, Node.JOBS, Access.READ)


def test_a_deny_of_another_role_wins_and_is_named(parts: Parts) -> None:
    def no_jobs(session: Session) -> None:
        roles.create(session, "No jobs", {Node.JOBS: Access.DENY}, tenant=1)

    parts.store.unit_of_work(no_jobs)
    principal = login(parts, "Administrators", "No jobs")
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.READ)
    assert parts.permissions.allowed(principal, Node.MODULES, Access.MODIFY)
    explanation = parts.permissions.explain(principal, Node.JOBS, Access.READ)
    assert (explanation.allowed, explanation.roles) == (False, ("No jobs",))


def test_a_grant_is_explained_by_those_who_gave_it(parts: Parts) -> None:
    principal = login(parts, "Readers", "Schedulers")
    explanation = parts.permissions.explain(principal, Node.JOBS, Access.MODIFY)
    assert explanation == permissions.Explanation(
        True, "MODIFY on Jobs is granted", ("Schedulers",)
    )
    lacking = parts.permissions.explain(principal, Node.MODULES, Access.MODIFY)
    assert (lacking.allowed, lacking.roles) == (False, ("Readers", "Schedulers"))


def test_a_role_bound_to_a_place_does_not_count_everywhere(parts: Parts) -> None:
    principal = login(parts, "Administrators")

    def confine(session: Session) -> None:
        parts.epoch.advance(session)
        binding = models.RoleBinding
        session.execute(
            binding.update(scope_kind=ScopeKind.FOLDER, scope_id=3).where(
                binding.principal_id == principal.id
            )
        )

    parts.store.unit_of_work(confine)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.READ)


def test_changes_count_at_once_here_and_within_a_second_elsewhere(parts: Parts) -> None:
    elsewhere = Parts(parts.store)
    principal = login(parts, "Readers")
    login(parts, "Administrators")
    assert elsewhere.permissions.allowed(principal, Node.JOBS, Access.READ)
    parts.logins.disable(principal.name, MACHINE)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.READ)
    elsewhere.clock.seconds += 1
    assert not elsewhere.permissions.allowed(principal, Node.JOBS, Access.READ)


def test_a_removed_login_may_do_nothing_even_where_it_was_remembered(parts: Parts) -> None:
    principal = login(parts, "Readers")
    assert parts.permissions.allowed(principal, Node.JOBS, Access.READ)
    parts.logins.remove(principal.name, MACHINE)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.READ)
    renamed = dataclasses.replace(principal, name="another")
    assert not parts.permissions.allowed(renamed, Node.JOBS, Access.READ)


def test_nodes_are_plain_texts(parts: Parts) -> None:
    principal = login(parts, "Schedulers")
    assert parts.permissions.allowed(principal, Node.RUN_BOOKS, Access.READ)
    assert parts.permissions.allowed(principal, "RunBooks", Access.READ)
    assert not parts.permissions.allowed(principal, "runbooks", Access.READ)
