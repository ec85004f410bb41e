"""Agents as real processes at a real server: started, cut off, killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.reliability.servers import ROOT, WAIT, House, until

FAR = "far"
LEASE_SECONDS = "3"


class AgentsHouse:
    """A house whose server has no agent of its own, and agents elsewhere."""

    def __init__(self, house: House, host: str = "127.0.0.1") -> None:
        self.house = house
        self.folder = house.scratch.parent
        with socket.create_server((host, 0)) as free:
            self._host, self._port = host, str(free.getsockname()[1])
        self.server = f"http://{host}:{self._port}"
        self._where = ["--host", host, "--port", self._port]
        self._token = ""

    def secured(self, certificate: Path, key: Path) -> dict[str, str]:
        """The environment of a server that speaks TLS; to be given to ``serving``."""
        self.server = self.server.replace("http://", "https://")
        self._where = []
        tls = {"certificate": str(certificate), "key": str(key)}
        listener = {"address": self._host, "port": int(self._port), "tls": tls}
        return {"GATEWAY_LISTENERS": json.dumps([listener])}

    @contextlib.contextmanager
    def serving(self, **more: str) -> "Iterator[subprocess.Popen[str]]":
        """A server for the length of a block; ``more`` is environment."""
        own = more | {
            "GATEWAY_EMBEDDED_AGENT": "false",
            "GATEWAY_LEASE_SECONDS": LEASE_SECONDS,
        }
        with self.house.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "app.py", "serve", *self._where],
                cwd=ROOT,
                env=self.house.environment | own,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            assert process.stdout is not None
            ready = any(line.startswith("ready") for line in process.stdout)
            assert ready, self.house.log.read_text()[-3000:]
            self._token = self._token or self._command("agent", "token", "create")["token"]
            yield process
        finally:
            process.kill()
            process.communicate()

    @contextlib.contextmanager
    def agent(
        self, *options: str, before: Sequence[str] = (), token: bool = True
    ) -> "Iterator[subprocess.Popen[bytes]]":
        """An agent for the length of a block; ``before`` stands before its command line."""
        outer = {n: v for n, v in os.environ.items() if not n.startswith("GATEWAY_")}
        # Tasks inherit TMPDIR, so that the house finds them again.
        own = {"TMPDIR": str(self.house.scratch)}
        if token:
            own["GATEWAY_AGENT_TOKEN"] = self._token
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [
                    *(*before, sys.executable, "app.py", "agent", "--server", self.server),
                    *("--folder", str(self.folder / FAR), "--name", FAR, *options),
                ],
                cwd=ROOT,
                env=outer | own,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait(WAIT)

    @property
    def _log(self) -> Path:
        return self.folder / f"{FAR}.log"

    def agent_log(self) -> str:
        """What the agent's log holds."""
        return self._log.read_text()

    def submit(self, module: str) -> str:
        """Have a module run on the agent, once it is there; the job's GUID."""
        known = f"SELECT 1 FROM agent WHERE name = '{FAR}'"  # a constant
        until("the agent is known", lambda: self.house.query(known))
        return str(self._command("job", "submit", module, "--agent", FAR)["guid"])

    def job(self, guid: str) -> dict[str, Any]:
        """A job as the command line shows it."""
        return self._command("job", "show", guid)

    def output(self, guid: str) -> str:
        """What the tasks of a job have written."""
        found = self._command("job", "results", guid)
        return "".join(task["output"] or "" for run in found["runs"] for task in run["tasks"])

    def begun(self, guid: str) -> None:
        """Wait until a task of the job has begun, and the server knows it."""
        file = self.house.scratch / f"begun-{guid}"
        until("the task has begun", file.exists)
        began = (
            "SELECT 1 FROM run JOIN job ON job.id = run.job_id"
            f" WHERE run.started_at IS NOT NULL AND job.guid = '{_stored(guid)}'"
        )
        until("the server knows it", lambda: self.house.query(began))

    def let_go(self, guid: str) -> None:
        """Let the task of a job come to its end."""
        (self.house.scratch / f"go-{guid}").touch()

    def ended(self, guid: str) -> dict[str, Any]:
        """The job once it has ended."""
        ended = f"SELECT 1 FROM job WHERE stage = 2 AND guid = '{_stored(guid)}'"
        until("the job has ended", lambda: self.house.query(ended))
        return self.job(guid)

    def say(self, *arguments: str) -> str:
        """Run a command of the program; what it says."""
        done = self.house.command(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.say(*arguments, "--json"))
        return found


def _stored(guid: str) -> str:
    """A GUID as SQLite has it."""
    return guid.replace("-", "")


def stop(process: "subprocess.Popen[bytes]") -> int:
    """Ask an agent to stop; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(WAIT)
