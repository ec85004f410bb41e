"""Every operation of the Dispatcher, called in each of its dialects, with what really comes back.

The list is written down here, apart from the tables that the services are made from: a route that
is not in it fails, and so does a line of it that has no route.
"""

import base64
import dataclasses
import enum
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
import requests
import zeep
import zeep.helpers
from lxml import etree

from gateway.agents.desk import AgentSession
from gateway.catalog.definitions import Capture, CaptureKind, Module, Parameter
from gateway.catalog.resources import Resource, ResourceDetails
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import DefinitionKind, JobOrder, What, Who
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from gateway.surfaces.dispatcher.service import SERVICES
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher import served, stage
from tests.contract.dispatcher.house import ADMIN, JSON, PARAMETERS, XML, Client, House, braced
from tests.contract.dispatcher.served import Place
from tests.contract.dispatcher.stage import Stage

SCHEDULING = "/Dispatcher/SchedulingService"
RESOURCES = "/Dispatcher/ResourceService"


@dataclasses.dataclass(frozen=True)
class Row:
    """An operation: method and path of REST, and its name in SOAP; help pages have none."""

    method: str
    path: str
    operation: str = ""

    @property
    def template(self) -> str:
        """The path without the query."""
        return self.path.partition("?")[0]

    @property
    def service(self) -> str:
        """The path of the service."""
        return "/".join(self.path.split("/")[:3])

    @property
    def queries(self) -> list[str]:
        """The names in the query."""
        return re.findall(r"(\w+)=", self.path)


ROWS = (
    Row("POST", f"{SCHEDULING}/jobs", "ScheduleJob"),
    Row("GET", f"{SCHEDULING}/jobs?stage={{STAGE}}", "GetJobs"),
    Row("GET", f"{SCHEDULING}/jobs/{{JOBID}}", "GetJob"),
    Row("PUT", f"{SCHEDULING}/jobs/{{JOBID}}", "AbortJob"),
    Row(
        "GET",
        f"{SCHEDULING}/jobs/{{JOBID}}/results?overview={{OVERVIEW}}&detailed={{DETAILED}}",
        "ExportJobResults",
    ),
    Row("GET", f"{SCHEDULING}/report/teams", "GetTeamsReport"),
    Row("GET", f"{SCHEDULING}/report/jobusage?start={{START}}&stop={{STOP}}", "GetJobUsageReport"),
    Row("GET", f"{SCHEDULING}/runbookjobs/{{JOBID}}", "GetRunBookJobs"),
    Row(
        "GET",
        f"{SCHEDULING}/what/{{WHATTYPE}}s/{{WHATID}}/inputparameters",
        "GetInputParameters",
    ),
    Row(
        "GET",
        f"{SCHEDULING}/what/{{WHATTYPE}}s/{{WHATID}}/outputparameters",
        "GetOutputParameters",
    ),
    Row("GET", f"{SCHEDULING}/what/modules", "GetModules"),
    Row("GET", f"{SCHEDULING}/what/projects", "GetProjects"),
    Row("GET", f"{SCHEDULING}/what/runbooks", "GetRunBooks"),
    Row("GET", f"{SCHEDULING}/who", "GetWho"),
    Row("POST", f"{SCHEDULING}/agentmembership", "ModifyAgentMembership"),
    Row("POST", f"{SCHEDULING}/removeagent", "RemoveAgent"),
    Row("POST", f"{SCHEDULING}/teammembership", "ModifyTeamMembership"),
    Row("GET", f"{SCHEDULING}/help"),
    Row("POST", f"{RESOURCES}/UploadResource", "UploadResource"),
    Row("POST", f"{RESOURCES}/DeleteResource", "DeleteResource"),
    Row("GET", f"{RESOURCES}/help"),
)
HELP = [row for row in ROWS if not row.operation]
OPERATIONS = [row for row in ROWS if row.operation]
# What belongs to SOAP and to the help pages, in the one spelling of the routes.
BESIDES = {
    (method, f"{service.lower()}/{path}")
    for service in (SCHEDULING, RESOURCES)
    for method, path in (("GET", "soap"), ("POST", "soap"), ("GET", "help/operations/{}"))
}


