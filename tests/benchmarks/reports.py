"""The report of usage over few and over many jobs: how soon and fast it comes, in which memory."""

import contextlib
import dataclasses
import functools
import re
import socket
import time
from collections.abc import Iterator

from tests.benchmarks import bodies, pages
from tests.benchmarks.figures import BenchmarkError, Effort, Row, alone, compared, in_turns
from tests.benchmarks.shop import Server, Shop

_FEW = 10_000
_MANY = 1_000_000
_PATH = f"{bodies.SERVICE}/report/jobusage"
_DIALECTS = {"JSON": "application/json", "XML": "application/xml"}
_JOB = re.compile(rb"\"JobID\"|<JobID>")
_READ = 256 * 1024
_SILENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Reading:
    """One report: when its first byte came, when its last, how long it was, and how large.

    ``memory`` is the most that the server had meanwhile, in bytes.
    """

    first: float
    seconds: float
    length: int
    jobs: int
    memory: int


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """``GET report/jobusage`` on one connection, without bounds."""
    few, many = _FEW, effort.count(_MANY)
    with contextlib.ExitStack() as servers:
        asked = {count: servers.enter_context(pages.filled(shop, count)) for count in (few, many)}
        for dialect in _DIALECTS:
            found = in_turns(
                {
                    str(count): functools.partial(_read_all, server, dialect, count)
                    for count, server in asked.items()
                },
                effort.rounds,
            )
            yield from _rows(dialect, few, many, found)


def _rows(dialect: str, few: int, many: int, found: dict[str, list[Reading]]) -> Iterator[Row]:
    names = [f"report of {count:,} jobs in {dialect}" for count in (few, many)]
    less, more = found[str(few)], found[str(many)]
    firsts = [[1000 * reading.first for reading in readings] for readings in (less, more)]
    memory = [[reading.memory / _MIB for reading in readings] for readings in (less, more)]
    yield alone(f"{names[0]}: first byte", firsts[0], "ms")
    yield compared(f"{names[1]}: first byte", firsts[1], "ms", f"{names[0]}: first byte", firsts[0])
    yield alone(f"{names[1]}: jobs", [r.jobs / r.seconds for r in more], "1/s")
    yield alone(f"{names[0]}: memory", memory[0], "MiB")
    yield compared(f"{names[1]}: memory", memory[1], "MiB", f"{names[0]}: memory", memory[0])


def _read_all(server: Server, dialect: str, jobs: int) -> Reading:
    reading = read(server, _DIALECTS[dialect])
    if reading.jobs != jobs:
        raise BenchmarkError(f"the report has {reading.jobs} jobs, not {jobs}")
    return reading


def read(server: Server, content_type: str) -> Reading:
    """Read a report to its end, keeping nothing of it. Raises BenchmarkError if it breaks off."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=_SILENCE_SECONDS) as connection:
        begun = time.perf_counter()
        connection.sendall(bodies.get(_PATH, content_type))
        block = connection.recv(_READ)
        first = time.perf_counter() - begun
        if not block.startswith(b"HTTP/1.1 200 "):
            raise BenchmarkError(block[:1000].decode("latin-1"))
        return _to_its_end(server, connection, block, begun, first)


def _to_its_end(
    server: Server, connection: socket.socket, block: bytes, begun: float, first: float
) -> Reading:
    length = jobs = memory = 0
    looked, tail = 0.0, b""
    while block:
        length += len(block)
        jobs += len(_JOB.findall(tail + block))
        # A name that lies across two blocks is found once, with the second of them.
        tail = (tail + block)[-6:]
        if time.perf_counter() > looked + _LOOK_SECONDS:
            memory, looked = max(memory, server.memory), time.perf_counter()
        if tail.endswith(b"0\r\n\r\n"):
            break
        block = connection.recv(_READ)
    else:
        raise BenchmarkError(f"the report broke off after {length} bytes")
    return Reading(first, time.perf_counter() - begun, length, jobs, memory)
