"""The operations of the scheduling service, declared once.

REST routes, the SOAP service, its WSDL and the help page are all made from this table.
"""

import enum
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from gateway.agents import roster
from gateway.catalog.catalog import Catalog, DefinitionKind, DefinitionSummary
from gateway.identity.permissions import Access, Node
from gateway.identity.principals import Caller
from gateway.jobs.orders import JobOrder, WhoKind
from gateway.jobs.service import JobFilter, Jobs
from gateway.jobs.views import JobView
from gateway.surfaces.dispatcher import mapping, messages, results
from gateway.wire.messages import ListOf, Message, list_of
from gateway.wire.scalars import BOOLEAN, GUID, INTEGER, TEXT, Scalar
from storage.database import Store

MOST_JOBS_ON_A_PAGE = 1000
DEFAULT_PAGE_SIZE = 50

_DEFINITION_NODES = {
    DefinitionKind.MODULE: Node.MODULES,
    DefinitionKind.PROJECT: Node.PROJECTS,
    DefinitionKind.RUN_BOOK: Node.RUN_BOOKS,
}
_WHO_NODES = {WhoKind.AGENT: Node.AGENTS, WhoKind.TEAM: Node.TEAMS}


class BadArgument(ValueError):
    """An argument of an operation cannot be used; the message names it."""


class Place(enum.Enum):
    """Where REST carries an argument."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"


@dataclass(frozen=True)
class Argument:
    """An argument: its name in the handler, in REST and in SOAP, its content and meaning."""

    name: str
    rest_name: str
    soap_name: str
    place: Place
    content: Scalar[Any] | type[Message]
    meaning: str

    @property
    def required(self) -> bool:
        """Whether a call means nothing without it; in REST only queries may be left out."""
        return self.place is not Place.QUERY


@dataclass(frozen=True)
class Services:
    """The parts of the domain that the operations use."""

    store: Store
    catalog: Catalog
    jobs: Jobs
    now: Callable[[], int]
    offline_after: int


@dataclass(frozen=True)
class Call:
    """One call: by whom, of which services.

    ``check`` raises MissingRight where the caller may not read what an argument names; it is asked
    before anything is done. ``hold`` has the answer wait for an outcome; a call that is made again
    because that was a ``failure`` does nothing but to raise it.
    """

    caller: Caller
    services: Services
    check: Callable[[Node, Access], object]
    hold: Callable[[Future[Any]], None]
    failure: Exception | None = None


@dataclass(frozen=True)
class Operation:
    """One operation of the service. ``answer`` is None where nothing comes back.

    ``node`` and ``access`` are the right that the caller needs, checked before a body is read;
    where the address tells what kind of thing is asked for, ``node_of`` names the node instead.
    ``without_right`` is what somebody without it is answered where that is no error: lists hold
    what the caller may read (Dispatcher contract 1.3).
    """

    name: str
    verb: str
    template: str
    meaning: str
    node: Node
    access: Access
    arguments: tuple[Argument, ...]
    answer: type[Message] | ListOf
    handler: Callable[..., Any]
    without_right: Callable[[Mapping[str, Any]], Any] | None = None
    node_of: Callable[[Mapping[str, Any]], Node] | None = None

    def about(self, arguments: Mapping[str, Any]) -> Node:
        """The node whose right a call needs. Raises BadArgument for a kind that is none."""
        return self.node if self.node_of is None else self.node_of(arguments)

    def call(self, call: Call, arguments: Mapping[str, Any]) -> Any:
        """Do it; arguments that were not sent are None. Raises BadArgument and the handler's."""
        if call.failure is not None:
            raise call.failure
        values = {argument.name: arguments.get(argument.name) for argument in self.arguments}
        for argument in self.arguments:
            if argument.required and values[argument.name] is None:
                raise BadArgument(f"{argument.soap_name}: is missing")
        return self.handler(call, **values)


_JOB_ID = Argument("guid", "JOBID", "jobId", Place.PATH, GUID, "Which job.")


def _query(name: str, content: Scalar[Any], meaning: str, soap_name: str | None = None) -> Argument:
    return Argument(name, name, soap_name or name, Place.QUERY, content, meaning)


