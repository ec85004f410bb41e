"""The engine measured from inside, in a process of its own: no HTTP.

``python -m tests.benchmarks.engine jobs FOLDER ...`` and ``... lateness ...`` print JSON. So does
``... furnish ...``, which must run where the task type is installed.
"""

import argparse
import contextlib
import json
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway import moments
from gateway.agents.desk import AgentSession
from gateway.application import Gateway
from gateway.catalog.definitions import Task
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import JobOrder, Timing, What, Who
from gateway.jobs.states import JobStatus, Stage
from storage import models
from tests.benchmarks import houses, noop
from tests.benchmarks.client import percentile

_ACCEPTING_THREADS = 8
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 120.0
_TASKS: Mapping[str, Callable[[], Task]] = {
    "noop": noop.task,
    "command": lambda: houses.command("true"),
}


def jobs(folder: Path, task: str, count: int, *, agent: bool) -> dict[str, float]:
    """Accept jobs on eight threads and, with the embedded agent, wait until all have ended.

    The seconds from the first accept to the last accept, and to the last end; and those that the
    process has computed meanwhile, which other load on the machine hardly changes.
    """
    with houses.opened(folder, embedded_agent=agent) as gateway:
        gateway.start()
        if not agent:
            houses.agent(gateway)
        houses.save_module(gateway, _TASKS[task]())
        # One job first: the supervisor has started, and modules are read.
        _accept(gateway, 1)
        if agent:
            _await_ends(gateway, 1)
        begun, computed = time.perf_counter(), time.process_time()
        _accept(gateway, count)
        accepted = time.perf_counter() - begun
        if agent:
            _await_ends(gateway, count + 1)
        return {
            "accepted": accepted,
            "ended": time.perf_counter() - begun,
            "computed": time.process_time() - computed,
        }


def _order(timing: Timing | None = None) -> JobOrder:
    return JobOrder(
        what=(What(houses.MODULE),), who=(Who(houses.AGENT),), timing=timing or Timing()
    )


def _accept(gateway: Gateway, count: int) -> None:
    order = _order()
    with ThreadPoolExecutor(_ACCEPTING_THREADS) as threads:
        list(threads.map(lambda _: gateway.jobs.accept(order, MACHINE), range(count)))


def _await_ends(gateway: Gateway, count: int) -> None:
    """Wait until so many jobs have ended; raises RuntimeError unless all are completed."""
    patience = time.monotonic() + _PATIENCE_SECONDS
    while _ended(gateway) < count:
        if time.monotonic() > patience:
            raise RuntimeError(f"{_ended(gateway)} of {count} jobs ended in time")
        time.sleep(_POLL_SECONDS)
    job = models.Job
    with gateway.store.reading() as session:
        other = session.rows(job.select(job.status).where(job.status != JobStatus.COMPLETED))
    if other:
        raise RuntimeError(f"{len(other)} jobs did not complete: {other[:3]}")


def _ended(gateway: Gateway) -> int:
    return sum(count.jobs for count in gateway.jobs.counts() if count.stage is Stage.HISTORY)


class Desk:
    """An agent that claims what becomes due and notes how late it had it, in microseconds."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._session: AgentSession = houses.agent(gateway)
        self._lateness: list[int] = []
        self._dues: dict[uuid.UUID, int] = {}
        self._wanted = 0
        self._done = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._claim, name="desk", daemon=True)
        self._thread.start()

    def lateness(self, jobs: int, spacing: int) -> list[int]:
        """Accept jobs that become due one after the other, ``spacing`` microseconds apart."""
        self._lateness, self._wanted = [], jobs
        self._done.clear()
        first = moments.now() + moments.SECOND + jobs * 3000
        for number in range(jobs):
            due = first + number * spacing
            timing = Timing(immediate=False, scheduled_at=due)
            job = self._gateway.jobs.accept(_order(timing), MACHINE)
            self._dues[job.guid] = due
        if not self._done.wait(_PATIENCE_SECONDS):
            raise RuntimeError(f"{len(self._lateness)} of {jobs} jobs were claimed in time")
        return self._lateness

    def stop(self) -> None:
        """Claim no more."""
        self._stopping = True
        self._thread.join()

    def _claim(self) -> None:
        while not self._stopping:
            for order in self._gateway.reception.claim(self._session, 10):
                self._lateness.append(moments.now() - self._dues[order.job])
                if len(self._lateness) == self._wanted:
                    self._done.set()
            self._gateway.reception.wait(self._session, 1.0)


def lateness(
    folders: Sequence[Path], jobs: int, spacing: int, rounds: int
) -> list[list[list[float]]]:
    """For each folder and round: p50 and p99 of the milliseconds from due to claimed.

    All gateways are open at once and take turns.
    """
    with contextlib.ExitStack() as gateways:
        desks = [_desk(gateways.enter_context(houses.opened(folder))) for folder in folders]
        turns = [[desk.lateness(jobs, spacing) for desk in desks] for _ in range(rounds)]
        for desk in desks:
            desk.stop()
    return [[_percentiles(turn[n]) for turn in turns] for n in range(len(desks))]


def _desk(gateway: Gateway) -> Desk:
    houses.save_module(gateway, houses.command("true"))
    gateway.start()
    return Desk(gateway)


def _percentiles(microseconds: Sequence[int]) -> list[float]:
    return [percentile(microseconds, percent) / 1000 for percent in (50, 99)]


def timer(count: int, spacing: int) -> list[float]:
    """p50 and p99 of how late, in milliseconds, a thread wakes that sleeps until a moment."""
    late: list[int] = []
    for _ in range(count):
        due = moments.now() + spacing
        time.sleep(spacing / moments.SECOND)
        late.append(moments.now() - due)
    return _percentiles(late)


def main() -> None:
    """Measure one thing and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("furnish", "jobs", "lateness"))
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--task", choices=tuple(_TASKS), default="noop")
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--agent", action="store_true")
    parser.add_argument("--spacing", type=int, default=10_000, help="microseconds")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    told: Any
    if given.what == "furnish":
        told = str(houses.furnish(given.folders[0], _TASKS[given.task]()).agent)
    elif given.what == "jobs":
        told = jobs(given.folders[0], given.task, given.jobs, agent=given.agent)
    else:
        told = {
            "gateways": lateness(given.folders, given.jobs, given.spacing, given.rounds),
            "timer": timer(given.jobs, given.spacing),
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
