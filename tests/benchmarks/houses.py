"""Data folders to measure on: with a login, a module, an agent, and as many rows as wanted."""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import application, moments
from gateway.agents.desk import AgentFacts, AgentSession
from gateway.application import Gateway
from gateway.catalog.definitions import Module, Parameter, Task
from gateway.datafolder import DataFolder
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus
from gateway.settings import Settings
from gateway.settings.schema import GlobalWebApiState
from tests.benchmarks.bodies import LOGIN

AGENT = "measured"
MODULE = uuid.UUID("5f0b0a46-52f5-4f0c-9d6e-0d7e5a3c1b2a")
_YEAR = 365 * 24 * 3600 * moments.SECOND


@dataclass(frozen=True)
class House:
    """A furnished data folder and what orders must name."""

    folder: Path
    module: uuid.UUID
    agent: uuid.UUID

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return DataFolder(self.folder).store


def settings(folder: Path, *, embedded_agent: bool = False) -> Settings:
    """The settings of a gateway that is measured in process."""
    return Settings(
        data=folder,
        web_api=GlobalWebApiState.ENABLED,
        time_zone="UTC",
        agent_name=AGENT,
        embedded_agent=embedded_agent,
    )


@contextlib.contextmanager
def opened(folder: Path, *, embedded_agent: bool = False) -> Iterator[Gateway]:
    """A gateway on a folder for the length of a block; it works only once it is started."""
    data = DataFolder(folder)
    data.create()
    with data.hold():
        gateway = application.build(settings(folder, embedded_agent=embedded_agent), data)
        try:
            yield gateway
        finally:
            gateway.stop(5.0)


_ANY_NUMBER = 1_000_000


def agent(gateway: Gateway) -> AgentSession:
    """An agent that has come to the desk and claims only when it is told to.

    It reports nothing, so it may have any number of runs.
    """
    facts = AgentFacts(AGENT, "linux", "1", "boot", (), (), _ANY_NUMBER, embedded=True)
    return gateway.reception.open_session(facts)


def save_module(gateway: Gateway, task: Task, *parameters: Parameter) -> None:
    """Store the one module that orders name."""
    module = Module(guid=MODULE, name="Measured", parameters=parameters, tasks=(task,))
    gateway.catalog.save(module, MACHINE)


def command(*argv: str) -> Task:
    """A task that runs a program."""
    return Task(guid=uuid.uuid4(), name="Run", type="command", settings={"argv": list(argv)})


def furnish(folder: Path, task: Task | None = None) -> House:
    """A folder in which a server finds a login, an agent, and a module with a parameter."""
    with opened(folder) as gateway:
        gateway.logins.ensure_administrator(LOGIN[1])
        save_module(gateway, task or command("echo", "$[VMName]"), Parameter(name="VMName"))
        return House(folder, MODULE, agent(gateway).agent)


_COUNTED = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT :jobs)"
_JOBS = f"""
INSERT INTO job (guid, tenant_id, origin, recurring, status, stage, reason, priority, runs_open,
                 schedule_id, due_at, launch_by, wake_at, created_at, started_at, finished_at)
{_COUNTED}
SELECT lower(hex(randomblob(16))), 1, :origin, :recurring, :status, :stage, '', 5, 0,
       iif(:recurring, n, NULL), :due + n, :due + n + 1000000, iif(:recurring, :due + n, NULL),
       :due, :ended + n, :ended + n
FROM numbers
"""
_REQUESTS = """
INSERT INTO job_request (job_id, description, surface, timing, what, who, parameters, options)
SELECT id, 'stored', 'dispatcher', :timing, :what, :who, '[]', :options
FROM job WHERE id > :last
"""
_RUNS = """
INSERT INTO run (guid, job_id, agent_id, attempt, status, reason, priority, tasks_total,
                 tasks_done, created_at, started_at, finished_at)
SELECT lower(hex(randomblob(16))), id, 1, 1, status, '', 5, 1, 1, created_at, started_at,
       finished_at
FROM job WHERE started_at IS NOT NULL AND id > :last
"""
_SCHEDULES = """
INSERT INTO schedule (id, guid, tenant_id, job_id, kind, rule, zone, missed_runs, grace, enabled,
                      next_due_at)
SELECT schedule_id, lower(hex(randomblob(16))), 1, id, 0, '86400', 'UTC', 1, 0, 1, due_at
FROM job WHERE recurring AND id > :last
"""
_COUNTERS = """
INSERT INTO job_counter (tenant_id, stage, origin, recurring, folder_id, slot, jobs)
VALUES (1, :stage, :origin, :recurring, 0, 0, :jobs)
"""
_OPTIONS = '{"in_parallel":false,"launch_timeout":1000000,"retries":0,"tasks":1}'
_TIMING = '{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}'


def add_finished(house: House, jobs: int) -> None:
    """Fill a fresh store, which no server holds, with jobs that have ended."""
    _add(house, jobs, JobStatus.COMPLETED, due=moments.now() - _YEAR, recurring=False)


def add_schedules(house: House, jobs: int) -> None:
    """Fill a fresh store with recurring jobs that are due in a year."""
    _add(house, jobs, JobStatus.SCHEDULED, due=moments.now() + _YEAR, recurring=True)


def _add(house: House, jobs: int, status: JobStatus, *, due: int, recurring: bool) -> None:
    values = {
        "jobs": jobs,
        "origin": Origin.RECURRING_SCHEDULE if recurring else Origin.USER,
        "recurring": recurring,
        "status": status,
        "stage": status.stage,
        "due": due,
        "ended": due if status.finished else None,
        "timing": _TIMING,
        "options": _OPTIONS,
        "what": f'[{{"guid":"{house.module}","kind":0,"name":"Measured","version":1}}]',
        "who": f'[{{"agent":1,"guid":"{house.agent}","name":"{AGENT}"}}]',
    }
    with contextlib.closing(sqlite3.connect(house.store)) as store, store:
        # Nothing here must outlive the measurement, and a million rows are to be there soon.
        store.execute("PRAGMA synchronous = off")
        store.execute("PRAGMA cache_size = -500000")
        values["last"] = store.execute("SELECT coalesce(max(id), 0) FROM job").fetchone()[0]
        for statement in (_JOBS, _REQUESTS, _RUNS, _SCHEDULES, _COUNTERS):
            store.execute(statement, values)
