"""The engine's side of the agents' desk: runs are claimed here, and reports taken.

Every call checks the session: an agent that was replaced, or lost its lease, is told so, and its
late reports change nothing (fencing).
"""

import dataclasses
import functools
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import peewee

from gateway import moments, names
from gateway.agents import desk, orders, roster
from gateway.agents.desk import Abort, AgentFacts, AgentSession, Refusal, SessionOver
from gateway.agents.leases import Leases
from gateway.agents.protocol import (
    LogChunk,
    ProcessIdentity,
    Report,
    RunFinished,
    RunOrder,
    TaskFinished,
    TaskStarted,
)
from gateway.catalog.resources import Resources
from gateway.jobs import ledger, moves, rows, settlement
from gateway.jobs.rows import RunRow
from gateway.jobs.signals import Signals
from gateway.jobs.states import JobStatus
from gateway.tasks.base import ResourceContent
from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session

log = logging.getLogger("gateway.agents")

_RUN = models.Run
_AGENT = models.Agent
_TASK = models.TaskResult

# The words of the partial indexes, so that the planner sees that they fit.
_WAITING = peewee.SQL("status = 0")
_HELD = peewee.SQL("status IN (1, 2)")
_HELD_STATES = frozenset({JobStatus.ACTIVE, JobStatus.ABORTING})

STOPPED = "the agent stopped while the run was under way"
SILENT = "the agent was not heard of until its lease ended"
REMOVED = "the agent was removed"


