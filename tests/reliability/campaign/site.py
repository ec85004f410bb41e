"""A site to do harm to: a server with three agents, on a disk, a network and a clock of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.reliability.campaign.plan import LEASE_SECONDS, Fault, Plan
from tests.reliability.clocks import WallClock
from tests.reliability.disks import SmallDisk, mounted
from tests.reliability.load import Crowd, Kind
from tests.reliability.networks import Namespace
from tests.reliability.servers import AGENT, ROOT, WAIT, House, Server, slay, until

NEAR, FAR = "near", "far"
AGENTS = (AGENT, NEAR, FAR)
_DISK = 96 * 1024 * 1024


class Site:
    """Server, agents and what they stand on. ``far`` is behind a cable that can be pulled out."""

    def __init__(
        self, folder: Path, data: Path, disk: SmallDisk, network: Namespace, plan: Plan
    ) -> None:
        self.folder = folder
        self.disk = disk
        self.network = network
        self.plan = plan
        self.house = House(disk.path / "data", folder / "server.log", _settings())
        self.house.furnish(data)
        self.clock = WallClock(folder / "faketime")
        self.clock.set(0)
        self.crowd: Crowd | None = None
        # What was accepted after a backup that was restored: the store knows nothing of it.
        self.gone: set[uuid.UUID] = set()
        self.agents: dict[str, subprocess.Popen[bytes]] = {}
        with socket.create_server((network.host, 0)) as free:
            self._port = str(free.getsockname()[1])
        self.server = self._started()
        self._token = self._enrolment_token()
        self.schedule = self._say(
            "job", "submit", Kind.PLAIN.value, "--agent", AGENT, "--every", "1"
        )

    def start_server(self) -> None:
        """Another server, at the same address."""
        self.server = self._started()

    def start_agent(self, name: str) -> None:
        """Another process of an agent."""
        before = self.network.before if name == FAR else ()
        outer = {n: v for n, v in os.environ.items() if not n.startswith("GATEWAY_")}
        # Tasks inherit TMPDIR, so that the house finds them again.
        own = {"TMPDIR": str(self.house.scratch), "GATEWAY_AGENT_TOKEN": self._token}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.agents[name] = subprocess.Popen(
                [
                    *(*before, sys.executable, "app.py", "agent", "--server", self._address),
                    *("--folder", str(self.folder / name), "--name", name),
                ],
                cwd=ROOT,
                env=outer | own,
                stdout=log,
                stderr=log,
            )

    def kill_agent(self, name: str) -> None:
        """SIGKILL to an agent; what it has started ends by itself."""
        self.agents[name].kill()
        self.agents[name].wait(WAIT)

    def kill_all(self) -> None:
        """SIGKILL to servers, agents, their supervisors and all tasks, as when the power fails."""
        agents = [psutil.Process(agent.pid) for agent in self.agents.values()]
        below = [child for agent in agents for child in agent.children(recursive=True)]
        # Supervisors first: they must have no time to clean up.
        slay(below)
        self.server.kill_supervisor()
        self.server.kill()
        for name in self.agents:
            self.kill_agent(name)
        slay(self.house.marked())

    def command(self, *arguments: str) -> str:
        """What a command of the program says; it must succeed."""
        done = self.house.command(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def await_agents(self) -> None:
        """Wait until those that were just started have their sessions."""
        there = "SELECT 1 WHERE (SELECT count(*) FROM agent WHERE session IS NOT NULL) = 3"
        until("the agents are there", lambda: self.house.query(there))

    def close(self) -> None:
        """End all processes."""
        for name in self.agents:
            self.kill_agent(name)
        self.house.end(self.server)
        slay(self.house.marked())

    def logs(self) -> dict[str, str]:
        """What everybody has logged, by name."""
        paths = (self.house.log, *(self.folder / f"{name}.log" for name in (NEAR, FAR)))
        return {path.stem: path.read_text("utf-8", "replace") for path in paths if path.exists()}

    @property
    def _address(self) -> str:
        return f"http://{self.network.host}:{self._port}"

    def _started(self) -> Server:
        faked = self.clock.environment if Fault.CLOCK in self.plan.faults else {}
        return self.house.start(("--host", self.network.host, "--port", self._port), **faked)

    def _enrolment_token(self) -> str:
        return self._say("agent", "token", "create", "--uses", "2", member="token")

    def _say(self, *arguments: str, member: str = "guid") -> str:
        return str(json.loads(self.command(*arguments, "--json"))[member])


def _settings() -> dict[str, str]:
    return {
        "GATEWAY_LOW_DISK_BYTES": "0",
        "GATEWAY_LEASE_SECONDS": str(LEASE_SECONDS),
    }


@contextlib.contextmanager
def opened(folder: Path, data: Path, plan: Plan) -> Iterator[Site]:
    """A site for the length of a block, with a copy of a data folder. Only root may make one."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    network = Namespace()
    try:
        with mounted(disk, _DISK) as small:
            site = Site(folder, data, small, network, plan)
            try:
                for name in (NEAR, FAR):
                    site.start_agent(name)
                site.await_agents()
                yield site
            finally:
                site.close()
    finally:
        network.remove()
