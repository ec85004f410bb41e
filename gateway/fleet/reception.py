"""The engine's side of the agents' desk: runs are claimed here, and reports taken.

Every call checks the session: an agent that was replaced, or lost its lease, is told so, and its
late reports change nothing (fencing). What decides is read after the locks are held: another
gateway may just be settling the same runs.
"""

import collections
import dataclasses
import functools
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import peewee

from gateway import moments, names
from gateway.agents import desk
from gateway.agents.desk import Abort, AgentFacts, AgentSession, Attempt, Refusal, SessionOver
from gateway.agents.messages import LONGEST_WAIT
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
from gateway.fleet import allowances, errands, events, orders, roster
from gateway.fleet.allowances import Rules
from gateway.fleet.leases import Leases
from gateway.identity.errors import IdentityError
from gateway.jobs import (
    launch_windows,
    launching,
    ledger,
    local_time,
    maintenance,
    moves,
    rows,
    schedules,
    settlement,
    turns,
)
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.orders import Origin, OutsideWindow
from gateway.jobs.rows import Held, JobRow, RunRow
from gateway.jobs.signals import Signals
from gateway.jobs.states import JobStatus
from gateway.tasks.base import ResourceContent
from storage import models, statements
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Row, Session, WritingSession
from storage.statements import named

log = logging.getLogger("gateway.agents")

_RUN = models.Run
_AGENT = models.Agent
_TASK = models.TaskResult

# The words of the partial indexes, so that the planner sees that they fit.
_WAITING = peewee.SQL("status = 0")
_HELD = peewee.SQL("status IN (1, 2)")


def _present() -> Any:
    """The agent's session, and how many runs it has of those that it may have."""
    held = peewee.SQL("(SELECT COUNT(*) FROM run WHERE status IN (1, 2) AND agent_id = t1.id)")
    columns = (
        *(_AGENT.session, _AGENT.deleted_at, _AGENT.boot_id),
        *(_AGENT.max_runs, _AGENT.run_limit),
    )
    return _AGENT.select(*columns, held.alias("held")).where(_AGENT.id == named(_AGENT.id))


_SESSION = statements.Statement(_present)
# Claims under way keep others from taking the agent's name, and not each other.
_SHARE_SESSION = statements.Statement(
    lambda: _present().for_update("FOR SHARE")  # Peewee takes the clause, too
)
_MOST_URGENT = statements.Statement(
    lambda: (
        _RUN.select(_RUN.id, _RUN.job_id)
        .where(
            _WAITING,
            _RUN.agent_id == named(_RUN.agent_id),
            _RUN.not_before.is_null() | (_RUN.not_before <= named(_RUN.not_before, "now")),
            _RUN.after_boot.is_null() | (_RUN.after_boot != named(_RUN.after_boot, "boot")),
        )
        .order_by(_RUN.priority.desc(), _RUN.turn, _RUN.id)
        .limit(peewee.Value(statements.Named("limit"), converter=False))
    )
)
_HELD_STATES = frozenset({JobStatus.ACTIVE, JobStatus.ABORTING})

_NO_WINDOWS = WindowPolicy()

STOPPED = "the agent stopped while the run was under way"
SILENT = "the agent was not heard of until its lease ended"
REMOVED = "the agent was removed"
OVER = "this attempt is over"

# A session that was not heard of for so long, and for a lease, can be taken over from elsewhere.
# Whoever has no runs is heard of with each poll only.
_SILENCE = int((LONGEST_WAIT + 15) * moments.SECOND)
_REMEMBERED_REFUSALS = 10_000

# Agents renew at least so often in the time of a lease.
_RENEWALS = 4


