"""Between the Dispatcher's messages and the domain's values. No rule of the domain stands here."""

import dataclasses
import datetime
import uuid
from collections.abc import Iterable, Mapping

from gateway import moments
from gateway.agents.roster import Agent
from gateway.catalog.catalog import DefinitionKind, DefinitionSummary
from gateway.catalog.definitions import SELECTION_SEPARATOR, Parameter, ParameterType
from gateway.identity.vault import SECRET_MARKER
from gateway.jobs import states
from gateway.jobs.orders import (
    GivenParameters,
    GivenValue,
    JobOrder,
    OrderRefused,
    Origin,
    Timing,
    What,
    Who,
    WhoKind,
)
from gateway.jobs.service import JobPage
from gateway.jobs.states import JobStatus, Stage
from gateway.jobs.views import JobView, ShownSet, ShownValue, ShownWhat
from gateway.surfaces.dispatcher import messages

NO_GUID = uuid.UUID(int=0)

# "InvokeRunBook" is certain (Dispatcher contract 2.7); the others follow its pattern.
INVOKERS = {
    Origin.USER: "InvokeUser",
    Origin.RECURRING_SCHEDULE: "InvokeRecurringSchedule",
    Origin.NEW_AGENT: "InvokeNewAgent",
    Origin.BOOT: "InvokeBoot",
    Origin.RUN_BOOK: "InvokeRunBook",
}

STAGES = {
    "all": None,
    "scheduled": Stage.SCHEDULED,
    "active": Stage.ACTIVE,
    "history": Stage.HISTORY,
}


def order(job: messages.Job) -> JobOrder:
    """The order in a POSTed job. Raises OrderRefused for what cannot be an order at all."""
    return JobOrder(
        description=job.Description or "",
        what=tuple(_what(i, item) for i, item in enumerate(job.What)),
        who=tuple(_who(i, item) for i, item in enumerate(job.Who)),
        timing=_timing(job.When),
        parameters=tuple(_given(item) for item in job.Parameters),
        in_parallel=bool(job.ScheduleInParallel),
        extras=dict(job.extras),
    )


def job(view: JobView, parameters: Iterable[messages.ParameterSet] = ()) -> messages.Job:
    """A job as it is shown; with parameter sets where a single job is asked for."""
    return messages.Job(
        JobID=view.guid,
        Description=view.description,
        When=messages.JobWhen(
            # A recurring job whose schedule has ended is due no more; without any time its own
            # answer could not be sent back.
            ScheduledDateTime=_datetime(view.due_at or view.created_at),
            Immediate=view.immediate,
            IsLocalTime=view.local_time,
            UseWakeOnLAN=view.wake_on_lan,
        ),
        What=tuple(_shown_what(item.guid, item.kind, item.name) for item in view.what),
        Who=tuple(
            messages.JobWho(ID=item.guid, Type=messages.JobWhoType(item.kind), Name=item.name)
            for item in view.who
        ),
        Parameters=tuple(parameters),
        Status=status(view),
        ScheduleInParallel=view.in_parallel,
    )


def status(view: JobView) -> messages.JobStatus:
    """How far a job is. A job that has not begun shows when it is due, as clients sort by it."""
    return messages.JobStatus(
        Type=messages.JobStatusType(view.status),
        StartDateTime=_datetime(view.started_at or view.due_at),
        StopDateTime=_datetime(view.finished_at),
        JobInvoker=INVOKERS[view.origin],
        JobInvokerInfo=view.owner,
        Reason=view.reason or None,
    )


def page(found: JobPage) -> messages.JobsPage:
    """A page of jobs; CurrentPage is the number asked for, even beyond the end."""
    return messages.JobsPage(
        Items=tuple(job(view) for view in found.jobs),
        CurrentPage=found.page,
        PageCount=found.pages,
    )


def definition(summary: DefinitionSummary) -> messages.JobWhat:
    """A definition in a list."""
    return _shown_what(summary.guid, summary.kind, summary.name)


def agent(found: Agent) -> messages.JobWho:
    """An agent in a list."""
    return messages.JobWho(ID=found.guid, Type=messages.JobWhoType.Agent, Name=found.name)


