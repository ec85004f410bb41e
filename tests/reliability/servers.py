"""Gateways as real processes: started, killed and looked at from outside."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from gateway.agents import processes

ROOT = Path(__file__).parents[2]
WAIT = 60.0
AGENT = "here"
LOGIN = ("admin", "a password for tests")
_ADDRESS = re.compile(r"listening on (http://\S+)")
_SETTINGS = {
    "GATEWAY_ADMIN_PASSWORD": LOGIN[1],
    "GATEWAY_WEB_API": "ENABLED",
    "GATEWAY_AGENT_NAME": AGENT,
    "GATEWAY_TIME_ZONE": "UTC",
    "GATEWAY_DRAIN_SECONDS": "5",
}


def until(what: str, holds: Callable[[], object], seconds: float = WAIT) -> None:
    """Wait until something holds; fails with what was waited for."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)


def slay(victims: Iterable[psutil.Process]) -> None:
    """SIGKILL to processes, some of which may be gone already."""
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()


class Server:
    """A running server and its child supervisor, as they were at its start."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address
        until("the supervisor is there", self._supervisors, 20)
        self.supervisor = self._supervisors()[0]

    def client(self, **options: Any) -> httpx.Client:
        """A client with the right login."""
        return httpx.Client(base_url=self.address, auth=LOGIN, timeout=WAIT, **options)

    def memory(self) -> int:
        """Resident bytes of server and supervisor together."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(
                process.memory_info().rss
                for process in (psutil.Process(self.process.pid), *self._supervisors())
            )
        return 0

    def kill(self) -> None:
        """SIGKILL to the server process alone."""
        _discard(self.process)

    def kill_supervisor(self) -> None:
        """SIGKILL to the child supervisor alone, whichever it is by now."""
        slay(self._supervisors())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the server to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT)

    def _supervisors(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if _is_supervisor(child)]
        return []


def _is_supervisor(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "gateway.agents.supervisor" in process.cmdline()
    return False


@dataclass
class House:
    """A data folder in which one server after the other lives. ``log`` is that of them all."""

    data: Path
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.data / "gateway.sqlite3"

    @property
    def scratch(self) -> Path:
        """The folder for temporary files of servers and tasks."""
        return self.log.parent / "scratch"

    @property
    def environment(self) -> dict[str, str]:
        """What servers and commands of this house see."""
        outer = {n: v for n, v in os.environ.items() if not n.startswith("GATEWAY_")}
        own = {"GATEWAY_DATA": str(self.data), "TMPDIR": str(self.scratch)}
        return {**outer, **_SETTINGS, **own, **self.settings}

    def command(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of the program to its end."""
        return subprocess.run(
            [sys.executable, "app.py", *arguments],
            cwd=ROOT,
            env=self.environment | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )

    def install(self, *blocks: Path) -> None:
        """Make the store, with the modules of building blocks."""
        self.scratch.mkdir()
        for arguments in (("init",), ("import", *map(str, blocks))):
            done = self.command(*arguments)
            assert done.returncode == 0, done.stderr

    def furnish(self, data: Path) -> None:
        """Take over a copy of another house's data folder, in which no server runs."""
        self.scratch.mkdir()
        shutil.copytree(data, self.data, dirs_exist_ok=True)

    @contextlib.contextmanager
    def serving(self, **more: str) -> Iterator[Server]:
        """A server for the length of a block; killed at its end if it still lives."""
        server = self.start(**more)
        try:
            yield server
        finally:
            self.end(server)

    def start(self, where: Sequence[str] = ("--port", "0"), **more: str) -> Server:
        """Start a server; ``more`` is environment."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "app.py", "serve", *where],
                cwd=ROOT,
                env=self.environment | more,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            return Server(process, self._address(process))
        except BaseException:
            _discard(process)
            raise

    @staticmethod
    def end(server: Server) -> None:
        """Kill what is left of a server."""
        server.kill_supervisor()
        _discard(server.process)

    def marked(self) -> list[psutil.Process]:
        """The living processes of this house's runs, wherever they have gone.

        Asks no store: whoever opens one after a kill takes the recovery from the next server.
        """
        return [process for process in psutil.process_iter() if self._is_of_a_run(process)]

    def query(self, sql: str) -> list[Any]:
        """Ask the store from outside, whether a server has it or not."""
        with self.reading() as connection:
            return connection.execute(sql).fetchall()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to the store that only reads."""
        connection = sqlite3.connect(self.store, timeout=WAIT)
        with contextlib.closing(connection):
            connection.execute("PRAGMA query_only = 1")
            yield connection

    def settled(self) -> bool:
        """Whether no job is waiting or running."""
        return not self.query("SELECT 1 FROM job WHERE stage < 2 AND NOT recurring LIMIT 1")

    def tracebacks(self) -> list[str]:
        """What the log holds that nobody has foreseen, with some lines before and after."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [
            "\n".join(lines[max(0, n - 2) : n + 40])
            for n, line in enumerate(lines)
            if "Traceback" in line
        ]

    def _is_of_a_run(self, process: psutil.Process) -> bool:
        # Tasks inherit TMPDIR, so it tells the houses of tests that run side by side apart.
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            return (
                processes.RUN_MARKER in environment
                and environment.get("TMPDIR") == str(self.scratch)
                and process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def _address(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        said = ""
        # A server that hangs at its start must not hang the test: its end ends the reading.
        timer = threading.Timer(WAIT, process.kill)
        timer.start()
        try:
            for line in process.stdout:
                said += line
                if line.startswith("ready"):
                    return str(_ADDRESS.findall(said)[0])
        finally:
            timer.cancel()
        raise AssertionError(f"no server: {said}\n{self.log.read_text()[-3000:]}")


def _discard(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait(WAIT)
    if process.stdout is not None:
        process.stdout.close()
