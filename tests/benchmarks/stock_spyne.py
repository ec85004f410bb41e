"""Two calls on Spyne as it comes, declared as a user of Spyne would: the nested one, and GetJob.

Nothing is stored: a job is answered as it was read, or from memory. One thing is not as it comes:
Spyne's forced collection of garbage, once a second, stays off as in the gateway, which makes the
yardstick longer.
"""

import uuid
from pathlib import Path
from wsgiref.types import WSGIApplication

from lxml import etree

from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher import spyne_compat as spyne

# Spyne's WSGI server wants ``cgi`` as well, which Python 3.13 no longer has.
with spyne._importable():
    from spyne.server.wsgi import WsgiApplication
    from spyne.util.xml import get_xml_as_object

_NAMESPACE = messages.NAMESPACE


class JobWhat(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (("ID", spyne.Unicode), ("Name", spyne.Unicode), ("Type", spyne.Unicode))


class JobWho(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (("ID", spyne.Unicode), ("Name", spyne.Unicode), ("Type", spyne.Unicode))


class Parameter(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Description", spyne.Unicode),
        ("Hint", spyne.Unicode),
        ("Name", spyne.Unicode),
        ("Selection", spyne.Unicode),
        ("Type", spyne.Unicode),
        ("Value1", spyne.Unicode),
        ("Value2", spyne.Unicode),
        ("Value3", spyne.Unicode),
    )


class ParameterSet(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Identifier", spyne.Unicode),
        ("JobGuid", spyne.Unicode),
        ("JobName", spyne.Unicode),
        ("JobParameters", spyne.Array(Parameter)),
        ("TaskContainerGuid", spyne.Unicode),
        ("TaskContainerName", spyne.Unicode),
        ("Type", spyne.Unicode),
    )


class When(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Immediate", spyne.Boolean),
        ("IsLocalTime", spyne.Boolean),
        ("ScheduledDateTime", spyne.DateTime),
        ("UseWakeOnLAN", spyne.Boolean),
    )


class Status(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("JobInvoker", spyne.Unicode),
        ("JobInvokerInfo", spyne.Unicode),
        ("Reason", spyne.Unicode),
        ("StartDateTime", spyne.DateTime),
        ("StopDateTime", spyne.DateTime),
        ("Type", spyne.Unicode),
    )


class Job(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Description", spyne.Unicode),
        ("JobID", spyne.Unicode),
        ("Parameters", spyne.Array(ParameterSet)),
        ("ScheduleInParallel", spyne.Boolean),
        ("Status", Status),
        ("What", spyne.Array(JobWhat)),
        ("When", When),
        ("Who", spyne.Array(JobWho)),
    )


def _schedule(_context: object, job: Job) -> Job:
    """Answer as the gateway does: with an id and a status, without the parameters."""
    job.JobID = f"{{{str(uuid.uuid4()).upper()}}}"
    job.Parameters = []
    job.Status = Status(
        Type="Scheduled",
        StartDateTime=job.When.ScheduledDateTime,
        JobInvoker="InvokeUser",
        JobInvokerInfo="admin",
    )
    job.ScheduleInParallel = False
    return job


def application(stored: Path | None = None) -> WSGIApplication:
    """The service over HTTP, with a job to get from memory: the XML in ``stored``."""
    jobs = {}
    if stored is not None:
        job = get_xml_as_object(etree.fromstring(stored.read_bytes()), Job)
        jobs[job.JobID] = job
    schedule = spyne.rpc(Job, _args=["job"], _returns=Job, _in_message_name="ScheduleJob")
    get = spyne.rpc(spyne.Unicode, _args=["jobId"], _returns=Job, _in_message_name="GetJob")
    service = type(spyne.ServiceBase)(
        "SchedulingService",
        (spyne.ServiceBase,),
        {
            "ScheduleJob": schedule(_schedule),
            "GetJob": get(lambda _context, jobId: jobs[jobId]),  # noqa: N803 - its name in the WSDL
        },
    )
    served: WSGIApplication = WsgiApplication(
        spyne.Application(
            [service],
            tns=_NAMESPACE,
            in_protocol=spyne.Soap11(validator="lxml"),
            out_protocol=spyne.Soap11(),
        )
    )
    return served
