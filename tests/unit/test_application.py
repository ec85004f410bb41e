"""A gateway with several embedded agents."""

import os
import pwd
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway import application
from gateway.agents.users import UserRefused
from gateway.fleet import roster
from gateway.jobs.orders import JobOrder, Timing, What, Who
from gateway.jobs.states import JobStatus
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import House

NAMES = ("one", "two", "a/third: one")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = houses.build(
        tmp_path,
        SessionLog(),
        embedded_agent=True,
        agent_name=NAMES[0],
        agent_names=NAMES[1:],
    )
    with application.running(house.gateway):
        yield house


def _eventually_finished(house: House, guid: uuid.UUID) -> JobStatus:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        job = house.gateway.jobs.get(guid)
        if job.status.finished:
            return job.status
        time.sleep(0.05)
    raise AssertionError("the job did not end")


def test_several_agents_work_in_one_process(house: House) -> None:
    gateway = house.gateway
    with gateway.store.reading() as session:
        assert {agent.name for agent in roster.agents(session)} == set(NAMES)
    order = JobOrder(what=(What(house.module().guid),), who=tuple(map(Who, NAMES)), timing=Timing())
    job = house.engine.accept(order)
    assert _eventually_finished(house, job.guid) is JobStatus.COMPLETED
    supervisors = {agent.supervisor_pid for agent in gateway.embedded}
    assert len(supervisors) == len(NAMES)


def test_an_agent_that_is_down_is_named(house: House) -> None:
    checks = {check.name: check for check in house.gateway.ready().checks}
    assert checks["agent"].ok
    house.gateway.embedded[1].stop(0)
    checks = {check.name: check for check in house.gateway.ready().checks}
    assert not checks["agent"].ok
    assert "two" in checks["agent"].detail
    assert "one" not in checks["agent"].detail


def test_a_stop_ends_all_supervisors(house: House) -> None:
    supervisors = [agent.supervisor_pid or 0 for agent in house.gateway.embedded]
    assert all(map(psutil.pid_exists, supervisors))
    house.gateway.stop(0)
    assert not any(map(psutil.pid_exists, supervisors))


def test_tasks_of_the_embedded_agent_run_as_another_user() -> None:
    as_root = os.geteuid() == 0
    name = "nobody" if as_root else pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory() as folder:
        # The folders of tests may be entered by their owner alone.
        Path(folder).chmod(0o711)
        data = Path(folder) / "data"
        data.mkdir()
        house = houses.build(
            data, SessionLog(), embedded_agent=True, agent_name="here", task_user=name
        )
        with application.running(house.gateway):
            who = (Who("here"),)
            order = JobOrder(what=(What(house.module().guid),), who=who, timing=Timing())
            job = house.engine.accept(order)
            assert _eventually_finished(house, job.guid) is JobStatus.COMPLETED
            supervisor = psutil.Process(house.gateway.embedded[0].supervisor_pid)
            assert supervisor.uids().real == pwd.getpwnam(name).pw_uid
        runs = data.with_name("data-runs") / "own" if as_root else data / "runs"
        assert runs.stat().st_uid == pwd.getpwnam(name).pw_uid
        if as_root:
            # Also one that was there before, open to all.
            assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_user_that_there_is_not_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserRefused, match="no user 'no-such-user'"):
        houses.build(tmp_path, SessionLog(), embedded_agent=True, task_user="no-such-user")