class Reception:
    """Implements ``desk.AgentDesk`` on the store.

    ``lease`` is in microseconds, ``elapsed`` a clock in seconds that never jumps.
    """

    def __init__(
        self,
        store: Store,
        order_maker: orders.OrderMaker,
        resources: Resources,
        signals: Signals,
        lease: int,
        now: Callable[[], int] = moments.now,
        elapsed: Callable[[], float] = time.monotonic,
        ended: Callable[[str, float], None] = lambda status, seconds: None,  # noqa: ARG005
    ) -> None:
        self._store = store
        self._orders = order_maker
        self._resources = resources
        self._signals = signals
        self._lease = lease
        self._now = now
        self._ended = ended
        self._leases = Leases(lease / moments.SECOND, elapsed)
        self._seen: dict[uuid.UUID, int] = defaultdict(int)

    def open_session(self, agent: AgentFacts) -> AgentSession:
        """Register the agent under its name; runs that an older session had are lost."""
        guid = moments.new_guid()
        return self._store.unit_of_work(lambda session: self._open(session, agent, guid))

    def claim(self, session: AgentSession, limit: int) -> list[RunOrder]:
        """Take waiting runs for the agent, the most urgent first. Raises SessionOver."""
        return self._store.unit_of_work(lambda db: self._claim(db, session, limit))

    def report(self, session: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        """Store what happened, all in one unit of work; late attempts are refused."""
        return self._store.unit_of_work(lambda db: self._report(db, session, reports))

    def aborts(self, session: AgentSession) -> list[Abort]:
        """The runs of the agent that are to be stopped."""
        query = _RUN.select(_RUN.guid, _RUN.attempt, _RUN.reason).where(
            _HELD,
            _RUN.agent_id == session.agent_id,
            _RUN.session == session.session,
            _RUN.status == JobStatus.ABORTING,
        )
        with self._store.reading() as db:
            return [Abort(row["guid"], row["attempt"], row["reason"]) for row in db.rows(query)]

    def wait(self, session: AgentSession, timeout: float) -> None:
        """Wait until something may have changed for the agent."""
        self._seen[session.session] = self._signals.wait(self._seen[session.session], timeout)

    def renew(self, session: AgentSession) -> None:
        """Extend the lease of all runs of the session, in one statement. Raises SessionOver."""
        try:
            self._store.unit_of_work(lambda db: self._renew(db, session))
        except StoreUnavailable:
            self._leases.forget()
            raise

    def lost(
        self, session: AgentSession, runs: Sequence[tuple[uuid.UUID, int]], reason: str
    ) -> None:
        """Settle runs that nobody works on any more."""
        self._store.unit_of_work(lambda db: self._lose(db, session, runs, reason))
        self._signals.wake()

    def give_back(self, session: AgentSession, runs: Sequence[tuple[uuid.UUID, int]]) -> None:
        """Let runs wait again that were claimed and never begun."""
        self._store.unit_of_work(lambda db: self._give_back(db, session, runs))
        self._signals.wake()

    def resource(self, session: AgentSession, run: uuid.UUID, reference: str) -> ResourceContent:
        """A resource's bytes, for a run that the agent has."""
        with self._store.reading() as db:
            if not _runs(db, session, [run]):
                raise LookupError("the run is no longer this agent's")
            found = self._resources.resolve(db, reference)
        return ResourceContent(
            name=found.details.file_name,
            size=found.blob.size,
            sha256=found.blob.sha256,
            chunks=self._resources.content(found),
        )

    def expire(self) -> None:
        """Settle the runs of agents that have fallen silent or were removed."""
        waiting = _RUN.select(_RUN.id).join(_AGENT, on=(_AGENT.id == _RUN.agent_id))
        with self._store.reading() as db:
            rows_held = db.rows(_RUN.select(_RUN.id, _RUN.lease_until).where(_HELD))
            orphans = db.rows(waiting.where(_WAITING, _AGENT.deleted_at.is_null(False)))
        held = {row["id"]: row["lease_until"] or 0 for row in rows_held}
        ended = self._leases.ended(held)
        for run in ended:
            self._store.unit_of_work(functools.partial(self._expire, run_id=run, lease=held[run]))
        for row in orphans:
            self._store.unit_of_work(functools.partial(self._drop, run_id=row["id"]))
        if ended or orphans:
            self._signals.wake()

    def left_behind(self, name: str) -> tuple[list[ProcessIdentity], list[uuid.UUID]]:
        """The processes and runs that an agent of this name had when it was last heard of."""
        with self._store.reading() as db:
            agent = _embedded(db, name)
            if agent is None:
                return [], []
            held = [
                RunRow.of(row)
                for row in db.rows(_RUN.select().where(_HELD, _RUN.agent_id == agent.id))
            ]
            processes = _processes(db, held)
        return processes, [run.guid for run in held]

    def _open(self, db: Session, facts: AgentFacts, guid: uuid.UUID) -> AgentSession:
        now = self._now()
        known = _embedded(db, facts.name)
        values: dict[str, Any] = {
            "facts": roster.facts_as_json(dataclasses.asdict(facts)),
            "max_runs": facts.max_runs,
            "embedded": facts.embedded,
            "session": guid,
            "boot_id": facts.boot_id,
            "last_contact_at": now,
        }
        if known is None:
            agent_guid = moments.new_guid()
            agent_id = db.execute(
                _AGENT.insert(
                    guid=agent_guid,
                    tenant_id=1,
                    name=facts.name,
                    name_key=names.key(facts.name),
                    enabled=True,
                    created_at=now,
                    **values,
                )
            )
            return AgentSession(agent_id, agent_guid, guid)
        db.execute(_AGENT.update(**values).where(_AGENT.id == known.id))
        held = db.rows(_RUN.select(_RUN.id).where(_HELD, _RUN.agent_id == known.id))
        for row in held:
            self._settle(db, row["id"], STOPPED)
        db.after_commit(self._signals.wake)
        return AgentSession(known.id, known.guid, guid)

    def _claim(self, db: Session, agent: AgentSession, limit: int) -> list[RunOrder]:
        now = self._now()
        self._check(db, agent)
        query = (
            _RUN.select()
            .where(_WAITING, _RUN.agent_id == agent.agent_id)
            .order_by(_RUN.priority.desc(), _RUN.id)
            .limit(limit)
        )
        if db.postgres:
            query = query.for_update(skip_locked=True)
        waiting = [RunRow.of(row) for row in db.rows(query)]
        taken = [self._take(db, agent, run, now) for run in waiting]
        return [order for order in taken if order is not None]

    def _take(self, db: Session, agent: AgentSession, run: RunRow, now: int) -> RunOrder | None:
        """Make the run the agent's. One that cannot be prepared ends, with the reason."""
        job = rows.lock_job(db, run.job_id)
        run.status = JobStatus.ACTIVE
        run.session = agent.session
        run.lease_until = now + self._lease
        run.started_at = now
        rows.write_run(db, run)
        if job.status is JobStatus.SCHEDULED:
            moves.move(db, job, JobStatus.ACTIVE, now, "agent")
        try:
            order = self._orders.order(db, run)
        except (orders.OrderImpossible, LookupError, ValueError) as error:
            log.warning("run %s cannot be prepared: %s", run.guid, error)
            reason = f"the run could not be prepared: {error}"
            settlement.finish_run(db, job, run, JobStatus.FAILED, now, reason)
            return None
        ledger.plan_tasks(db, run, order)
        return order

    def _report(self, db: Session, agent: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        runs = _runs(db, agent, {report.run for report in reports})
        refused: dict[tuple[uuid.UUID, int], Refusal] = {}
        for report in reports:
            run = runs.get(report.run)
            if run is None or run.attempt != report.attempt or run.status not in _HELD_STATES:
                refused[report.run, report.attempt] = Refusal(
                    report.run, report.attempt, "this attempt is over"
                )
                continue
            self._take_in(db, run, report)
        return list(refused.values())

    def _take_in(self, db: Session, run: RunRow, report: Report) -> None:
        match report:
            case TaskStarted():
                ledger.start_task(db, run, report)
            case LogChunk():
                ledger.add_output(db, run, report)
            case TaskFinished():
                ledger.finish_task(db, run, report)
                run.tasks_done += 1
                rows.write_progress(db, run)
            case RunFinished():
                job = rows.lock_job(db, run.job_id)
                if run.tasks_done < run.tasks_total:
                    # The agent gave up on the run, or left tasks out: nothing stays open.
                    settlement.end_tasks(db, run, report.at, report.detail)
                settlement.finish_run(db, job, run, report.status, report.at, report.detail)
                seconds = (report.at - (run.started_at or report.at)) / moments.SECOND
                db.after_commit(functools.partial(self._ended, report.status.name.lower(), seconds))

    def _renew(self, db: Session, agent: AgentSession) -> None:
        now = self._now()
        self._check(db, agent)
        db.execute(_AGENT.update(last_contact_at=now).where(_AGENT.id == agent.agent_id))
        db.execute(
            _RUN.update(lease_until=now + self._lease).where(
                _HELD, _RUN.agent_id == agent.agent_id, _RUN.session == agent.session
            )
        )

    def _lose(
        self,
        db: Session,
        agent: AgentSession,
        lost: Iterable[tuple[uuid.UUID, int]],
        reason: str,
    ) -> None:
        for run in _under_way(db, agent, lost):
            self._settle(db, run.id, reason)

    def _give_back(
        self, db: Session, agent: AgentSession, returned: Iterable[tuple[uuid.UUID, int]]
    ) -> None:
        for run in _under_way(db, agent, returned):
            job = rows.lock_job(db, run.job_id)
            settlement.give_back(db, job, run, self._now())

    def _expire(self, db: Session, run_id: int, lease: int) -> None:
        present = db.scalar(_RUN.select(_RUN.lease_until).where(_RUN.id == run_id))
        if present == lease:
            self._settle(db, run_id, SILENT)

    def _drop(self, db: Session, run_id: int) -> None:
        """Cancel a run that waits for an agent that is no more."""
        job_id = db.scalar(_RUN.select(_RUN.job_id).where(_RUN.id == run_id))
        job = rows.lock_job(db, job_id)
        row = db.first(_RUN.select().where(_RUN.id == run_id, _WAITING))
        if row is not None:
            run = RunRow.of(row)
            settlement.finish_run(db, job, run, JobStatus.CANCELED, self._now(), REMOVED)

    def _settle(self, db: Session, run_id: int, reason: str) -> None:
        job_id = db.scalar(_RUN.select(_RUN.job_id).where(_RUN.id == run_id))
        job = rows.lock_job(db, job_id)
        row = db.first(_RUN.select().where(_RUN.id == run_id))
        if row is not None and JobStatus(row["status"]) in _HELD_STATES:
            settlement.lose_run(db, job, RunRow.of(row), self._now(), reason)

    @staticmethod
    def _check(db: Session, agent: AgentSession) -> None:
        query = _AGENT.select(_AGENT.session, _AGENT.deleted_at)
        row = db.first(query.where(_AGENT.id == agent.agent_id))
        if row is None or row["deleted_at"] is not None:
            raise SessionOver(REMOVED)
        if row["session"] != agent.session:
            raise SessionOver("another server, or another agent, has taken this agent's name")


def _embedded(db: Session, name: str) -> roster.Agent | None:
    """The embedded agent of this name; remote ones may have the same."""
    row = db.first(
        _AGENT.select().where(
            _AGENT.name_key == names.key(name), _AGENT.embedded, _AGENT.deleted_at.is_null()
        )
    )
    return None if row is None else roster.Agent.of(row)


def _runs(db: Session, agent: AgentSession, guids: Iterable[uuid.UUID]) -> dict[uuid.UUID, RunRow]:
    """The runs with these GUIDs that belong to this very session."""
    query = _RUN.select().where(
        _RUN.guid.in_(list(guids)),
        _RUN.agent_id == agent.agent_id,
        _RUN.session == agent.session,
    )
    return {row["guid"]: RunRow.of(row) for row in db.rows(query)}


def _under_way(
    db: Session, agent: AgentSession, attempts: Iterable[tuple[uuid.UUID, int]]
) -> list[RunRow]:
    """Those of the session's runs that are still in this attempt and have not ended."""
    wanted = dict(attempts)
    return [
        run
        for run in _runs(db, agent, wanted.keys()).values()
        if run.attempt == wanted[run.guid] and run.status in _HELD_STATES
    ]


def _processes(db: Session, held: Sequence[RunRow]) -> list[ProcessIdentity]:
    if not held:
        return []
    query = _TASK.select(_TASK.process).where(
        _TASK.run_id.in_([run.id for run in held]), _TASK.process.is_null(False)
    )
    return [ProcessIdentity(**row["process"]) for row in db.rows(query)]


def desk_of(reception: Reception) -> desk.AgentDesk:
    """The reception as agents know it; here so that the type checker compares the two."""
    return reception
