"""The child supervisor alone, as a process at the end of two pipes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway.agents import channel
from gateway.agents.link import SupervisorLink
from gateway.agents.protocol import ProcessIdentity, RunFinished, TaskStarted
from gateway.jobs.states import JobStatus
from tests.unit.agents.conftest import ROOT
from tests.unit.agents.memory_desk import eventually, order, sh, task

HEAVY = ("flask", "peewee", "spyne", "httpx", "lxml", "storage", "asyncio", "uvicorn")


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupervisorLink]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "run-left").mkdir()
    started = SupervisorLink([f"--folder={tmp_path}", "--max-runs=1", "--grace=0.2"])
    yield started
    started.end()


def messages(link: SupervisorLink) -> Iterator[channel.Message]:
    while received := link.receive():
        yield from received


def running(link: SupervisorLink) -> ProcessIdentity:
    """Have it run something that does not end, and give its process."""
    link.send([order(sh("trap '' TERM; sleep 1000"))])
    for message in messages(link):
        if isinstance(message, TaskStarted):
            assert message.process is not None
            return message.process
    raise AssertionError("it ended")


def ended(pid: int) -> bool:
    """Whether the process is gone, or dead and only not yet reaped by the machine's first one."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_loads_only_what_it_needs() -> None:
    code = "import sys, gateway.agents.supervisor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert not set(HEAVY) & set(done.stdout.decode().split())


def test_it_is_ready_and_has_tidied_up(link: SupervisorLink, tmp_path: Path) -> None:
    assert next(messages(link)) == channel.Ready()
    assert list(tmp_path.iterdir()) == []


def test_it_has_a_session_of_its_own(link: SupervisorLink) -> None:
    assert os.getsid(link.pid) == link.pid


@pytest.mark.parametrize("how", ["end", "terminate", "nonsense"])
def test_its_tasks_go_when_it_goes(link: SupervisorLink, how: str) -> None:
    task_process = running(link)
    match how:
        case "end":
            link.end()
        case "terminate":
            psutil.Process(link.pid).send_signal(signal.SIGTERM)
        case _:
            link.send_frames([b"\xff" * 100])
    eventually(lambda: not link.alive)
    assert ended(task_process.pid)


def test_a_stale_abort_does_nothing(link: SupervisorLink) -> None:
    run = order(task("delay", seconds=0.3))
    link.send([run, channel.AbortRun(run.run, 2, "another attempt")])
    end = next(message for message in messages(link) if isinstance(message, RunFinished))
    assert end.status is JobStatus.COMPLETED


def test_an_abort_reaches_a_run_that_waits_for_its_turn(link: SupervisorLink) -> None:
    first, second = order(task("delay", seconds=1000)), order(task("delay", seconds=1000))
    aborts = [channel.AbortRun(second.run, 1, "a"), channel.AbortRun(first.run, 1, "b")]
    link.send([first, second, *aborts])
    reports = messages(link)
    ends = [next(m for m in reports if isinstance(m, RunFinished)) for _ in aborts]
    assert [(end.run, end.status, end.detail) for end in ends] == [
        (first.run, JobStatus.ABORTED, "b"),
        (second.run, JobStatus.ABORTED, "a"),
    ]
