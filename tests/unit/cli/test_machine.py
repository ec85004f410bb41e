"""The agent's own commands, as real processes against a server in memory."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import psutil
import pytest

from gateway.agents import startup
from gateway.cli import machine
from gateway.jobs.states import JobStatus
from gateway.settings import load
from tests.unit.agents.fake_server import FakeServer
from tests.unit.agents.memory_desk import eventually, order, sh

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.stop()


def environment(**more: str) -> dict[str, str]:
    outer = {n: v for n, v in os.environ.items() if not n.startswith("GATEWAY_")}
    return outer | more


def command(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "app.py", "agent", *arguments],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def started(*arguments: str, **more: str) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        [sys.executable, "app.py", "agent", *arguments],
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_enrols_works_drains_and_loads_no_server(server: FakeServer, tmp_path: Path) -> None:
    folder, go = tmp_path / "agent", tmp_path / "go"
    given = {"GATEWAY_AGENT_TOKEN": "once", "GATEWAY_AGENT_INHERIT": "SITE", "SITE": "north"}
    watched = (
        "import atexit, runpy, sys; sys.argv = ['app.py', *sys.argv[1:]];"
        "atexit.register(lambda: print('LOADED', *sorted(sys.modules), flush=True));"
        "runpy.run_path('app.py', run_name='__main__')"
    )
    script = f'echo "$SITE$GATEWAY_AGENT_TOKEN"; while [ ! -e {go} ]; do sleep 0.05; done'
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", watched, "agent", "--server", server.url),
            *("--folder", str(folder), "--name", "far", "--max-runs", "2"),
        ],
        cwd=ROOT,
        env=environment(**given),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        one = order(sh(script))
        server.desk.submit(one)
        server.desk.until(lambda: server.desk.record(one).log() == "north\n")
        assert server.openings[0].facts.name == "far"
        assert psutil.Process(process.pid).memory_info().rss < 80 * MIB
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        process.send_signal(signal.SIGTERM)
        eventually(lambda: server.polls[-1].places == 0)
        go.touch()
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, said
    assert server.desk.record(one).status is JobStatus.COMPLETED
    loaded = said.split("LOADED", 1)[1].split()
    assert "gateway.agents.remote" in loaded
    unwanted = ("flask", "spyne", "peewee", "lxml", "apscheduler", "storage.database", "httpx")
    assert not [name for name in loaded if name.split(".")[0] in unwanted or name in unwanted]
    assert "once" not in said


def test_the_same_folder_twice_is_refused_and_so_is_another_agent_in_it(
    server: FakeServer, tmp_path: Path
) -> None:
    place = ("--folder", str(tmp_path / "agent"))
    token = tmp_path / "token"
    token.write_text("once\n")
    enrolled = command(
        "enrol", "--server", server.url, "--token-file", str(token), *place, "--name", "far"
    )
    assert (enrolled.returncode, "enrolled at" in enrolled.stdout) == (0, True), enrolled.stderr
    again = command("enrol", "--server", server.url, "--token", "once", *place)
    assert (again.returncode, "--replace" in again.stderr) == (2, True)
    anew = command("enrol", "--replace", "--server", server.url, "--token", "once", *place)
    assert anew.returncode == 0
    with started("run", *place):
        eventually(lambda: bool(server.polls))
        second = command("run", *place)
        assert second.returncode == 2
        assert "an agent is at work in the folder" in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_code_is_shown_and_a_signal_ends_the_waiting(server: FakeServer, tmp_path: Path) -> None:
    with started("--server", server.url, "--folder", str(tmp_path / "agent")) as process:
        assert process.stdout is not None
        eventually(lambda: bool(server.paths["/enrolments"]))
        assert "AB-12" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "name its server with --server"),
        (["run", "--server", "nowhere"], "is no address of a server"),
        (["run", "--server", "https://h", "--pin", "x"], "is no pin"),
        (["run", "--server", "https://h", "--key", "app.py"], "--key belongs to a --certificate"),
        (["run", "--server", "https://h", "--run-as", "no-such-user"], "no user"),
        (["run", "--server", "https://h", "--max-runs", "0"], "--max-runs"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = command(*arguments, "--folder", str(tmp_path / "agent"))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_revoked_agent_ends_with_a_sentence(server: FakeServer, tmp_path: Path) -> None:
    place = ("--folder", str(tmp_path / "agent"))
    with started("--server", server.url, *place, GATEWAY_AGENT_TOKEN="once") as process:
        eventually(lambda: bool(server.polls))
        server.tokens.clear()
        server.end_session()
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 2
    assert "revoked or removed" in said
    assert "Traceback" not in said


def test_the_help_names_all_commands_of_the_group() -> None:
    done = command("--help")
    assert done.returncode == 0
    for name in ("run", "enrol", "list", "remove"):
        assert f"\n  {name} " in done.stdout


def test_the_two_sides_know_the_same_variables() -> None:
    options = {
        option.envvar
        for one in (machine.run_, machine.enrol)
        for option in one.params
        if isinstance(option, click.Option) and option.envvar
    }
    assert options == startup.AGENT_VARIABLES | {"GATEWAY_AGENT_NAME"}
    # A server that is started where they are set does not stumble over them.
    load({}, dict.fromkeys(startup.AGENT_VARIABLES, "x"), None)
