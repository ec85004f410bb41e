"""SIGKILL at random moments under load, in rounds, on one data folder that lives through all.

``KILL_ROUNDS`` sets how many; ``KILL_SEED`` repeats the choices of an earlier test.
"""

import enum
import os
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.agents import processes
from tests.reliability import consistency, load
from tests.reliability.load import Crowd, Kind
from tests.reliability.servers import House, Server, until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))
CLIENTS = 4
GONE_SECONDS = 10.0

pytestmark = pytest.mark.slow


class Victims(enum.Enum):
    """Who is killed."""

    SERVER = "the server"
    SUPERVISOR = "the supervisor"
    BOTH = "server and supervisor"
    ALL = "server, supervisor and tasks"


@dataclass
class Rounds:
    """What lives from round to round."""

    house: House
    lines: Path
    folder: Path
    seed: str
    server: Server

    def play(self, number: int) -> dict[uuid.UUID, Kind]:
        """One round; answers what was accepted in it."""
        rng = random.Random(f"{self.seed} {number}")
        # Every kind comes up within four rounds, the moment is free.
        victims = tuple(Victims)[number % len(Victims)]
        folder = self.folder / f"round-{number}"
        folder.mkdir()
        crowd = Crowd(folder, rng, CLIENTS)
        crowd.start(self.server)
        time.sleep(rng.uniform(0.15, 1.2))
        self._kill(victims)
        if victims is Victims.SUPERVISOR:
            time.sleep(rng.uniform(0.0, 0.3))
        crowd.stop()
        if victims is not Victims.SUPERVISOR:
            self.house.end(self.server) if victims is not Victims.SERVER else None
            self.server = self.house.start()
        assert crowd.mistakes == []
        return crowd.accepted

    def _kill(self, victims: Victims) -> None:
        if victims is Victims.SUPERVISOR:
            self.server.kill_supervisor()
            return
        if victims is Victims.SERVER:
            self.server.kill()
            self._check_nothing_runs_on()
            return
        tasks = self.house.marked() if victims is Victims.ALL else []
        # The supervisor first: it must have no time to clean up after its server.
        self.server.kill_supervisor()
        self.server.kill()
        for task in tasks:
            task.kill()

    def _check_nothing_runs_on(self) -> None:
        """Tasks of a dead server end without the next one's help."""
        until("tasks end with their server", lambda: not self.house.marked(), GONE_SECONDS)
        until(
            "the supervisor ends with its server",
            lambda: not self.server.supervisor.is_running(),
            GONE_SECONDS,
        )

    def check(self, accepted: dict[uuid.UUID, Kind]) -> None:
        """Everything that was promised, once all is quiet again."""
        until("all jobs end", self.house.settled)
        assert not self.house.marked()
        stored = self._jobs()
        assert accepted.keys() <= stored.keys()
        with self.house.reading() as connection:
            assert consistency.problems(connection) == []
        self._check_lines(accepted)

    def _jobs(self) -> dict[uuid.UUID, int]:
        return {
            uuid.UUID(guid): status
            for guid, status in self.house.query("SELECT guid, status FROM job")
        }

    def _check_lines(self, accepted: dict[uuid.UUID, Kind]) -> None:
        """What really ran is what the store says: no more often, and completed means ended."""
        written = load.lines(self.lines)
        assert not [line for line in written if line.what == "overlap"]
        begun = Counter(line.run for line in written if line.what == "begun")
        ended = {line.run for line in written if line.what == "ended"}
        runs = self.house.query("""
            SELECT run.guid, run.attempt, run.status, job.guid FROM run
            JOIN job ON job.id = run.job_id""")
        for guid, attempt, status, job in runs:
            run = uuid.UUID(guid)
            assert begun[run] <= attempt, f"run {run} ran {begun[run]} times without a mark"
            if accepted.get(uuid.UUID(job)) is not Kind.RETRIED:
                assert attempt == 1
            if status == COMPLETED:
                assert run in ended


COMPLETED = 4


def test_kills_under_load(house: House, lines: Path, tmp_path: Path) -> None:
    seed = os.environ.get("KILL_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"KILL_SEED={seed}")
    accepted: dict[uuid.UUID, Kind] = {}
    rounds = Rounds(house, lines, tmp_path, seed, house.start())
    try:
        for number in range(ROUNDS):
            fresh = rounds.play(number)
            accepted |= fresh
            rounds.check(fresh)
        rounds.check(accepted)
        assert len(accepted) > ROUNDS
        assert rounds.server.stop() == 0
    finally:
        house.end(rounds.server)
    doctor = house.command("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert house.tracebacks() == []
