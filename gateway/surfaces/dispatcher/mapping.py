"""Between the Dispatcher's messages and the domain's values. No rule of the domain stands here."""

import dataclasses
import datetime
import uuid
from collections.abc import Iterable, Mapping

from gateway import moments
from gateway.catalog.catalog import DefinitionKind, DefinitionSummary
from gateway.catalog.definitions import SELECTION_SEPARATOR, Parameter, ParameterType
from gateway.fleet.membership import (
    NO_TEAM,
    AgentChange,
    AgentMembership,
    MembershipRefused,
    Reference,
    TeamChange,
    TeamMembership,
)
from gateway.fleet.removal import Removed
from gateway.fleet.roster import Agent
from gateway.fleet.team_report import ReportedTeam
from gateway.fleet.teams import MemberKind, Team
from gateway.identity.vault import SECRET_MARKER
from gateway.jobs import launch_windows, states
from gateway.jobs.orders import (
    Boot,
    GivenParameters,
    GivenValue,
    JobOrder,
    LaunchWindow,
    OrderRefused,
    Origin,
    OutsideWindow,
    Timing,
    What,
    Who,
    WhoKind,
)
from gateway.jobs.service import JobPage
from gateway.jobs.states import JobStatus, Stage
from gateway.jobs.usage import JobUsage
from gateway.jobs.views import JobView, ShownSet, ShownValue, ShownWhat
from gateway.surfaces.dispatcher import messages
from gateway.wire.scalars import AsWritten, WallZone

NO_GUID = uuid.UUID(int=0)
_MINUTE = 60 * moments.SECOND

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


def order(
    job: messages.Job, zone: datetime.tzinfo = datetime.UTC, *, on_hold: bool = False
) -> JobOrder:
    """The order in a POSTed job. Raises OrderRefused for what cannot be an order at all.

    ``zone`` is the server's, for local times that were written in UTC; ``on_hold`` says whether new
    jobs wait to be let go.
    """
    return JobOrder(
        description=job.Description or "",
        what=tuple(_what(i, item) for i, item in enumerate(job.What)),
        who=tuple(_who(i, item) for i, item in enumerate(job.Who)),
        timing=_timing(job.When, zone),
        parameters=tuple(_given(item) for item in job.Parameters),
        in_parallel=bool(job.ScheduleInParallel),
        on_hold=on_hold,
        launch_timeout=_launch_timeout(job.When),
        extras=dict(job.extras),
    )


