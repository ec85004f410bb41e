"""Addresses as clients are counted and told apart."""

import pytest

from gateway.identity import addresses


@pytest.mark.parametrize("text", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_addresses_of_this_machine_are_loopback(text: str) -> None:
    assert addresses.is_loopback(text)


@pytest.mark.parametrize(
    "text", ["", "localhost", "192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", "1.2.3.4.5"]
)
def test_nothing_else_is_loopback(text: str) -> None:
    assert not addresses.is_loopback(text)


def test_an_ipv6_network_is_one_origin() -> None:
    assert addresses.origin("2001:db8:1:2::1") == addresses.origin("2001:db8:1:2:ffff::9")
    assert addresses.origin("2001:db8:1:2::1") != addresses.origin("2001:db8:1:3::1")


def test_an_ipv4_client_is_the_same_on_a_socket_for_both_families() -> None:
    assert addresses.origin("::ffff:192.0.2.1") == addresses.origin("192.0.2.1") == "192.0.2.1"


def test_what_is_no_address_is_its_own_origin() -> None:
    assert addresses.origin("control.sock") == "control.sock"
