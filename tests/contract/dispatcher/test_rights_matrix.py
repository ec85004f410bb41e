"""Every operation of the services, tried with every kind of login, in REST and SOAP.

The operations are read from the routes of the application and from the WSDL that it serves: a new
one without a row here fails. A row says which right it takes and how it is called.
"""

import base64
import dataclasses
import enum
import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from lxml import etree

from gateway.identity import audit
from gateway.identity.permissions import EVERYWHERE, Access, Node
from gateway.jobs.views import JobView
from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher.messages import JobStatusType, JobWhatType, JobWho, JobWhoType
from gateway.surfaces.dispatcher.operation import Argument, Operation, Place
from gateway.surfaces.dispatcher.service import RESOURCES, SCHEDULING, SERVICES, Service
from gateway.wire import json_messages, xml_messages
from gateway.wire.messages import Message
from storage import models
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import JSON, NAMESPACE, XML, Answer, Client, House
from tests.contract.dispatcher.narrowed import EVERY, READ, Objects, Scene

COMMENT = "because of the audit"
ENVELOPE = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<{0} xmlns="{1}">{2}</{0}></Body></Envelope>'
)


@dataclasses.dataclass(frozen=True)
class Target:
    """What a call is about: objects at one place; those that it may use up are new."""

    house: House
    objects: Objects

    @functools.cached_property
    def job(self) -> JobView:
        """A job that waits."""
        return self.objects.job(self.house)

    @functools.cached_property
    def started(self) -> JobView:
        """A job that has run."""
        job = self.objects.job(self.house)
        self.house.engine.run_all(self.objects.agent)
        return job

    @functools.cached_property
    def agent(self) -> JobWho:
        """An agent that is offline."""
        return JobWho(ID=self.objects.another_agent(self.house).agent, Type=JobWhoType.Agent)

    @functools.cached_property
    def inner(self) -> JobWho:
        """A team that the agent is not in."""
        return JobWho(ID=self.objects.inner.guid, Type=JobWhoType.Team)

    @functools.cached_property
    def resource(self) -> uuid.UUID:
        """A resource that nothing uses."""
        return self.objects.resource(self.house).guid

    @property
    def order(self) -> messages.Job:
        """A job to schedule."""
        what = messages.JobWhat(ID=self.objects.module.guid, Type=JobWhatType.Module)
        who = JobWho(ID=self.objects.agent.agent, Type=JobWhoType.Agent)
        return messages.Job(What=(what,), Who=(who,))


@dataclasses.dataclass(frozen=True)
class Row:
    """What is expected of one operation.

    ``values`` are its arguments. ``hidden`` is the answer about what may not be read: HTTP status
    and word of the SOAP fault; None for lists, which leave out what is ``listed``. ``recorded``:
    it changes something, and leaves an entry with this action in the audit trail.
    """

    node: Node
    access: Access
    values: Callable[[Target], Mapping[str, Any]] = lambda _target: {}
    hidden: tuple[int, str] | None = None
    listed: Callable[[Target], uuid.UUID] | None = None
    recorded: str | None = None


