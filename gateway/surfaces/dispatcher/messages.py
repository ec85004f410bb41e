"""The messages of the Dispatcher Web API (Dispatcher contract 2), declared once for all dialects.

Member names and enumeration numbers are certain: clients that were written against the product
send and read them. The names of the XML elements, the namespace, the enumerations' *names* in
XML where no client shows them, and members marked "our choice" are ours. Readers take any root
name and any namespace, so nothing of that can be wrong in a request.

What GET gives, POST and PUT take back unchanged.
"""

import datetime
import enum
import uuid

from gateway.wire.messages import Message, member, messages, nested, scalars
from gateway.wire.scalars import (
    BOOLEAN,
    BYTES,
    DATETIME,
    GUID,
    GUID_OR_NAME,
    INTEGER,
    TEXT,
    enumeration,
)

NAMESPACE = "urn:dispatcher-gateway:scheduling:1"
"""Of all elements and types, in REST answers, SOAP bodies and the WSDL. Our choice."""


class JobStatusType(enum.IntEnum):
    """How far a job is (certain). Above 2 it has ended, for every client."""

    Unknown = -2
    Disabled = -1
    Scheduled = 0
    Active = 1
    Aborting = 2
    Aborted = 3
    Completed = 4
    Failed = 5
    FailedHalted = 6
    Canceled = 7
    CompletedWithErrors = 8
    Skipped = 9
    Pending = 10
    TimedOut = 11


class JobWhatType(enum.IntEnum):
    """What kind of definition a job runs (numbers certain)."""

    Module = 0
    Project = 1
    RunBook = 2
    # As one client spells it, in lists and in addresses.
    Runbook = 2


class JobWhoType(enum.IntEnum):
    """Whether a job is meant for one agent or for a team (certain)."""

    Agent = 0
    Team = 1


class JobParameterType(enum.IntEnum):
    """How a parameter's value is entered (numbers certain, spelling of the names inferred)."""

    Text = 0
    List = 1
    Credentials = 2
    MultiSelectList = 3
    MultiLineText = 4
    Password = 5


# Not as a class: "None" is no name for a member there.
AfterBootType = enum.IntEnum("AfterBootType", {"None": 0, "Next": 1, "Every": 2})
"""Whether a job waits for a start of its agents' machines. Our choice."""


class OutsideWindowType(enum.IntEnum):
    """What happens outside the launch window. Our choice."""

    Continue = 0
    Wait = 1
    Fail = 2


class DayType(enum.IntEnum):
    """A day of the week, with the numbers of .NET's DayOfWeek. Our choice."""

    Sunday = 0
    Monday = 1
    Tuesday = 2
    Wednesday = 3
    Thursday = 4
    Friday = 5
    Saturday = 6


class JobWhat(Message):
    """A module, project or run book (Dispatcher contract 2.1, certain)."""

    ID: uuid.UUID | None = member(GUID, "Which module, project or run book.")
    Type: JobWhatType | None = member(enumeration(JobWhatType), "What kind of thing ID names.")
    Name: str | None = member(TEXT, "Its name; ignored in requests.", sample="Install printer")


class JobWho(Message):
    """An agent or a team (Dispatcher contract 2.2, certain).

    For run books clients may send an agent's name as ID, hence its kind.
    """

    ID: uuid.UUID | str | None = member(
        GUID_OR_NAME,
        "Which agent or team; for run books an agent's name will do.",
        sample=uuid.UUID("3ccbdb70-2391-46d5-b2af-6cdf197d0427"),
    )
    Type: JobWhoType | None = member(enumeration(JobWhoType), "Whether ID names an agent or team.")
    Name: str | None = member(TEXT, "Its name; ignored in requests.", sample="PC1234")


class Parameter(Message):
    """One input parameter with its value (Dispatcher contract 2.4).

    Names are certain. What ``Value2`` and ``Value3`` mean for credentials and what ``Selection``
    is for is unknown: they are passed through.
    """

    Name: str | None = member(TEXT, "The parameter's name, without $[ ].", sample="VMName")
    Type: JobParameterType | None = member(
        enumeration(JobParameterType), "How the value is entered."
    )
    Description: str | None = member(TEXT, "What it is for.", sample="Name of the machine")
    Value1: str | None = member(TEXT, "The value; the only member clients change.", sample="vm01")
    Value2: str | None = member(TEXT, "For lists: the allowed values, separated by ;.", sample="")
    Value3: str | None = member(TEXT, "For lists: the texts shown for Value2.", sample="")
    Hint: str | None = member(TEXT, "Shown beside the field.", sample="Please enter a name")
    Selection: str | None = member(TEXT, "Passed through; its use is not known.", sample="")


