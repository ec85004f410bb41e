"""The commands of README.md, run in a fresh clone as a new user would: all but ``make test``."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
NOT_HERE = {"make test"}
SERVE = "make serve"
STARTED_WITHIN_SECONDS = 240


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the present state, changes that are not committed included."""
    folder = tmp_path_factory.mktemp("clone") / "gateway"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())
            (folder / name).chmod(source.stat().st_mode)
    return folder


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a block as a shell does; its output, or a failure that shows it."""
    finished = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_users_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GATEWAY_", "VIRTUAL_ENV", "PYTHON"))
    }


@contextlib.contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    """``make serve`` as the README starts it, but on a port that is free."""
    (command,) = (block for block in BLOCKS if SERVE in block)
    environment = new_users_environment() | {"GATEWAY_LISTENERS": f'[{{"port": {port}}}]'}
    server = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment, start_new_session=True
    )
    try:
        wait_until_ready(port)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def wait_until_ready(port: int) -> None:
    end = time.monotonic() + STARTED_WITHIN_SECONDS
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.2)


def test_the_readme_has_the_two_commands_first() -> None:
    assert [block.strip() for block in BLOCKS[:2]] == ["make demo", "make test"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_readme_work_in_a_fresh_clone(clone: Path) -> None:
    environment = new_users_environment()
    first, *others = (block for block in BLOCKS if block.strip() not in NOT_HERE)
    shown = run(first, clone, environment)
    for way in ("XML", "JSON", "SOAP"):
        assert re.search(rf"{way}.*completed", shown), shown
    for agent in ("north", "south"):
        assert re.search(rf"{agent}.*completed", shown), shown
    port = free_port()
    with served(clone, port):
        for block in others:
            if SERVE not in block:
                answer = run(
                    block.replace("127.0.0.1:8080", f"127.0.0.1:{port}"), clone, environment
                )
                assert "Traceback" not in answer
                assert "<html" not in answer, answer
