"""Abort, timeout and the server's death, each on a task that does all it can to live on.

It forks, a child leaves its group and session, none heeds TERM, and it writes 100 MB.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.jobs.states import JobStatus
from tests.reliability import consistency, load
from tests.reliability.rascals import MEGABYTES, Rascal
from tests.reliability.servers import House, Server, until

MIB = 1024 * 1024
LOG_LIMIT = 2 * MIB
# What the server and its supervisor may grow by while a task writes fifty times its log's limit.
GROWTH = 64 * MIB
GONE_SECONDS = 20.0

pytestmark = pytest.mark.slow


@pytest.fixture
def rascal_house(house: House) -> House:
    """A house with a small limit for logs."""
    return House(house.data, house.log, {"GATEWAY_LIMITS__LOG_BYTES": str(LOG_LIMIT)})


@dataclass
class Memory:
    """The greatest memory of server and supervisor together, looked at many times a second."""

    first: int
    greatest: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def of(cls, server: Server) -> Iterator["Memory"]:
        """Watch a server for the length of a block."""
        memory = cls(server.memory())
        thread = threading.Thread(target=memory._watch, args=(server,))
        thread.start()
        try:
            yield memory
        finally:
            memory._over.set()
            thread.join()

    @property
    def growth(self) -> int:
        return self.greatest - self.first

    def _watch(self, server: Server) -> None:
        while not self._over.wait(0.02):
            self.greatest = max(self.greatest, server.memory())


def begin(house: House, client: httpx.Client, rascal: Rascal) -> uuid.UUID:
    """Have a rascal run, and wait until it has written all it has to write."""
    job = load.job_id(load.post(client, rascal.guid))
    until(f"{MEGABYTES} MB are written", (house.scratch / f"written-{job}").exists)
    # The shell, its child, the one in a session of its own and that one's child.
    assert len(house.marked()) >= 4
    return job


def check_end(house: House, job: uuid.UUID, status: JobStatus, reason: str) -> None:
    """The job and its task have ended as they should, and nothing of them is left."""
    until("the job ends", house.settled)
    until("all its processes are gone", lambda: not house.marked(), GONE_SECONDS)
    ((found, why),) = house.query(f"SELECT status, reason FROM job WHERE guid = '{job.hex}'")
    assert JobStatus(found) is status
    assert reason in why
    check_log(house)
    with house.reading() as connection:
        assert consistency.problems(connection) == []
    assert house.tracebacks() == []


def check_log(house: House) -> None:
    """The log is as long as it may be, sealed, and says that something is missing."""
    ((size, truncated, last),) = house.query("""
        SELECT blob.size, task.log_truncated, chunk.data FROM task_result AS task
        JOIN blob ON blob.id = task.log_id JOIN blob_chunk AS chunk ON chunk.blob_id = blob.id
        ORDER BY chunk.seq DESC LIMIT 1""")
    assert LOG_LIMIT <= size <= LOG_LIMIT + 1000
    assert truncated
    assert b"truncated" in last[-1000:]


def test_an_abort(rascal_house: House) -> None:
    house = rascal_house
    with house.serving() as server, server.client() as client, Memory.of(server) as memory:
        job = begin(house, client, Rascal.ENDLESS)
        path = f"/Dispatcher/SchedulingService/jobs/{job}"
        assert client.put(path, json={"Type": 2}).json()["Type"] in {2, 3}
        check_end(house, job, JobStatus.ABORTED, "aborted by admin")
        shown = client.get(path, headers={"Accept": "application/json"}).json()
        assert shown["Status"]["Type"] == JobStatus.ABORTED
    assert memory.growth < GROWTH


def test_a_timeout(rascal_house: House) -> None:
    house = rascal_house
    with house.serving() as server, server.client() as client, Memory.of(server) as memory:
        job = begin(house, client, Rascal.TIMED)
        check_end(house, job, JobStatus.FAILED_HALTED, "")
        ((status, detail),) = house.query("SELECT status, detail FROM task_result")
    assert JobStatus(status) is JobStatus.TIMED_OUT
    assert "4" in detail
    assert memory.growth < GROWTH


def test_the_death_of_the_server(rascal_house: House) -> None:
    house = rascal_house
    with house.serving() as server, server.client() as client:
        job = begin(house, client, Rascal.ENDLESS)
        server.kill()
        until("tasks end with their server", lambda: not house.marked(), GONE_SECONDS)
    with house.serving():
        check_end(house, job, JobStatus.FAILED, "the agent stopped while the run was under way")


def test_the_death_of_server_and_supervisor(rascal_house: House) -> None:
    house = rascal_house
    with house.serving() as server, server.client() as client:
        job = begin(house, client, Rascal.ENDLESS)
        server.kill_supervisor()
        server.kill()
    assert house.marked()
    with house.serving():
        check_end(house, job, JobStatus.FAILED, "the agent stopped while the run was under way")


def test_a_stop_ends_what_does_not_end_by_itself(rascal_house: House) -> None:
    house = rascal_house
    with house.serving(GATEWAY_DRAIN_SECONDS="0.5") as server, server.client() as client:
        job = begin(house, client, Rascal.ENDLESS)
        assert server.stop() == 0
        assert not house.marked()
    check_end(house, job, JobStatus.ABORTED, "the agent is being stopped")


def test_a_stop_lets_runs_end_and_leaves_the_others_waiting(house: House) -> None:
    with house.serving(GATEWAY_WORKERS__EMBEDDED_RUNS="2") as server, server.client() as client:
        jobs = {load.job_id(load.post(client, load.Kind.FORKING.guid)) for _ in range(40)}
        until("the first tasks end", lambda: "ended" in {line.what for line in load.lines(house)})
        assert server.stop() == 0
    statuses = {JobStatus(status) for (status,) in house.query("SELECT status FROM job")}
    assert statuses == {JobStatus.COMPLETED, JobStatus.SCHEDULED}
    with house.serving():
        until("the others run after the next start", house.settled)
    ended = house.query("SELECT guid, status FROM job")
    assert {(uuid.UUID(guid), status) for guid, status in ended} == {
        (job, JobStatus.COMPLETED) for job in jobs
    }
    begun = [line.run for line in load.lines(house) if line.what == "begun"]
    assert len(begun) == len(set(begun)) == len(jobs)
    with house.reading() as connection:
        assert consistency.problems(connection) == []
    assert house.tracebacks() == []