def _schedule_job(call: Call, job: messages.Job) -> messages.Job:
    order = mapping.order(job)
    for node in _named_in(order):
        call.check(node, Access.READ)
    accepted, stored = call.services.jobs.accept_soon(order, call.caller)
    call.hold(stored)
    return mapping.job(accepted)


def _named_in(order: JobOrder) -> list[Node]:
    """The nodes of all that an order names: who may not read them may not run them either."""
    what = {_DEFINITION_NODES[item.kind] for item in order.what}
    return sorted(what | {_WHO_NODES[item.kind] for item in order.who})


def _get_jobs(
    call: Call,
    stage: str | None,
    runbookjobs: bool | None,
    recurringjobs: bool | None,
    page: int | None,
    pagesize: int | None,
) -> messages.JobsPage:
    wanted = JobFilter(
        _stage(stage),
        run_book_jobs=runbookjobs is not False,
        recurring_jobs=recurringjobs is not False,
    )
    number = 1 if page is None else page
    size = DEFAULT_PAGE_SIZE if pagesize is None else pagesize
    if number < 1:
        raise BadArgument(f"page: counts from 1, not {number}")
    if size < 1:
        raise BadArgument(f"pageSize: is at least 1, not {size}")
    found = call.services.jobs.page(wanted, number, min(size, MOST_JOBS_ON_A_PAGE))
    return mapping.page(found)


def _stage(text: str | None) -> Any:
    key = (text or "all").strip().lower()
    if key not in mapping.STAGES:
        raise BadArgument(f"stage: is one of All, Scheduled, Active, History, not {text!r}")
    return mapping.STAGES[key]


def _get_job(call: Call, guid: uuid.UUID) -> messages.Job:
    view = call.services.jobs.get(guid)
    return mapping.job(view, _shown_parameters(call, view))


def _shown_parameters(call: Call, view: JobView) -> list[messages.ParameterSet]:
    return [
        mapping.parameter_set(what, call.services.catalog.input_parameters(module), given)
        for what, module, given in call.services.jobs.values(view)
        if module.parameters
    ]


def _change_status(call: Call, guid: uuid.UUID, status: messages.JobStatus) -> messages.JobStatus:
    view = call.services.jobs.get(guid)
    if mapping.aborts(status, view.status):
        view = call.services.jobs.abort(guid, call.caller)
    return mapping.status(view)


def _export_results(
    call: Call, guid: uuid.UUID, overview: bool | None, detailed: bool | None
) -> messages.JobResults:
    jobs = call.services.jobs
    document = results.document(
        jobs.get(guid),
        jobs.runs(guid, tasks=detailed is not False),
        jobs.log,
        overview=overview is not False,
        detailed=detailed is not False,
    )
    return messages.JobResults(Xml=document)


def _get_modules(call: Call) -> tuple[messages.JobWhat, ...]:
    with call.services.store.reading() as session:
        found = call.services.catalog.definitions(session, DefinitionKind.MODULE)
    return tuple(mapping.definition(summary) for summary in found)


def _get_input_parameters(call: Call, what_type: str, what_id: uuid.UUID) -> messages.ParameterSet:
    summary = _definition(call, what_type, what_id)
    with call.services.store.reading() as session:
        module = call.services.catalog.module(session, summary.version_id)
    return mapping.parameter_set(summary, call.services.catalog.input_parameters(module))


def _definition(call: Call, what_type: str, what_id: uuid.UUID) -> DefinitionSummary:
    with call.services.store.reading() as session:
        return call.services.catalog.find(session, what_id, _kind(what_type))


def _kind(what_type: str) -> DefinitionKind:
    kinds = {kind.name.replace("_", "").lower(): kind for kind in DefinitionKind}
    kind = kinds.get(what_type.strip().lower())
    if kind is None:
        raise BadArgument(f"whatType: is one of Module, Project, RunBook, not {what_type!r}")
    return kind


def _node_of_kind(arguments: Mapping[str, Any]) -> Node:
    what_type = arguments.get("what_type")
    # One that was not sent, in SOAP, is refused by the call itself.
    return Node.MODULES if what_type is None else _DEFINITION_NODES[_kind(what_type)]


