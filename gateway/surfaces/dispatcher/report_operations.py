"""The reports on jobs."""

import datetime
from collections.abc import Iterator

from gateway import moments
from gateway.identity.permissions import Access, Node
from gateway.jobs import usage
from gateway.jobs.usage import Period
from gateway.surfaces.dispatcher import mapping, messages
from gateway.surfaces.dispatcher.operation import BadArgument, Call, Operation, query
from gateway.wire.messages import list_of
from gateway.wire.scalars import TIMESTAMP


def _get_job_usage(
    call: Call, start: datetime.datetime | None, stop: datetime.datetime | None
) -> Iterator[messages.JobUsage]:
    period = _period(start, stop)
    reports, jobs = call.reach(Node.REPORTS, Access.READ), call.reach(Node.JOBS, Access.READ)
    return map(mapping.usage, usage.report(call.services.store, period, reports, jobs))


def _period(start: datetime.datetime | None, stop: datetime.datetime | None) -> Period:
    """From the second ``start`` to the second ``stop``, both included whole."""
    if start is not None and stop is not None and start > stop:
        raise BadArgument(
            f"start: {TIMESTAMP.to_text(start)} lies after stop, {TIMESTAMP.to_text(stop)}; "
            "a report is from start to stop, 14 digits each, yyyyMMddHHmmss in UTC"
        )
    return Period(
        None if start is None else moments.from_datetime(start),
        None if stop is None else moments.from_datetime(stop) + moments.SECOND,
    )


REPORT_OPERATIONS = (
    Operation(
        "GetJobUsageReport",
        "GET",
        "report/jobusage",
        "Reports the jobs that started within a period, the first one first, as a whole each.",
        Node.REPORTS,
        Access.READ,
        (
            query("start", TIMESTAMP, "The first second, yyyyMMddHHmmss in UTC (default: any)."),
            query("stop", TIMESTAMP, "The last second, yyyyMMddHHmmss in UTC (default: any)."),
        ),
        list_of(messages.JobUsage),
        _get_job_usage,
        lambda _arguments: (),
        besides=(Node.JOBS,),
    ),
)
