"""Jobs as others see them: values read from the store, secrets never among them."""

import dataclasses
import functools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import peewee

from gateway import names
from gateway.catalog import tree_parameters, usage
from gateway.catalog.catalog import Catalog, DefinitionKind
from gateway.catalog.definitions import Parameter
from gateway.catalog.run_books import RunBookJob
from gateway.catalog.trees import Tree
from gateway.fleet import roster
from gateway.identity.vault import SECRET_MARKER
from gateway.jobs import launching, run_book_plan
from gateway.jobs.orders import Origin, Timing, WhoKind
from gateway.jobs.run_book_plan import Entry
from gateway.jobs.states import JobStatus
from storage import models, statements
from storage.session import Row, Session
from storage.statements import named

_JOB = models.Job
_REQUEST = models.JobRequest
# All but what came in under unknown names, which no answer shows.
_SHOWN = (
    _REQUEST.job_id,
    _REQUEST.description,
    _REQUEST.surface,
    _REQUEST.timing,
    _REQUEST.what,
    _REQUEST.who,
    _REQUEST.parameters,
    _REQUEST.options,
)
_REQUEST_OF = statements.Statement(
    lambda: _REQUEST.select(*_SHOWN).where(_REQUEST.job_id == named(_REQUEST.job_id))
)


_PRINCIPAL = models.Principal
_NAME_OF = statements.Statement(
    lambda: _PRINCIPAL.select(_PRINCIPAL.id, _PRINCIPAL.name).where(
        _PRINCIPAL.id == named(_PRINCIPAL.id)
    )
)

# All of one job at once: each statement more costs its thread its turn among those that compute.
_WHOLE = statements.Statement(
    lambda: (
        _JOB.select(_JOB, *_SHOWN, _PRINCIPAL.name)
        .join(_REQUEST, on=(_REQUEST.job_id == _JOB.id))
        .join(_PRINCIPAL, peewee.JOIN.LEFT_OUTER, on=(_PRINCIPAL.id == _JOB.owner_id))
        .where(_JOB.guid == named(_JOB.guid), _JOB.tenant_id == 1)
    )
)

_MODULE_RANK = 2


@dataclass(frozen=True)
class ShownWhat:
    """A definition that a job runs."""

    guid: uuid.UUID
    kind: DefinitionKind
    name: str
    version: int


@dataclass(frozen=True)
class ShownWho:
    """An agent or team that a job runs on."""

    guid: uuid.UUID
    name: str
    kind: WhoKind = WhoKind.AGENT


@dataclass(frozen=True)
class ShownValue:
    """A parameter's value, None where the module's own counts; a marker stands for a secret."""

    name: str
    value: str | None
    secondary: str | None


@dataclass(frozen=True)
class ShownSet:
    """The parameters of a definition, with the given values by name.

    ``step`` is the job of a run book that runs it.
    """

    what: ShownWhat
    step: uuid.UUID | None
    step_name: str
    parameters: tuple[Parameter, ...]
    given: dict[str, ShownValue]


@dataclass(frozen=True)
class JobView:
    """A job. Times in epoch microseconds; ``parent`` is the job that made this one.

    ``timing`` is what was asked for, but for the rule of a recurrence; ``launch_timeout`` (in
    microseconds) is there only if the order gave one. ``owner`` asked for it by ``surface`` from
    ``address``, with a ``comment`` if he gave one; ``possible_duplicate_of`` is a job of an equal
    request shortly before.
    """

    id: int
    guid: uuid.UUID
    description: str
    status: JobStatus
    reason: str
    origin: Origin
    recurring: bool
    surface: str
    owner: str
    priority: int
    due_at: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    immediate: bool
    local_time: bool
    wake_on_lan: bool
    in_parallel: bool
    what: tuple[ShownWhat, ...]
    who: tuple[ShownWho, ...]
    address: str = ""
    comment: str = ""
    timing: Timing = field(default_factory=Timing)
    launch_timeout: int | None = None
    possible_duplicate_of: uuid.UUID | None = None

    @property
    def is_run_book(self) -> bool:
        """Whether it is worked off by jobs of its own."""
        return any(one.kind is DefinitionKind.RUN_BOOK for one in self.what)


@dataclass(frozen=True)
class TaskView:
    """One task of the present attempt of a run."""

    seq: int
    guid: uuid.UUID
    module_guid: uuid.UUID
    module: str
    name: str
    status: JobStatus
    exit_code: int | None
    detail: str
    outputs: dict[str, str]
    log_id: int | None
    log_truncated: bool
    started_at: int | None
    finished_at: int | None


@dataclass(frozen=True)
class RunView:
    """One job on one agent."""

    id: int
    guid: uuid.UUID
    agent_guid: uuid.UUID
    agent: str
    attempt: int
    status: JobStatus
    reason: str
    tasks_total: int
    tasks_done: int
    started_at: int | None
    finished_at: int | None
    tasks: tuple[TaskView, ...] = ()
    not_before_at: int | None = None
    launch_by_at: int | None = None


