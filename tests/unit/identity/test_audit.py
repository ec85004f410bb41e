"""The audit trail."""

import uuid

import pytest

from gateway.identity import audit
from gateway.identity.principals import MACHINE
from storage.database import Store
from storage.session import Session
from tests.unit.identity.conftest import CALLER


def write(store: Store, count: int) -> None:
    def work(session: Session) -> None:
        for number in range(count):
            audit.record(session, CALLER, number, "job.abort", "job", None, f"job {number}")

    store.unit_of_work(work)


def test_an_entry_comes_back_as_it_was_recorded(store: Store) -> None:
    guid = uuid.uuid4()
    store.unit_of_work(
        lambda session: audit.record(
            session, CALLER, 5, "module.update", "module", guid, "Ä", {"a": [1]}, {"a": []}, "why"
        )
    )
    with store.reading() as session:
        (entry,) = audit.page(session)
    assert (entry.at, entry.action, entry.object_kind, entry.object_guid, entry.object_name) == (
        *(5, "module.update", "module", guid, "Ä"),
    )
    assert (entry.before, entry.after, entry.comment) == ({"a": [1]}, {"a": []}, "why")
    assert (entry.principal, entry.address, entry.surface, entry.request_id) == (
        *("Alice", "192.0.2.1", "console", "request-1"),
    )


def test_the_machine_has_no_name(store: Store) -> None:
    store.unit_of_work(lambda session: audit.record(session, MACHINE, 5, "x", "y", None, ""))
    with store.reading() as session:
        (entry,) = audit.page(session)
    assert (entry.principal, entry.surface, entry.before, entry.after) == ("", "cli", None, None)


def test_pages_go_back_in_time_without_gaps(store: Store) -> None:
    write(store, 25)
    seen: list[str] = []
    with store.reading() as session:
        page = audit.page(session, size=10)
        while page:
            seen += [entry.object_name for entry in page]
            page = audit.page(session, older_than=page[-1].id, size=10)
    assert seen == [f"job {number}" for number in reversed(range(25))]


def test_tenants_see_their_own(store: Store) -> None:
    write(store, 1)
    with store.reading() as session:
        assert audit.page(session, tenant=2) == []


@pytest.mark.parametrize(
    "key",
    [
        *("password", "NewPassword", "pass_word", "PWD", "passphrase", "clientSecret", "apiToken"),
        *("credentials", "verifier", "Authorization", "Set-Cookie", "private_key", "apiKey"),
    ],
)
def test_what_looks_secret_is_masked(key: str) -> None:
    value = {"list": [{key: "hidden"}], key: {"deep": "hidden"}, "name": "shown"}
    masked = audit.masked(value)
    assert "hidden" not in str(masked)
    assert masked["list"][0][key] == masked[key] == "********"
    assert masked["name"] == "shown"


def test_what_is_no_secret_stays() -> None:
    value = {"password": None, "has_password": True, "bypass": "x", "key": 1, "monkey": ("a",)}
    assert audit.masked(value) == {**value, "monkey": ["a"]}


def test_masking_leaves_the_callers_value_alone() -> None:
    value = {"password": "hidden"}
    audit.masked(value)
    assert value == {"password": "hidden"}
