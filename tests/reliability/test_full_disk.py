"""A full disk under a server at work: errors for those concerned, nothing half, no restart."""

import os
import random
import time
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.jobs.states import JobStatus
from tests.reliability import consistency, load
from tests.reliability.disks import Disk, LimitedFiles, SmallDisk, mounted
from tests.reliability.load import Crowd, Kind
from tests.reliability.servers import House, Server, until

MIB = 1024 * 1024
DISK = 24 * MIB
CLIENTS = 4

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, DISK) as disk:
        yield disk


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """A small disk for root, who is who tests as a rule; for others the stand-in."""
    if os.geteuid() == 0:
        made: Disk = request.getfixturevalue("small_disk")
        return made
    return LimitedFiles(tmp_path)


def house_on(disk: Disk, furnished: Path, log: Path) -> House:
    """A data folder on the disk; what tasks write and the log are elsewhere."""
    made = House(disk.path / "data", log, {"GATEWAY_LOW_DISK_BYTES": "0"})
    made.furnish(furnished)
    return made


@pytest.fixture
def house(tmp_path: Path, furnished: Path, disk: Disk) -> House:
    """A house on the disk that fills up."""
    return house_on(disk, furnished, tmp_path / "server.log")


def check(house: House, accepted: set[uuid.UUID]) -> None:
    """All that was promised has been done, and the store holds nothing half."""
    until("all jobs end", house.settled)
    until("all processes are gone", lambda: not house.marked())
    jobs = dict(house.query("SELECT guid, status FROM job"))
    assert {job.hex for job in accepted} <= jobs.keys()
    ends = {jobs[job.hex] for job in accepted}
    if ends != {JobStatus.COMPLETED}:
        # A task that began just when there was no room for its folder says so.
        status = int(JobStatus.FAILED)
        failed = house.query(f"SELECT detail FROM task_result WHERE status = {status}")
        assert failed
        others = [detail for (detail,) in failed if "No space left" not in detail]
        assert others == []
        assert ends == {JobStatus.COMPLETED, JobStatus.FAILED_HALTED}
    with house.reading() as connection:
        assert consistency.problems(connection) == []
    assert house.tracebacks() == []


def test_a_disk_that_fills_up_under_load(house: House, disk: Disk, tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, random.Random(1), CLIENTS, pause=0.05)
    with house.serving() as server:
        with crowd.working(server):
            until("jobs are accepted", lambda: len(crowd.accepted) > CLIENTS)
            disk.fill(server)
            until("jobs are refused", lambda: crowd.refusals > 10)
            before = len(crowd.accepted)
            assert readable(server)
            disk.clear(server)
            until("jobs are accepted again", lambda: len(crowd.accepted) > before + CLIENTS)
        assert crowd.mistakes == []
        check(house, crowd.accepted)
        assert server.stop() == 0
    doctor = house.command("doctor", environment={"GATEWAY_LOW_DISK_BYTES": "0"})
    assert doctor.returncode == 0, doctor.stdout


def test_runs_that_end_on_a_full_disk_are_not_forgotten(house: House, disk: Disk) -> None:
    """The disk stays full for longer than a lease lasts; the agent has lost nothing by that."""
    with house.serving(GATEWAY_LEASE_SECONDS="3") as server, server.client() as client:
        jobs = {load.job_id(load.post(client, Kind.FORKING.guid)) for _ in range(6)}
        until("tasks run", lambda: load.lines(house))
        disk.fill(server)
        until("nothing is accepted", lambda: load.refused(load.post(client, Kind.PLAIN.guid)))
        begun = {line.run for line in load.lines(house) if line.what == "begun"}
        until("the tasks end", lambda: begun <= ended(house))
        time.sleep(5)
        assert readable(server)
        disk.clear(server)
        until("jobs are accepted again", lambda: load.post(client, Kind.PLAIN.guid).is_success)
        check(house, jobs)
        attempts = house.query("SELECT DISTINCT attempt FROM run")
        assert attempts == [(1,)]


def test_new_jobs_are_refused_before_the_disk_is_full(
    small_disk: SmallDisk, furnished: Path, tmp_path: Path
) -> None:
    low = 8 * MIB
    house = house_on(small_disk, furnished, tmp_path / "server.log")
    with house.serving(GATEWAY_LOW_DISK_BYTES=str(low)) as server, server.client() as client:
        jobs = {load.job_id(load.post(client, Kind.RETRIED.guid)) for _ in range(3)}
        small_disk.leave(low // 2)
        # The guard looks twice a second.
        until("jobs are refused", lambda: load.refused(load.post(client, Kind.PLAIN.guid)))
        for dialect in load.DIALECTS:
            assert load.refused(load.post(client, Kind.PLAIN.guid, dialect))
        assert client.get("/readyz").status_code == HTTPStatus.SERVICE_UNAVAILABLE
        # What was accepted before has the room that was kept for it.
        check(house, jobs)
        small_disk.clear(server)
        until("jobs are accepted again", lambda: load.post(client, Kind.PLAIN.guid).is_success)
        assert client.get("/readyz").status_code == HTTPStatus.OK


def ended(house: House) -> set[uuid.UUID]:
    return {line.run for line in load.lines(house) if line.what == "ended"}


def readable(server: Server) -> bool:
    """Whether jobs can be looked at."""
    with server.client() as client:
        return client.get("/Dispatcher/SchedulingService/jobs").is_success
