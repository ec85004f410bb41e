"""The workshop: a folder on a real disk, and the processes that are measured and measure.

Whatever is started here is ended here, by its process id.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks import disk
from tests.benchmarks.bodies import LOGIN
from tests.benchmarks.client import Load, Sample
from tests.benchmarks.figures import BenchmarkError
from tests.benchmarks.other_stacks import Stack
from tests.benchmarks.yardsticks import Kind

ROOT = Path(__file__).parents[2]
_PORT = re.compile(
    r"listening on (?:port |http://127\.0\.0\.1:)(\d+)"
    r"|.* Development Server \(http://127\.0\.0\.1:(\d+)\) started"
)
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_SPARE_SECONDS = 60.0
_SETTINGS = {
    "GATEWAY_ADMIN_PASSWORD": LOGIN[1],
    "GATEWAY_WEB_API": "ENABLED",
    "GATEWAY_TIME_ZONE": "UTC",
    "GATEWAY_DRAIN_SECONDS": "1",
    "GATEWAY_LOG_LEVEL": "warning",
}


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    process: "subprocess.Popen[str]"
    port: int

    @property
    def memory(self) -> int:
        """Resident bytes of the process, without its children."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def computed(self) -> float:
        """Seconds that the process has computed, without its children."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def children(self) -> list[psutil.Process]:
        """The processes that it has started."""
        return psutil.Process(self.process.pid).children()


@dataclass(frozen=True)
class Shop:
    """Where everything happens."""

    folder: Path

    def place(self, name: str) -> Path:
        """A folder with a name of its own."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextlib.contextmanager
    def gateway(
        self,
        data: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        agent: bool = False,
    ) -> Iterator[Server]:
        """``app.py serve`` on a data folder for the length of a block."""
        arguments = ["app.py", "serve", "--port", "0", "--data", str(data)]
        arguments += ["--set", f"embedded_agent={str(agent).lower()}", *options]
        with self._python(arguments, _SETTINGS | dict(environment or {})) as server:
            yield server

    @contextlib.contextmanager
    def yardstick(
        self, kind: Kind, environment: Mapping[str, str] | None = None, *options: str
    ) -> Iterator[Server]:
        """A server to compare with, for the length of a block."""
        folder = self.folder / f"{kind}-{time.monotonic_ns()}"
        arguments = ["-m", "tests.benchmarks.yardsticks", kind, str(folder), *options]
        with self._python(arguments, environment or {}) as server:
            yield server

    @contextlib.contextmanager
    def stack(self, stack: Stack) -> Iterator[Server]:
        """A server that is not ours, for the length of a block."""
        with self._server(stack.command, stack.environment) as server:
            yield server

    def load(self, server: Server, request: bytes, load: Load) -> Sample:
        """What a client in a process of its own measures. Raises BenchmarkError."""
        arguments = (
            str(server.port),
            f"--connections={load.connections}",
            f"--seconds={load.seconds}",
            f"--warm-up={load.warm_up}",
        )
        told = self.ask("client", arguments, given=request, seconds=load.seconds + load.warm_up)
        sample = Sample(**json.loads(told))
        if sample.wrong or not sample.answers:
            raise BenchmarkError(
                f"{sample.wrong} answers were wrong, {sample.answers} right: {sample.example}"
            )
        return sample

    def syncs(self, seconds: float, environment: Mapping[str, str] | None = None) -> Sample:
        """What the disk can do: one synced append after the other."""
        arguments = (str(self.folder), str(seconds))
        told = self.ask("disk", arguments, environment=environment, seconds=seconds)
        return Sample(**json.loads(told))

    def ask(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        given: bytes = b"",
        environment: Mapping[str, str] | None = None,
        seconds: float = 0.0,
    ) -> str:
        """What a module of this package prints when it is run. Raises BenchmarkError."""
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        limit = seconds + _SPARE_SECONDS
        with _running(command, _environment(environment or {})) as process:
            try:
                told, complaint = process.communicate(given.decode("latin-1"), timeout=limit)
            except subprocess.TimeoutExpired:
                raise BenchmarkError(f"{module} did not end within {limit:.0f} s") from None
        if process.returncode:
            raise BenchmarkError(f"{module} failed: {complaint[-2000:]}")
        return told

    def _python(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> contextlib.AbstractContextManager[Server]:
        return self._server([sys.executable, *arguments], environment)

    @contextlib.contextmanager
    def _server(self, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
        log = self.folder / "servers.log"
        with (
            log.open("ab") as errors,
            _running(command, _environment(environment), errors) as process,
        ):
            yield Server(process, _port(process, log))


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return {**outer, **more}


@contextlib.contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], errors: Any = subprocess.PIPE
) -> Iterator["subprocess.Popen[str]"]:
    """A process for the length of a block."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="latin-1",
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _port(process: "subprocess.Popen[str]", log: Path) -> int:
    assert process.stdout is not None
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            found = _PORT.match(line)
            if found:
                return int(found[1] or found[2])
    finally:
        timer.cancel()
    raise BenchmarkError(f"a server did not start: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    """A workshop in a folder that is removed at the end. Raises Unmeasurable in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    disk.require_real(folder)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as place:
        yield Shop(Path(place))
