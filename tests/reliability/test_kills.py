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

from gateway.jobs.states import JobStatus
from tests.reliability import consistency, load
from tests.reliability.load import Crowd, Kind
from tests.reliability.servers import House, Server, slay, until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
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
    folder: Path
    seed: str
    server: Server

    def play(self, number: int) -> set[uuid.UUID]:
        """One round; answers what was accepted in it."""
        rng = random.Random(f"{self.seed} {number}")
        # Every kind comes up within four rounds, the moment is free.
        victims = tuple(Victims)[number % len(Victims)]
        folder = self.folder / f"round-{number}"
        folder.mkdir()
        crowd = Crowd(folder, rng, CLIENTS)
        with crowd.working(self.server):
            time.sleep(rng.uniform(0.15, 1.2))
            self._kill(victims)
            time.sleep(rng.uniform(0.0, 0.3))
        if victims is not Victims.SUPERVISOR:
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
        slay(tasks)

    def _check_nothing_runs_on(self) -> None:
        """Tasks of a dead server end without the next one's help."""
        until("tasks end with their server", lambda: not self.house.marked(), GONE_SECONDS)
        until(
            "the supervisor ends with its server",
            lambda: not self.server.supervisor.is_running(),
            GONE_SECONDS,
        )

    def check(self, accepted: set[uuid.UUID]) -> None:
        """Everything that was promised, once all is quiet again."""
        until("all jobs end", self.house.settled)
        assert not self.house.marked()
        assert accepted <= {uuid.UUID(guid) for (guid,) in self.house.query("SELECT guid FROM job")}
        with self.house.reading() as connection:
            assert consistency.problems(connection) == []
        self._check_lines()

    def _check_lines(self) -> None:
        """What really ran is what the store says: no more often, and completed means ended."""
        written = load.lines(self.house)
        assert not [line for line in written if line.what == "overlap"]
        begun = Counter(line.run for line in written if line.what == "begun")
        ended = {line.run for line in written if line.what == "ended"}
        for text, attempt, status, module in self.house.query(_RUNS):
            run = uuid.UUID(text)
            assert begun[run] <= attempt, f"run {run} ran {begun[run]} times without a mark"
            assert attempt == 1 or uuid.UUID(module) == Kind.RETRIED.guid
            assert run in ended or status != JobStatus.COMPLETED


_RUNS = """
SELECT run.guid, run.attempt, run.status, definition.guid FROM run
JOIN job ON job.id = run.job_id JOIN definition ON definition.id = job.definition_id"""


def test_kills_under_load(house: House, tmp_path: Path) -> None:
    seed = os.environ.get("KILL_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"to repeat: KILL_SEED={seed} KILL_ROUNDS={ROUNDS}")
    accepted: set[uuid.UUID] = set()
    rounds = Rounds(house, tmp_path, seed, house.start())
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
