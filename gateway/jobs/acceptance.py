"""From an order to a durable job.

Everything that can be looked up or refused is settled first, with reads only; what is left for the
unit of work is a handful of inserts, so that many acceptances share one commit.
"""

import dataclasses
import functools
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import moments, names
from gateway.catalog import trees
from gateway.catalog.catalog import Catalog, DefinitionNotFound
from gateway.catalog.definitions import ParameterType
from gateway.catalog.policies import Policy
from gateway.catalog.trees import Tree
from gateway.fleet import roster, targets
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Team
from gateway.identity.principals import Caller
from gateway.identity.vault import Vault
from gateway.jobs import (
    beginning,
    dispatch,
    launching,
    local_time,
    moves,
    recurrence,
    repeats,
    rows,
    run_book_order,
    run_book_plan,
    schedules,
    values,
)
from gateway.jobs.calendars import CalendarNotFound
from gateway.jobs.orders import (
    Boot,
    GivenParameters,
    GivenValue,
    JobOrder,
    OrderRefused,
    Origin,
    Timing,
    What,
    WhoKind,
)
from gateway.jobs.repeats import UNMARKED, Mark
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from gateway.jobs.values import Holders
from gateway.jobs.views import JobView, ShownWhat, ShownWho
from storage import models
from storage.session import Session, WritingSession

# Enough for any site; keeps one request from filling the store with runs.
MOST_AGENTS = 1000
MOST_DEFINITIONS = 100
# One for each definition is what clients send.
MOST_PARAMETER_SETS = 2 * MOST_DEFINITIONS
HIGHEST_PRIORITY = 9
USUAL_PRIORITY = 5
_LONGEST_DESCRIPTION = 4000
_LONGEST_TIMEOUT = 10 * 366 * 24 * 3600 * moments.SECOND
# Characters of JSON.
_MOST_EXTRAS = 64 * 1024


@dataclass(frozen=True)
class ResolvedOrder:
    """An order whose every reference was found and whose every value fits.

    ``agents`` are those that the job would run on at present: teams are asked again when it starts.
    ``known`` are, besides, those that the jobs of run books name, where that matters.
    """

    order: JobOrder
    what: tuple[Tree, ...]
    who: tuple[Agent | Team, ...]
    agents: tuple[Agent, ...]
    holders: Holders
    parameters: tuple[GivenParameters, ...]
    known: tuple[Agent, ...]

    @property
    def is_run_book(self) -> bool:
        """Whether the job is worked off by jobs of its own."""
        return any(tree.run_book is not None for tree in self.what)

    @property
    def tasks(self) -> int:
        """How many tasks each run of the job has."""
        return sum(run_book_plan.task_count(tree) for tree in self.what)

    @functools.cached_property
    def policy(self) -> Policy:
        """How the job is run: what the order says, and for the rest what its definitions say.

        Where each of several is a job of its own, that one has what its definition says.
        """
        apart = self.is_run_book and len(self.what) > 1
        return self.order.policy.over(Policy() if apart else run_book_plan.policy(self.what))

    @property
    def lock(self) -> str | None:
        """The lock that the job needs to begin."""
        return run_book_plan.lock(self.what, self.policy)

    @property
    def priority(self) -> int:
        """What the order says, or the policies, or that of everybody."""
        if self.order.priority is not None:
            return self.order.priority
        return USUAL_PRIORITY if self.policy.priority is None else self.policy.priority

    @property
    def retries(self) -> int:
        """How many further attempts a lost run is given."""
        return max(run_book_plan.retries(tree) for tree in self.what)


@dataclass
class MadeJob:
    """A job that is ready to be stored, with its runs if it is due at once."""

    job: JobRow
    plans: tuple[dispatch.RunPlan, ...]
    resolved: ResolvedOrder
    timing: dict[str, Any]
    caller: Caller
    now: int
    mark: Mark = UNMARKED

    def marked(self, mark: Mark) -> "MadeJob":
        """Itself, with this mark. No copy: it is made for each job."""
        self.mark = mark
        return self