def job(
    view: JobView,
    parameters: Iterable[messages.ParameterSet] = (),
    zone: datetime.tzinfo = datetime.UTC,
) -> messages.Job:
    """A job as it is shown; with parameter sets where a single job is asked for.

    ``zone`` is the server's, with whose offset local times are written in JSON.
    """
    return messages.Job(
        JobID=view.guid,
        Description=view.description,
        When=_when(view, zone),
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


def page(found: JobPage, zone: datetime.tzinfo = datetime.UTC) -> messages.JobsPage:
    """A page of jobs; CurrentPage is the number asked for, even beyond the end."""
    return messages.JobsPage(
        Items=tuple(job(view, zone=zone) for view in found.jobs),
        CurrentPage=found.page,
        PageCount=found.pages,
    )


def usage(found: JobUsage) -> messages.JobUsage:
    """A job in the report of usage."""
    ended = found.finished_at
    return messages.JobUsage(
        JobID=found.guid,
        Description=found.description,
        What=tuple(_shown_what(*one) for one in found.what),
        Status=messages.JobStatusType(found.status),
        JobInvoker=INVOKERS[found.origin],
        JobInvokerInfo=found.owner,
        StartDateTime=moments.to_datetime(found.started_at),
        StopDateTime=_datetime(ended),
        DurationSeconds=None if ended is None else _seconds(found.started_at, ended),
        Agents=found.agents,
    )


def definition(summary: DefinitionSummary) -> messages.JobWhat:
    """A definition in a list."""
    return _shown_what(summary.guid, summary.kind, summary.name)


def agent(found: Agent) -> messages.JobWho:
    """An agent in a list."""
    return messages.JobWho(ID=found.guid, Type=messages.JobWhoType.Agent, Name=found.name)


def team(found: Team) -> messages.JobWho:
    """A team in a list."""
    return messages.JobWho(ID=found.guid, Type=messages.JobWhoType.Team, Name=found.name)


def named(path: str, who: messages.JobWho | None, kind: messages.JobWhoType) -> str:
    """The GUID or name of what must be an agent, or a team. Raises MembershipRefused."""
    reference = None if who is None else who.Name if who.ID is None else who.ID
    if who is None or reference is None or not str(reference).strip():
        raise MembershipRefused(f"{path}.ID", "is missing")
    if who.Type not in (None, kind):
        raise MembershipRefused(f"{path}.Type", f"is {who.Type.name}, but {kind.name} is needed")
    return str(reference)


def agent_change(sent: messages.AgentMembership) -> AgentChange:
    """What an AgentMembership asks for. Raises MembershipRefused."""
    primary = sent.PrimaryTeam
    return AgentChange(
        add_to=_team_references("AddTo", sent.AddTo),
        remove_from=_team_references("RemoveFrom", sent.RemoveFrom),
        primary=None if primary is None else _primary(primary),
    )


def team_change(sent: messages.TeamMembership) -> TeamChange:
    """What a TeamMembership asks for. Raises MembershipRefused."""
    return TeamChange(_references("Add", sent.Add), _references("Remove", sent.Remove))


def agent_membership(found: AgentMembership) -> messages.AgentMembership:
    """The teams of an agent."""
    return messages.AgentMembership(
        Agent=agent(found.agent),
        PrimaryTeam=None if found.primary is None else team(found.primary),
        MemberOf=tuple(map(team, found.teams)),
        MemberByRule=tuple(map(team, found.by_rule)),
    )


def team_membership(found: TeamMembership) -> messages.TeamMembership:
    """The members of a team."""
    return messages.TeamMembership(
        Team=team(found.team),
        Members=(*map(agent, found.agents), *map(team, found.teams)),
        MembersByRule=tuple(map(agent, found.by_rule)),
    )


def removal(removed: Removed) -> messages.AgentRemoval:
    """An agent that was removed."""
    return messages.AgentRemoval(Agent=agent(removed.agent), EndedRuns=removed.runs)


def team_report(found: ReportedTeam) -> messages.TeamReport:
    """A team in the report of teams."""
    return messages.TeamReport(
        ID=found.team.guid,
        Name=found.team.name,
        Description=found.team.description,
        Folder=found.team.folder,
        Agents=tuple(
            messages.TeamAgent(
                ID=one.agent.guid, Name=one.agent.name, Online=one.online, Primary=one.primary
            )
            for one in found.agents
        ),
        Teams=tuple(map(team, found.teams)),
    )


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


def _team_references(path: str, who: Iterable[messages.JobWho]) -> tuple[str, ...]:
    kind = messages.JobWhoType.Team
    return tuple(named(f"{path}[{i}]", item, kind) for i, item in enumerate(who))


def _primary(who: messages.JobWho) -> str:
    return NO_TEAM if who.ID == NO_GUID else named("PrimaryTeam", who, messages.JobWhoType.Team)


def _references(path: str, who: Iterable[messages.JobWho]) -> tuple[Reference, ...]:
    return tuple(_reference(f"{path}[{i}]", item) for i, item in enumerate(who))


def _reference(path: str, who: messages.JobWho) -> Reference:
    kind = messages.JobWhoType.Agent if who.Type is None else who.Type
    return Reference(named(path, who, kind), MemberKind(kind))


def _timing(when: messages.JobWhen | None, zone: datetime.tzinfo) -> Timing:
    if when is None:
        return Timing()
    scheduled = when.ScheduledDateTime
    immediate = when.Immediate if when.Immediate is not None else scheduled is None
    # Clients send the present time along with Immediate; it means nothing.
    at = None if immediate else scheduled
    local_time = bool(when.IsLocalTime)
    return Timing(
        immediate=immediate,
        scheduled_at=None if at is None or local_time else _moment(at),
        local_time=local_time,
        wake_on_lan=bool(when.UseWakeOnLAN),
        wall=_wall(at, zone) if at is not None and local_time else None,
        boot=Boot.NONE if when.AfterBoot is None else Boot(when.AfterBoot),
        offline_at_next_boot=bool(when.OfflineAtNextBoot),
        window=None if when.LaunchWindow is None else _window(when.LaunchWindow),
        outside=(
            None if when.OutsideLaunchWindow is None else OutsideWindow(when.OutsideLaunchWindow)
        ),
    )


def _when(view: JobView, zone: datetime.tzinfo) -> messages.JobWhen:
    timing, window = view.timing, view.timing.window
    boot, outside = timing.boot, timing.outside
    return messages.JobWhen(
        ScheduledDateTime=_scheduled(view, zone),
        Immediate=view.immediate,
        IsLocalTime=view.local_time,
        UseWakeOnLAN=view.wake_on_lan,
        AfterBoot=None if boot is Boot.NONE else messages.AfterBootType(boot),
        OfflineAtNextBoot=timing.offline_at_next_boot or None,
        LaunchTimeout=None if view.launch_timeout is None else view.launch_timeout // _MINUTE,
        LaunchWindow=None if window is None else _shown_window(window),
        OutsideLaunchWindow=None if outside is None else messages.OutsideWindowType(outside),
    )


def _scheduled(view: JobView, zone: datetime.tzinfo) -> datetime.datetime | None:
    if view.timing.wall is not None:
        return view.timing.wall.replace(tzinfo=WallZone(zone))
    # A recurring job whose schedule has ended is due no more; without any time its own answer
    # could not be sent back.
    return _datetime(view.due_at or view.timing.scheduled_at or view.created_at)


def _wall(value: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """What a clock showed: as it was written; in the server's zone where that was UTC.

    Clients that write UTC have converted from their own clock, and theirs is most likely the
    server's; those that write an offset have left the clock's time as it was.
    """
    own = value if isinstance(value.tzinfo, AsWritten) else value.astimezone(zone)
    return own.replace(tzinfo=None, fold=0)


def _launch_timeout(when: messages.JobWhen | None) -> int | None:
    given = None if when is None else when.LaunchTimeout
    return None if given is None else given * _MINUTE


def _window(window: messages.JobLaunchWindow) -> LaunchWindow:
    days = frozenset((day - 1) % 7 for day in window.Days or messages.DayType)
    return LaunchWindow(
        _time_of_day("From", window.From),
        _time_of_day("To", window.To),
        days,
        bool(window.Utc),
    )


def _time_of_day(member: str, text: str | None) -> int:
    try:
        return launch_windows.minutes(text or "")
    except ValueError as error:
        raise OrderRefused(f"When.LaunchWindow.{member}", str(error)) from None


def _shown_window(window: LaunchWindow) -> messages.JobLaunchWindow:
    return messages.JobLaunchWindow(
        From=launch_windows.time_of_day(window.opens),
        To=launch_windows.time_of_day(window.closes),
        Days=tuple(messages.DayType((day + 1) % 7) for day in sorted(window.days)),
        Utc=window.utc,
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


def _seconds(start: int, end: int) -> int:
    return max(0, end - start) // moments.SECOND


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
