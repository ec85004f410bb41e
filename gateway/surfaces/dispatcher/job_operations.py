"""The operations on jobs."""

import uuid
from collections.abc import Iterable
from typing import Any

from gateway.identity.permissions import Access, Node
from gateway.jobs.orders import JobOrder, Origin
from gateway.jobs.places import Places
from gateway.jobs.service import JobFilter
from gateway.jobs.sight import Sight
from gateway.jobs.views import JobView, ShownSet
from gateway.surfaces.dispatcher import mapping, messages, results
from gateway.surfaces.dispatcher.operation import (
    DEFINITION_NODES,
    WHO_NODES,
    Argument,
    BadArgument,
    Call,
    Operation,
    Place,
    query,
)
from gateway.web.authentication import MissingRight
from gateway.wire.messages import list_of
from gateway.wire.scalars import BOOLEAN, GUID, INTEGER, TEXT

MOST_JOBS_ON_A_PAGE = 1000
DEFAULT_PAGE_SIZE = 50

_JOB_ID = Argument("guid", "JOBID", "jobId", Place.PATH, GUID, "Which job.")


def _schedule_job(call: Call, job: messages.Job) -> messages.Job:
    zone = call.services.zone
    order = _permitted(call, mapping.order(job, zone, on_hold=call.services.jobs_on_hold))
    key = call.idempotency_key()
    if key is not None:
        once = call.services.jobs.accept(order, call.caller, key)
        return mapping.job(once, zone=zone)
    accepted, stored = call.services.jobs.accept_soon(order, call.caller)
    call.hold(stored)
    return mapping.job(accepted, zone=zone)


def _permitted(call: Call, order: JobOrder) -> JobOrder:
    """The order, if the caller may read all that it names, and may make such a job.

    What he may not read is unknown to him, in the same words. Raises MissingRight, OrderRefused.
    """
    reaches = {node: call.check(node, Access.READ) for node in _named_in(order)}
    making = call.reach(Node.JOBS, Access.MODIFY)
    if making.everywhere and all(reach.everywhere for reach in reaches.values()):
        return order
    sight = Sight(
        {kind: reaches.get(node) for kind, node in DEFINITION_NODES.items()},
        {kind: reaches.get(node) for kind, node in WHO_NODES.items()},
    )
    with call.services.store.reading() as session:
        seen, places = sight.look(session, call.services.catalog, order, call.caller)
    if not all(making.covers(place) for place in places):
        raise MissingRight(call.caller, Node.JOBS, Access.MODIFY, "such a job")
    return seen


def _named_in(order: JobOrder) -> list[Node]:
    """The nodes of all that an order names: who may not read them may not run them either."""
    what = {DEFINITION_NODES[item.kind] for item in order.what}
    return sorted(what | {WHO_NODES[item.kind] for item in order.who})


def _job(call: Call, guid: uuid.UUID) -> JobView:
    """A job, if the caller may read it. Raises JobNotFound."""
    return call.services.jobs.get(guid, call.reach(Node.JOBS, Access.READ))


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
        reach=call.reach(Node.JOBS, Access.READ),
    )
    number = 1 if page is None else page
    size = DEFAULT_PAGE_SIZE if pagesize is None else pagesize
    if number < 1:
        raise BadArgument(f"page: counts from 1, not {number}")
    if size < 1:
        raise BadArgument(f"pageSize: is at least 1, not {size}")
    found = call.services.jobs.page(wanted, number, min(size, MOST_JOBS_ON_A_PAGE))
    return mapping.page(found, call.services.zone)


def _stage(text: str | None) -> Any:
    key = (text or "all").strip().lower()
    if key not in mapping.STAGES:
        raise BadArgument(f"stage: is one of All, Scheduled, Active, History, not {text!r}")
    return mapping.STAGES[key]


def _get_job(call: Call, guid: uuid.UUID) -> messages.Job:
    reach = call.reach(Node.JOBS, Access.READ)
    view, sets = call.services.jobs.get_with_values(guid, reach)
    return mapping.job(view, _shown(sets), call.services.zone)


def _shown_parameters(call: Call, view: JobView) -> list[messages.ParameterSet]:
    return _shown(call.services.jobs.values(view))


def _shown(sets: Iterable[ShownSet]) -> list[messages.ParameterSet]:
    return [mapping.shown_set(one) for one in sets if one.parameters]


def _get_run_book_jobs(call: Call, guid: uuid.UUID) -> tuple[messages.Job, ...]:
    view = _job(call, guid)
    children = call.services.jobs.children(guid)
    # Clients may have the id of a job within a run book: then that one is told of.
    shown = children or ([view] if view.origin is Origin.RUN_BOOK else [])
    readable = call.readable(Node.JOBS, shown, Places.job)
    return tuple(mapping.job(one, _shown_parameters(call, one)) for one in readable)


def _change_status(call: Call, guid: uuid.UUID, status: messages.JobStatus) -> messages.JobStatus:
    view = _job(call, guid)
    call.may_change(Node.JOBS, view, Places.job, f"the job {guid}")
    if mapping.aborts(status, view.status):
        view = call.services.jobs.abort(guid, call.caller)
    return mapping.status(view)


def _export_results(
    call: Call, guid: uuid.UUID, overview: bool | None, detailed: bool | None
) -> messages.JobResults:
    found = _result(call, _job(call, guid), tasks=detailed is not False)
    document = results.document(
        found,
        call.services.jobs.log,
        overview=overview is not False,
        detailed=detailed is not False,
    )
    return messages.JobResults(Xml=document)


def _result(call: Call, view: JobView, *, tasks: bool) -> results.JobResult:
    """A job with all that became of it; of a run book with the jobs that the caller may read."""
    jobs = call.services.jobs
    if not view.is_run_book:
        return results.JobResult(view, jobs.runs(view.guid, tasks=tasks), {})
    children = call.readable(Node.JOBS, jobs.children(view.guid), Places.job)
    inner = tuple(_result(call, child, tasks=tasks) for child in children)
    return results.JobResult(view, (), jobs.outputs(view.guid), inner)


JOB_OPERATIONS = (
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
            query(
                "stage", TEXT, "All (default), Scheduled, Active or History.", sample="Scheduled"
            ),
            query("runbookjobs", BOOLEAN, "False hides jobs inside run books.", "runBookJobs"),
            query("recurringjobs", BOOLEAN, "False hides recurring jobs.", "recurringJobs"),
            query("page", INTEGER, "Which page, from 1.", sample=1),
            query("pagesize", INTEGER, "Jobs on a page: 50, at most 1000.", "pageSize", sample=50),
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
        "GetRunBookJobs",
        "GET",
        "runbookjobs/{JOBID}",
        "Shows the jobs of a run book in their order, each with its parameters.",
        Node.JOBS,
        Access.READ,
        (_JOB_ID,),
        list_of(messages.Job),
        _get_run_book_jobs,
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
            query("overview", BOOLEAN, "A line for each agent (default true).", "includeOverview"),
            query("detailed", BOOLEAN, "Every task (default true).", "includeDetailed"),
        ),
        messages.JobResults,
        _export_results,
    ),
)