class Acceptance:
    """Accepts orders. ``launch_timeout`` in microseconds is used where an order has none.

    ``zone`` is the name of that of local times, for agents that do not tell theirs;
    ``offline_after`` for how long, in microseconds, an agent may be silent and count as online.
    """

    def __init__(
        self,
        catalog: Catalog,
        vault: Vault,
        launch_timeout: int,
        zone: str = "UTC",
        offline_after: int = launching.OFFLINE_AFTER,
    ) -> None:
        self._catalog = catalog
        self._vault = vault
        self._launch_timeout = launch_timeout
        self._zone = zone
        self._offline_after = offline_after

    def resolve(self, session: Session, order: JobOrder, now: int) -> ResolvedOrder:
        """Look up and check everything, with reads only. Raises OrderRefused."""
        _check_sizes(order)
        _check_timing(order.timing, now)
        _check_schedule(session, order.timing)
        what = tuple(self._definition(session, i, item) for i, item in enumerate(order.what))
        who = _who(session, order)
        holders = Holders(holder for tree in what for holder in values.holders(tree))
        _check_sets(order, holders)
        parameters = values.checked(order.parameters, holders)
        values.check_required(holders, parameters)
        run_book_order.check(session, what, order.timing, bool(who), holders, parameters)
        if order.extras:
            # Here and not where it is stored: there all others wait.
            order = dataclasses.replace(order, extras=_bounded(order.extras))
        agents = tuple(targets.agents_of(session, who))
        if order.timing.offline_at_next_boot or order.timing.boot is not Boot.NONE:
            # What is remembered of them need not know who is online and in which boot.
            present = roster.by_ids(session, {agent.id for agent in agents})
            agents = tuple(present[agent.id] for agent in agents)
        known = agents
        if order.timing.wall is not None:
            own = run_book_order.agents(session, what, holders, parameters)
            known = tuple({one.id: one for one in (*agents, *own)}.values())
        resolved = ResolvedOrder(order, what, who, agents, holders, parameters, known)
        _check_locks(resolved)
        return resolved

    def made(self, resolved: ResolvedOrder, caller: Caller, now: int) -> MadeJob:
        """The job of an order, which nobody has stored yet."""
        order = resolved.order
        timing = launching.stored(
            order.timing, order.launch_timeout, self._zone, self._offline_after
        )
        job = self._row(resolved, timing, caller, now)
        if (rule := order.timing.schedule) is not None:
            job.due_at = recurrence.next_due(rule, now)
            job.wake_at = None if order.on_hold else job.due_at
            # Each job that it makes has its own.
            job.launch_by = None
        plans: list[dispatch.RunPlan] = []
        if _is_due(job, now) and not resolved.is_run_book and job.lock_name is None:
            starts = launching.starts(timing, self._timeout(order), now)
            plans = dispatch.plan(resolved.agents, resolved.tasks, starts)
        if plans:
            # Before the row is inserted, which spares the hottest path an update.
            dispatch.await_agents(job, plans, now)
        return MadeJob(job, tuple(plans), resolved, timing, caller, now)

    def insert(self, session: WritingSession, made: MadeJob) -> None:
        """Store a job, dispatched at once if it is due. For use in a unit of work."""
        job, resolved = made.job, made.resolved
        moves.enter(session, job, _actor(made.caller), made.mark.note)
        rows.insert_request(session, self._request(session, made))
        dispatch.insert_runs(session, job, made.plans, made.now)
        if (rule := resolved.order.timing.schedule) is not None:
            schedules.insert(session, job, rule)

    def again(
        self,
        session: WritingSession,
        job: JobRow,
        caller: Caller,
        now: int,
        mark: Mark = UNMARKED,
        guid: uuid.UUID | None = None,
    ) -> JobRow:
        """Store a copy of a job, to run now. For use in a unit of work."""
        request = session.first(
            models.JobRequest.select().where(models.JobRequest.job_id == job.id)
        )
        if request is None:
            raise LookupError(f"what the job {job.guid} asked for is no longer stored")
        copy = dataclasses.replace(
            job,
            guid=guid or moments.new_guid(),
            parent_id=None,
            schedule_id=None,
            owner_id=caller.principal.id if caller.principal else None,
            origin=Origin.USER,
            recurring=False,
            status=JobStatus.SCHEDULED,
            reason=f"again, as {job.guid}",
            runs_open=0,
            due_at=now,
            launch_by=now + (request["options"]["launch_timeout"] or self._launch_timeout),
            created_at=now,
            started_at=None,
            finished_at=None,
            stop_by=None,
            lock_name=request["options"].get("lock"),
        )
        moves.enter(session, copy, _actor(caller), mark.note)
        timing = launching.once(request["timing"])
        rows.insert_request(
            session,
            request
            | {
                "job_id": copy.id,
                "digest": mark.digest,
                "surface": caller.surface,
                "timing": timing,
                "options": repeats.unmarked(request["options"])
                | {"from": _from(caller)}
                | mark.options(copy.due_at),
            },
        )
        beginning.begin(session, copy, now)
        return copy

    @staticmethod
    def view(made: MadeJob) -> JobView:
        """The view of a job as it is accepted, without reading it back.

        It has a number once it has been stored.
        """
        job, resolved, caller = made.job, made.resolved, made.caller
        timing = resolved.order.timing
        return JobView(
            id=job.id,
            guid=job.guid,
            description=resolved.order.description,
            status=job.status,
            reason=job.reason,
            origin=job.origin,
            recurring=job.recurring,
            surface=caller.surface,
            owner=caller.name,
            priority=job.priority,
            due_at=job.due_at,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            immediate=timing.immediate,
            local_time=timing.local_time,
            wake_on_lan=timing.wake_on_lan,
            in_parallel=resolved.order.in_parallel,
            what=tuple(
                ShownWhat(w.summary.guid, w.summary.kind, w.summary.name, w.summary.version_id)
                for w in resolved.what
            ),
            who=tuple(ShownWho(one.guid, one.name, kind_of(one)) for one in resolved.who),
            address=caller.address,
            comment=caller.comment,
            timing=dataclasses.replace(timing, recurrence=None),
            launch_timeout=resolved.order.launch_timeout,
        )

    def _definition(self, session: Session, index: int, what: What) -> Tree:
        try:
            summary = self._catalog.find(session, what.guid, what.kind)
        except DefinitionNotFound as error:
            raise OrderRefused(f"What[{index}].ID", str(error)) from error
        if not summary.enabled:
            raise OrderRefused(f"What[{index}].ID", f"{summary.name!r} is disabled")
        try:
            return trees.tree(self._catalog, session, summary)
        except trees.TreeImpossible as error:
            raise OrderRefused(f"What[{index}].ID", str(error)) from error

    def _timeout(self, order: JobOrder) -> int | None:
        """The launch timeout of an order; a boot is waited for as long as it takes."""
        if order.launch_timeout is None and order.timing.boot is Boot.NEXT:
            return None
        return order.launch_timeout or self._launch_timeout

    def _row(
        self, resolved: ResolvedOrder, timing: Mapping[str, Any], caller: Caller, now: int
    ) -> JobRow:
        order, first = resolved.order, resolved.what[0].summary
        due = order.timing.scheduled_at if not order.timing.immediate else now
        due = last = now if due is None else due
        if "local" in timing:
            due, last = launching.span(timing, resolved.known)
        timeout = self._timeout(order)
        on_hold = order.on_hold
        return JobRow(
            id=0,
            guid=moments.new_guid(),
            tenant_id=1,
            parent_id=None,
            schedule_id=None,
            definition_id=first.id,
            folder_id=first.folder_id,
            owner_id=caller.principal.id if caller.principal else None,
            origin=Origin.USER,
            recurring=order.timing.schedule is not None,
            status=JobStatus.DISABLED if on_hold else JobStatus.SCHEDULED,
            reason="",
            priority=resolved.priority,
            runs_open=0,
            due_at=due,
            launch_by=None if timeout is None else max(last, now) + timeout,
            wake_at=None if on_hold else due if due > now else moments.AT_ONCE,
            created_at=now,
            # What recurs never begins itself: those that it makes need the lock.
            lock_name=None if order.timing.schedule is not None else resolved.lock,
        )

    def _request(self, session: Session, made: MadeJob) -> dict[str, Any]:
        job, resolved, caller, now = made.job, made.resolved, made.caller, made.now
        order = resolved.order
        return {
            "job_id": job.id,
            "description": order.description,
            "surface": caller.surface,
            "timing": made.timing,
            "what": _what_json(resolved),
            "who": [targets.stored(one) for one in resolved.who],
            "parameters": [
                self._set_json(session, given, resolved, now) for given in resolved.parameters
            ],
            "options": {
                "in_parallel": order.in_parallel,
                "launch_timeout": self._timeout(order),
                "retries": resolved.retries,
                "tasks": resolved.tasks,
                **_policy_json(resolved),
                "from": _from(caller),
                **made.mark.options(job.due_at),
            },
            "extras": order.extras or None,
            "digest": made.mark.digest,
        }

    def _set_json(
        self, session: Session, given: GivenParameters, resolved: ResolvedOrder, now: int
    ) -> dict[str, Any]:
        kinds = values.types(resolved.holders, given)
        stored = {
            "definition": given.definition,
            "values": [
                self._value_json(session, value, kinds.get(names.key(value.name), frozenset()), now)
                for value in given.values
            ],
        }
        return stored if given.step is None else stored | {"step": given.step}

    def _value_json(
        self, session: Session, value: GivenValue, kinds: frozenset[ParameterType], now: int
    ) -> dict[str, Any]:
        """A value as it is stored: secret parts sealed, the reference in their place."""
        stored: dict[str, Any] = {"name": value.name}
        parts = {"value": value.value, "secondary": value.secondary}
        for part, text in parts.items():
            if text is None:
                continue
            if values.any_secret(kinds, part):
                stored[f"{part}_secret"] = self._vault.seal(session, now, "job parameter", text)
            else:
                stored[part] = text
        return stored