class Dialect(enum.Enum):
    """How an operation is called; of SOAP what ``?wsdl=`` asks for."""

    XML = XML
    JSON = JSON
    SOAP_11 = "1.1"
    SOAP_12 = "1.2"


# --- what came back, whatever the dialect --------------------------------------------------------

Tree = list[tuple[str, Any]]


@dataclasses.dataclass(frozen=True)
class Told:
    """An answer as members by their names; lists have items without one, or with their type's."""

    dialect: Dialect
    tree: Tree

    def all(self, *path: str) -> list[str]:
        """The texts of all members at a path, in their order; what wraps them has no name in it."""
        level: list[Any] = [self.tree]
        for name in path:
            level = [value for tree in level for value in _within(tree, name)]
        return [value for value in level if isinstance(value, str)]

    def one(self, *path: str) -> str:
        """The text of the only member at a path."""
        (found,) = self.all(*path)
        return found

    def words(self, numbers: Mapping[int, str], *path: str) -> list[str]:
        """The words of an enumeration: in JSON they are numbers (contract 1.5)."""
        if self.dialect is Dialect.JSON:
            return [numbers[int(text)] for text in self.all(*path)]
        return self.all(*path)


def _within(tree: Any, name: str) -> Iterator[Any]:
    """The members of this name: the tree's own, or else those of what is in it."""
    pairs: Tree = tree if isinstance(tree, list) else []
    own = [value for key, value in pairs if key == name]
    yield from own
    if not own:
        for _, value in pairs:
            yield from _within(value, name)