class ParameterSet(Message):
    """The parameters of one module, project or run book (Dispatcher contract 2.3, names certain).

    It is an element of ``Job.Parameters`` and the whole answer of ``inputparameters``: one
    object, not a list, as clients expect.
    """

    Identifier: str | None = member(TEXT, "Passed through; may be empty.", sample="")
    Type: JobWhatType | None = member(enumeration(JobWhatType), "What owns the parameters.")
    TaskContainerGuid: uuid.UUID | None = member(GUID, "The module, project or run book.")
    TaskContainerName: str | None = member(TEXT, "Its name; any text.", sample="Install printer")
    JobGuid: uuid.UUID | None = member(
        GUID, "The job inside a run book that owns them; else all zeros.", sample=uuid.UUID(int=0)
    )
    JobName: str | None = member(TEXT, "That job's name.", sample="")
    JobParameters: tuple[Parameter, ...] = messages(
        Parameter, "The parameters, in any order; matched by name."
    )


class JobLaunchWindow(Message, name="LaunchWindow"):
    """When runs may begin. Our choice."""

    From: str | None = member(TEXT, "When it opens.", sample="22:00")
    To: str | None = member(
        TEXT, "When it closes; on the next day if that is not later.", sample="06:00"
    )
    Days: tuple[DayType, ...] = scalars(
        enumeration(DayType), "The days on which it opens; every day if none.", item="Day"
    )
    Utc: bool | None = member(
        BOOLEAN, "By UTC, not by the agents' own clocks (default false).", sample=False
    )


class JobWhen(Message, name="When"):
    """When a job starts (Dispatcher contract 2.6).

    ``ScheduledDateTime``, ``Immediate``, ``IsLocalTime`` and ``UseWakeOnLAN`` are certain; the
    others are our choice and left out of answers where they were left out of the request.
    """

    ScheduledDateTime: datetime.datetime | None = member(
        DATETIME, "The start; ignored when Immediate is true."
    )
    Immediate: bool | None = member(BOOLEAN, "Start at once.")
    IsLocalTime: bool | None = member(
        BOOLEAN,
        "The start is meant in each agent's local time (inferred): as the date is written without "
        "a zone or with an offset, in the server's zone if it is written in UTC.",
    )
    UseWakeOnLAN: bool | None = member(BOOLEAN, "Wake sleeping agents first.", sample=False)
    AfterBoot: AfterBootType | None = member(
        enumeration(AfterBootType),
        "Wait for the next start of each agent's machine, or run after every start.",
    )
    OfflineAtNextBoot: bool | None = member(
        BOOLEAN,
        "Agents that are offline at the start do it after the next start of their machines.",
        sample=False,
    )
    LaunchTimeout: int | None = member(
        INTEGER,
        "Minutes after which an agent that has not begun is given up; the server's if left out.",
        sample=10080,
    )
    LaunchWindow: JobLaunchWindow | None = nested(
        JobLaunchWindow, "When runs may begin; the server's window if left out."
    )
    OutsideLaunchWindow: OutsideWindowType | None = member(
        enumeration(OutsideWindowType),
        "What happens to a run outside the window; as the server is set if left out.",
        sample=OutsideWindowType.Wait,
    )


class JobStatus(Message):
    """How far a job is, and who started it (Dispatcher contract 2.7).

    ``Type``, ``StartDateTime`` and ``JobInvoker`` are certain, the other two inferred from the
    product's data store, ``Reason`` is our choice. PUT takes it back whole with Type 2 to abort.
    """

    Type: JobStatusType | None = member(
        enumeration(JobStatusType), "How far the job is.", sample=JobStatusType.Aborting
    )
    StartDateTime: datetime.datetime | None = member(DATETIME, "When it started or is to start.")
    StopDateTime: datetime.datetime | None = member(
        DATETIME,
        "When it ended.",
        sample=datetime.datetime(2015, 6, 25, 14, 3, 20, tzinfo=datetime.UTC),
    )
    JobInvoker: str | None = member(
        TEXT, "What started it, such as InvokeUser or InvokeRunBook.", sample="InvokeUser"
    )
    JobInvokerInfo: str | None = member(TEXT, "Who started it.", sample="operator")
    Reason: str | None = member(
        TEXT, "Why it waits or ended as it did, in words.", sample="all agents have finished"
    )


