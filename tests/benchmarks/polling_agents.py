"""Many agents in one process: they poll, take what they are given, and report it done at once.

``python -m tests.benchmarks.polling_agents SERVER TOKEN PID MODULE AGENTS SECONDS``: prints, as
JSON, what it has seen. ``PID`` is the server's, whose memory and time are read.
"""

import asyncio
import gc
import json
import random
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from gateway import open_files
from gateway.agents.messages import LONGEST_WAIT, ROOT
from gateway.jobs.states import JobStatus
from tests.reliability import load
from tests.reliability.servers import LOGIN

_RATE = 50.0
_OPENING = 8
_SETTLE_SECONDS = 10.0
_PATIENCE_SECONDS = 20.0


class Connection:
    """One kept connection: a pool of thousands would cost more than all that goes over it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, document: Any, token: str = "") -> tuple[int, bytes]:
        """Send JSON; the status and the body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        body = json.dumps(document).encode()
        writer.write(
            f"POST {ROOT}{path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


@dataclass
class Agents:
    """The agents of this process, and when each job came to one of them."""

    host: str
    port: int
    opened: list[tuple[Connection, str, dict[str, Any]]] = field(default_factory=list)
    came: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    async def open(self, token: str, count: int) -> None:
        """Enrol so many, and let each open a session."""
        turns = asyncio.Semaphore(_OPENING)
        self.opened = await asyncio.gather(
            *(self._open(turns, token, f"agent {number}") for number in range(count))
        )

    async def _open(
        self, turns: asyncio.Semaphore, token: str, name: str
    ) -> tuple[Connection, str, dict[str, Any]]:
        told = {
            "name": name,
            "platform": "linux",
            "version": "1",
            "boot_id": "boot",
            "addresses": [],
            "capabilities": ["sh"],
            "max_runs": 10,
            "embedded": False,
        }
        connection = Connection(self.host, self.port)
        async with turns:
            asked = {"name": name, "facts": told, "secret": uuid.uuid4().hex * 2, "token": token}
            _, answer = await connection.post("/enrolments", asked)
            own = str(json.loads(answer)["token"])
            _, session = await connection.post("/sessions", {"facts": told, "instance": name}, own)
        return connection, own, json.loads(session)

    async def work(self, connection: Connection, token: str, session: dict[str, Any]) -> None:
        """Poll for ever, and report what comes as done."""
        named = {name: session[name] for name in ("session", "incarnation")}
        asked = {**named, "places": 10, "runs": [], "wait": LONGEST_WAIT}
        while True:
            status, answer = await connection.post("/poll", asked, token)
            at = time.monotonic()
            if status == httpx.codes.SERVICE_UNAVAILABLE:
                # So many at one moment: agents come again a little later.
                await asyncio.sleep(random.uniform(0.5, 5.0))
                continue
            if status != httpx.codes.OK:
                self.wrong.append(f"{status} {answer[:200]!r}")
                return
            found = json.loads(answer)
            for order in found["orders"]:
                self.came[str(uuid.UUID(order["job"]))] = at
                reports = {**named, "reports": _done(order, found["server_time"])}
                await connection.post("/reports", reports, token)


def _done(order: dict[str, Any], now: int) -> list[dict[str, Any]]:
    of_run = {"run": order["run"], "attempt": order["attempt"]}
    end = {"at": now, "status": JobStatus.COMPLETED}
    tasks = [
        {"kind": "task_finished", **of_run, "seq": task["seq"], "started_at": now, **end}
        for task in order["tasks"]
    ]
    return [*tasks, {"kind": "run_finished", **of_run, **end}]


async def measure(
    server: str, token: str, process: psutil.Process, module: str, count: int, seconds: float
) -> dict[str, Any]:
    """Let the agents wait for so long, then accept jobs for them, fifty a second."""
    place = httpx.URL(server)
    before = process.memory_info().rss
    agents = Agents(place.host, place.port or 80)
    await agents.open(token, count)
    tasks = [asyncio.create_task(agents.work(*one)) for one in agents.opened]
    await asyncio.sleep(_SETTLE_SECONDS)
    busy = sum(process.cpu_times()[:2])
    await asyncio.sleep(seconds)
    cpu = (sum(process.cpu_times()[:2]) - busy) / seconds
    idle = process.memory_info().rss
    sent = await _accepted(server, module, agents, seconds)
    for task in tasks:
        task.cancel()
    return {
        "grown": idle - before,
        "cpu": cpu,
        "missing": len(sent.keys() - agents.came.keys()),
        "wrong": agents.wrong[:3],
        "seconds": sorted(agents.came[job] - at for job, at in sent.items() if job in agents.came),
    }


async def _accepted(server: str, module: str, agents: Agents, seconds: float) -> dict[str, float]:
    """When each job was sent to be accepted, by its GUID."""
    sent: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=server, auth=LOGIN, timeout=_PATIENCE_SECONDS) as client:

        async def accept(number: int) -> None:
            agent = agents.opened[number * 37 % len(agents.opened)][2]["agent"]
            at = time.monotonic()
            answer = await client.post(
                "/Dispatcher/SchedulingService/jobs",
                json={
                    "When": {"Immediate": True},
                    "What": [{"ID": module, "Type": 0}],
                    "Who": [{"ID": agent, "Type": 0}],
                },
            )
            sent[str(load.job_id(answer))] = at

        begun = time.monotonic()
        calls = []
        for number in range(int(_RATE * seconds)):
            await asyncio.sleep(max(0.0, begun + number / _RATE - time.monotonic()))
            calls.append(asyncio.create_task(accept(number)))
        await asyncio.gather(*calls)
    ends = time.monotonic() + _PATIENCE_SECONDS
    while sent.keys() - agents.came.keys() and time.monotonic() < ends:
        await asyncio.sleep(0.05)
    return sent


def main(arguments: Sequence[str]) -> None:
    """Measure, and print what was seen."""
    server, token, pid, module, count, seconds = arguments
    open_files.raise_limit()
    # What is measured is the server's pauses, not this one's.
    gc.disable()
    process = psutil.Process(int(pid))
    found = asyncio.run(measure(server, token, process, module, int(count), float(seconds)))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
