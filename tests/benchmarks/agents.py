"""Agents on other machines: many that wait, and how soon a job comes to one of them."""

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import httpx

from tests.benchmarks import noop
from tests.benchmarks.figures import BenchmarkError, Effort, Row, alone
from tests.benchmarks.shop import ROOT, Shop
from tests.reliability import load
from tests.reliability.remote import AgentsHouse
from tests.reliability.servers import LOGIN, House, until

_SOCKETS = 2_000
_FEWEST_SOCKETS = 200
# Of waiting, and as many of accepts; BENCH_MINUTES is for how long the sockets are open in all.
_SECONDS = 60.0
_FEWEST_SECONDS = 5.0
_AGENTS = 4
_CONNECTIONS = 32
_JOBS = 2_000
_LINES = 200_000
_MIB = 1024 * 1024
NOTHING: Mapping[str, str] = MappingProxyType({})
_PACED = 200
_PACE_SECONDS = 0.02
_SHOWN = 100
# The time at which each line is written, in nanoseconds, so that whoever sees it knows its age.
_SLOW = f"i=0; while [ $i -lt {_SHOWN} ]; do date +%s%N; sleep 0.05; i=$((i+1)); done"
_LOUD = f"i=0; while [ $i -lt {_LINES} ]; do echo line $i; i=$((i+1)); done"


def measure_idle(shop: Shop, effort: Effort) -> Iterator[Row]:
    """Sockets that poll from another process: memory, CPU, and from an accept to an agent."""
    sockets = max(_FEWEST_SOCKETS, effort.count(_SOCKETS))
    minutes = float(os.environ.get("BENCH_MINUTES", "0"))
    seconds = 30 * minutes if minutes else max(_FEWEST_SECONDS, _SECONDS * effort.count(100) / 100)
    module = uuid.uuid4()
    far = _furnished(shop, "idle-agents", load.module(module, "Nothing", "true"))
    with far.serving() as server:
        token = json.loads(far.say("agent", "token", "create", "--uses", str(sockets), "--json"))
        command = (
            *(sys.executable, "-m", "tests.benchmarks.polling_agents", far.server),
            *(token["token"], str(server.pid), str(module), str(sockets), str(seconds)),
        )
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"the agents failed: {done.stderr[-1000:]}")
    found = json.loads(done.stdout)
    if found["missing"] or found["wrong"]:
        raise BenchmarkError(f"{found['missing']} jobs came to nobody: {found['wrong']}")
    name = f"{sockets:,} agents that poll"
    yield alone(f"{name}: memory of the server", [found["grown"] / _MIB], "MiB")
    yield alone(f"{name}: CPU of the server, idle", [100 * found["cpu"]], "%")
    yield from _percentiles(f"{name}, 50 accepts/s: accept to agent", found["seconds"])


def _percentiles(name: str, seconds: Sequence[float]) -> Iterator[Row]:
    waits = sorted(1000 * one for one in seconds)
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        yield alone(f"{name}, {label}", [waits[min(len(waits) - 1, int(len(waits) * share))]], "ms")


def measure_work(shop: Shop, effort: Effort) -> Iterator[Row]:
    """No-op jobs over four agents, each a process of its own, and lines that a task writes."""
    count, nothing, loud, slow = effort.count(_JOBS), *(uuid.uuid4() for _ in range(3))
    types = noop.installed(shop.place("noop-agents"))
    noop_module = load.module(nothing, "Nothing", "")
    noop_module["tasks"][0] |= {"type": "noop", "settings": {}}
    far = _furnished(
        shop,
        "working-agents",
        *(load.module(loud, "Loud", _LOUD), load.module(slow, "Slow", _SLOW), noop_module),
        environment=types,
    )
    with ExitStack() as held:
        held.enter_context(far.serving(**types, GATEWAY_LIMITS__LOG_BYTES=str(64 * _MIB)))
        names = [f"agent-{number}" for number in range(_AGENTS)]
        for name in names:
            held.enter_context(_agent(far, name, types))
        there = "SELECT 1 WHERE (SELECT COUNT(*) FROM agent WHERE session IS NOT NULL) = 4"
        until("the agents are there", lambda: far.house.query(there))
        yield from _percentiles("accept to remote agent's task", _paced(far, nothing, names))
        yield from _percentiles("line of a remote task to whoever watches", _watched(far, names[0]))
        rate = _rate(far, nothing, names, count)
        yield alone(f"no-op jobs over {_AGENTS} remote agents", [rate], "1/s")
        began = time.monotonic()
        submitted = far.say("job", "submit", "Loud", "--agent", names[0], "--json")
        far.ended(json.loads(submitted)["guid"])
        lines = _LINES / (time.monotonic() - began)
        yield alone("lines of one task, from a remote agent into the store", [lines], "1/s")