class Job(Message):
    """A job: the body of POST, and what is answered (Dispatcher contract 2.5, names certain)."""

    JobID: uuid.UUID | None = member(
        GUID,
        "The job's id; ignored in POST.",
        sample=uuid.UUID("9d2b1f7e-6a54-4e0c-8b1d-2f30c4a5e6b7"),
    )
    Description: str | None = member(TEXT, "A title.", sample="Printers, second floor")
    When: JobWhen | None = nested(JobWhen, "When it starts.")
    What: tuple[JobWhat, ...] = messages(JobWhat, "What it runs.")
    Who: tuple[JobWho, ...] = messages(
        JobWho, "On which agents; may be empty for run books that name theirs."
    )
    Parameters: tuple[ParameterSet, ...] = messages(
        ParameterSet, "Values for parameters, one set for each What that has some."
    )
    Status: JobStatus | None = nested(JobStatus, "How far it is; ignored in POST.")
    ScheduleInParallel: bool | None = member(
        BOOLEAN,
        "Several run books in What: side by side. Else agents begin at once anyway.",
        sample=False,
    )


class JobsPage(Message):
    """One page of jobs (Dispatcher contract 2.8, certain).

    Clients stop only when CurrentPage is greater than PageCount, so both are always there and
    CurrentPage is the number that was asked for.
    """

    Items: tuple[Job, ...] = messages(Job, "The jobs of this page.")
    CurrentPage: int | None = member(INTEGER, "The page that was asked for, from 1.")
    PageCount: int | None = member(INTEGER, "How many pages there are; 0 if there are no jobs.")


class JobResults(Message):
    """A finished job's results (Dispatcher contract 2.9, certain)."""

    Xml: bytes | None = member(
        BYTES,
        "An XML document, UTF-16LE without byte order mark: a list of numbers in JSON, "
        "base64 in XML.",
        sample="<masterjobresults />".encode("utf-16-le"),
    )


_SAMPLE_AGENT = JobWho(
    ID=uuid.UUID("3ccbdb70-2391-46d5-b2af-6cdf197d0427"), Type=JobWhoType.Agent, Name="PC1234"
)
_SAMPLE_TEAM = JobWho(
    ID=uuid.UUID("7f0a6f0e-8d0b-4c56-9a59-0d2f3b1c4e5a"), Type=JobWhoType.Team, Name="Floor 2"
)
_SAMPLE_OTHER_TEAM = JobWho(
    ID=uuid.UUID("b5b1c8d2-4f7e-4a3c-8a65-6c1d2e3f4a5b"), Type=JobWhoType.Team, Name="Floor 1"
)
_COMMENT = "Kept with the change in the audit trail."


class AgentMembership(Message):
    """The teams of one agent: what is to change, and what is (our choice).

    References have an ID (GUID or name) or, without one, a Name. An answer changes nothing when it
    is sent back.
    """

    Agent: JobWho | None = nested(JobWho, "Which agent.", sample=_SAMPLE_AGENT)
    AddTo: tuple[JobWho, ...] = messages(JobWho, "Teams to put it into.", sample=(_SAMPLE_TEAM,))
    RemoveFrom: tuple[JobWho, ...] = messages(
        JobWho, "Teams to take it out of.", sample=(_SAMPLE_OTHER_TEAM,)
    )
    PrimaryTeam: JobWho | None = nested(
        JobWho,
        "Its one primary team, into which it is put if it does not belong to it; absent in a "
        "request: as before; an ID of zeros: none.",
        sample=_SAMPLE_TEAM,
    )
    Comment: str | None = member(TEXT, _COMMENT, sample="Moved upstairs")
    MemberOf: tuple[JobWho, ...] = messages(
        JobWho, "The teams it was put into; ignored in requests.", sample=(_SAMPLE_TEAM,)
    )
    MemberByRule: tuple[JobWho, ...] = messages(
        JobWho, "The teams whose rule it fits; ignored in requests.", sample=()
    )


