"""A full disk under a server at work: errors for those concerned, nothing half, no restart."""

import contextlib
import os
import random
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.jobs.states import JobStatus
from tests.reliability import consistency, load
from tests.reliability.load import Crowd, Kind
from tests.reliability.servers import House, Server, until

MIB = 1024 * 1024
DISK = 24 * MIB
CLIENTS = 4

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own, for a data folder."""

    path: Path

    @property
    def free(self) -> int:
        return os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def leave(self, room: int) -> None:
        """Fill the disk so that no more than so many bytes are free."""
        with self._ballast.open("ab") as ballast, contextlib.suppress(OSError):
            while self.free > room:
                os.write(ballast.fileno(), bytes(min(64 * 1024, self.free - room)))

    def clear(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small disk. Only root may mount one, and only where the system lets it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(
            f"a small file system cannot be mounted ({done.stderr.strip()}): run this test as root,"
            " in a container that may mount"
        )
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def house(tmp_path: Path, furnished: Path, disk: SmallDisk) -> House:
    """A data folder on the small disk; tasks and the log are elsewhere."""
    made = House(disk.path / "data", tmp_path / "server.log", {"GATEWAY_LOW_DISK_BYTES": "0"})
    made.furnish(furnished)
    return made


def check(house: House, accepted: set[uuid.UUID]) -> None:
    """All that was promised has been done, and the store holds nothing half."""
    until("all jobs end", house.settled)
    until("all processes are gone", lambda: not house.marked())
    jobs = dict(house.query("SELECT guid, status FROM job"))
    assert {job.hex for job in accepted} <= jobs.keys()
    assert {jobs[job.hex] for job in accepted} == {JobStatus.COMPLETED}
    with house.reading() as connection:
        assert consistency.problems(connection) == []
    assert house.tracebacks() == []


def test_a_disk_that_fills_up_under_load(house: House, disk: SmallDisk, tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, random.Random(1), CLIENTS, pause=0.05)
    with house.serving() as server:
        with crowd.working(server):
            until("jobs are accepted", lambda: len(crowd.accepted) > CLIENTS)
            disk.leave(0)
            until("jobs are refused", lambda: crowd.refusals > 10)
            before = len(crowd.accepted)
            assert readable(server)
            disk.clear()
            until("jobs are accepted again", lambda: len(crowd.accepted) > before + CLIENTS)
        assert crowd.mistakes == []
        check(house, crowd.accepted)
        assert server.stop() == 0
    doctor = house.command("doctor", environment={"GATEWAY_LOW_DISK_BYTES": "0"})
    assert doctor.returncode == 0, doctor.stdout


def test_runs_that_end_on_a_full_disk_are_not_forgotten(house: House, disk: SmallDisk) -> None:
    """The disk stays full for longer than a lease lasts; the agent has lost nothing by that."""
    with house.serving(GATEWAY_LEASE_SECONDS="3") as server, server.client() as client:
        jobs = {load.job_id(load.post(client, Kind.FORKING.guid)) for _ in range(6)}
        until("tasks run", lambda: load.lines(house))
        disk.leave(0)
        until("nothing is accepted", lambda: load.refused(load.post(client, Kind.PLAIN.guid)))
        begun = {line.run for line in load.lines(house) if line.what == "begun"}
        until("the tasks end", lambda: begun <= ended(house))
        time.sleep(5)
        assert readable(server)
        disk.clear()
        until("jobs are accepted again", lambda: load.post(client, Kind.PLAIN.guid).is_success)
        check(house, jobs)
        attempts = house.query("SELECT DISTINCT attempt FROM run")
        assert attempts == [(1,)]


def test_new_jobs_are_refused_before_the_disk_is_full(house: House, disk: SmallDisk) -> None:
    low = 8 * MIB
    with house.serving(GATEWAY_LOW_DISK_BYTES=str(low)) as server, server.client() as client:
        jobs = {load.job_id(load.post(client, Kind.RETRIED.guid)) for _ in range(3)}
        disk.leave(low // 2)
        for dialect in load.DIALECTS:
            assert load.refused(load.post(client, Kind.PLAIN.guid, dialect))
        assert client.get("/readyz").status_code == HTTPStatus.SERVICE_UNAVAILABLE
        # What was accepted before has the room that was kept for it.
        check(house, jobs)
        disk.clear()
        assert load.post(client, Kind.PLAIN.guid).is_success
        assert client.get("/readyz").status_code == HTTPStatus.OK


def ended(house: House) -> set[uuid.UUID]:
    return {line.run for line in load.lines(house) if line.what == "ended"}


def readable(server: Server) -> bool:
    """Whether jobs can be looked at."""
    with server.client() as client:
        return client.get("/Dispatcher/SchedulingService/jobs").is_success