def parameter_set(
    what: DefinitionSummary | ShownWhat,
    parameters: Iterable[Parameter],
    given: Mapping[str, ShownValue] | None = None,
) -> messages.ParameterSet:
    """The parameters of a definition, with the values that a job was given."""
    values = given or {}
    return messages.ParameterSet(
        Identifier="",
        Type=messages.JobWhatType(what.kind),
        TaskContainerGuid=what.guid,
        TaskContainerName=what.name,
        JobGuid=NO_GUID,
        JobName="",
        JobParameters=tuple(_parameter(item, values.get(item.name)) for item in parameters),
    )


def shown_set(shown: ShownSet) -> messages.ParameterSet:
    """A parameter set of a job; one of a run book's job says which (Dispatcher contract 2.3)."""
    found = parameter_set(shown.what, shown.parameters, shown.given)
    if shown.step is None:
        return found
    return dataclasses.replace(found, JobGuid=shown.step, JobName=shown.step_name)


def _what(index: int, what: messages.JobWhat) -> What:
    if what.ID is None:
        raise OrderRefused(f"What[{index}].ID", "is missing")
    kind = DefinitionKind(what.Type if what.Type is not None else messages.JobWhatType.Module)
    return What(what.ID, kind, what.Name or "")


def _who(index: int, who: messages.JobWho) -> Who:
    reference = who.ID if who.ID is not None else who.Name
    if reference is None or not str(reference).strip():
        raise OrderRefused(f"Who[{index}].ID", "is missing")
    kind = WhoKind(who.Type if who.Type is not None else messages.JobWhoType.Agent)
    return Who(str(reference), kind, who.Name or "")


def _timing(when: messages.JobWhen | None) -> Timing:
    if when is None:
        return Timing()
    scheduled = when.ScheduledDateTime
    immediate = when.Immediate if when.Immediate is not None else scheduled is None
    return Timing(
        immediate=immediate,
        # Clients send the present time along with Immediate; it means nothing.
        scheduled_at=None if immediate or scheduled is None else _moment(scheduled),
        local_time=bool(when.IsLocalTime),
        wake_on_lan=bool(when.UseWakeOnLAN),
    )


def _given(item: messages.ParameterSet) -> GivenParameters:
    guid = item.TaskContainerGuid
    return GivenParameters(
        None if guid == NO_GUID else guid,
        tuple(
            GivenValue(value.Name, value.Value1, value.Value2)
            for value in item.JobParameters
            if value.Name
        ),
        None if item.JobGuid == NO_GUID else item.JobGuid,
    )


def _parameter(parameter: Parameter, given: ShownValue | None) -> messages.Parameter:
    value, secondary = parameter.default, parameter.default2
    if given is not None:
        value = value if given.value is None else given.value
        secondary = secondary if given.secondary is None else given.secondary
    if parameter.type is not ParameterType.CREDENTIALS:
        # For lists the second value holds the choices; other types have no use for it.
        secondary = SELECTION_SEPARATOR.join(parameter.allowed)
    return messages.Parameter(
        Name=parameter.name,
        Type=messages.JobParameterType(parameter.type),
        Description=parameter.description,
        Value1=_masked(parameter, value, ParameterType.PASSWORD),
        Value2=_masked(parameter, secondary, ParameterType.CREDENTIALS),
        Value3=SELECTION_SEPARATOR.join(parameter.displays),
        Hint=parameter.hint,
        Selection="",
    )


def _masked(parameter: Parameter, text: str, secret_for: ParameterType) -> str:
    return SECRET_MARKER if text and parameter.type is secret_for else text


def _shown_what(guid: uuid.UUID, kind: DefinitionKind, name: str) -> messages.JobWhat:
    return messages.JobWhat(ID=guid, Type=messages.JobWhatType(kind), Name=name)


def _datetime(moment: int | None) -> datetime.datetime | None:
    return None if moment is None else moments.to_datetime(moment)


def _moment(value: datetime.datetime) -> int:
    return moments.from_datetime(value)


class StatusRefused(ValueError):
    """A PUT asks for a status that no client can set; the message names it."""


def aborts(wanted: messages.JobStatus, present: JobStatus) -> bool:
    """Whether a PUT asks for an abort; one that changes nothing does not.

    Raises StatusRefused for any other status.
    """
    if wanted.Type is messages.JobStatusType.Aborting:
        return True
    # What a client read a moment ago and sends back asks for nothing.
    if wanted.Type is None or states.is_behind(JobStatus(int(wanted.Type)), present):
        return False
    raise StatusRefused(
        f"JobStatus.Type: only Aborting (2) can be asked for, not {wanted.Type.name}"
    )
