"""Logins: added, changed, listed; the last administrator stays."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.identity import audit, errors, roles
from gateway.identity.authentication import Authenticated
from gateway.identity.logins import Login
from gateway.identity.principals import MACHINE, PrincipalKind
from storage import models
from tests.unit.identity.conftest import ALICE, CALLER, Parts

HERE = "192.0.2.1"


def entries(parts: Parts) -> list[audit.Entry]:
    with parts.store.reading() as session:
        return audit.page(session)


def only(parts: Parts, name: str) -> Login:
    (found,) = [login for login in parts.logins.listed() if login.name == name]
    return found


def can_log_in(parts: Parts, name: str, password: str) -> bool:
    return isinstance(parts.authenticator.verify(name, password, HERE), Authenticated)


def add_administrator(parts: Parts, name: str = "root") -> None:
    parts.logins.add(name, "rootpw", ["Administrators"], MACHINE)


def test_an_added_login_is_listed_counted_and_can_log_in(parts: Parts) -> None:
    principal = parts.logins.add(" Bob ", "secret", ["readers", "OPERATORS"], CALLER, "night shift")
    assert (principal.name, principal.kind) == ("Bob", PrincipalKind.LOGIN)
    listed = only(parts, "Bob")
    assert (listed.id, listed.guid) == (principal.id, principal.guid)
    assert listed.roles == ("Operators", "Readers")
    assert (listed.description, listed.disabled, listed.has_password) == (
        "night shift",
        False,
        True,
    )
    assert parts.logins.count() == 1
    assert can_log_in(parts, "bob", "secret")


def test_names_are_unique_without_regard_to_case(parts: Parts) -> None:
    parts.logins.add("Straße", None, [], CALLER)
    with pytest.raises(errors.LoginExists, match="Straße"):
        parts.logins.add("STRASSE", None, [], CALLER)
    assert parts.logins.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "a:b", "a\0b", "a\nb", "\ud800", "x" * 257])
def test_names_that_basic_cannot_carry_are_refused(sqlite_parts: Parts, name: str) -> None:
    with pytest.raises(errors.LoginRefused):
        sqlite_parts.logins.add(name, None, [], CALLER)
    with pytest.raises(errors.LoginNotFound):
        sqlite_parts.logins.disable(name, CALLER)


@pytest.mark.parametrize("description", ["a\0b", "a\nb", "x" * 1025])
def test_descriptions_are_one_printable_line(sqlite_parts: Parts, description: str) -> None:
    with pytest.raises(errors.LoginRefused, match="description"):
        sqlite_parts.logins.add("bob", None, [], CALLER, description)


def test_an_unknown_role_adds_nothing_and_names_those_there_are(parts: Parts) -> None:
    epoch = parts.epoch.current()
    with pytest.raises(errors.RoleNotFound, match="Administrators, Operators, Readers, Schedulers"):
        parts.logins.add("bob", "secret", ["Owners"], CALLER)
    assert parts.logins.count() == 0
    assert entries(parts) == []
    parts.clock.seconds += 1
    assert parts.epoch.current() == epoch


def test_built_in_roles_are_created_once_and_then_left_alone(parts: Parts) -> None:
    add_administrator(parts)
    permission = models.RolePermission
    parts.store.unit_of_work(lambda session: session.execute(permission.delete()))
    parts.logins.add("bob", None, ["Readers"], CALLER)
    with parts.store.reading() as session:
        assert session.rows(permission.select()) == []
        assert len(session.rows(models.Role.select())) == len(roles.BUILT_IN)


def test_a_login_without_a_password_cannot_log_in(parts: Parts) -> None:
    parts.logins.add("bob", None, ["Readers"], CALLER)
    assert not can_log_in(parts, "bob", "")
    assert not can_log_in(parts, "bob", "secret")
    assert not only(parts, "bob").has_password


def test_an_empty_password_is_refused(parts: Parts) -> None:
    with pytest.raises(errors.PasswordRefused):
        parts.logins.add("bob", "", [], CALLER)
    assert parts.logins.count() == 0


def test_a_new_password_replaces_the_old_one(parts: Parts) -> None:
    parts.logins.add("bob", "old", [], CALLER)
    assert can_log_in(parts, "bob", "old")
    parts.logins.set_password("BOB", "new", CALLER)
    assert not can_log_in(parts, "bob", "old")
    assert can_log_in(parts, "bob", "new")
    with parts.store.reading() as session:
        assert len(session.rows(models.Credential.select())) == 1


def test_a_password_can_be_taken_away(parts: Parts) -> None:
    parts.logins.add("bob", "old", [], CALLER)
    parts.logins.set_password("bob", None, CALLER)
    assert not can_log_in(parts, "bob", "old")


def test_a_disabled_login_cannot_log_in_until_enabled(parts: Parts) -> None:
    parts.logins.add("bob", "secret", [], CALLER)
    assert can_log_in(parts, "bob", "secret")
    parts.logins.disable("bob", CALLER)
    assert only(parts, "bob").disabled
    assert not can_log_in(parts, "bob", "secret")
    parts.logins.enable("bob", CALLER)
    assert can_log_in(parts, "bob", "secret")


def test_a_removed_login_is_gone_and_its_name_is_free(parts: Parts) -> None:
    first = parts.logins.add("bob", "secret", ["Readers"], CALLER)
    parts.logins.remove("bob", CALLER)
    assert parts.logins.listed() == []
    assert not can_log_in(parts, "bob", "secret")
    second = parts.logins.add("bob", "other", [], CALLER)
    assert second.id != first.id
    assert not can_log_in(parts, "bob", "secret")
    assert only(parts, "bob").roles == ()


@pytest.mark.parametrize("change", ["disable", "enable", "remove"])
def test_unknown_logins_are_named(sqlite_parts: Parts, change: str) -> None:
    with pytest.raises(errors.LoginNotFound, match="nobody"):
        getattr(sqlite_parts.logins, change)("nobody", CALLER)
    with pytest.raises(errors.LoginNotFound, match="nobody"):
        sqlite_parts.logins.set_password("nobody", "secret", CALLER)
    with pytest.raises(errors.LoginNotFound, match="nobody"):
        sqlite_parts.logins.set_roles("nobody", [], CALLER)


def test_every_change_is_audited_and_begins_a_new_epoch(parts: Parts) -> None:
    changes: list[tuple[str, Callable[[], object]]] = [
        ("login.add", lambda: parts.logins.add("bob", "pw-first", ["Readers"], CALLER)),
        ("login.password", lambda: parts.logins.set_password("bob", "pw-second", CALLER)),
        ("login.roles", lambda: parts.logins.set_roles("bob", ["Operators"], CALLER)),
        ("login.disable", lambda: parts.logins.disable("bob", CALLER)),
        ("login.enable", lambda: parts.logins.enable("bob", CALLER)),
        ("login.remove", lambda: parts.logins.remove("bob", CALLER)),
    ]
    for action, change in changes:
        epoch = parts.epoch.current()
        change()
        assert parts.epoch.current() == epoch + 1
        newest = entries(parts)[0]
        assert (newest.action, newest.object_name, newest.principal) == (action, "bob", "Alice")
        assert (newest.address, newest.surface) == (CALLER.address, CALLER.surface)
    assert len(entries(parts)) == len(changes)
    assert "pw-" not in str(entries(parts))


def test_role_changes_show_before_and_after(parts: Parts) -> None:
    parts.logins.add("bob", "secret", ["Readers"], CALLER)
    parts.logins.set_roles("bob", ["operators"], CALLER)
    newest = entries(parts)[0]
    assert newest.before == {"roles": ["Readers"]}
    assert newest.after == {"roles": ["Operators"]}
    assert only(parts, "bob").roles == ("Operators",)


LOSING: dict[str, Callable[[Parts], None]] = {
    "disable": lambda parts: parts.logins.disable("root", CALLER),
    "remove": lambda parts: parts.logins.remove("root", CALLER),
    "roles": lambda parts: parts.logins.set_roles("root", ["Readers"], CALLER),
    "password": lambda parts: parts.logins.set_password("root", None, CALLER),
}


@pytest.mark.parametrize("loss", LOSING)
def test_the_last_administrator_stays(parts: Parts, loss: str) -> None:
    add_administrator(parts)
    parts.logins.add("disabled", "secret", ["Administrators"], CALLER)
    parts.logins.disable("disabled", CALLER)
    parts.logins.add("no password", None, ["Administrators"], CALLER)
    before = entries(parts)
    with pytest.raises(
        errors.LastAdministrator, match=r"the last enabled administrator \(root\) must stay"
    ):
        LOSING[loss](parts)
    assert entries(parts) == before
    assert only(parts, "root").roles == ("Administrators",)
    assert can_log_in(parts, "root", "rootpw")


@pytest.mark.parametrize("loss", LOSING)
def test_another_administrator_lets_the_first_go(parts: Parts, loss: str) -> None:
    add_administrator(parts)
    add_administrator(parts, "second")
    LOSING[loss](parts)
    assert can_log_in(parts, "second", "rootpw")


def test_the_last_administrator_may_change_the_password(parts: Parts) -> None:
    add_administrator(parts)
    parts.logins.set_password("root", "another", MACHINE)
    assert can_log_in(parts, "root", "another")


def test_of_administrators_that_remove_each_other_one_stays(parts: Parts) -> None:
    names = [f"root{number}" for number in range(4)]
    for name in names:
        add_administrator(parts, name)
    together = threading.Barrier(len(names))

    def remove(name: str) -> bool:
        together.wait(timeout=10)
        try:
            parts.logins.remove(name, CALLER)
        except errors.LastAdministrator:
            return False
        return True

    with ThreadPoolExecutor(len(names)) as pool:
        assert sorted(pool.map(remove, names)) == [False, True, True, True]
    assert parts.logins.count() == 1


def test_of_equal_names_added_at_once_one_wins(parts: Parts) -> None:
    together = threading.Barrier(8)

    def add(number: int) -> bool:
        together.wait(timeout=10)
        try:
            parts.logins.add("Bob" if number % 2 else "BOB", None, [], CALLER)
        except errors.LoginExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1


def test_the_first_start_generates_a_password_once(parts: Parts) -> None:
    generated = parts.logins.ensure_administrator(None)
    assert generated is not None
    assert can_log_in(parts, "admin", generated)
    assert only(parts, "admin").roles == ("Administrators",)
    assert parts.logins.ensure_administrator(None) is None
    assert parts.logins.ensure_administrator("another") is None
    assert not can_log_in(parts, "admin", "another")
    assert generated not in str(entries(parts))


def test_a_given_password_is_taken_and_not_shown(parts: Parts) -> None:
    assert parts.logins.ensure_administrator("given") is None
    assert can_log_in(parts, "admin", "given")


def test_an_empty_given_password_is_refused(parts: Parts) -> None:
    with pytest.raises(errors.PasswordRefused):
        parts.logins.ensure_administrator("")
    assert parts.logins.count() == 0


def test_two_first_starts_at_once_make_one_administrator(parts: Parts) -> None:
    together = threading.Barrier(2)

    def start(_: int) -> str | None:
        together.wait(timeout=10)
        return Parts(parts.store).logins.ensure_administrator(None)

    with ThreadPoolExecutor(2) as pool:
        shown = [password for password in pool.map(start, range(2)) if password]
    assert len(shown) == 1
    assert can_log_in(parts, "admin", shown[0])


def test_a_store_that_does_without_gets_no_administrator(parts: Parts) -> None:
    parts.logins.do_without(MACHINE)
    assert parts.logins.ensure_administrator(None) is None
    assert parts.logins.count() == 0
    assert entries(parts)[0].action == "login.none"


def test_doing_without_is_for_stores_without_logins(parts: Parts) -> None:
    add_administrator(parts)
    with pytest.raises(errors.LoginExists):
        parts.logins.do_without(MACHINE)
    assert ALICE.name not in str(entries(parts))
