"""Memory does not grow with the number of messages, in any dialect."""

from collections.abc import Iterator

import pytest

from tests.benchmarks import bodies, houses, shop
from tests.benchmarks.client import Load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_EARLY, _LATE = 5_000, 20_000
_GROWTH = 1.05


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
