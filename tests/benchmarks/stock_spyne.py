"""The nested schedule call on Spyne as it comes, declared as a user of Spyne would.

Nothing is stored: the job is answered as it was read. One thing is not as it comes: Spyne's forced
collection of garbage, once a second, stays off as in the gateway, which makes the yardstick longer.
"""

import uuid
from wsgiref.types import WSGIApplication

from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher import spyne_compat as spyne

# Spyne's WSGI server wants ``cgi`` as well, which Python 3.13 no longer has.
with spyne._importable():
    from spyne.server.wsgi import WsgiApplication

_NAMESPACE = messages.NAMESPACE


class JobWhat(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (("ID", spyne.Unicode), ("Type", spyne.Unicode), ("Name", spyne.Unicode))


class JobWho(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (("ID", spyne.Unicode), ("Type", spyne.Unicode), ("Name", spyne.Unicode))


class Parameter(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Name", spyne.Unicode),
        ("Type", spyne.Unicode),
        ("Description", spyne.Unicode),
        ("Value1", spyne.Unicode),
        ("Value2", spyne.Unicode),
        ("Value3", spyne.Unicode),
        ("Hint", spyne.Unicode),
        ("Selection", spyne.Unicode),
    )


class ParameterSet(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Identifier", spyne.Unicode),
        ("Type", spyne.Unicode),
        ("TaskContainerGuid", spyne.Unicode),
        ("TaskContainerName", spyne.Unicode),
        ("JobGuid", spyne.Unicode),
        ("JobName", spyne.Unicode),
        ("JobParameters", spyne.Array(Parameter)),
    )


class When(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("ScheduledDateTime", spyne.DateTime),
        ("Immediate", spyne.Boolean),
        ("IsLocalTime", spyne.Boolean),
        ("UseWakeOnLAN", spyne.Boolean),
    )


class Status(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("Type", spyne.Unicode),
        ("StartDateTime", spyne.DateTime),
        ("StopDateTime", spyne.DateTime),
        ("JobInvoker", spyne.Unicode),
        ("JobInvokerInfo", spyne.Unicode),
        ("Reason", spyne.Unicode),
    )


class Job(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = _NAMESPACE
    _type_info = (
        ("JobID", spyne.Unicode),
        ("Description", spyne.Unicode),
        ("When", When),
        ("What", spyne.Array(JobWhat)),
        ("Who", spyne.Array(JobWho)),
        ("Parameters", spyne.Array(ParameterSet)),
        ("Status", Status),
        ("ScheduleInParallel", spyne.Boolean),
    )


def _schedule(_context: object, job: Job) -> Job:
    """Give the job what an answer has besides the request."""
    job.JobID = str(uuid.uuid4())
    job.Status = Status(
        Type="Scheduled",
        StartDateTime=job.When.ScheduledDateTime,
        JobInvoker="InvokeUser",
        JobInvokerInfo="admin",
    )
    job.ScheduleInParallel = False
    return job


def application() -> WSGIApplication:
    """The service over HTTP."""
    method = spyne.rpc(Job, _args=["job"], _returns=Job, _in_message_name="ScheduleJob")
    service = type(spyne.ServiceBase)(
        "SchedulingService", (spyne.ServiceBase,), {"ScheduleJob": method(_schedule)}
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