def _get_who(
    call: Call,
    agents: bool | None,
    teams: bool | None,
    online: bool | None,
    licensed: bool | None,
    search: str | None,
) -> tuple[messages.JobWho, ...]:
    # Every agent of this installation is licensed, and there are no teams to be listed.
    if agents is False or (agents is None and teams) or licensed is False:
        return ()
    services = call.services
    with services.store.reading() as session:
        found = roster.agents(session)
    now = services.now()
    return tuple(
        mapping.agent(agent)
        for agent in found
        if (online is None or agent.online(now, services.offline_after) is online)
        and (search or "").casefold() in agent.name.casefold()
    )


OPERATIONS = (
    Operation(
        "ScheduleJob",
        "POST",
        "jobs",
        "Schedules a new job and answers it with its JobID.",
        Node.JOBS,
        Access.MODIFY,
        (Argument("job", "", "job", Place.BODY, messages.Job, "The job to schedule."),),
        messages.Job,
        _schedule_job,
    ),
    Operation(
        "GetJobs",
        "GET",
        "jobs",
        "Lists jobs, the newest first, a page at a time.",
        Node.JOBS,
        Access.READ,
        (
            _query("stage", TEXT, "All (default), Scheduled, Active or History."),
            _query("runbookjobs", BOOLEAN, "False hides jobs inside run books.", "runBookJobs"),
            _query("recurringjobs", BOOLEAN, "False hides recurring jobs.", "recurringJobs"),
            _query("page", INTEGER, "Which page, from 1."),
            _query("pagesize", INTEGER, "Jobs on a page: 50, at most 1000.", "pageSize"),
        ),
        messages.JobsPage,
        _get_jobs,
        lambda arguments: messages.JobsPage(CurrentPage=arguments.get("page") or 1, PageCount=0),
    ),
    Operation(
        "GetJob",
        "GET",
        "jobs/{JOBID}",
        "Shows a job with the parameters of its modules.",
        Node.JOBS,
        Access.READ,
        (_JOB_ID,),
        messages.Job,
        _get_job,
    ),
    Operation(
        "AbortJob",
        "PUT",
        "jobs/{JOBID}",
        "Aborts a job: send its status with Type Aborting (2).",
        Node.JOBS,
        Access.MODIFY,
        (
            _JOB_ID,
            Argument(
                "status", "", "status", Place.BODY, messages.JobStatus, "The status asked for."
            ),
        ),
        messages.JobStatus,
        _change_status,
    ),
    Operation(
        "ExportJobResults",
        "GET",
        "jobs/{JOBID}/results",
        "Gives the results of a job: an XML document in UTF-16, wrapped in bytes.",
        Node.JOBS,
        Access.READ,
        (
            _JOB_ID,
            _query("overview", BOOLEAN, "A line for each agent (default true).", "includeOverview"),
            _query("detailed", BOOLEAN, "Every task (default true).", "includeDetailed"),
        ),
        messages.JobResults,
        _export_results,
    ),
    Operation(
        "GetModules",
        "GET",
        "what/modules",
        "Lists the modules that can be scheduled.",
        Node.MODULES,
        Access.READ,
        (),
        list_of(messages.JobWhat),
        _get_modules,
        lambda _arguments: (),
    ),
    Operation(
        "GetInputParameters",
        "GET",
        "what/{WHATTYPE}s/{WHATID}/inputparameters",
        "Shows the parameters that a module uses and that are asked for at scheduling.",
        Node.MODULES,
        Access.READ,
        (
            Argument("what_type", "WHATTYPE", "whatType", Place.PATH, TEXT, "Module."),
            Argument("what_id", "WHATID", "whatId", Place.PATH, GUID, "Which one."),
        ),
        messages.ParameterSet,
        _get_input_parameters,
        node_of=_node_of_kind,
    ),
    Operation(
        "GetWho",
        "GET",
        "who",
        "Lists agents and teams.",
        Node.AGENTS,
        Access.READ,
        (
            _query("agents", BOOLEAN, "Agents (default true)."),
            _query("teams", BOOLEAN, "Teams."),
            _query("online", BOOLEAN, "Only those that are (not) online."),
            _query("licensed", BOOLEAN, "Only those that are (not) licensed."),
            _query("search", TEXT, "A part of the name."),
        ),
        list_of(messages.JobWho),
        _get_who,
        lambda _arguments: (),
    ),
)