def _furnished(
    shop: Shop, name: str, *modules: dict[str, Any], environment: Mapping[str, str] = NOTHING
) -> AgentsHouse:
    """A house without an agent of its own that has these modules."""
    folder = shop.place(name)
    house = House(folder / "data", folder / "log", environment)
    house.install(load.write_block(folder / "block.json", modules))
    return AgentsHouse(house)


@contextlib.contextmanager
def _agent(far: AgentsHouse, name: str, environment: Mapping[str, str]) -> Iterator[None]:
    """An agent for the length of a block, with the types of tasks of this environment."""
    token = json.loads(far.say("agent", "token", "create", "--json"))["token"]
    outer = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    log = far.folder / f"{name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "app.py", "agent", "--server", far.server, "--name", name),
                *("--folder", str(far.folder / name)),
            ],
            cwd=ROOT,
            env=outer | dict(environment) | {"GATEWAY_AGENT_TOKEN": token},
            stdout=out,
            stderr=out,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _paced(far: AgentsHouse, module: uuid.UUID, names: Sequence[str]) -> list[float]:
    """Seconds from when a job is stored to when a remote agent begins its task, one by one."""
    accept = _accepting(far, module, names)
    with httpx.Client(base_url=far.server, auth=LOGIN, timeout=60) as client:
        for number in range(_PACED):
            accept(client, number)
            time.sleep(_PACE_SECONDS)
    ended = f"SELECT 1 WHERE (SELECT COUNT(*) FROM job WHERE stage = 2) >= {_PACED}"
    until("the jobs have ended", lambda: far.house.query(ended))
    begun = """SELECT task.started_at - job.created_at FROM job
        JOIN run ON run.job_id = job.id JOIN task_result AS task ON task.run_id = run.id"""
    return [wait / 1_000_000 for (wait,) in far.house.query(begun)]


def _watched(far: AgentsHouse, name: str) -> list[float]:
    """How old lines of a task are, in seconds, when ``job watch`` prints them."""
    submitted = json.loads(far.say("job", "submit", "Slow", "--agent", name, "--json"))
    with subprocess.Popen(
        [sys.executable, "app.py", "job", "watch", submitted["guid"]],
        cwd=ROOT,
        env=far.house.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as watch:
        assert watch.stdout is not None
        seen = [(line.split()[-1:], time.time()) for line in watch.stdout]
    ages = [at - int(words[0]) / 1e9 for words, at in seen if words and words[0].isdecimal()]
    # What was written before the watch began was not held up by anybody.
    return ages[_SHOWN // 2 :]


def _accepting(
    far: AgentsHouse, module: uuid.UUID, names: Sequence[str]
) -> Callable[[httpx.Client, int], None]:
    """What has a job accepted for the agents in turns."""
    guids = {
        row[0]: str(uuid.UUID(row[1])) for row in far.house.query("SELECT name, guid FROM agent")
    }

    def accept(client: httpx.Client, number: int) -> None:
        body = {
            "When": {"Immediate": True},
            "What": [{"ID": str(module), "Type": 0}],
            "Who": [{"ID": guids[names[number % len(names)]], "Type": 0}],
        }
        client.post("/Dispatcher/SchedulingService/jobs", json=body).raise_for_status()

    return accept


def _rate(far: AgentsHouse, module: uuid.UUID, names: Sequence[str], count: int) -> float:
    """Jobs a second, from the first that is accepted to the last that has ended."""
    accept = _accepting(far, module, names)
    before = far.house.query("SELECT COUNT(*) FROM job")[0][0]
    with httpx.Client(base_url=far.server, auth=LOGIN, timeout=60) as client:
        began = time.monotonic()
        with ThreadPoolExecutor(_CONNECTIONS) as threads:
            list(threads.map(lambda number: accept(client, number), range(count)))
    ended = f"SELECT 1 WHERE (SELECT COUNT(*) FROM job WHERE stage = 2) >= {before + count}"
    until("the jobs have ended", lambda: far.house.query(ended))
    return count / (time.monotonic() - began)
