"""Every operation of the services, tried with every kind of login, in REST and SOAP.

The operations are read from the routes of the application and from the WSDL that it serves: a new
one without a row here fails. A row says which right it takes and how it is called.
"""

import dataclasses
import enum
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from lxml import etree

from gateway.identity import audit
from gateway.identity.permissions import EVERYWHERE, Access, Node
from gateway.jobs.views import JobView
from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher.messages import JobStatusType, JobWhatType, JobWhoType
from gateway.surfaces.dispatcher.operation import Argument, Operation, Place
from gateway.surfaces.dispatcher.operations import OPERATIONS
from gateway.wire import json_messages, xml_messages
from gateway.wire.messages import Message
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import JSON, NAMESPACE, XML, Answer, Client
from tests.contract.dispatcher.narrowed import EVERY, READ, Objects, Scene

COMMENT = "because of the audit"
ENVELOPE = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<{0} xmlns="{1}">{2}</{0}></Body></Envelope>'
)


@dataclasses.dataclass(frozen=True)
class Target:
    """What a call is about: objects at one place, and a job of them."""

    objects: Objects
    job: JobView


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


def _order(target: Target) -> messages.Job:
    what = messages.JobWhat(ID=target.objects.module.guid, Type=JobWhatType.Module)
    who = messages.JobWho(ID=target.objects.agent.agent, Type=JobWhoType.Agent)
    return messages.Job(What=(what,), Who=(who,))


NO_JOB = (404, "JobNotFound")
ROWS = {
    # A job is its own record, with owner, address and comment: no entry for it.
    "ScheduleJob": Row(
        Node.JOBS,
        Access.MODIFY,
        lambda target: {"job": _order(target)},
        (400, "InvalidJob"),
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
    "GetInputParameters": Row(
        Node.MODULES,
        Access.READ,
        lambda target: {"what_type": "Module", "what_id": target.objects.module.guid},
        (404, "DefinitionNotFound"),
    ),
    "GetWho": Row(Node.AGENTS, Access.READ, listed=lambda target: target.objects.agent.agent),
}

# What else has an address: the help pages take any login, SOAP's operations are those above, the
# description of SOAP is public (setting ``wsdl_public``).
FOR_ANY_LOGIN = {"help": "help", "help_operation": "help/operations/GetJobs"}
OTHERS = {*FOR_ANY_LOGIN, "soap", "wsdl"}

OPERATION = {operation.name: operation for operation in OPERATIONS}


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
        return Target(objects, objects.job(self.scene.house))

    def call(self, who: str, name: str, dialect: Dialect, target: Target) -> Answer:
        """Call an operation as one of the logins."""
        values = ROWS[name].values(target)
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
    if dialect is Dialect.SOAP:
        texts = (
            _soap_argument(argument, values[argument.name])
            for argument in operation.arguments
            if argument.name in values
        )
        body = ENVELOPE.format(operation.name, NAMESPACE, "".join(texts))
        return client.send("POST", "soap", body, "text/xml", X_Audit_Comment=COMMENT)
    path, query, body = operation.template, [], b""
    for argument in operation.arguments:
        if argument.name not in values:
            continue
        value = values[argument.name]
        if argument.place is Place.PATH:
            path = path.replace(f"{{{argument.rest_name}}}", str(value))
        elif argument.place is Place.QUERY:
            query.append(f"{argument.rest_name}={value}")
        elif dialect is Dialect.XML:
            body = xml_messages.write(value, NAMESPACE)
        else:
            body = json_messages.write(value)
    address = "?".join(filter(None, [path, "&".join(query)]))
    kind = dialect.value
    return client.send(operation.verb, address, body, kind, Accept=kind, X_Audit_Comment=COMMENT)


def _soap_argument(argument: Argument, value: Any) -> str:
    if not isinstance(value, Message):
        return f"<{argument.soap_name}>{value}</{argument.soap_name}>"
    element = etree.fromstring(xml_messages.write(value, NAMESPACE))
    element.tag = f"{{{NAMESPACE}}}{argument.soap_name}"
    return etree.tostring(element).decode()


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
    before = world.scene.house.stored()
    answer = world.call("narrowed", name, dialect, target)
    if row.listed is not None:
        assert not lists(answer, row.listed(target))
    else:
        assert row.hidden is not None
        status, word = row.hidden
        refused(answer, dialect, status, word, "there is no")
    assert world.scene.house.stored() == before
    jobs = world.scene.house.gateway.jobs
    assert jobs.get(target.job.guid).status is target.job.status


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
    with house.gateway.store.reading() as session:
        before = [entry.id for entry in audit.page(session, size=1)]
    answer = world.call("modifier", name, dialect, target)
    allowed(answer)
    with house.gateway.store.reading() as session:
        new = [entry for entry in audit.page(session) if entry.id > max(before, default=0)]
    if row.recorded is None:
        assert new == []
        (guid,) = re.findall(r"JobID\W+(?:\w+:)?\W*([0-9A-F-]{36})", answer.text)
        job = house.gateway.jobs.get(uuid.UUID(guid))
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
