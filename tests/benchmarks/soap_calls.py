"""Two SOAP calls, GetJob and ScheduleJob, beside the same on other SOAP stacks."""

import contextlib
import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from tests.benchmarks import bodies, client, houses, other_stacks, storeless
from tests.benchmarks.client import Load, Sample
from tests.benchmarks.figures import (
    BenchmarkError,
    Effort,
    Lack,
    Row,
    Unmeasurable,
    alone,
    compared,
    in_turns,
)
from tests.benchmarks.shop import Server, Shop
from tests.benchmarks.yardsticks import Kind

_CONNECTIONS = 32
GATEWAY = "the gateway"
STORELESS = "the gateway without its store"
SPYNE = "stock Spyne"
NODE = "node soap"
GET, SCHEDULE = "GetJob", "ScheduleJob"


@dataclass(frozen=True)
class Contender:
    """A server, and the bytes of each call to it."""

    server: Server
    requests: Mapping[str, bytes]


def measure(shop: Shop, effort: Effort) -> Iterator[Row | Lack]:
    """Each call by 32 connections and by one, on all stacks that this machine has."""
    with contextlib.ExitStack() as servers:
        contenders, lacks = start(shop, servers)
        yield from lacks
        for contender in contenders.values():
            _warm(shop, effort, contender)
        found = in_turns(_loads(shop, effort, contenders), effort.rounds)
    for call in (GET, SCHEDULE):
        yield from _rows(call, list(contenders), found)


def start(shop: Shop, servers: contextlib.ExitStack) -> tuple[dict[str, Contender], list[Lack]]:
    """All servers that this machine can have, by name, ours last; and those that it cannot."""
    house = houses.furnish(shop.place("soap"))
    order = bodies.soap_order(house.module, house.agent)
    begin = servers.enter_context
    ours = begin(shop.yardstick(Kind.STORELESS))
    requests = {GET: bodies.soap_question(storeless.JOB), SCHEDULE: order}
    stored = other_stacks.keep(ask(ours, requests[GET]), shop.place("soap"))
    contenders, lacks = {}, []
    for name, stack in other_stacks.STACKS.items():
        try:
            contenders[name] = Contender(begin(shop.stack(stack(stored))), requests)
        except Unmeasurable as reason:
            lacks.append(Lack(name, str(reason)))
    spyne = begin(shop.yardstick(Kind.SPYNE, None, str(stored.xml)))
    contenders[SPYNE] = Contender(spyne, requests)
    contenders[STORELESS] = Contender(ours, requests)
    gateway = begin(shop.gateway(house.folder))
    accepted = job_id(ask(gateway, order))
    contenders[GATEWAY] = Contender(gateway, {GET: bodies.soap_question(accepted), SCHEDULE: order})
    return contenders, lacks


def ask(server: Server, request: bytes) -> etree._Element:
    """The job that a call answers. Raises BenchmarkError for anything else."""
    answer = client.once(server.port, request)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise BenchmarkError(f"a call was refused: {answer[:1000].decode('latin-1')}")
    job = etree.fromstring(body).find("{*}Body/*/*")
    if job is None or job.find("{*}JobID") is None:
        raise BenchmarkError(f"a call answered no job: {body[:1000].decode('latin-1')}")
    return job


def job_id(job: etree._Element) -> uuid.UUID:
    """The id of a job that was answered."""
    return uuid.UUID(job.findtext("{*}JobID"))


@dataclass(frozen=True)
class _Turn:
    """What was measured of a server in one turn."""

    sample: Sample
    computed: float

    @property
    def rate(self) -> float:
        return self.sample.rate

    @property
    def p50(self) -> float:
        return self.sample.p50

    @property
    def p99(self) -> float:
        return self.sample.p99

    @property
    def cost(self) -> float:
        """Microseconds that the server has computed for each call."""
        return 1e6 * self.computed / self.sample.answers


def _warm(shop: Shop, effort: Effort, contender: Contender) -> None:
    """Let a server compile what it compiles as it runs; turns begin without a warm-up then."""
    for request in contender.requests.values():
        shop.load(contender.server, request, Load(_CONNECTIONS, effort.seconds, warm_up=0.0))


def _turn(shop: Shop, server: Server, request: bytes, load: Load) -> _Turn:
    before = server.computed
    sample = shop.load(server, request, load)
    return _Turn(sample, server.computed - before)


def _loads(
    shop: Shop, effort: Effort, contenders: Mapping[str, Contender]
) -> dict[tuple[str, str, int], Callable[[], _Turn]]:
    """One call after the other: those that are compared have their turns side by side."""
    return {
        (name, call, connections): functools.partial(
            _turn,
            shop,
            contender.server,
            contender.requests[call],
            Load(connections, effort.seconds, warm_up=0.0),
        )
        for call in (GET, SCHEDULE)
        for connections in (_CONNECTIONS, 1)
        for name, contender in contenders.items()
    }


_Found = Mapping[tuple[str, str, int], list[_Turn]]


@dataclass(frozen=True)
class _Figure:
    """A figure of each server: with how many connections, and what of a turn."""

    label: str
    connections: int
    attribute: str
    unit: str

    def name(self, call: str, server: str) -> str:
        return f"{call}, {server}{self.label}"

    def values(self, call: str, server: str, found: _Found) -> list[float]:
        turns = found[server, call, self.connections]
        return [getattr(turn, self.attribute) for turn in turns]


_RATE = _Figure("", _CONNECTIONS, "rate", "1/s")
_FIGURES = (
    _RATE,
    _Figure(": p50", _CONNECTIONS, "p50", "ms"),
    _Figure(": p99", _CONNECTIONS, "p99", "ms"),
    _Figure(": computed a call", _CONNECTIONS, "cost", "us"),
    _Figure(", one connection: p50", 1, "p50", "ms"),
)
_OURS = (STORELESS, GATEWAY)


def _rows(call: str, servers: list[str], found: _Found) -> Iterator[Row]:
    """The others by themselves; ours beside node soap if it is here, its rates beside all."""
    others = [name for name in servers if name not in _OURS]
    for name in others:
        for figure in _FIGURES:
            yield alone(figure.name(call, name), figure.values(call, name, found), figure.unit)
    rival = NODE if NODE in others else SPYNE
    for ours in _OURS:
        for figure in _FIGURES:
            yield _beside(figure, call, ours, rival, found)
        for other in others:
            if other != rival:
                yield _beside(_RATE, call, ours, other, found)
    yield _beside(_RATE, call, GATEWAY, STORELESS, found)


def _beside(figure: _Figure, call: str, ours: str, other: str, found: _Found) -> Row:
    return compared(
        figure.name(call, ours),
        figure.values(call, ours, found),
        figure.unit,
        figure.name(call, other),
        figure.values(call, other, found),
    )