class TeamMembership(Message):
    """The members of one team: what is to change, and what is (our choice).

    References as in AgentMembership; without a Type they name agents.
    """

    Team: JobWho | None = nested(JobWho, "Which team.", sample=_SAMPLE_TEAM)
    Add: tuple[JobWho, ...] = messages(
        JobWho, "Agents and teams to put into it.", sample=(_SAMPLE_AGENT, _SAMPLE_OTHER_TEAM)
    )
    Remove: tuple[JobWho, ...] = messages(JobWho, "Agents and teams to take out of it.", sample=())
    Comment: str | None = member(TEXT, _COMMENT, sample="Moved upstairs")
    Members: tuple[JobWho, ...] = messages(
        JobWho,
        "Agents and teams that were put into it; ignored in requests.",
        sample=(_SAMPLE_AGENT, _SAMPLE_OTHER_TEAM),
    )
    MembersByRule: tuple[JobWho, ...] = messages(
        JobWho, "Agents that fit its rule; ignored in requests.", sample=()
    )


class AgentRemoval(Message):
    """An agent that is to be removed, or was (our choice)."""

    Agent: JobWho | None = nested(
        JobWho, "Which agent: its ID (GUID or name), or its Name.", sample=_SAMPLE_AGENT
    )
    Comment: str | None = member(TEXT, _COMMENT, sample="Scrapped")
    EndedRuns: int | None = member(
        INTEGER, "How many runs were ended because it is gone; ignored in requests.", sample=0
    )


class TeamAgent(Message):
    """An agent that belongs to a team, in the report of teams (our choice)."""

    ID: uuid.UUID | None = member(
        GUID, "Which agent.", sample=uuid.UUID("3ccbdb70-2391-46d5-b2af-6cdf197d0427")
    )
    Name: str | None = member(TEXT, "Its name.", sample="PC1234")
    Online: bool | None = member(BOOLEAN, "Whether it was heard of lately.", sample=True)
    Primary: bool | None = member(BOOLEAN, "Whether this is its primary team.", sample=True)


class TeamReport(Message):
    """A team and who belongs to it (our choice)."""

    ID: uuid.UUID | None = member(
        GUID, "Which team.", sample=uuid.UUID("7f0a6f0e-8d0b-4c56-9a59-0d2f3b1c4e5a")
    )
    Name: str | None = member(TEXT, "Its name.", sample="Floor 2")
    Description: str | None = member(TEXT, "What it is for.", sample="Everything upstairs")
    Folder: str | None = member(TEXT, "The folder it lies in, such as A/B.", sample="Offices")
    Agents: tuple[TeamAgent, ...] = messages(
        TeamAgent, "The agents that belong to it: put in, by its rule, or through other teams."
    )
    Teams: tuple[JobWho, ...] = messages(
        JobWho, "The teams that were put into it.", sample=(_SAMPLE_OTHER_TEAM,)
    )


class JobUsage(Message):
    """A job in the report of usage (Dispatcher contract 3, row 15): as a whole, without its tasks.

    Its form is not known; names and values are those of Job and JobStatus, otherwise our choice.
    """

    JobID: uuid.UUID | None = member(
        GUID, "The job's id.", sample=uuid.UUID("9d2b1f7e-6a54-4e0c-8b1d-2f30c4a5e6b7")
    )
    Description: str | None = member(TEXT, "A title.", sample="Printers, second floor")
    What: tuple[JobWhat, ...] = messages(JobWhat, "What it ran, under the names of that time.")
    Status: JobStatusType | None = member(
        enumeration(JobStatusType), "How far the job is.", sample=JobStatusType.Completed
    )
    JobInvoker: str | None = member(
        TEXT, "What started it, such as InvokeUser or InvokeRunBook.", sample="InvokeUser"
    )
    JobInvokerInfo: str | None = member(TEXT, "Who started it.", sample="operator")
    StartDateTime: datetime.datetime | None = member(DATETIME, "When it started.")
    StopDateTime: datetime.datetime | None = member(
        DATETIME,
        "When it ended; absent as long as it has not.",
        sample=datetime.datetime(2015, 6, 25, 14, 3, 20, tzinfo=datetime.UTC),
    )
    DurationSeconds: int | None = member(
        INTEGER, "Whole seconds from start to end; absent as long as it has not ended.", sample=200
    )
    Agents: int | None = member(
        INTEGER, "On how many agents it ran itself; a run book has jobs for that.", sample=1
    )


class DispatcherFault(Message):
    """The detail of every SOAP fault. Our choice."""

    Code: str | None = member(TEXT, "What went wrong, for programs.", sample="JobNotFound")
    Message: str | None = member(
        TEXT, "What went wrong, for people.", sample="there is no such job"
    )
    RequestId: str | None = member(
        TEXT, "Under which the server has logged the request.", sample="01JZ0000000000000000000000"
    )
