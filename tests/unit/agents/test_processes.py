import dataclasses
import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.agents import processes
from gateway.agents.protocol import ProcessIdentity

RUN = uuid.uuid4()


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, processes.RUN_MARKER: str(RUN), processes.TASK_MARKER: "0"}
    process = subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def identity(process: "subprocess.Popen[bytes]") -> ProcessIdentity:
    found = processes.identify(process.pid)
    assert found is not None
    return found


def test_a_leftover_is_killed_by_its_identity(sleeper: "subprocess.Popen[bytes]") -> None:
    assert processes.alive(identity(sleeper))
    assert processes.kill_leftovers([identity(sleeper)], []) == 1
    assert sleeper.wait(30) == -9
    assert processes.identify(sleeper.pid) is None


@pytest.mark.parametrize(
    "change", [{"started_at": 1_000_000}, {"boot_id": "another"}, {"pid": 2**22 + 1}]
)
def test_a_reused_number_is_left_alone(
    sleeper: "subprocess.Popen[bytes]", change: dict[str, Any]
) -> None:
    other = dataclasses.replace(identity(sleeper), **change)
    assert processes.kill_leftovers([other], [uuid.uuid4()]) == 0
    assert sleeper.poll() is None


def test_a_leftover_is_killed_by_its_marker(sleeper: "subprocess.Popen[bytes]") -> None:
    known = identity(sleeper)
    assert processes.kill_leftovers([], [RUN]) == 1
    assert not processes.alive(known)
    assert processes.kill_leftovers([], [RUN]) == 0


def test_what_an_agent_left_is_killed_by_its_mark() -> None:
    marks = {"mine": "/data/runs", "others": "/data/runs2", "kept": ""}
    left = {name: marked(mark) for name, mark in marks.items()}
    try:
        assert processes.sweep_agent(marks["mine"]) == 1
        left["mine"].wait(30)
        assert (left["others"].poll(), left["kept"].poll()) == (None, None)
    finally:
        for process in left.values():
            process.kill()
            process.wait()


def marked(mark: str) -> "subprocess.Popen[bytes]":
    """A process of some run, of which no store knows."""
    own = {processes.RUN_MARKER: str(uuid.uuid4()), processes.AGENT_MARKER: mark}
    return subprocess.Popen(["sleep", "1000"], env={**os.environ, **own}, start_new_session=True)
