"""What roles allow: the rule against a plain model, and its answers for principals of a store."""

import dataclasses
import uuid

import hypothesis
import pytest
from hypothesis import strategies

from gateway.identity import permissions, roles
from gateway.identity.permissions import (
    EVERYWHERE,
    NOWHERE,
    OWN,
    Access,
    Binding,
    Node,
    Place,
    Reach,
    RolePermissions,
    Scope,
    ScopeKind,
)
from gateway.identity.principals import MACHINE, Principal, PrincipalKind
from storage import models
from storage.session import Session
from tests.unit.identity.conftest import Parts

ME = 7
NODES = ("Jobs", "Modules", "*")
IDS = strategies.integers(1, 3)
SCOPES = strategies.one_of(
    strategies.just(EVERYWHERE),
    strategies.just(OWN),
    IDS.map(lambda number: Scope(ScopeKind.FOLDER, number)),
    IDS.map(lambda number: Scope(ScopeKind.TEAM, number)),
    IDS.map(lambda number: Scope(ScopeKind.ENVIRONMENT, number)),
)
TABLES = strategies.dictionaries(strategies.sampled_from(NODES), strategies.sampled_from(Access))
BOUND = strategies.lists(strategies.tuples(TABLES, SCOPES), max_size=4)
PLACES = strategies.builds(
    Place,
    strategies.frozensets(IDS),
    strategies.frozensets(IDS),
    strategies.sampled_from([None, ME, 8]),
)
ASKED = strategies.sampled_from(["Jobs", "Modules", "Reports"])
WISHES = strategies.sampled_from([Access.READ, Access.MODIFY])

Bound = list[tuple[dict[str, Access], Scope]]


def bindings(bound: Bound) -> list[Binding]:
    return [
        Binding(RolePermissions(f"role {number}", table), scope)
        for number, (table, scope) in enumerate(bound)
    ]


def reach(bound: Bound, node: str, wanted: Access) -> Reach:
    return permissions.reach(bindings(bound), ME, node, wanted)


def model(bound: Bound, node: str, wanted: Access, place: Place) -> bool:
    """The rule in other words: collect what is said here, look for a deny, then for enough."""
    said = []
    for table, scope in bound:
        here = {
            "GLOBAL": True,
            "FOLDER": scope.id in place.folders,
            "TEAM": scope.id in place.teams,
            "OWN": place.owner == ME,
            "ENVIRONMENT": False,
        }[scope.kind.name]
        if here and node in table:
            said.append(table[node].name)
        elif here and "*" in table:
            said.append(table["*"].name)
    if "DENY" in said:
        return False
    enough = {"READ": {"READ", "MODIFY"}, "MODIFY": {"MODIFY"}}[wanted.name]
    return bool(enough & set(said))


@hypothesis.given(BOUND, ASKED, WISHES, PLACES)
def test_the_rule_is_the_models(bound: Bound, node: str, wanted: Access, place: Place) -> None:
    covered = model(bound, node, wanted, place)
    assert reach(bound, node, wanted).covers(place) is covered
    explanation = permissions.explained(bindings(bound), ME, node, wanted, place)
    assert explanation.allowed is covered


@hypothesis.given(BOUND, ASKED, WISHES, PLACES)
def test_everywhere_covers_every_place_and_what_reaches_nowhere_none(
    bound: Bound, node: str, wanted: Access, place: Place
) -> None:
    found = reach(bound, node, wanted)
    assert found.anywhere or not found.covers(place)
    assert found.covers(place) or not found.everywhere
    explanation = permissions.explained(bindings(bound), ME, node, wanted)
    assert explanation.allowed is found.anywhere


@hypothesis.given(BOUND, ASKED, WISHES, PLACES)
def test_a_place_is_covered_by_what_grants_and_is_not_denied(
    bound: Bound, node: str, wanted: Access, place: Place
) -> None:
    found = reach(bound, node, wanted)
    granted = any(scope.covers(place, ME) for scope in found.granting)
    denied = any(scope.covers(place, ME) for scope in found.denying)
    assert found.covers(place) is (granted and not denied)