NO_JOB = (404, "JobNotFound")
NO_DEFINITION = (404, "DefinitionNotFound")
NO_RESOURCE = (404, "ResourceNotFound")
ROWS = {
    # A job is its own record, with owner, address and comment: no entry for it.
    "ScheduleJob": Row(
        Node.JOBS, Access.MODIFY, lambda target: {"job": target.order}, (400, "InvalidJob")
    ),
    "GetJobs": Row(Node.JOBS, Access.READ, listed=lambda target: target.job.guid),
    "GetJob": Row(Node.JOBS, Access.READ, lambda target: {"guid": target.job.guid}, NO_JOB),
    "GetRunBookJobs": Row(Node.JOBS, Access.READ, lambda target: {"guid": target.job.guid}, NO_JOB),
    "AbortJob": Row(
        Node.JOBS,
        Access.MODIFY,
        lambda target: {
            "guid": target.job.guid,
            "status": messages.JobStatus(Type=JobStatusType.Aborting),
        },
        NO_JOB,
        recorded="job.abort",
    ),
    "ExportJobResults": Row(
        Node.JOBS, Access.READ, lambda target: {"guid": target.job.guid}, NO_JOB
    ),
    "GetModules": Row(Node.MODULES, Access.READ, listed=lambda target: target.objects.module.guid),
    "GetProjects": Row(
        Node.PROJECTS, Access.READ, listed=lambda target: target.objects.project.guid
    ),
    "GetRunBooks": Row(
        Node.RUN_BOOKS, Access.READ, listed=lambda target: target.objects.run_book.guid
    ),
    "GetInputParameters": Row(
        Node.MODULES,
        Access.READ,
        lambda target: {"what_type": "Module", "what_id": target.objects.module.guid},
        NO_DEFINITION,
    ),
    "GetOutputParameters": Row(
        Node.RUN_BOOKS,
        Access.READ,
        lambda target: {"what_type": "RunBook", "what_id": target.objects.run_book.guid},
        NO_DEFINITION,
    ),
    "GetWho": Row(Node.AGENTS, Access.READ, listed=lambda target: target.objects.agent.agent),
    "ModifyAgentMembership": Row(
        Node.TEAMS,
        Access.MODIFY,
        lambda target: {
            "membership": messages.AgentMembership(Agent=target.agent, AddTo=(target.inner,))
        },
        (404, "AgentNotFound"),
        recorded="membership",
    ),
    "ModifyTeamMembership": Row(
        Node.TEAMS,
        Access.MODIFY,
        lambda target: {
            "membership": messages.TeamMembership(Team=target.inner, Add=(target.agent,))
        },
        (404, "TeamNotFound"),
        recorded="membership",
    ),
    "RemoveAgent": Row(
        Node.AGENTS,
        Access.MODIFY,
        lambda target: {"removal": messages.AgentRemoval(Agent=target.agent)},
        (404, "AgentNotFound"),
        recorded="remove",
    ),
    "GetTeamsReport": Row(Node.TEAMS, Access.READ, listed=lambda target: target.objects.team.guid),
    "GetJobUsageReport": Row(Node.REPORTS, Access.READ, listed=lambda target: target.started.guid),
    "UploadResource": Row(
        Node.RESOURCES,
        Access.MODIFY,
        lambda target: {
            "guid": target.resource,
            "file_name": f"{uuid.uuid4()}.txt",
            "content": b"new content",
        },
        NO_RESOURCE,
        recorded="update",
    ),
    "DeleteResource": Row(
        Node.RESOURCES,
        Access.MODIFY,
        lambda target: {"guid": target.resource},
        NO_RESOURCE,
        recorded="delete",
    ),
}

# What else has an address: the help pages take any login, SOAP's operations are those above, the
# description of SOAP is public (setting ``wsdl_public``).
FOR_ANY_LOGIN = {
    "help": f"{SCHEDULING.path}/help",
    "help_operation": f"{SCHEDULING.path}/help/operations/GetJobs",
    "resource_help": f"{RESOURCES.path}/help",
    "resource_help_operation": f"{RESOURCES.path}/help/operations/DeleteResource",
}
OTHERS = {*FOR_ANY_LOGIN, "soap", "wsdl", "resource_soap", "resource_wsdl"}

SERVICE = {operation.name: service for service in SERVICES for operation in service.operations}
OPERATION = {one.name: one for service in SERVICES for one in service.operations}


class Dialect(enum.Enum):
    """How an operation is called."""

    XML = XML
    JSON = JSON
    SOAP = "text/xml"