@dataclass(frozen=True)
class EventView:
    """One move of a job, or a record in its history."""

    at: int
    before: JobStatus | None
    after: JobStatus
    actor: str
    reason: str


def jobs(session: Session, rows: Sequence[Row]) -> list[JobView]:
    """The views of rows of the job table, in their order; three queries for any number."""
    requests = _requests(session, [row["id"] for row in rows])
    known = owners(session, {row["owner_id"] for row in rows if row["owner_id"] is not None})
    return [_job(row, requests[row["id"]], known) for row in rows]


def as_accepted(session: Session, job_id: int) -> JobView:
    """A job that was sent with a key, as its first answer showed it.

    Raises LookupError if it is no longer stored.
    """
    found = session.rows(_JOB.select().where(_JOB.id == job_id))
    if not found:
        raise LookupError(f"the job number {job_id} is no longer stored")
    request = session.select(_REQUEST_OF, {"job_id": job_id})[0]
    first = events(session, job_id)[0]
    return dataclasses.replace(
        jobs(session, found)[0],
        status=first.after,
        reason=first.reason,
        due_at=request["options"]["accepted"]["due_at"],
        started_at=None,
        finished_at=None,
    )


def runs(session: Session, job_id: int, *, tasks: bool = False) -> list[RunView]:
    """The runs of a job; with the tasks of their present attempts when asked for."""
    run = models.Run
    found = session.rows(run.select().where(run.job_id == job_id).order_by(run.id))
    agents = roster.by_ids(session, {row["agent_id"] for row in found})
    results = _tasks(session, found) if tasks else {}
    return [_run(row, agents[row["agent_id"]], results.get(row["id"], ())) for row in found]


def events(session: Session, job_id: int) -> list[EventView]:
    """The history of a job, the oldest first."""
    event = models.JobEvent
    query = event.select().where(event.job_id == job_id).order_by(event.id)
    return [
        EventView(
            row["at"],
            None if row["before"] is None else JobStatus(row["before"]),
            JobStatus(row["after"]),
            row["actor"],
            row["reason"],
        )
        for row in session.rows(query)
    ]


def values(session: Session, catalog: Catalog, view: JobView) -> list[ShownSet]:
    """The parameters of all that a job runs, each with the values that were given for it."""
    return _values(session, catalog, session.select(_REQUEST_OF, {"job_id": view.id})[0])


def with_values(
    session: Session, catalog: Catalog, guid: uuid.UUID
) -> tuple[JobView, list[ShownSet]] | None:
    """A job by its id, and what ``values`` gives of it; None if it is not stored."""
    found = session.select(_WHOLE, {"guid": guid})
    if not found:
        return None
    row = found[0]
    known = {row["owner_id"]: row["name"] or ""}
    return _job(row, row, known), _values(session, catalog, row)


def _values(session: Session, catalog: Catalog, request: Row) -> list[ShownSet]:
    sets = _Sets(session, catalog, request["parameters"])
    return [one for entry in request["what"] for one in sets.of(entry)]


class _Sets:
    """Puts together the parameter sets of one job."""

    def __init__(
        self, session: Session, catalog: Catalog, given: Sequence[Mapping[str, Any]]
    ) -> None:
        self._session = session
        self._catalog = catalog
        self._given = given

    def of(self, entry: Entry) -> Iterator[ShownSet]:
        """The sets of an entry of ``what`` and of all that is run within it."""
        yield from self._sets(run_book_plan.tree(self._catalog, self._session, entry), entry, None)

    def _sets(self, tree: Tree, entry: Entry, job: RunBookJob | None) -> Iterator[ShownSet]:
        yield self._set(tree, entry, job)
        for step, kept in zip(tree.steps, entry.get("jobs", ()), strict=True):
            if step.job.enabled:
                for what, inner in zip(step.what, kept["what"], strict=True):
                    yield from self._sets(what, inner, step.job)

    def _set(self, tree: Tree, entry: Entry, job: RunBookJob | None) -> ShownSet:
        links = () if job is None else job.links
        # What a link brings is not asked for, and would count if it were sent back.
        brought = {names.key(link.target) for link in links if link.action.sets}
        asked = tree_parameters.input_parameters(tree, self._parsed)
        given = self._values(entry, job)
        summary = tree.summary
        return ShownSet(
            what=ShownWhat(summary.guid, summary.kind, summary.name, summary.version_id),
            step=None if job is None else job.guid,
            step_name="" if job is None else job.name,
            parameters=tuple(
                one for one in asked if names.key(one.name) not in brought or one.name in given
            ),
            given=given,
        )

    @functools.cached_property
    def _parsed(self) -> tree_parameters.Keys:
        return usage.parsed_resources(self._session)

    def _values(self, entry: Entry, job: RunBookJob | None) -> dict[str, ShownValue]:
        own = None if job is None else str(job.guid)
        modules = [str(one["guid"]) for one in entry.get("modules", ())]
        # What is given for a module counts before what is given for its project, or for all.
        ranks = {guid: rank for rank, guid in enumerate((None, str(entry["guid"]), *modules))}
        counting = [
            one
            for one in self._given
            if one["definition"] in ranks and one.get("step") in (None, own)
        ]
        counting.sort(key=lambda one: min(ranks[one["definition"]], _MODULE_RANK))
        return {
            value["name"]: ShownValue(
                value["name"], _shown(value, "value"), _shown(value, "secondary")
            )
            for one in counting
            for value in one["values"]
        }


