"""No login defined, no authentication: exactly when."""

import itertools

import pytest

from gateway.identity.open_access import OpenAccess, is_open
from gateway.identity.principals import MACHINE
from tests.unit.identity.conftest import Parts

OPEN = {
    "without_login": True,
    "logins_exist": False,
    "surface": "dispatcher",
    "peer": "127.0.0.1",
    "headers": {"Host": "localhost:8080", "Content-Type": "text/xml"},
    "proxy_configured": False,
}
CLOSING = {
    "without_login": False,
    "logins_exist": True,
    "surface": "flexdeploy",
    "peer": "192.0.2.1",
    "headers": {"Host": "localhost:8080", "X-Forwarded-For": "192.0.2.1"},
    "proxy_configured": True,
}


def test_it_is_open_when_everything_holds() -> None:
    assert is_open(**OPEN)  # type: ignore[arg-type]  # a table of arguments


def test_any_one_fact_closes_it() -> None:
    for count in range(1, len(CLOSING) + 1):
        for names in itertools.combinations(CLOSING, count):
            facts = OPEN | {name: CLOSING[name] for name in names}
            assert not is_open(**facts), names  # type: ignore[arg-type]  # a table of arguments


@pytest.mark.parametrize("header", ["FORWARDED", "via", "X-Real-IP", "Origin", "x-forwarded-proto"])
def test_requests_that_come_through_something_are_not_direct(header: str) -> None:
    headers = {"Host": "localhost", header: "any"}
    assert not is_open(**OPEN | {"headers": headers})  # type: ignore[arg-type]  # a table of arguments


@pytest.mark.parametrize("peer", ["", "localhost", "0.0.0.0", "::ffff:192.0.2.1"])
def test_only_loopback_addresses_are_the_machine(peer: str) -> None:
    assert not is_open(**OPEN | {"peer": peer})  # type: ignore[arg-type]  # a table of arguments


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost.:80", "127.0.0.1", "127.1.2.3:8080", "[::1]", "[::1]:8080"],
)
def test_every_name_of_the_machine_itself_is_open(host: str) -> None:
    assert is_open(**OPEN | {"headers": {"host": host}})  # type: ignore[arg-type]  # a table of arguments


def test_a_client_of_http_1_0_sends_no_host() -> None:
    assert is_open(**OPEN | {"headers": {}})  # type: ignore[arg-type]  # a table of arguments


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "evil.example:127", "192.0.2.1", "[::1", "127"],
)
def test_a_name_that_was_led_to_this_machine_is_not_open(host: str) -> None:
    assert not is_open(**OPEN | {"headers": {"Host": host}})  # type: ignore[arg-type]  # a table of arguments


def permits(parts: Parts, access: OpenAccess) -> bool:
    return access.permits("dispatcher", "::1", {"Host": "[::1]:8080"})


def test_a_store_is_open_only_after_init_without_login(parts: Parts) -> None:
    access = OpenAccess(parts.store, parts.epoch, proxy_configured=False)
    assert not permits(parts, access)
    parts.logins.do_without(MACHINE)
    assert permits(parts, access)
    assert not permits(parts, OpenAccess(parts.store, parts.epoch, proxy_configured=True))


def test_the_first_login_closes_it_even_when_disabled(parts: Parts) -> None:
    access = OpenAccess(parts.store, parts.epoch, proxy_configured=False)
    parts.logins.do_without(MACHINE)
    assert permits(parts, access)
    parts.logins.add("bob", None, [], MACHINE)
    assert not permits(parts, access)
    parts.logins.disable("bob", MACHINE)
    assert not permits(parts, access)