@dataclasses.dataclass(frozen=True)
class World:
    """One house for all of the tests: each call is about a job of its own."""

    scene: Scene
    clients: Mapping[str, Client]

    def target(self, *, inside: bool = True) -> Target:
        """Something to call an operation on."""
        objects = self.scene.inside if inside else self.scene.outside
        return Target(self.scene.house, objects)

    def changes(self, who: str) -> tuple[list[audit.Entry], list[uuid.UUID]]:
        """What a login has changed, and the jobs that it has asked for."""
        gateway = self.scene.house.gateway
        principal, job = gateway.logins.find(who), models.Job
        with gateway.store.reading() as session:
            found = [one for one in audit.page(session, size=10_000) if one.principal == who]
            jobs = session.rows(job.select(job.guid).where(job.owner_id == principal.id))
        return found, [row["guid"] for row in jobs]

    def call(self, who: str, name: str, dialect: Dialect, target: Target) -> Answer:
        """Call an operation as one of the logins."""
        values, listed = ROWS[name].values(target), ROWS[name].listed
        if listed is not None:
            listed(target)  # it must be there to be left out
        return called(self.clients[who], OPERATION[name], dialect, values)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, session_log: SessionLog) -> Iterator[World]:
    """Logins of each kind, on SQLite: rights do not depend on the database here."""
    house = houses.build(tmp_path_factory.mktemp("matrix"), session_log)
    scene = Scene(house)
    yield World(
        scene,
        {
            "nobody": house.client(None),
            "without role": house.login("without role"),
            "reader": scene.login("reader", READ, EVERYWHERE),
            "modifier": scene.login("modifier", EVERY, EVERYWHERE),
            "denied": scene.login("denied", {"*": Access.DENY}, EVERYWHERE),
            "narrowed": scene.login("narrowed", EVERY, *scene.narrow),
            "narrowed reader": scene.login("narrowed reader", READ, *scene.narrow),
            "disabled": scene.login("disabled", EVERY, EVERYWHERE, disabled=True),
        },
    )
    house.gateway.stop(0)


def called(
    client: Client, operation: Operation, dialect: Dialect, values: Mapping[str, Any]
) -> Answer:
    """Call an operation with arguments by their names."""
    service, comment = SERVICE[operation.name], {"X_Audit_Comment": COMMENT}
    given = [(one, values[one.name]) for one in operation.arguments if one.name in values]
    if dialect is Dialect.SOAP:
        texts = "".join(_soap_argument(service, *one) for one in given)
        body = ENVELOPE.format(operation.name, service.namespace, texts)
        return client.send("POST", f"{service.path}/soap", body, "text/xml", **comment)
    path, data, kind = operation.template, b"", dialect.value
    headers = {}
    for argument, value in given:
        if argument.place is Place.PATH:
            path = path.replace(f"{{{argument.rest_name}}}", str(value))
        elif argument.place is Place.HEADER:
            headers[argument.rest_name] = str(value)
        elif argument.place is Place.CONTENT:
            data = value
        else:
            data = _body(value, dialect)
    return client.send(
        operation.verb, f"{service.path}/{path}", data, kind, Accept=kind, **headers, **comment
    )


def _body(message: Message, dialect: Dialect) -> bytes:
    if dialect is Dialect.XML:
        return xml_messages.write(message, NAMESPACE)
    return json_messages.write(message)


def _soap_argument(service: Service, argument: Argument, value: Any) -> str:
    if isinstance(value, Message):
        element = etree.fromstring(xml_messages.write(value, service.namespace))
        element.tag = f"{{{service.namespace}}}{argument.soap_name}"
        return etree.tostring(element).decode()
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return f"<{argument.soap_name}>{text}</{argument.soap_name}>"


def routes(world: World) -> dict[str, str]:
    """The address of each route of the services, by its endpoint."""
    rules = world.scene.house.app.url_map.iter_rules()
    return {
        rule.endpoint.partition(".")[2]: rule.rule
        for rule in rules
        if rule.rule.startswith("/dispatcher/")
    }


def soap_operations(world: World) -> set[str]:
    """The operations that the served WSDLs describe."""
    found = set()
    for address in routes(world).values():
        if address.endswith("/soap"):
            document = etree.fromstring(world.clients["nobody"].get(f"{address}?wsdl").body)
            wsdl = {"w": "http://schemas.xmlsoap.org/wsdl/"}
            found |= set(document.xpath("//w:portType/w:operation/@name", namespaces=wsdl))
    return found


def test_every_route_and_every_operation_of_soap_has_a_row(world: World) -> None:
    assert set(routes(world)) == {*ROWS, *OTHERS}
    assert soap_operations(world) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_an_operation_takes_the_right_of_its_row(world: World, name: str) -> None:
    row, operation = ROWS[name], OPERATION[name]
    assert operation.about(row.values(world.target())) is row.node
    assert operation.access is row.access


DIALECTS = pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.name)
EACH = pytest.mark.parametrize("name", ROWS)


def allowed(answer: Answer) -> None:
    assert answer.status == 200, answer.text


def refused(answer: Answer, dialect: Dialect, status: int, word: str, *words: str) -> None:
    if dialect is Dialect.SOAP:
        assert answer.status == 500
        assert word in answer.text
        for one in words:
            assert one in answer.text
    else:
        answer.refused(status, *words)