@hypothesis.given(BOUND, BOUND, WISHES, PLACES)
def test_a_silent_role_changes_nothing(
    bound: Bound, silent: Bound, wanted: Access, place: Place
) -> None:
    muted = [(dict.fromkeys(table, Access.UNSET), scope) for table, scope in silent]
    before = reach(bound, "Jobs", wanted)
    assert reach([*bound, *muted], "Jobs", wanted) == before


@hypothesis.given(BOUND, PLACES)
def test_modify_includes_read(bound: Bound, place: Place) -> None:
    if reach(bound, "Jobs", Access.MODIFY).covers(place):
        assert reach(bound, "Jobs", Access.READ).covers(place)


@hypothesis.given(BOUND, WISHES, PLACES)
def test_an_explanation_names_who_decided(bound: Bound, wanted: Access, place: Place) -> None:
    found = bindings(bound)
    explanation = permissions.explained(found, ME, "Jobs", wanted, place)
    without = [one for one in found if one.role.name not in explanation.roles]
    if explanation.roles and explanation.allowed:
        assert not permissions.reach(without, ME, "Jobs", wanted).covers(place)
    assert explanation.roles or not explanation.allowed
    assert [finding.role for finding in explanation.findings] == [one.role.name for one in found]


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
    assert explanation.allowed
    assert (explanation.reason, explanation.roles) == ("MODIFY on Jobs is granted", ("Schedulers",))
    assert explanation.findings == (
        permissions.Finding("Readers", EVERYWHERE, Access.READ, True),
        permissions.Finding("Schedulers", EVERYWHERE, Access.MODIFY, True),
    )
    lacking = parts.permissions.explain(principal, Node.MODULES, Access.MODIFY)
    assert (lacking.allowed, lacking.roles) == (False, ("Readers", "Schedulers"))


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        (Scope(ScopeKind.FOLDER, 3), Place(frozenset({1, 3})), Place(frozenset({1}))),
        (Scope(ScopeKind.TEAM, 3), Place(teams=frozenset({3})), Place(frozenset({3}))),
    ],
)
def test_a_role_bound_to_a_place_counts_there(
    parts: Parts, scope: Scope, inside: Place, outside: Place
) -> None:
    principal = login(parts, "Readers")
    confine(parts, principal, scope)
    found = parts.permissions.reach(principal, Node.JOBS, Access.READ)
    assert found.anywhere
    assert not found.everywhere
    assert found.covers(inside)
    assert not found.covers(outside)
    assert not found.covers(NOWHERE)
    assert not parts.permissions.allowed(principal, Node.JOBS, Access.MODIFY)


def test_a_role_for_what_one_owns_counts_for_that(parts: Parts) -> None:
    principal = login(parts, "Schedulers")
    confine(parts, principal, OWN)
    found = parts.permissions.reach(principal, Node.JOBS, Access.MODIFY)
    assert found.covers(Place(owner=principal.id))
    assert not found.covers(Place(owner=principal.id + 1))
    assert not found.covers(NOWHERE)


def test_a_role_without_permissions_is_found_and_says_nothing(parts: Parts) -> None:
    parts.store.unit_of_work(lambda session: roles.create(session, "Silent", {}, tenant=1))
    explanation = parts.permissions.explain(login(parts, "Silent"), Node.JOBS, Access.READ)
    assert explanation.findings == (permissions.Finding("Silent", EVERYWHERE, Access.UNSET, True),)


def confine(parts: Parts, principal: Principal, scope: Scope) -> None:
    """Have the roles of a principal count within a scope only."""

    def work(session: Session) -> None:
        parts.epoch.advance(session)
        binding = models.RoleBinding
        query = binding.update(scope_kind=scope.kind, scope_id=scope.id)
        session.execute(query.where(binding.principal_id == principal.id))

    parts.store.unit_of_work(work)


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
