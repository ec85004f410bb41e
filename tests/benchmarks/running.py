"""Jobs worked off by the embedded agent, from the first accept to the last end."""

import functools
import json
import re
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.benchmarks import bodies, houses, noop
from tests.benchmarks.client import Load
from tests.benchmarks.figures import BenchmarkError, Effort, Row, alone, compared, in_turns
from tests.benchmarks.shop import Server, Shop

_NOOPS = 4_000
_COMMANDS = 300
# As many as the embedded agent runs at once, unless it is told otherwise.
_PROGRAMS_AT_ONCE = 10
_CONNECTIONS = 32
_PATIENCE_SECONDS = 120.0
_GAUGE = re.compile(r'^gateway_jobs\{stage="(\w+)"\} ([0-9.e+]+)$', re.MULTILINE)


def measure_noop(shop: Shop, effort: Effort) -> Iterator[Row]:
    """Tasks that do nothing, accepted in process; beside accepting alone."""
    count = effort.count(_NOOPS)
    alone_name, name = "accepts in process, no agent", "no-op jobs, accepted in process"
    found = in_turns(
        {
            alone_name: functools.partial(_worked_off, shop, "noop", count, agent=False),
            name: functools.partial(_worked_off, shop, "noop", count, agent=True),
        },
        effort.rounds,
    )
    for label, unit in (("", "1/s"), (": CPU of the server a job", "ms")):
        accepts, ours = (
            [run.rate if unit == "1/s" else run.milliseconds for run in found[which]]
            for which in (alone_name, name)
        )
        yield alone(alone_name + label, accepts, unit)
        yield compared(name + label, ours, unit, alone_name + label, accepts)


def measure_commands(shop: Shop, effort: Effort) -> Iterator[Row]:
    """Tasks that run ``true``; beside running it as often without the gateway."""
    count = effort.count(_COMMANDS)
    contenders: dict[str, Callable[[], float]] = {
        "programs": functools.partial(_programs, count),
        "commands": lambda: _worked_off(shop, "command", count, agent=True).rate,
    }
    found = in_turns(contenders, effort.rounds)
    yardstick = "the program true, ten at once"
    yield alone(yardstick, found["programs"], "1/s")
    name = "jobs of a command that runs true"
    yield compared(name, found["commands"], "1/s", yardstick, found["programs"])


def measure_over_http(shop: Shop, effort: Effort) -> Iterator[Row]:
    """Tasks that do nothing, accepted over HTTP while others are worked off."""
    environment = noop.installed(shop.place("plug-in"))
    data = shop.place("jobs-http")
    told = shop.ask("engine", ["furnish", str(data), "--task=noop"], environment=environment)
    request = bodies.json_order(houses.MODULE, uuid.UUID(json.loads(told)))
    load = Load(_CONNECTIONS, effort.seconds * effort.rounds, warm_up=0.0)
    named = ("--set", f"agent_name={houses.AGENT}")
    with shop.gateway(data, *named, environment=environment, agent=True) as server:
        begun = time.perf_counter()
        accepted = shop.load(server, request, load).rate
        _await_end(server)
        ended = _stages(server)["history"] / (time.perf_counter() - begun)
    yardstick = "accepts over HTTP meanwhile"
    yield Row(yardstick, accepted, "1/s")
    yield compared("no-op jobs, accepted over HTTP", [ended], "1/s", yardstick, [accepted])


@dataclass(frozen=True)
class _Run:
    """Jobs a second, and milliseconds that the server computed for each."""

    rate: float
    milliseconds: float


def _worked_off(shop: Shop, task: str, count: int, *, agent: bool) -> _Run:
    """Jobs to the last end with an agent, to the last accept without one."""
    folder = shop.place(f"jobs-{time.monotonic_ns()}")
    arguments = ["jobs", str(folder), f"--task={task}", f"--jobs={count}"]
    told = json.loads(
        shop.ask(
            "engine",
            [*arguments, "--agent"] if agent else arguments,
            environment=noop.installed(shop.place("plug-in")),
        )
    )
    return _Run(count / told["ended" if agent else "accepted"], 1000 * told["computed"] / count)


def _programs(count: int) -> float:
    begun = time.perf_counter()
    with ThreadPoolExecutor(_PROGRAMS_AT_ONCE) as threads:
        list(threads.map(lambda _: subprocess.run(["true"], check=True), range(count)))
    return count / (time.perf_counter() - begun)


def _await_end(server: Server) -> None:
    patience = time.monotonic() + _PATIENCE_SECONDS
    while any(jobs for stage, jobs in _stages(server).items() if stage != "history"):
        if time.monotonic() > patience:
            raise BenchmarkError(f"jobs are still not worked off: {_stages(server)}")
        time.sleep(0.05)


def _stages(server: Server) -> dict[str, float]:
    """How many jobs stand in which stage, as the server itself says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        text = answer.read().decode()
    return {stage: float(value) for stage, value in _GAUGE.findall(text)}
