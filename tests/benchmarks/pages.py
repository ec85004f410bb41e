"""The first page of jobs, with few and with many jobs stored."""

import contextlib
import functools
from collections.abc import Iterator

from tests.benchmarks import bodies, houses
from tests.benchmarks.client import Load
from tests.benchmarks.figures import Effort, Row, alone, compared, in_turns
from tests.benchmarks.shop import Server, Shop
from tests.benchmarks.yardsticks import Kind

_FEW = 1_000
_MANY = 1_000_000
_FLASK = "bare Flask route, one connection: p50"
_GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """``GET jobs`` on one connection, 50 jobs to the page."""
    few, many = _FEW, effort.count(_MANY)
    names = [f"GET jobs of {count:,} stored: p50" for count in (few, many)]
    page = bodies.get(f"{bodies.SERVICE}/jobs")
    load = Load(connections=1, seconds=effort.seconds, warm_up=effort.seconds / 3)
    with contextlib.ExitStack() as servers:
        start = servers.enter_context
        asked = {_FLASK: (start(shop.yardstick(Kind.FLASK)), _GET)}
        for name, count in zip(names, (few, many), strict=True):
            asked[name] = (start(filled(shop, count)), page)
        found = in_turns(
            {name: functools.partial(shop.load, *what, load) for name, what in asked.items()},
            effort.rounds,
        )
    flask, first, second = ([sample.p50 for sample in found[n]] for n in (_FLASK, *names))
    yield alone(_FLASK, flask, "ms")
    yield compared(names[0], first, "ms", _FLASK, flask)
    yield compared(names[1], second, "ms", names[0], first)


def filled(shop: Shop, jobs: int) -> contextlib.AbstractContextManager[Server]:
    """A server on a store with so many jobs that have ended."""
    house = houses.furnish(shop.place(f"jobs-{jobs}"))
    houses.add_finished(house, jobs)
    return shop.gateway(house.folder)