def lists(answer: Answer, guid: uuid.UUID) -> bool:
    """Whether a good answer holds something."""
    allowed(answer)
    return str(guid) in answer.text.lower()


@DIALECTS
@EACH
@pytest.mark.parametrize("who", ["nobody", "disabled"])
def test_who_cannot_log_in_is_asked_to(world: World, name: str, dialect: Dialect, who: str) -> None:
    answer = world.call(who, name, dialect, world.target())
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@DIALECTS
@EACH
@pytest.mark.parametrize("who", ["without role", "denied"])
def test_who_has_no_right_gets_nothing(world: World, name: str, dialect: Dialect, who: str) -> None:
    row, target = ROWS[name], world.target()
    answer = world.call(who, name, dialect, target)
    if row.listed is not None:
        assert not lists(answer, row.listed(target))
    else:
        right = f"no {row.access.name.lower()} access to {row.node}"
        refused(answer, dialect, 403, "AccessDenied", right)


@DIALECTS
@EACH
@pytest.mark.parametrize("who", ["reader", "narrowed reader"])
def test_who_may_read_changes_nothing(world: World, name: str, dialect: Dialect, who: str) -> None:
    row, target = ROWS[name], world.target()
    answer = world.call(who, name, dialect, target)
    if row.access is Access.READ:
        allowed(answer)
    else:
        refused(answer, dialect, 403, "AccessDenied", f"no modify access to {row.node}")


@DIALECTS
@EACH
@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_who_may_do_everything_does(
    world: World, name: str, dialect: Dialect, inside: bool
) -> None:
    row, target = ROWS[name], world.target(inside=inside)
    answer = world.call("modifier", name, dialect, target)
    allowed(answer)
    if row.listed is not None:
        assert lists(answer, row.listed(target))


@DIALECTS
@EACH
def test_within_his_scope_a_narrowed_login_does_the_same(
    world: World, name: str, dialect: Dialect
) -> None:
    row, target = ROWS[name], world.target()
    answer = world.call("narrowed", name, dialect, target)
    allowed(answer)
    if row.listed is not None:
        assert lists(answer, row.listed(target))


@DIALECTS
@EACH
def test_what_is_outside_his_scope_is_not_there_for_a_narrowed_login(
    world: World, name: str, dialect: Dialect
) -> None:
    row, target = ROWS[name], world.target(inside=False)
    before = world.changes("narrowed")
    answer = world.call("narrowed", name, dialect, target)
    if row.listed is not None:
        assert not lists(answer, row.listed(target))
    else:
        assert row.hidden is not None
        status, word = row.hidden
        refused(answer, dialect, status, word, "there is no")
    assert world.changes("narrowed") == before


@pytest.mark.parametrize("path", FOR_ANY_LOGIN.values())
def test_help_takes_a_login_and_no_right(world: World, path: str) -> None:
    for who, client in world.clients.items():
        expected = 401 if who in ("nobody", "disabled") else 200
        assert client.get(path).status == expected, who


@DIALECTS
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.access > Access.READ])
def test_a_change_leaves_a_record_of_who_from_where_and_why(
    world: World, name: str, dialect: Dialect
) -> None:
    row, target = ROWS[name], world.target()
    house = world.scene.house
    entries, jobs = world.changes("modifier")
    answer = world.call("modifier", name, dialect, target)
    allowed(answer)
    entries_after, jobs_after = world.changes("modifier")
    new = [entry for entry in entries_after if entry not in entries]
    if row.recorded is None:
        assert new == []
        (guid,) = set(jobs_after) - set(jobs)
        job = house.gateway.jobs.get(guid)
        assert (job.owner, job.surface) == ("modifier", "dispatcher")
        assert (job.address, job.comment) == ("127.0.0.1", COMMENT)
        (event,) = house.gateway.jobs.events(job.guid)[:1]
        assert event.actor == "modifier"
        return
    (entry,) = new
    assert (entry.action, entry.principal) == (row.recorded, "modifier")
    assert (entry.address, entry.surface) == ("127.0.0.1", "dispatcher")
    assert entry.request_id == answer.headers["X-Request-Id"]
    assert entry.comment == COMMENT
    assert entry.before != entry.after
