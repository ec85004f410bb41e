"""Authenticated, durable accepts over HTTP, in each dialect and on a slow disk."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping

from tests.benchmarks import bodies, disk, houses
from tests.benchmarks.client import Load, Sample
from tests.benchmarks.figures import Effort, Row, alone, compared, in_turns
from tests.benchmarks.shop import Server, Shop
from tests.benchmarks.yardsticks import Kind

_CONNECTIONS = 32
_SYNCS = "the disk's own syncs"
_INSERT = "one insert over HTTP"
_FLASK = "bare Flask route"
_SPYNE = "stock Spyne, no store"
_JSON = "accepts, JSON"
_XML = "accepts, XML"
_SOAP = "accepts, SOAP 1.1"
_POST = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """The three dialects beside one insert, a bare Flask route, and stock Spyne."""
    house = houses.furnish(shop.place("accepts"))
    named = (house.module, house.agent)
    with contextlib.ExitStack() as servers:
        start = servers.enter_context
        gateway = start(shop.gateway(house.folder))
        requests = {
            _FLASK: (start(shop.yardstick(Kind.FLASK)), _POST),
            _INSERT: (start(shop.yardstick(Kind.INSERT)), _POST),
            _JSON: (gateway, bodies.json_order(*named)),
            _XML: (gateway, bodies.xml_order(*named)),
            _SOAP: (gateway, bodies.soap_order(*named)),
            _SPYNE: (start(shop.yardstick(Kind.SPYNE)), bodies.soap_order(*named, "/")),
        }
        loads = _loads(shop, effort, requests)
        loads[_SYNCS] = lambda: shop.syncs(effort.seconds / 2)
        found = in_turns(loads, effort.rounds)
    yield from _alone(_SYNCS, found)
    yield from _alone(_FLASK, found)
    yield from _beside(_INSERT, _FLASK, found)
    yield from _beside(_JSON, _INSERT, found)
    yield _ratio(_JSON, _FLASK, found)
    yield from _beside(_XML, _JSON, found)
    yield from _alone(_SPYNE, found)
    yield from _beside(_SOAP, _SPYNE, found)
    yield _ratio(_SOAP, _JSON, found)


def measure_slow(shop: Shop, effort: Effort) -> Iterator[Row]:
    """JSON on a disk whose every sync takes 5 ms longer. Raises Unmeasurable."""
    slow = disk.slow_disk(shop.folder)
    house = houses.furnish(shop.place("slow"))
    with (
        shop.gateway(house.folder, environment=slow) as gateway,
        shop.yardstick(Kind.INSERT, slow) as insert,
    ):
        requests = {
            _INSERT: (insert, _POST),
            _JSON: (gateway, bodies.json_order(house.module, house.agent)),
        }
        loads = _loads(shop, effort, requests)
        loads[_SYNCS] = lambda: shop.syncs(effort.seconds / 2, slow)
        samples = in_turns(loads, effort.rounds)
    syncs, insert_name, json_name = (f"slow disk: {name}" for name in (_SYNCS, _INSERT, _JSON))
    found = {f"slow disk: {name}": each for name, each in samples.items()}
    yield from _alone(syncs, found)
    yield from _alone(insert_name, found)
    yield from _beside(json_name, insert_name, found)
    yield _ratio(json_name, syncs, found)


def _loads(
    shop: Shop, effort: Effort, requests: Mapping[str, tuple[Server, bytes]]
) -> dict[str, Callable[[], Sample]]:
    load = Load(_CONNECTIONS, effort.seconds, warm_up=effort.seconds / 3)
    return {
        name: functools.partial(shop.load, server, request, load)
        for name, (server, request) in requests.items()
    }


def _alone(name: str, found: Mapping[str, list[Sample]]) -> Iterator[Row]:
    yield alone(name, [sample.rate for sample in found[name]], "1/s")
    yield alone(f"{name}: p50", [sample.p50 for sample in found[name]], "ms")
    yield alone(f"{name}: p99", [sample.p99 for sample in found[name]], "ms")


def _beside(name: str, yardstick: str, found: Mapping[str, list[Sample]]) -> Iterator[Row]:
    yield _ratio(name, yardstick, found)
    for label in ("p50", "p99"):
        mine, others = ([getattr(s, label) for s in found[n]] for n in (name, yardstick))
        yield compared(f"{name}: {label}", mine, "ms", f"{yardstick}: {label}", others)


def _ratio(name: str, yardstick: str, found: Mapping[str, list[Sample]]) -> Row:
    mine, others = ([sample.rate for sample in found[n]] for n in (name, yardstick))
    return compared(name, mine, "1/s", yardstick, others)
