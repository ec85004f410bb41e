import socket
import zoneinfo
from typing import Any, NamedTuple

import psutil
import pytest
import tzlocal

from gateway.agents import facts


class User(NamedTuple):
    name: str
    host: str | None
    started: float


class Address(NamedTuple):
    family: Any
    address: str


def gathered(**members: Any) -> Any:
    return facts.gather("here", 1, embedded=True, **members)


def test_the_zone_is_one_that_others_know(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gathered().time_zone in zoneinfo.available_timezones()
    assert gathered(time_zone="Asia/Tokyo").time_zone == "Asia/Tokyo"
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: "local")
    assert gathered().time_zone == "UTC"
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: None)
    assert gathered().time_zone == "UTC"


def test_who_sits_at_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [User("old", "", 1), User("joe", ":0", 2), User("far", "10.0.0.7", 3)]
    monkeypatch.setattr(psutil, "users", lambda: users)
    assert gathered().console_user == "joe"
    monkeypatch.setattr(psutil, "users", lambda: users[2:])
    assert gathered().console_user == ""


def test_hardware_addresses_have_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    link = psutil.AF_LINK
    interfaces = {
        "lo": [Address(link, "00:00:00:00:00:00"), Address(socket.AF_INET, "127.0.0.1")],
        "b": [Address(link, "AA-BB-CC-00-11-22"), Address(socket.AF_INET, "10.0.0.1")],
        "a": [Address(link, "02:00:00:00:00:01")],
        "tunnel": [Address(link, "10.1.2.3")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: interfaces)
    found = gathered()
    assert found.mac_addresses == ("02:00:00:00:00:01", "aa:bb:cc:00:11:22")
    assert found.addresses == ("10.0.0.1",)
