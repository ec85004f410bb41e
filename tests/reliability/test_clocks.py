"""A wall clock that jumps an hour forth and back: nothing runs twice, and nothing is lost."""

from pathlib import Path

import pytest

from gateway.jobs.states import JobStatus
from tests.reliability import consistency, load
from tests.reliability.clocks import WallClock
from tests.reliability.rascals import Rascal
from tests.reliability.servers import House, until

HOUR = 3600

pytestmark = pytest.mark.slow


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    made = WallClock(tmp_path / "faketime")
    made.set(0)
    return made


def made(house: House) -> int:
    """How many jobs the schedule has made."""
    return int(house.query("SELECT count(*) FROM job WHERE parent_id IS NOT NULL")[0][0])


def await_jobs(house: House, count: int) -> None:
    until(f"the schedule has made {count} jobs", lambda: made(house) >= count)


def test_jumps_of_an_hour_double_nothing(house: House, clock: WallClock) -> None:
    with house.serving(**clock.environment, GATEWAY_LEASE_SECONDS="3") as server:
        with server.client() as client:
            long = load.job_id(load.post(client, Rascal.TIMED.guid))
        submitted = house.command("job", "submit", "Plain", "--every", "1")
        assert submitted.returncode == 0, submitted.stderr
        for offset in (0, HOUR, -HOUR, HOUR):
            clock.set(offset)
            if offset >= 0:
                await_jobs(house, made(house) + 2)
        until("the long job ends", house.settled)
        # No draining stop: libfaketime reckons the end of every sleep wrongly, and a stop sleeps.
        server.kill()
        until("the supervisor is gone", lambda: not server.supervisor.is_running())
    check(house)
    # It outlived several leases and jumps: only its own timeout has ended it.
    ((status, attempt),) = house.query(f"""
        SELECT run.status, run.attempt FROM run JOIN job ON job.id = run.job_id
        WHERE job.guid = '{long.hex}'""")
    assert (JobStatus(status), attempt) == (JobStatus.FAILED_HALTED, 1)


def check(house: House) -> None:
    """One job for each due time that ran, each run once; what was missed is on record."""
    firings = house.query("SELECT due_at, outcome, job_id FROM schedule_firing ORDER BY due_at")
    ran = [job for _, outcome, job in firings if outcome == 0]
    assert len(set(ran)) == len(ran) == made(house)
    # The hour that the clock has leapt over is missed, second by second: none without a word.
    assert [due for due, _, _ in firings] == list(
        range(firings[0][0], firings[-1][0] + 1, 1_000_000)
    )
    begun = [line.run for line in load.lines(house) if line.what == "begun"]
    assert len(begun) == len(set(begun))
    with house.reading() as connection:
        assert consistency.problems(connection) == []
    assert house.tracebacks() == []