def _shown(value: dict[str, Any], part: str) -> str | None:
    return SECRET_MARKER if f"{part}_secret" in value else value.get(part)


def _requests(session: Session, ids: Sequence[int]) -> dict[int, Row]:
    if not ids:
        return {}
    if len(ids) == 1:
        found = session.select(_REQUEST_OF, {"job_id": ids[0]})
    else:
        found = session.rows(_REQUEST.select().where(_REQUEST.job_id.in_(ids)))
    return {row["job_id"]: row for row in found}


def owners(session: Session, ids: AbstractSet[int]) -> dict[int, str]:
    """The names of principals."""
    if not ids:
        return {}
    if len(ids) == 1:
        found = session.select(_NAME_OF, {"id": next(iter(ids))})
    else:
        query = _PRINCIPAL.select(_PRINCIPAL.id, _PRINCIPAL.name)
        found = session.rows(query.where(_PRINCIPAL.id.in_(sorted(ids))))
    return {row["id"]: row["name"] for row in found}


def _job(row: Row, request: Row, owners: dict[int, str]) -> JobView:
    timing, options = request["timing"], request["options"]
    asked = options.get("from", {})
    return JobView(
        id=row["id"],
        guid=row["guid"],
        description=request["description"],
        status=JobStatus(row["status"]),
        reason=row["reason"],
        origin=Origin(row["origin"]),
        recurring=bool(row["recurring"]),
        surface=request["surface"],
        owner=owners.get(row["owner_id"], ""),
        priority=row["priority"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        immediate=timing["immediate"],
        local_time=timing["local_time"],
        wake_on_lan=timing["wake_on_lan"],
        in_parallel=options["in_parallel"],
        what=tuple(
            ShownWhat(
                uuid.UUID(one["guid"]), DefinitionKind(one["kind"]), one["name"], one["version"]
            )
            for one in request["what"]
        ),
        who=tuple(_who(one) for one in request["who"]),
        address=asked.get("address", ""),
        comment=asked.get("comment", ""),
        timing=launching.timing_of(timing),
        launch_timeout=timing.get("launch_timeout"),
        possible_duplicate_of=_duplicate_of(row, options),
    )


def _duplicate_of(row: Row, options: Mapping[str, Any]) -> uuid.UUID | None:
    """The job that it may be a duplicate of; jobs that it makes itself copy its options."""
    found = options.get("possible_duplicate_of") if row["parent_id"] is None else None
    return None if found is None else uuid.UUID(found)


def _who(one: Mapping[str, Any]) -> ShownWho:
    kind = WhoKind.AGENT if "agent" in one else WhoKind.TEAM
    return ShownWho(uuid.UUID(one["guid"]), one["name"], kind)


def _run(row: Row, agent: roster.Agent, tasks: tuple[TaskView, ...]) -> RunView:
    return RunView(
        id=row["id"],
        guid=row["guid"],
        agent_guid=agent.guid,
        agent=agent.name,
        attempt=row["attempt"],
        status=JobStatus(row["status"]),
        reason=row["reason"],
        tasks_total=row["tasks_total"],
        tasks_done=row["tasks_done"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        tasks=tasks,
        not_before_at=row["not_before"],
        launch_by_at=row["launch_by"],
    )


def _tasks(session: Session, found: Sequence[Row]) -> dict[int, tuple[TaskView, ...]]:
    if not found:
        return {}
    task = models.TaskResult
    present = {row["id"]: row["attempt"] for row in found}
    results: dict[int, tuple[TaskView, ...]] = {}
    query = task.select().where(task.run_id.in_(list(present))).order_by(task.run_id, task.seq)
    for row in session.rows(query):
        if row["attempt"] == present[row["run_id"]]:
            results[row["run_id"]] = (*results.get(row["run_id"], ()), _task(row))
    return results


def _task(row: Row) -> TaskView:
    return TaskView(
        seq=row["seq"],
        guid=row["task_guid"],
        module_guid=row["module_guid"],
        module=row["module"],
        name=row["name"],
        status=JobStatus(row["status"]),
        exit_code=row["exit_code"],
        detail=row["detail"],
        outputs=row["outputs"],
        log_id=row["log_id"],
        log_truncated=bool(row["log_truncated"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
