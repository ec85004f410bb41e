"""From the start of the program to its first answer, and the memory that it has then."""

import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tests.benchmarks import houses
from tests.benchmarks.figures import Effort, Row, alone, compared, in_turns
from tests.benchmarks.shop import ROOT, Server, Shop
from tests.benchmarks.yardsticks import Kind

_MIB = 2**20
_IMPORTS = """
import time
begun = time.perf_counter()
import gateway.cli.program, gateway.cli.serve, gateway.application
print(time.perf_counter() - begun)
"""


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """The gateway as it comes, embedded agent and all, beside a bare Flask route."""
    house = houses.furnish(shop.place("start"))
    found = in_turns(
        {
            "bare": lambda: _started(lambda: shop.yardstick(Kind.FLASK), "/"),
            "gateway": lambda: _started(lambda: shop.gateway(house.folder, agent=True), "/readyz"),
            "imports": lambda: (_imports(),),
        },
        effort.rounds,
    )
    columns = {name: list(zip(*rounds, strict=True)) for name, rounds in found.items()}
    bare, ours = columns["bare"], columns["gateway"]
    yield alone("start of a bare Flask route", bare[0], "s")
    yield compared("start to /readyz", ours[0], "s", "start of a bare Flask route", bare[0])
    imports = columns["imports"][0]
    yield compared("of it, the imports", imports, "s", "start to /readyz", ours[0])
    yield alone("memory of a bare Flask route", bare[1], "MiB")
    yield compared("memory of the server", ours[1], "MiB", "memory of a bare Flask route", bare[1])
    yield alone("memory of its supervisor", ours[2], "MiB")


def _started(
    start: Callable[[], contextlib.AbstractContextManager[Server]], path: str
) -> tuple[float, float, float]:
    """Seconds to the first good answer; MiB of the server, and of its children."""
    begun = time.perf_counter()
    with start() as server:
        while not _answers(server, path):
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        # The supervisor starts beside the server: what is measured is its full size.
        time.sleep(1.0)
        children = sum(child.memory_info().rss for child in server.children)
        return seconds, server.memory / _MIB, children / _MIB


def _answers(server: Server, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection), contextlib.suppress(ConnectionError):
        connection.request("GET", path)
        return connection.getresponse().status == 200
    return False


def _imports() -> float:
    """Seconds to import what ``serve`` needs, told by a fresh Python."""
    told = subprocess.run(
        [sys.executable, "-c", _IMPORTS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(told.stdout)