class SecondAgent(Exception):
    """The agent is running already, elsewhere; the message names it."""


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
        wake_clock: Callable[[int], None] = lambda moment: None,  # noqa: ARG005
        windows: WindowPolicy = _NO_WINDOWS,
    ) -> None:
        self._store = store
        self._orders = order_maker
        self._resources = resources
        self._signals = signals
        self._lease = lease
        self._now = now
        self._ended = ended
        self._wake_clock = wake_clock
        self._windows = windows
        self._leases = Leases(lease / moments.SECOND, elapsed)
        self._seen: dict[uuid.UUID, int] = defaultdict(int)
        # Sessions that wanted more runs than they may have at once.
        self._full: set[uuid.UUID] = set()
        # Those of which teams have as many runs as they may have: any end makes room.
        self._limited: set[uuid.UUID] = set()
        self._silence = max(lease, _SILENCE)
        # Of which refusals there is a record: one is enough.
        self._refusals: collections.OrderedDict[Hashable, None] = collections.OrderedDict()

    def open_session(self, agent: AgentFacts) -> AgentSession:
        """Register the agent under its name; runs that an older session had are lost."""
        guid = moments.new_guid()
        return self._store.unit_of_work(lambda session: self._open(session, agent, guid))

    def open_remote(
        self, agent_id: int, facts: AgentFacts, instance: str, previous: uuid.UUID | None
    ) -> AgentSession:
        """Begin a session of an agent that has shown its token.

        Who comes from the instance that had the last session, and knows that session, takes over;
        another waits until that one is not heard of. Raises SecondAgent, SessionOver (removed).
        """
        guid = moments.new_guid()

        def work(db: WritingSession) -> AgentSession | SecondAgent:
            return self._open_remote(db, agent_id, facts, guid, instance, previous)

        opened = self._store.unit_of_work(work)
        if isinstance(opened, SecondAgent):
            # Raised here, so that the record of it is kept.
            raise opened
        return opened

    def check(self, session: AgentSession) -> None:
        """Raise SessionOver unless the session is the agent's present one."""
        with self._store.reading() as db:
            found = db.select(_SESSION, {"id": session.agent_id})
        _check_present(found, session)

    def heard(self, agents: Sequence[int]) -> None:
        """Keep that these agents have been heard of just now."""
        query = _AGENT.update(last_contact_at=self._now()).where(_AGENT.id.in_(list(agents)))
        self._store.unit_of_work(lambda db: db.execute(query))

    def refuse_restored(self, agent_id: int, session: uuid.UUID) -> None:
        """Keep that reports were refused that belong to another state of the store."""
        key, now = (session, 0), self._now()
        if key in self._refusals:
            return
        detail = "they are from before a backup was restored"

        def work(db: WritingSession) -> None:
            events.record(db, agent_id, now, events.LATE, detail)
            self._keep_refusal(db, key)

        self._store.unit_of_work(work)

    def tell(self, session: AgentSession, agent: AgentFacts) -> None:
        """Keep what an agent says of itself; from one whose session is over nothing."""
        query = _AGENT.update(**told(agent)).where(
            _AGENT.id == session.agent_id, _AGENT.session == session.session
        )
        self._store.unit_of_work(lambda db: db.execute(query))

    def claim(self, session: AgentSession, limit: int) -> list[RunOrder]:
        """Take waiting runs for the agent, the most urgent first. Raises SessionOver."""
        found = self._rules()
        return self._store.unit_of_work(lambda db: self._claim(db, session, limit, found))

    def claim_soon(
        self, session: AgentSession, limit: int, freed: int = 0
    ) -> "Future[list[RunOrder]]":
        """As ``claim``, together with others: what comes of it is in the future.

        ``freed`` runs were reported as ended since the agent counted its places: for so many more
        there is room, if it has less than it may have.
        """
        found = self._rules()
        return self._store.submit(lambda db: self._claim(db, session, limit, found, freed))

    def _rules(self) -> Rules:
        """What is remembered of limits and windows; a unit of work would have to read it."""
        with self._store.reading() as db:
            return allowances.rules(db)

    def report(self, session: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        """Store what happened, all in one unit of work; late attempts are refused."""
        return self._store.unit_of_work(lambda db: self._report(db, session, reports))

    def aborts(self, session: AgentSession) -> list[Abort]:
        """The runs of the agent that are to be stopped."""
        with self._store.reading() as db:
            return list(errands.aborts(db, [session]).get(session.agent_id, ()))

    def wait(self, session: AgentSession, timeout: float) -> None:
        """Wait until something may have changed for the agent."""
        self._seen[session.session] = self._signals.wait(self._seen[session.session], timeout)

    def renew(self, session: AgentSession, runs: Sequence[Attempt]) -> list[Refusal]:
        """Extend the leases of these runs; refused are those that are the session's no more.

        A run of the session that is not among them never reached the agent, if it has not begun:
        it waits again. If it has, nobody extends its lease. Raises SessionOver.
        """
        return self.renewal(session, runs).refused

    def renewal(self, session: AgentSession, runs: Sequence[Attempt]) -> "Renewal":
        """As ``renew``; it says, too, whether the session has runs that were not named."""
        try:
            renewal = self._store.unit_of_work(lambda db: self._renew(db, session, runs))
        except StoreUnavailable:
            self._leases.forget()
            raise
        if renewal.stranded:
            log.warning("%d runs never reached their agent, and wait again", len(renewal.stranded))
            self.give_back(session, renewal.stranded)
        return renewal

    def lost(self, session: AgentSession, runs: Sequence[Attempt], reason: str) -> None:
        """Settle runs that nobody works on any more."""
        self._store.unit_of_work(lambda db: self._lose(db, session, runs, reason))
        self._signals.wake()

    def give_back(self, session: AgentSession, runs: Sequence[Attempt]) -> None:
        """Let runs wait again that were claimed and never begun."""
        self._store.unit_of_work(lambda db: self._give_back(db, session, runs))
        self._signals.wake()

    def resource(self, session: AgentSession, run: uuid.UUID, reference: str) -> ResourceContent:
        """A resource's bytes, for a run that the agent has."""
        with self._store.reading() as db:
            query = _RUN.select(_RUN.id).where(
                _HELD,
                _RUN.guid == run,
                _RUN.agent_id == session.agent_id,
                _RUN.session == session.session,
            )
            if db.scalar(query) is None:
                raise LookupError("the run is no longer this agent's")
            found = self._resources.resolve(db, reference)
        return ResourceContent(
            name=found.details.file_name,
            size=found.blob.size,
            sha256=found.blob.sha256,
            chunks=self._resources.content(found),
            parse_content=found.details.parse_content,
            skip_environment=found.details.skip_environment,
        )

    def _keep_refusal(self, db: WritingSession, key: Hashable) -> None:
        """Remember that there is a record of it, once there is: this work may be done again."""

        def keep() -> None:
            self._refusals[key] = None
            if len(self._refusals) > _REMEMBERED_REFUSALS:
                self._refusals.popitem(last=False)

        db.after_commit(keep)

    def expire(self) -> int:
        """Settle the runs of agents that have fallen silent or were removed; how many."""
        waiting = _RUN.select(_RUN.id, _RUN.job_id).join(_AGENT, on=(_AGENT.id == _RUN.agent_id))
        with self._store.reading() as db:
            held = db.rows(_RUN.select(_RUN.id, _RUN.job_id, _RUN.lease_until).where(_HELD))
            orphans = db.rows(waiting.where(_WAITING, _AGENT.deleted_at.is_null(False)))
        ended = set(self._leases.ended({row["id"]: row["lease_until"] or 0 for row in held}))
        silent = [row for row in held if row["id"] in ended]
        try:
            for row in silent:
                self._store.unit_of_work(functools.partial(self._expire, found=row))
        except StoreUnavailable:
            # Then nobody could renew his leases either: he is given time to.
            self._leases.forget()
            raise
        for row in orphans:
            self._store.unit_of_work(functools.partial(self._drop, found=row))
        if silent or orphans:
            self._signals.wake()
        return len(silent) + len(orphans)

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

    def _open(self, db: WritingSession, facts: AgentFacts, guid: uuid.UUID) -> AgentSession:
        now = self._now()
        # Whoever else says this name gets a row of its own: a name proves nothing.
        known = _embedded(db, facts.name) if facts.embedded else None
        values = told(facts) | {
            "max_runs": facts.max_runs,
            "embedded": facts.embedded,
            "session": guid,
            "boot_id": facts.boot_id,
            "last_contact_at": now,
        }
        if known is None:
            return _register(db, facts.name, guid, values | {"created_at": now})
        booted = _boot_id(db, known.id) not in ("", facts.boot_id)
        self._begin(db, known.id, values, booted=booted)
        return AgentSession(known.id, known.guid, guid)

    def _open_remote(
        self,
        db: WritingSession,
        agent_id: int,
        facts: AgentFacts,
        guid: uuid.UUID,
        instance: str,
        previous: uuid.UUID | None,
    ) -> "AgentSession | SecondAgent":
        now = self._now()
        query = _AGENT.select().where(_AGENT.id == agent_id, _AGENT.deleted_at.is_null())
        if db.postgres:
            query = query.for_update("FOR NO KEY UPDATE")  # type: ignore[arg-type]  # as below
        known = db.first(query)
        if known is None:
            raise SessionOver(REMOVED)
        own = known["session"] == previous and known["instance"] == instance
        heard = now - (known["last_contact_at"] or 0)
        if known["session"] is not None and not own and heard < self._silence:
            return self._refuse_second(db, known, instance, now)
        values = told(facts) | {
            "max_runs": facts.max_runs,
            "session": guid,
            "boot_id": facts.boot_id,
            "instance": instance,
            "last_contact_at": now,
        }
        self._begin(db, agent_id, values, booted=known["boot_id"] not in ("", facts.boot_id))
        events.record(db, agent_id, now, events.CAME, f"version {facts.version}, from {instance}")
        return AgentSession(agent_id, known["guid"], guid)

    def _refuse_second(
        self, db: WritingSession, known: Row, instance: str, now: int
    ) -> "SecondAgent":
        key = (known["session"], instance)
        if key not in self._refusals:
            events.record(db, known["id"], now, events.SECOND, f"from {instance}")
            self._keep_refusal(db, key)
        seconds = (now - known["last_contact_at"]) // moments.SECOND
        return SecondAgent(
            f"the agent {known['name']!r} is running already, from {known['instance']}, and was "
            f"heard of {seconds} s ago: stop it, or enrol this one as an agent of its own"
        )

    def _begin(
        self, db: WritingSession, agent_id: int, values: dict[str, Any], *, booted: bool
    ) -> None:
        """Begin a session: settle what an older one had, do what is to be done after a boot."""
        now = self._now()
        db.execute(_AGENT.update(**values).where(_AGENT.id == agent_id))
        held = db.rows(_RUN.select(_RUN.id, _RUN.job_id).where(_HELD, _RUN.agent_id == agent_id))
        recurring = schedules.at_boot(db) if booted else []
        # All at once: locks of jobs are taken in the order of their ids.
        jobs = rows.lock_jobs(db, [*(row["job_id"] for row in held), *recurring])
        self._settle(db, rows.lock_runs(db, held), STOPPED)
        if recurring:
            present = roster.by_ids(db, {agent_id})[agent_id]
            for job in [jobs[job_id] for job_id in recurring if job_id in jobs]:
                schedules.fire_at_boot(db, job, present, now)
        db.after_commit(self._signals.wake)

    def _claim(
        self, db: WritingSession, agent: AgentSession, limit: int, rules: Rules, freed: int = 0
    ) -> list[RunOrder]:
        now = self._now()
        present = self._check(db, agent)
        if freed:
            limit = max(limit, min(limit + freed, present["max_runs"] - present["held"]))
        # It counts its own runs. Those that have ended there are still held here, until their
        # reports have come: so much more than it may have is no mistake of its.
        places = min(limit, present["max_runs"], 2 * present["max_runs"] - present["held"])
        if present["run_limit"] is not None:
            places = min(places, present["run_limit"] - present["held"])
        allowed = allowances.places(db, rules, agent.agent_id, places)
        if allowed < places:
            self._limited.add(agent.session)
        places = allowed
        if places < limit:
            # Its reports are under way: with each that ends a run, there is a place.
            self._full.add(agent.session)
        if places < 1:
            return []
        if (period := maintenance.of_agent(db, agent.agent_id, now)) is not None:
            maintenance.tell_waiting(db, agent.agent_id, period)
            return []
        asked = {"agent_id": agent.agent_id, "now": now, "boot": present["boot_id"]}
        found = db.select(_MOST_URGENT, asked | {"limit": places})
        if not found:
            turns.of(db).forget(agent.agent_id)
        urgency = {row["id"]: place for place, row in enumerate(found)}
        # One that was put on hold or ended before the locks were held is not waiting any more.
        waiting = [
            held
            for held in rows.lock_runs(db, found)
            if held.run.status is JobStatus.SCHEDULED and not held.job.status.finished
        ]
        waiting.sort(key=lambda held: urgency[held.run.id])
        waiting = self._within_windows(db, agent, waiting, now)
        waiting = allowances.let_in(db, rules, agent.agent_id, waiting, now, self._windows.zone)
        # All is read before anything is written: so the writes of all runs go together.
        requests = rows.requests_of(db, [held.job.id for held in waiting])
        prepared = [(held, self._prepared(db, held, requests)) for held in waiting]
        for held, order in prepared:
            self._take(db, agent, held, order, now)
        return [order for _, order in prepared if isinstance(order, RunOrder)]

    def _within_windows(
        self, db: WritingSession, agent: AgentSession, waiting: Sequence[Held], now: int
    ) -> list[Held]:
        """Those that may begin now; what others do outside their launch window, they do here.

        A run whose job has a window of its own has times of its own, too.
        """
        ruled = [
            held
            for held in waiting
            if self._windows.window is not None or held.run.not_before is not None
        ]
        if not ruled:
            return list(waiting)
        timings = rows.timings_of(db, [held.job.id for held in ruled])
        facts = roster.by_ids(db, {agent.agent_id})[agent.agent_id].facts
        zone = local_time.zone_of(facts, self._windows.zone)
        out: set[int] = set()
        for held in ruled:
            window, outside = self._windows.of(timings.get(held.job.id, {}))
            if window is None or outside is OutsideWindow.CONTINUE:
                continue
            opens = launch_windows.opening(window, now, zone)
            if opens != now:
                out.add(held.run.id)
                settlement.keep_out(db, held.job, held.run, outside, opens, now)
                self._tell_clock(db, held.job)
        return [held for held in waiting if held.run.id not in out]

    def _take(
        self,
        db: WritingSession,
        agent: AgentSession,
        held: Held,
        order: RunOrder | orders.OrderImpossible,
        now: int,
    ) -> None:
        """Make the run the agent's. One that cannot be prepared ends, with the reason."""
        job, run = held.job, held.run
        run.status = JobStatus.ACTIVE
        run.session = agent.session
        run.lease_until = now + self._lease
        run.started_at = now
        if maintenance.said(run.reason) or (run.not_before is not None and run.attempt == 1):
            # What it had waited for.
            run.reason = ""
        rows.write_run(db, run)
        if job.status is JobStatus.SCHEDULED:
            moves.move(db, job, JobStatus.ACTIVE, now, "agent", launching.kept_reason(job))
        if isinstance(order, RunOrder):
            ledger.plan_tasks(db, run, order)
            return
        log.warning("run %s cannot be prepared: %s", run.guid, order)
        reason = f"the run could not be prepared: {order}"
        settlement.finish_run(db, job, run, JobStatus.FAILED, now, reason)
        self._tell_clock(db, job)

    def _prepared(
        self, db: Session, held: Held, requests: Mapping[int, Row]
    ) -> RunOrder | orders.OrderImpossible:
        """The order of a run, or why there is none: that is its own failure, not its agent's.

        Raises what is the store's fault.
        """
        try:
            return self._orders.order(db, held.job, held.run, requests.get(held.job.id))
        except orders.OrderImpossible as error:
            return error
        except (peewee.PeeweeException, StoreUnavailable):
            raise
        except (IdentityError, LookupError, ValueError) as error:
            return orders.OrderImpossible(str(error))
        except Exception:
            log.exception("the order of run %s cannot be made", held.run.guid)
            return orders.OrderImpossible("a mistake in the server, whose log has it")

    def _report(
        self, db: WritingSession, agent: AgentSession, reports: Sequence[Report]
    ) -> list[Refusal]:
        found = rows.find_runs(db, {report.run for report in reports})
        held = {held.run.guid: held for held in rows.lock_runs(db, found)}
        book = ledger.TaskBook(
            db,
            [one.run for one in held.values()],
            [report.seq for report in reports if not isinstance(report, RunFinished)],
        )
        ends = {r.run: r for r in reports if isinstance(r, RunFinished)}
        now = self._now()
        refused: dict[Attempt, Refusal] = {}
        endings: list[settlement.Ending] = []
        for report in reports:
            known = held.get(report.run)
            attempt = (report.run, report.attempt)
            if known is None or not _has(agent, known.run, report.attempt):
                refused[attempt] = Refusal(*attempt, OVER)
            elif known.run.status in _HELD_STATES:
                endings += self._take_in(db, book, known, _bounded(report, known.run, now))
            elif not _is_end(known.run, ends.get(report.run)):
                refused[attempt] = Refusal(*attempt, OVER)
        book.write()
        settlement.finish_jobs(db, endings)
        self._note_late(db, agent, held, refused, now)
        if ends and (agent.session in self._full or self._limited):
            self._full.discard(agent.session)
            self._limited.clear()
            db.after_commit(self._signals.wake)
        for ending in endings:
            self._tell_clock(db, ending.job)
        return list(refused.values())

    def _note_late(
        self,
        db: WritingSession,
        agent: AgentSession,
        held: Mapping[uuid.UUID, Held],
        refused: Iterable[Attempt],
        now: int,
    ) -> None:
        """Let it be seen that reports came too late: once for each attempt."""
        for run, attempt in refused:
            known = held.get(run)
            if known is None or (run, attempt) in self._refusals:
                continue
            self._keep_refusal(db, (run, attempt))
            text = f"a late report of attempt {attempt} was refused: that attempt is over"
            moves.note(db, known.job, now, "agent", text, known.run.id)
            events.record(db, agent.agent_id, now, events.LATE, f"of the run {run}")

    def _tell_clock(self, db: WritingSession, job: JobRow) -> None:
        """Have the run book of a job that has ended go on at once."""
        if job.origin is Origin.RUN_BOOK and job.status.finished:
            db.after_commit(functools.partial(self._wake_clock, self._now()))

    def _take_in(
        self, db: WritingSession, book: ledger.TaskBook, held: Held, report: Report
    ) -> list[settlement.Ending]:
        """Take in one report; the ending of the job, if its last run has ended with it."""
        run = held.run
        match report:
            case TaskStarted():
                book.start(run, report)
            case LogChunk():
                book.add_output(run, report)
            case TaskFinished():
                if book.finish(run, report):
                    run.tasks_done += 1
                    rows.write_run(db, run)
            case RunFinished():
                return self._end(db, book, held, report)
        return []

    def _end(
        self, db: WritingSession, book: ledger.TaskBook, held: Held, report: RunFinished
    ) -> list[settlement.Ending]:
        run, at = held.run, report.at
        book.write()
        if settlement.try_again(db, held.job, run, report.status, at, report.detail):
            db.after_commit(functools.partial(self._wake_clock, at))
            return []
        if run.tasks_done < run.tasks_total:
            # The agent gave up on the run, or left tasks out: nothing stays open.
            book.write()
            settlement.end_tasks(db, run, at, report.detail)
        if report.parameters or held.job.origin is Origin.RUN_BOOK:
            ledger.keep_values(db, run, report)
        seconds = (at - (run.started_at or at)) / moments.SECOND
        db.after_commit(functools.partial(self._ended, report.status.name.lower(), seconds))
        last = settlement.close_run(db, held.job, run, report.status, at, report.detail)
        return [settlement.Ending(held.job, at, report.detail)] if last else []

    def _renew(self, db: Session, agent: AgentSession, runs: Sequence[Attempt]) -> "Renewal":
        now = self._now()
        # Written first: whoever reads the row to write it later would wait for another such.
        db.execute(_AGENT.update(last_contact_at=now).where(_AGENT.id == agent.agent_id))
        self._check(db, agent)
        present = _lock_held(db, agent)
        kept = [present[attempt]["id"] for attempt in runs if attempt in present]
        db.execute(_RUN.update(lease_until=now + self._lease).where(_RUN.id.in_(kept)))
        # The answer to a claim may be under way: what was claimed lately is not expected yet, and
        # has the lease that it was claimed with.
        lately = now - self._lease // _RENEWALS
        missing = [present[attempt] for attempt in present.keys() - set(runs)]
        begun = _begun(db, [row["id"] for row in missing])
        return Renewal(
            [Refusal(*attempt, OVER) for attempt in runs if attempt not in present],
            [
                (row["guid"], row["attempt"])
                for row in missing
                if row["id"] not in begun and row["started_at"] <= lately
            ],
            len(missing),
        )

    def _lose(
        self, db: WritingSession, agent: AgentSession, lost: Sequence[Attempt], reason: str
    ) -> None:
        self._settle(db, _under_way(db, agent, lost), reason)

    def _give_back(
        self, db: WritingSession, agent: AgentSession, returned: Sequence[Attempt]
    ) -> None:
        for held in _under_way(db, agent, returned):
            settlement.give_back(db, held.job, held.run, self._now())

    def _expire(self, db: WritingSession, found: Row) -> None:
        held = rows.lock_runs(db, [found])
        same = [one for one in held if one.run.lease_until == found["lease_until"]]
        self._settle(db, same, SILENT)

    def _drop(self, db: WritingSession, found: Row) -> None:
        """Cancel a run that waits for an agent that is no more."""
        for held in rows.lock_runs(db, [found]):
            if held.run.status is JobStatus.SCHEDULED:
                settlement.finish_run(
                    db, held.job, held.run, JobStatus.CANCELED, self._now(), REMOVED
                )
                self._tell_clock(db, held.job)

    def _settle(self, db: WritingSession, lost: Iterable[Held], reason: str) -> None:
        for held in lost:
            if held.run.status in _HELD_STATES:
                settlement.lose_run(db, held.job, held.run, self._now(), reason)
                self._tell_clock(db, held.job)

    @staticmethod
    def _check(db: Session, agent: AgentSession) -> Row:
        """Raise SessionOver unless the session is the agent's present one, and keep it that.

        Answers the agent's ``boot_id``, ``max_runs`` and how many runs it has (``held``).
        """
        statement = _SHARE_SESSION if db.postgres else _SESSION
        return _check_present(db.select(statement, {"id": agent.agent_id}), agent)


@dataclasses.dataclass(frozen=True)
class Renewal:
    """What a renewal finds: attempts that are over, and those that the agent never got.

    ``unnamed`` counts the runs of the session that the agent did not name.
    """

    refused: list[Refusal]
    stranded: list[Attempt]
    unnamed: int


def _check_present(found: Sequence[Row], agent: AgentSession) -> Row:
    """The agent's row, if the session is its present one; raises SessionOver."""
    if not found or found[0]["deleted_at"] is not None:
        raise SessionOver(REMOVED)
    if found[0]["session"] is None:
        raise SessionOver("the agent was revoked")
    if found[0]["session"] != agent.session:
        raise SessionOver("another server, or another agent, has taken this agent's name")
    return found[0]


def _embedded(db: Session, name: str) -> roster.Agent | None:
    """The embedded agent of this name; remote ones may have the same."""
    row = db.first(
        _AGENT.select().where(
            _AGENT.name_key == names.key(name), _AGENT.embedded, _AGENT.deleted_at.is_null()
        )
    )
    return None if row is None else roster.Agent.of(row)


def _boot_id(db: Session, agent_id: int) -> str:
    """The boot in which the agent was last heard of; kept from others until this work ends."""
    query = _AGENT.select(_AGENT.boot_id).where(_AGENT.id == agent_id)
    if db.postgres:
        # Not in the way of those who give the agent runs, who hold jobs that this may want.
        query = query.for_update("FOR NO KEY UPDATE")  # type: ignore[arg-type]  # see above
    return str(db.scalar(query))


def told(facts: AgentFacts) -> dict[str, Any]:
    """The columns that hold what an agent says of itself."""
    columns: dict[str, Any] = {"facts": roster.facts_as_json(dataclasses.asdict(facts))}
    return columns | ({"last_console_user": facts.console_user} if facts.console_user else {})


def _register(db: Session, name: str, session: uuid.UUID, values: dict[str, Any]) -> AgentSession:
    guid = moments.new_guid()
    query = _AGENT.insert(
        guid=guid, tenant_id=1, name=name, name_key=names.key(name), enabled=True, **values
    )
    return AgentSession(db.execute(query), guid, session)


def _has(agent: AgentSession, run: RunRow, attempt: int) -> bool:
    """Whether this attempt of the run was claimed in this very session."""
    return (run.agent_id, run.session, run.attempt) == (agent.agent_id, agent.session, attempt)


def _is_end(run: RunRow, end: RunFinished | None) -> bool:
    """Whether a run ended with just this report: then it, and what came with it, is repeated."""
    if end is None or run.status is not end.status or run.finished_at is None:
        return False
    # A moment that cannot be true was another when it was stored.
    return end.at == run.finished_at or not (run.started_at or 0) <= end.at <= run.finished_at


def _bounded(report: Report, run: RunRow, now: int) -> Report:
    """With times that can be true: between the run's start and now, whatever the agent's clock."""
    if isinstance(report, LogChunk):
        return report
    first = run.started_at or 0
    if first <= report.at <= now and (
        not isinstance(report, TaskFinished) or first <= report.started_at <= now
    ):
        return report
    at = _between(first, report.at, now)
    if isinstance(report, TaskFinished):
        return dataclasses.replace(report, at=at, started_at=_between(first, report.started_at, at))
    return dataclasses.replace(report, at=at)


def _between(first: int, moment: int, last: int) -> int:
    return min(max(moment, first), max(first, last))


def _under_way(db: Session, agent: AgentSession, attempts: Iterable[Attempt]) -> list[Held]:
    """Those of the session's runs, locked, that are still in this attempt and have not ended."""
    wanted = dict(attempts)
    return [
        held
        for held in rows.lock_runs(db, rows.find_runs(db, wanted))
        if _has(agent, held.run, wanted[held.run.guid]) and held.run.status in _HELD_STATES
    ]


def _lock_held(db: Session, agent: AgentSession) -> dict[Attempt, Row]:
    """The runs that the session has, locked in the order of their ids."""
    query = _RUN.select(_RUN.id, _RUN.guid, _RUN.attempt, _RUN.started_at).where(
        _HELD, _RUN.agent_id == agent.agent_id, _RUN.session == agent.session
    )
    query = query.order_by(_RUN.id)
    found = db.rows(query.for_update() if db.postgres else query)
    return {(row["guid"], row["attempt"]): row for row in found}


def _begun(db: Session, run_ids: Sequence[int]) -> set[int]:
    """Which of the runs have a task that was begun in the present attempt."""
    if not run_ids:
        return set()
    query = _TASK.select(_TASK.run_id).join(
        _RUN, on=(_RUN.id == _TASK.run_id) & (_RUN.attempt == _TASK.attempt)
    )
    query = query.where(_TASK.run_id.in_(run_ids), _TASK.status != JobStatus.SCHEDULED)
    return {row["run_id"] for row in db.rows(query)}


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
