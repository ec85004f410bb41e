"""A house for each test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import PostgresPlace, SqlitePlace, StorePlace
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import Client, House

Build = Callable[..., House]


@pytest.fixture
def build(sqlite_place: SqlitePlace, session_log: SessionLog) -> Iterator[Build]:
    """Builds a house on SQLite with the settings given, at most one at a time."""
    built: list[House] = []

    def make(**settings: Any) -> House:
        for house in built:
            house.gateway.stop(0)
        built[:] = [houses.build(sqlite_place.path.parent, session_log, **settings)]
        return built[0]

    yield make
    for house in built:
        house.gateway.stop(0)


@pytest.fixture
def house(build: Build) -> House:
    """A house on SQLite: for what does not depend on the database."""
    return build()


@pytest.fixture
def stored_house(store_place: StorePlace, build: Build) -> House:
    """A house on each database in turn."""
    if isinstance(store_place, PostgresPlace):
        return build(database_url=store_place.url)
    return build()


@pytest.fixture
def client(house: House) -> Client:
    """The administrator's client of the house on SQLite."""
    return house.client()
