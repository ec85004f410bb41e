"""Memory grows neither with the number of messages nor with the length of an answer."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import models
from tests import stored
from tests.benchmarks import bodies, houses, reports, shop
from tests.benchmarks.client import Load
from tests.conftest import PostgresPlace, StorePlace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_EARLY, _LATE = 5_000, 20_000
_GROWTH = 1.05
_FEW_JOBS, _MANY_JOBS = 1_000, 50_000
_MORE = 30 * 2**20


@pytest.fixture
def place() -> Iterator[shop.Shop]:
    with shop.opened(shop.ROOT / "build") as opened:
        yield opened


def test_twenty_thousand_accepted_messages_leave_it_where_five_thousand_did(
    place: shop.Shop,
) -> None:
    house = houses.furnish(place.place("memory"))
    named = (house.module, house.agent)
    requests = [
        bodies.json_order(*named),
        bodies.xml_order(*named),
        bodies.soap_order(*named),
        bodies.get(f"{bodies.SERVICE}/jobs?pagesize=5"),
    ]
    load = Load(connections=16, seconds=0.5, warm_up=0.0)
    with place.gateway(house.folder) as server:
        sent, memory = 0, {}
        for mark in (_EARLY, _LATE):
            while sent < mark:
                sent += sum(place.load(server, each, load).answers for each in requests)
            memory[mark] = server.memory
    assert memory[_LATE] < memory[_EARLY] * _GROWTH


def test_a_long_report_takes_no_more_than_a_short_one(
    store_place: StorePlace, tmp_path: Path
) -> None:
    """Whole it would be 18 MB of text in JSON, and several times that as values."""
    used = {dialect: [0, 0] for dialect in ("application/json", "application/xml")}
    settings = {}
    if isinstance(store_place, PostgresPlace):
        settings["GATEWAY_DATABASE_URL"] = store_place.url
    for place, jobs in enumerate((_FEW_JOBS, _MANY_JOBS)):
        _add_jobs(store_place, jobs)
        with shop.Shop(tmp_path).gateway(tmp_path, environment=settings) as server:
            for dialect, memory in used.items():
                reading = reports.read(server, dialect)
                assert reading.jobs == jobs
                memory[place] = reading.memory
    for few, many in used.values():
        assert many < few + _MORE


def _add_jobs(place: StorePlace, jobs: int) -> None:
    """Have so many jobs in a store."""
    with contextlib.closing(place.open()) as store, store.reading() as session:
        present = len(session.rows(models.Job.select(models.Job.id)))
        stored.add_jobs(store, range(present, jobs))