def _policy_json(resolved: ResolvedOrder) -> dict[str, Any]:
    """What the request keeps of policies: nothing where nobody says anything."""
    said = resolved.policy.said
    return {"policy": said, "lock": resolved.lock} if said else {}


def _is_due(job: JobRow, now: int) -> bool:
    """Whether a new job starts at once; a recurring one never does, its occurrences do."""
    waits = job.status is JobStatus.SCHEDULED and not job.recurring
    return waits and job.due_at is not None and job.due_at <= now


def _check_sizes(order: JobOrder) -> None:
    if order.launch_timeout is not None and not 0 < order.launch_timeout <= _LONGEST_TIMEOUT:
        raise OrderRefused("When.LaunchTimeout", "is a time from one minute to ten years")
    if not order.what:
        raise OrderRefused("What", "name at least one module to run")
    if len(order.what) > MOST_DEFINITIONS:
        raise OrderRefused("What", f"names more than {MOST_DEFINITIONS} definitions")
    if len(order.who) > MOST_AGENTS:
        raise OrderRefused("Who", f"names more than {MOST_AGENTS} agents")
    if len(order.description) > _LONGEST_DESCRIPTION:
        raise OrderRefused("Description", f"is longer than {_LONGEST_DESCRIPTION} characters")
    if order.priority is not None and not 0 <= order.priority <= HIGHEST_PRIORITY:
        raise OrderRefused("Priority", "is a number from 0 (last) to 9 (first)")


