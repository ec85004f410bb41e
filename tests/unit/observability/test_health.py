"""Health: says what is wrong, and tells no secret doing so."""

import json
from collections.abc import Callable

import peewee
import pytest

from gateway.observability import health
from gateway.observability.health import Check
from storage.database import Store
from storage.errors import StoreUnavailable
from tests.conftest import PostgresPlace


class BrokenStore:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def check(self, *, full: bool) -> list[str]:
        raise self._error

    def free_bytes(self) -> int | None:
        raise OSError(5, "Input/output error")


class FullStore:
    def check(self, *, full: bool) -> list[str]:
        return []

    def free_bytes(self) -> int:
        return 99


def failing(report: health.Health) -> set[str]:
    assert report.http_status == (200 if report.ok else 503)
    assert report.as_json()["status"] == ("ok" if report.ok else "failing")
    return {check.name for check in report.checks if not check.ok}


def test_a_process_that_answers_is_alive() -> None:
    assert health.alive().http_status == 200
    assert health.alive().as_json() == {"status": "ok", "checks": {}}


def test_a_store_in_order_is_ready(store: Store) -> None:
    assert failing(health.ready(store, lambda: 0.1, 0)) == set()


def test_what_the_disk_lacks_is_said(sqlite_store: Store) -> None:
    full: Store = FullStore()  # type: ignore[assignment]  # the two methods that are asked
    report = health.ready(full, lambda: 0.0, 100)
    assert failing(report) == {"disk"}
    assert "99 bytes" in json.dumps(report.as_json())
    assert failing(health.ready(sqlite_store, lambda: 0.0, 1 << 62)) == {"disk"}


@pytest.mark.parametrize("silence", [lambda: None, lambda: 10_000.0])
def test_a_clock_that_stands_still_is_said(
    sqlite_store: Store, silence: Callable[[], float | None]
) -> None:
    report = health.ready(sqlite_store, silence, 0)
    assert failing(report) == {"clock"}


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("postgresql://ada:hunter2@db"),
        peewee.OperationalError("hunter2"),
        OSError(5, "hunter2"),
    ],
)
def test_a_store_that_cannot_be_read_is_said_without_its_address(error: Exception) -> None:
    broken: Store = BrokenStore(error)  # type: ignore[assignment]  # the two methods that are asked
    report = health.ready(broken, lambda: 0.0, 0)
    assert failing(report) == {"store", "disk"}
    assert "hunter2" not in json.dumps(report.as_json())


def test_a_database_that_went_away_is_said(postgres_place: PostgresPlace) -> None:
    store = postgres_place.open()
    postgres_place.server.drop(postgres_place.name)
    try:
        assert failing(health.ready(store, lambda: 0.0, 0)) == {"store"}
    finally:
        store.close()


def test_more_checks_can_be_handed_in(sqlite_store: Store) -> None:
    more = [lambda: Check("agent", False, "lost")]
    assert failing(health.ready(sqlite_store, lambda: 0.0, 0, more)) == {"agent"}