def _of_values(value: Any) -> Any:
    """A tree of what JSON or zeep gave."""
    if isinstance(value, Mapping):
        return [(str(key), _of_values(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [("", _of_values(item)) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _of_element(element: etree._Element) -> Any:
    if len(element):
        return [(etree.QName(child).localname, _of_element(child)) for child in element]
    return element.text or ""


STATUS = {-1: "Disabled", 0: "Scheduled", 1: "Active", 3: "Aborted", 4: "Completed"}
WHAT = {0: "Module", 1: "Project", 2: "RunBook"}
WHO = {0: "Agent", 1: "Team"}
TYPES = {
    0: "Text",
    1: "List",
    2: "Credentials",
    3: "MultiSelectList",
    4: "MultiLineText",
    5: "Password",
}


# --- where it is called --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class World:
    """One house for all of the calls, served, with zeep's clients by service and version."""

    scene: Stage
    place: Place
    client: Client
    finder: Module
    soap: Mapping[tuple[str, Dialect], Any]

    @property
    def house(self) -> House:
        return self.scene.house

    def job(self) -> JobView:
        """A job of the module that waits."""
        order = self.house.engine.order(self.scene.module.guid, self.scene.agent)
        return self.house.engine.accept(order)

    def done(self) -> JobView:
        """A job of the module that has run."""
        job = self.job()
        self.house.engine.run_all(self.scene.agent)
        return job

    def run_book_job(self) -> JobView:
        """A job of the run book that is under way."""
        order = JobOrder(
            what=(What(self.scene.run_book.guid, DefinitionKind.RUN_BOOK),),
            who=(Who(str(self.scene.agent.agent)),),
        )
        job = self.house.engine.accept(order)
        self.house.engine.clock.tick()
        return job

    def asleep(self) -> AgentSession:
        """A new agent that is offline."""
        agent = self.house.agent(f"Asleep {uuid.uuid4()}")
        self.house.silence(agent)
        return agent

    def resource(self) -> Resource:
        """A new resource."""
        name = f"{uuid.uuid4()}.txt"
        details = ResourceDetails(name, name, "")
        return self.house.gateway.resources.add(details, [b"content"], MACHINE)

    def state(self, guid: object) -> JobStatus:
        """How a job stands in the store."""
        return self.house.gateway.jobs.get(uuid.UUID(str(guid))).status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, session_log: SessionLog) -> Iterator[World]:
    house = houses.build(tmp_path_factory.mktemp("rows"), session_log)
    scene = stage.stage(house)
    finder = house.module("Finder", unused=(Parameter(name="Found"),))
    capture = Capture(parameter="Found", kind=CaptureKind.OUTPUT, expression="a(.*)")
    tasks = (finder.tasks[0].model_copy(update={"captures": (capture,)}),)
    house.gateway.catalog.save(finder.model_copy(update={"tasks": tasks}), MACHINE)
    with served.serving(house) as place:
        yield World(scene, place, house.client(), finder, _soap_clients(place))
    house.gateway.stop(0)


def _soap_clients(place: Place) -> dict[tuple[str, Dialect], Any]:
    session = requests.Session()
    session.auth = ADMIN
    make: Any = zeep  # it has no types
    transport = make.Transport(session=session, timeout=20, operation_timeout=20)
    found = {}
    for service in (SCHEDULING, RESOURCES):
        for dialect in (Dialect.SOAP_11, Dialect.SOAP_12):
            address = f"http://127.0.0.1:{place.port}{service}/soap?wsdl={dialect.value}"
            found[service, dialect] = make.Client(address, transport=transport)
    return found


@dataclasses.dataclass(frozen=True)
class Case:
    """A call of an operation: its address, its arguments in SOAP, its body, and what must hold.

    ``json`` and ``xml`` are the body of REST; ``content`` is that of a file. ``headers`` with
    underscores for hyphens.
    """

    path: str
    soap: Mapping[str, Any]
    holds: Callable[[Told], None]
    json: Any = None
    xml: str = ""
    content: bytes | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


def call(world: World, row: Row, case: Case, dialect: Dialect) -> Told:
    """Call an operation in a dialect."""
    if dialect in (Dialect.SOAP_11, Dialect.SOAP_12):
        world.house.log.requests += 1
        operation = world.soap[row.service, dialect].service[row.operation]
        helpers: Any = zeep.helpers
        result = helpers.serialize_object(operation(**case.soap), dict)
        # zeep unwraps a result that has one member only.
        return Told(dialect, _of_values({"Xml": result} if isinstance(result, bytes) else result))
    body: str | bytes = json.dumps(case.json) if dialect is Dialect.JSON else case.xml
    if case.json is None:
        body = case.content or b""
    media = "application/octet-stream" if case.content is not None else dialect.value
    answer = world.client.send(
        row.method, case.path, body, media, Accept=dialect.value, **case.headers
    )
    if dialect is Dialect.XML:
        return Told(dialect, _of_element(answer.xml) or [])
    found = answer.json
    if isinstance(found, dict) and set(found) == {"Xml"}:
        found = {"Xml": bytes(found["Xml"])}  # a list of numbers (contract 1.5)
    return Told(dialect, _of_values(found))


# --- the calls -----------------------------------------------------------------------------------

CASES: dict[str, Callable[[World], Case]] = {}


def case(make: Callable[[World], Case]) -> Callable[[World], Case]:
    """Note how the operation is called that the function is named after."""
    CASES[make.__name__] = make
    return make


@case
def ScheduleJob(world: World) -> Case:  # noqa: N802  # the operation's name
    module, agent = world.scene.module.guid, world.scene.agent.agent
    value = {"Name": "VMName", "Type": "Text", "Value1": "ä<&>"}
    given = {
        "TaskContainerGuid": str(module),
        "Type": "Module",
        "JobParameters": {"Parameter": [value]},
    }

    def holds(told: Told) -> None:
        guid = uuid.UUID(told.one("JobID"))
        assert world.state(guid) is JobStatus.SCHEDULED
        assert told.one("Description") == "From a row"
        assert told.words(STATUS, "Status", "Type") == ["Scheduled"]
        assert told.one("Status", "JobInvoker") == "InvokeUser"
        assert (told.all("What", "ID"), told.all("Who", "Name")) == ([braced(module)], ["PC1234"])
        (order,) = world.house.gateway.reception.claim(world.scene.agent, 1)
        assert {one.name: one.value for one in order.parameters}["VMName"] == "ä<&>"
        world.house.engine.finish(world.scene.agent, order)

    world.house.engine.run_all(world.scene.agent)
    return Case(
        f"{SCHEDULING}/jobs",
        {
            "job": {
                "Description": "From a row",
                "When": {"Immediate": True},
                "What": {"JobWhat": [{"ID": str(module), "Type": "Module"}]},
                "Who": {"JobWho": [{"ID": str(agent), "Type": "Agent"}]},
                "Parameters": {"ParameterSet": [given]},
            }
        },
        holds,
        {
            "Description": "From a row",
            "When": {"Immediate": True},
            "What": [{"ID": str(module), "Type": 0}],
            "Who": [{"ID": str(agent), "Type": 0}],
            "Parameters": [
                {
                    "TaskContainerGuid": str(module),
                    "Type": 0,
                    "JobParameters": [value | {"Type": 0}],
                }
            ],
        },
        "<Job><Description>From a row</Description><When><Immediate>true</Immediate></When>"
        f"<What><JobWhat><ID>{module}</ID><Type>Module</Type></JobWhat></What>"
        f"<Who><JobWho><ID>{agent}</ID><Type>Agent</Type></JobWho></Who>"
        f"<Parameters><ParameterSet><TaskContainerGuid>{module}</TaskContainerGuid>"
        "<JobParameters><Parameter><Name>VMName</Name><Value1>ä&lt;&amp;&gt;</Value1></Parameter>"
        "</JobParameters></ParameterSet></Parameters></Job>",
    )


@case
def GetJobs(world: World) -> Case:  # noqa: N802
    done = world.done()
    waits = world.job()

    def holds(told: Told) -> None:
        listed = told.all("Items", "JobID")
        assert braced(done.guid) in listed
        assert braced(waits.guid) not in listed
        assert set(told.words(STATUS, "Items", "Status", "Type")) <= {"Completed", "Aborted"}
        assert (told.one("CurrentPage"), told.one("PageCount")) == ("1", "1")

    return Case(
        f"{SCHEDULING}/jobs?stage=History&page=1&pagesize=500",
        {"stage": "History", "page": 1, "pageSize": 500},
        holds,
    )


@case
def GetJob(world: World) -> Case:  # noqa: N802
    job = world.job()

    def holds(told: Told) -> None:
        assert told.one("JobID") == braced(job.guid)
        assert told.one("Parameters", "TaskContainerGuid") == braced(world.scene.module.guid)
        names = told.all("Parameters", "JobParameters", "Name")
        assert names == [one.name for one in PARAMETERS]
        values = dict(zip(names, told.all("Parameters", "JobParameters", "Value1"), strict=True))
        assert (values["Size"], values["Note"], values["Password"]) == (
            *("S", "one\ntwo", "********"),
        )

    return Case(f"{SCHEDULING}/jobs/{job.guid}", {"jobId": braced(job.guid)}, holds)


@case
def AbortJob(world: World) -> Case:  # noqa: N802
    job = world.job()

    def holds(told: Told) -> None:
        assert told.words(STATUS, "Type") == ["Aborted"]
        assert told.one("Reason") == "aborted by admin"
        assert world.state(job.guid) is JobStatus.ABORTED

    return Case(
        f"{SCHEDULING}/jobs/{job.guid}",
        {"jobId": braced(job.guid), "status": {"Type": "Aborting"}},
        holds,
        {"Type": 2},
        "<JobStatus><Type>Aborting</Type></JobStatus>",
    )


@case
def ExportJobResults(world: World) -> Case:  # noqa: N802
    job = world.done()

    def holds(told: Told) -> None:
        text = base64.b64decode(told.one("Xml"), validate=True).decode("utf-16-le")
        assert text.startswith('<?xml version="1.0" encoding="utf-16"?>')
        root = etree.fromstring(text.partition("?>")[2])
        assert root.findtext("masterjobresult/status") == "Completed"
        assert root.findtext("masterjobresult/agents/agent/name") == "PC1234"
        assert root.find(".//task") is None

    return Case(
        f"{SCHEDULING}/jobs/{job.guid}/results?overview=True&detailed=False",
        {"jobId": braced(job.guid), "includeOverview": True, "includeDetailed": False},
        holds,
    )


@case
def GetTeamsReport(world: World) -> Case:  # noqa: N802
    def holds(told: Told) -> None:
        assert told.all("Name")[0] == "Floor 2"
        assert told.all("ID")[0] == braced(world.scene.team.guid)
        assert "PC1234" in told.all("Agents", "Name")
        assert "true" in told.all("Agents", "Online")

    return Case(f"{SCHEDULING}/report/teams", {}, holds)


@case
def GetJobUsageReport(world: World) -> Case:  # noqa: N802
    done, waits = world.done(), world.job()

    def holds(told: Told) -> None:
        listed = told.all("JobID")
        assert braced(done.guid) in listed
        assert braced(waits.guid) not in listed
        place = listed.index(braced(done.guid))
        assert told.words(STATUS, "Status")[place] == "Completed"
        assert told.all("What", "Name")[place] == "Test Module"

    return Case(
        f"{SCHEDULING}/report/jobusage?start=20140621000000&stop=20990622000000",
        {"start": "20140621000000", "stop": "20990622000000"},
        holds,
    )


@case
def GetRunBookJobs(world: World) -> Case:  # noqa: N802
    job = world.run_book_job()

    def holds(told: Told) -> None:
        (child,) = world.house.gateway.jobs.children(job.guid)
        assert told.one("JobID") == braced(child.guid)
        assert told.one("Description") == "The project"
        assert told.one("Status", "JobInvoker") == "InvokeRunBook"
        assert told.words(WHAT, "What", "Type") == ["Project"]
        assert told.all("Parameters", "JobParameters", "Name") == [one.name for one in PARAMETERS]

    return Case(f"{SCHEDULING}/runbookjobs/{job.guid}", {"jobId": braced(job.guid)}, holds)


@case
def GetInputParameters(world: World) -> Case:  # noqa: N802
    guid = world.scene.run_book.guid

    def holds(told: Told) -> None:
        assert told.one("TaskContainerGuid") == braced(guid)
        assert told.all("JobParameters", "Name") == [one.name for one in PARAMETERS]
        kinds = told.words(TYPES, "JobParameters", "Type")
        assert kinds == [TYPES[int(one.type)] for one in PARAMETERS]
        assert told.all("JobParameters", "Value2")[1] == "S;L"
        assert told.all("JobParameters", "Value3")[1] == "Small;Large"

    return Case(
        f"{SCHEDULING}/what/RunBooks/{guid}/inputparameters",
        {"whatType": "RunBook", "whatId": braced(guid)},
        holds,
    )


@case
def GetOutputParameters(world: World) -> Case:  # noqa: N802
    guid = world.finder.guid

    def holds(told: Told) -> None:
        assert told.one("TaskContainerName") == "Finder"
        assert told.all("JobParameters", "Name") == ["Found"]

    return Case(
        f"{SCHEDULING}/what/Modules/{guid}/outputparameters",
        {"whatType": "Module", "whatId": braced(guid)},
        holds,
    )


def _listing(path: str, kind: str, *named: tuple[str, uuid.UUID]) -> Case:
    def holds(told: Told) -> None:
        assert told.all("Name") == [name for name, _ in named]
        assert told.all("ID") == [braced(guid) for _, guid in named]
        assert told.words(WHAT, "Type") == [kind] * len(named)

    return Case(f"{SCHEDULING}/what/{path}", {}, holds)


@case
def GetModules(world: World) -> Case:  # noqa: N802
    module = world.scene.module
    return _listing("modules", "Module", ("Finder", world.finder.guid), (module.name, module.guid))


@case
def GetProjects(world: World) -> Case:  # noqa: N802
    return _listing("projects", "Project", ("Test Project", world.scene.project.guid))


@case
def GetRunBooks(world: World) -> Case:  # noqa: N802
    return _listing("runbooks", "RunBook", ("Test Run Book", world.scene.run_book.guid))


@case
def GetWho(world: World) -> Case:  # noqa: N802
    def holds(told: Told) -> None:
        assert told.all("Name") == ["Floor 2", "PC1234"]
        assert told.all("ID") == [braced(world.scene.team.guid), braced(world.scene.agent.agent)]
        assert told.words(WHO, "Type") == ["Team", "Agent"]

    world.asleep()
    return Case(
        f"{SCHEDULING}/who?agents=True&teams=True&online=True&licensed=True&search=2",
        {"agents": True, "teams": True, "online": True, "licensed": True, "search": "2"},
        holds,
    )


@case
def ModifyAgentMembership(world: World) -> Case:  # noqa: N802
    agent, team = world.asleep().agent, world.scene.team.guid

    def holds(told: Told) -> None:
        assert told.one("Agent", "ID") == braced(agent)
        assert told.all("MemberOf", "Name") == ["Floor 2"]
        assert told.one("PrimaryTeam", "ID") == braced(team)
        report = world.client.get("report/teams").json
        assert braced(agent) in [one["ID"] for one in report[0]["Agents"]]

    given = {"ID": str(agent)}
    return Case(
        f"{SCHEDULING}/agentmembership",
        {
            "membership": {
                "Agent": given,
                "AddTo": {"JobWho": [{"ID": str(team)}]},
                "PrimaryTeam": {"ID": str(team)},
            }
        },
        holds,
        {"Agent": given, "AddTo": [{"ID": str(team)}], "PrimaryTeam": {"ID": str(team)}},
        f"<AgentMembership><Agent><ID>{agent}</ID></Agent>"
        f"<AddTo><JobWho><ID>{team}</ID></JobWho></AddTo>"
        f"<PrimaryTeam><ID>{team}</ID></PrimaryTeam></AgentMembership>",
    )


@case
def RemoveAgent(world: World) -> Case:  # noqa: N802
    agent = world.asleep().agent

    def holds(told: Told) -> None:
        assert told.one("Agent", "ID") == braced(agent)
        assert told.one("EndedRuns") == "0"
        assert braced(agent) not in [one["ID"] for one in world.client.get("who").json]

    return Case(
        f"{SCHEDULING}/removeagent",
        {"removal": {"Agent": {"ID": str(agent)}}},
        holds,
        {"Agent": {"ID": str(agent)}},
        f"<AgentRemoval><Agent><ID>{agent}</ID></Agent></AgentRemoval>",
    )


@case
def ModifyTeamMembership(world: World) -> Case:  # noqa: N802
    agent = world.asleep().agent
    team = world.house.team(f"Team {uuid.uuid4()}")
    name, inner = team.name, "Floor 2"

    def holds(told: Told) -> None:
        assert told.one("Team", "Name") == name
        assert told.all("Members", "ID") == [braced(agent), braced(world.scene.team.guid)]
        assert told.words(WHO, "Members", "Type") == ["Agent", "Team"]
        world.house.gateway.teams.delete(str(team.guid), MACHINE)

    return Case(
        f"{SCHEDULING}/teammembership",
        {
            "membership": {
                "Team": {"Name": name},
                "Add": {"JobWho": [{"ID": str(agent)}, {"Name": inner, "Type": "Team"}]},
            }
        },
        holds,
        {"Team": {"Name": name}, "Add": [{"ID": str(agent)}, {"Name": inner, "Type": 1}]},
        f"<TeamMembership><Team><Name>{name}</Name></Team>"
        f"<Add><JobWho><ID>{agent}</ID></JobWho>"
        f"<JobWho><Name>{inner}</Name><Type>Team</Type></JobWho></Add></TeamMembership>",
    )


@case
def UploadResource(world: World) -> Case:  # noqa: N802
    name, content = f"{uuid.uuid4()}.msi", b"\0\xff content"

    def holds(told: Told) -> None:
        assert told.one("Filename") == name
        assert (told.one("Folder"), told.one("Version")) == ("Tools/Windows", "1.0.0")
        assert told.one("Size") == str(len(content))
        assert told.one("Sha256") == hashlib.sha256(content).hexdigest()
        assert told.one("ParseContent") == "true"
        with world.house.gateway.store.reading() as session:
            found = world.house.gateway.resources.find(session, uuid.UUID(told.one("ID")))
        assert found is not None
        assert b"".join(world.house.gateway.resources.content(found)) == content

    return Case(
        f"{RESOURCES}/UploadResource",
        {
            "filename": name,
            "folder": "Tools/Windows",
            "parseContent": True,
            "content": content,
        },
        holds,
        content=content,
        headers={"Filename": name, "Folder": "Tools/Windows", "ParseContent": "True"},
    )


@case
def DeleteResource(world: World) -> Case:  # noqa: N802
    resource = world.resource()

    def holds(told: Told) -> None:
        assert told.one("ID") == braced(resource.guid)
        assert told.one("Filename") == resource.details.file_name
        with world.house.gateway.store.reading() as session:
            listed = world.house.gateway.resources.all(session)
        assert resource.guid not in [one.guid for one in listed]

    return Case(
        f"{RESOURCES}/DeleteResource",
        {"guid": braced(resource.guid)},
        holds,
        headers={"Guid": braced(resource.guid)},
    )


# --- the tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.operation)
def test_a_row_answers_in_each_of_its_dialects(world: World, row: Row, dialect: Dialect) -> None:
    case = CASES[row.operation](world)
    path, _, query = case.path.partition("?")
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", row.template), path)
    assert {name.lower() for name in row.queries} <= set(re.findall(r"(\w+)=", query))
    case.holds(call(world, row, case, dialect))


@pytest.mark.parametrize("row", HELP, ids=lambda row: row.path)
def test_a_help_page_shows_every_row_of_its_service(world: World, row: Row) -> None:
    answer = world.client.send(row.method, row.path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "This page describes the service operations at this endpoint." in answer.text
    for one in OPERATIONS:
        listed = f'/help/operations/{one.operation}"' in answer.text
        assert listed is (one.service == row.service)
        if listed:
            page = world.client.get(f"{row.path}/operations/{one.operation}")
            assert f"HTTP Method: {one.method}" in re.sub(r"<[^>]+>", "", page.text)
            assert one.template in page.text


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    declared = {
        (one.verb, f"{service.path}/{one.template}", one.name)
        for service in SERVICES
        for one in service.operations
    }
    assert {(row.method, row.template, row.operation) for row in OPERATIONS} == declared
    assert len(ROWS) == len(set(ROWS)) == 21
    arguments = {
        one.name: {argument.rest_name for argument in one.arguments}
        for service in SERVICES
        for one in service.operations
    }
    for row in OPERATIONS:
        assert set(row.queries) <= arguments[row.operation]
    assert set(CASES) == {row.operation for row in OPERATIONS}


def _spelled(method: str, path: str) -> tuple[str, str]:
    return method, re.sub(r"[<{]\w+[>}]", "{}", path).lower()


def test_every_route_has_a_row_and_every_row_a_route(world: World) -> None:
    """Read from the application itself, so that a new route without a row fails."""
    routes: Iterable[Any] = world.house.app.url_map.iter_rules()
    served = {
        _spelled(method, rule.rule)
        for rule in routes
        if rule.rule.startswith("/dispatcher/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert served == {_spelled(row.method, row.template) for row in ROWS} | BESIDES


@pytest.mark.parametrize("dialect", [Dialect.SOAP_11, Dialect.SOAP_12], ids=lambda one: one.name)
@pytest.mark.parametrize("service", [SCHEDULING, RESOURCES])
def test_soap_has_an_operation_for_each_row(world: World, service: str, dialect: Dialect) -> None:
    ports = [
        port
        for found in world.soap[service, dialect].wsdl.services.values()
        for port in found.ports.values()
    ]
    (port,) = ports
    expected = {row.operation for row in OPERATIONS if row.service == service}
    assert set(port.binding.all()) == expected
    assert f"Soap{dialect.value.replace('.', '')}" in type(port.binding).__name__