def _check_locks(resolved: ResolvedOrder) -> None:
    """No job may wait for a lock that is kept by the run book that it belongs to."""
    if not resolved.is_run_book:
        return
    knot = run_book_plan.knot(resolved.what, resolved.lock)
    if knot is not None:
        raise OrderRefused(
            "What",
            f"the job {knot.job!r} would wait for the lock {knot.lock}, which its run book has "
            "for as long as it runs: give them different locks",
        )


def _check_sets(order: JobOrder, holders: Holders) -> None:
    # A run book that is read has a set for each of its jobs' definitions.
    most = max(MOST_PARAMETER_SETS, 2 * len(holders))
    if len(order.parameters) > most:
        raise OrderRefused("Parameters", f"holds more than {most} sets")


def _check_timing(timing: Timing, now: int) -> None:
    if timing.boot is Boot.EVERY and timing.recurrence is not None:
        raise OrderRefused("When.AfterBoot", "Every is a recurrence of its own: give no other")
    if timing.window is not None and not timing.window.days:
        raise OrderRefused("When.LaunchWindow.Days", "name at least one day")
    if (rule := timing.schedule) is not None:
        try:
            recurrence.check(rule, now)
        except recurrence.RuleRefused as error:
            raise OrderRefused("When", str(error)) from error
        if timing.boot is not Boot.EVERY:
            return
    at = timing.scheduled_at if timing.wall is None else local_time.earliest(timing.wall)
    if at is None and not timing.immediate:
        raise OrderRefused("When.ScheduledDateTime", "is required when Immediate is false")
    if at is not None and not moments.EARLIEST <= at <= moments.LATEST:
        raise OrderRefused("When.ScheduledDateTime", "is not between 1970 and the year 9999")


