"""The server as a process: its start, its signals, its end."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.cli.serve import limits, listener
from gateway.front.limits import Limits
from gateway.settings import ListenerSettings, Surface, TlsSettings, load

ROOT = Path(__file__).parents[3]
ADDRESS = re.compile(r"listening on (http://127\.0\.0\.1:\d+/)")
WAIT = 60


@dataclass
class Server:
    process: "subprocess.Popen[str]"
    address: str
    said: str

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, err


def command(data: Path, *more: str) -> list[str]:
    return [sys.executable, "app.py", "serve", "--data", str(data), "--port", "0", *more]


@contextlib.contextmanager
def serving(data: Path, *more: str) -> Iterator[Server]:
    with subprocess.Popen(
        command(data, *more), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _started(process)
        finally:
            process.kill()


def _started(process: "subprocess.Popen[str]") -> Server:
    """Reads what the server says until it has said everything: the login comes last."""
    assert process.stdout is not None
    lines: list[str] = []
    while line := process.stdout.readline():
        lines.append(line)
        if line.startswith("ready"):
            break
    said = "".join(lines)
    found = ADDRESS.search(said)
    assert found, (said, process.stderr.read() if process.stderr else "")
    return Server(process, found[1], said)


def refused(data: Path, *more: str) -> str:
    done = subprocess.run(
        command(data, *more), cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=False
    )
    *log, line = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert "listening" not in done.stdout
    assert "Traceback" not in done.stderr
    assert all("[info" in entry for entry in log)
    return line


def test_a_server_from_its_first_start_to_its_end(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        assert "login admin, password " in server.said
        assert httpx.get(f"{server.address}healthz").status_code == 200
        assert httpx.get(f"{server.address}readyz").status_code == 200
        assert f"process {server.process.pid}" in refused(data)
        server.process.send_signal(signal.SIGHUP)
        assert httpx.get(f"{server.address}healthz").status_code == 200
        code, err = server.end(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in err
    assert not (data / "control.json").exists()
    with serving(data) as again:
        assert "password" not in again.said.replace(str(tmp_path), "")
        assert again.end(signal.SIGINT)[0] == 0


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused(tmp_path / "data", "--port", port)


def test_the_password_of_a_first_start_that_fails_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        failed = subprocess.run(
            command(tmp_path / "data", "--port", port),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
    told = re.search(r"login admin, password (\S+)", failed.stdout)
    assert told, failed.stdout
    with serving(tmp_path / "data", "--demo") as server:
        modules = f"{server.address}Dispatcher/SchedulingService/what/modules"
        assert httpx.get(modules, auth=("admin", told[1])).status_code == 200


def test_a_certificate_that_is_missing_is_named(tmp_path: Path) -> None:
    tls = '[{"port": 0, "tls": {"certificate": "/nonexistent.pem", "key": "k"}}]'
    assert "/nonexistent.pem" in refused(tmp_path / "data", "--set", f"listeners={tls}")


def test_settings_reach_the_front() -> None:
    settings = load({}, {}, None).settings
    assert limits(settings) == Limits(spool_free_bytes=settings.low_disk_bytes)
    made = listener(
        ListenerSettings(
            address="::",
            port=1,
            tls=TlsSettings(certificate=Path("c"), key=Path("k")),
            surfaces=frozenset({Surface.DISPATCHER}),
        )
    )
    assert (str(made), made.surfaces) == ("[::]:1", {"dispatcher"})
    assert made.tls is not None
    assert made.tls.certificate == Path("c")


@pytest.mark.parametrize("more", [("--port", "70000"), ("--host", "no.such.host.invalid")])
def test_an_address_that_cannot_be_is_named(tmp_path: Path, more: tuple[str, str]) -> None:
    assert more[1] in refused(tmp_path / "data", *more)