def _check_schedule(session: Session, timing: Timing) -> None:
    if (rule := timing.schedule) is None:
        return
    try:
        schedules.check(session, rule)
    except (recurrence.RuleRefused, CalendarNotFound) as error:
        raise OrderRefused("When", str(error)) from error


def _who(session: Session, order: JobOrder) -> tuple[Agent | Team, ...]:
    """The agents and teams of an order, each once. Raises OrderRefused."""
    found: dict[tuple[type, int], Agent | Team] = {}
    for index, who in enumerate(order.who):
        try:
            one = targets.resolve(session, who.kind, who.reference)
        except targets.TargetNotFound as error:
            raise OrderRefused(f"Who[{index}].ID", str(error)) from error
        found[type(one), one.id] = one
    return tuple(found.values())


def _what_json(resolved: ResolvedOrder) -> list[dict[str, Any]]:
    if not resolved.is_run_book or len(resolved.what) == 1:
        return [run_book_plan.entry(tree) for tree in resolved.what]
    # Each becomes a job of its own, made when the first begins.
    return [
        {**run_book_plan.entry(tree), **run_book_plan.step_facts((tree,))} for tree in resolved.what
    ]


def kind_of(found: Agent | Team) -> WhoKind:
    """Whether it is an agent or a team."""
    return WhoKind.AGENT if isinstance(found, Agent) else WhoKind.TEAM


def _bounded(extras: dict[str, Any]) -> dict[str, Any]:
    """What came in under unknown names, for who looks for it later; nothing that fills a store."""
    return extras if len(json.dumps(extras, default=str)) <= _MOST_EXTRAS else {}


def _from(caller: Caller) -> dict[str, str]:
    """From where a job was asked for: it is its own record, and needs none in the audit trail."""
    return {
        "address": caller.address,
        "request_id": caller.request_id,
        "comment": caller.comment,
    }


def _actor(caller: Caller) -> str:
    return caller.principal.name if caller.principal else caller.surface
