"""A whole gateway for the Dispatcher's contract tests, and a client that checks every answer."""

import base64
import dataclasses
import functools
import gzip
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flask
from lxml import etree

from gateway import application, moments
from gateway.agents.desk import AgentSession
from gateway.application import Gateway
from gateway.catalog.definitions import Module, Parameter, ParameterType, Task
from gateway.datafolder import DataFolder
from gateway.fleet.membership import Reference, TeamChange
from gateway.fleet.rules import Rule
from gateway.fleet.teams import Team, TeamContent
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import Origin
from gateway.jobs.views import JobView
from gateway.settings import Settings
from gateway.surfaces.dispatcher import messages, published
from gateway.surfaces.dispatcher.service import SERVICES
from storage import models
from storage.session import Session
from tests import engine as engines
from tests.contract.conftest import SessionLog

BASE = "/Dispatcher/SchedulingService"
NAMESPACE = messages.NAMESPACE
JSON = "application/json"
XML = "application/xml"
ADMIN = ("admin", "correct horse battery")
ENVELOPES = (
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-envelope",
)


@functools.cache
def schemas() -> Mapping[str, etree.XMLSchema]:
    """The published schemas by their namespaces, from their files."""
    return {
        each.namespace: etree.XMLSchema(etree.parse(published.FOLDER / each.schema))
        for each in SERVICES
    }


def checked(document: bytes) -> etree._Element:
    """An XML answer, valid against the published schema; of SOAP, what the Body holds.

    Every XML answer of these tests comes through here.
    """
    root = etree.fromstring(document)
    if etree.QName(root).namespace in ENVELOPES:
        body = root[-1]
        (content,) = body
        told = next((each for each in content.iter() if _space(each) in schemas()), None)
        if etree.QName(content).localname == "Fault":
            code = content.findtext("faultcode") or content.findtext("{*}Code/{*}Value")
            if code in ("soap:MustUnderstand", "soap:VersionMismatch"):
                assert told is None  # the detail is for faults of the Body only
                return content
            assert etree.QName(told).localname == "DispatcherFault"
    else:
        told = content = root
    # A tree of its own: the validator would start from the document's root.
    schemas()[_space(told)].assertValid(etree.fromstring(etree.tostring(told)))
    return content


def _space(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON body of a good answer."""
        assert self.status == 200, self.text
        assert self.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(self.body.decode("ascii"))

    @property
    def xml(self) -> etree._Element:
        """The XML body of a good answer."""
        assert self.status == 200, self.text
        assert self.headers["Content-Type"] == "application/xml; charset=utf-8"
        return checked(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")

    def refused(self, status: int, *words: str) -> None:
        """Hold that this is a refusal as the old server made them (Dispatcher contract 1.6)."""
        assert self.status == status, self.text
        assert self.headers["Content-Type"].startswith("text/html")
        for word in words:
            assert word in self.text.replace("&#39;", "'"), self.text


def challenged_by_soap(answer: Answer) -> None:
    """Hold that this is a Basic challenge with a typed fault in it."""
    assert answer.status == 401, answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    fault = checked(answer.body)
    assert etree.QName(fault).localname == "Fault"
    assert fault.findtext(".//{*}DispatcherFault/{*}Code") == "FailedAuthentication"


@dataclasses.dataclass(frozen=True)
class Client:
    """Sends requests to the application as one login; None sends no credentials."""

    app: flask.Flask
    log: SessionLog
    login: tuple[str, str] | None = ADMIN

    def send(
        self,
        method: str,
        path: str,
        body: str | bytes = b"",
        content_type: str | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request; header names with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.login is not None:
            named.setdefault("Authorization", basic(*self.login))
        address = path if path.startswith("/") else f"{BASE}/{path}"
        self.log.requests += 1
        got = self.app.test_client().open(
            address, method=method, data=body, content_type=content_type, headers=named
        )
        answer = Answer(got.status_code, dict(got.headers), got.data)
        assert answer.headers["X-Request-Id"]
        if "xml" in (got.mimetype or "") and "soap?" not in path and answer.body:
            packed = answer.headers.get("Content-Encoding") == "gzip"
            checked(gzip.decompress(answer.body) if packed else answer.body)
        return answer

    def get(self, path: str, content_type: str | None = JSON, **headers: str) -> Answer:
        """GET as the PowerShell modules do: with the Content-Type of JSON and no Accept."""
        return self.send("GET", path, content_type=content_type, **headers)

    def get_xml(self, path: str) -> Answer:
        """GET as a browser or curl does: saying nothing."""
        return self.get(path, content_type=None)

    def post(self, path: str, body: str | bytes, content_type: str | None = JSON) -> Answer:
        """POST a body."""
        return self.send("POST", path, body, content_type)

    def put(self, path: str, body: str | bytes, content_type: str | None = JSON) -> Answer:
        """PUT a body."""
        return self.send("PUT", path, body, content_type)


def basic(name: str, password: str) -> str:
    """The Authorization header of Basic."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode("ascii")


def braced(guid: uuid.UUID) -> str:
    """An id as the contract writes it."""
    return f"{{{str(guid).upper()}}}"


PARAMETERS = (
    Parameter(name="VMName", hint="Please provide the necessary input"),
    Parameter(
        name="Size",
        type=ParameterType.LIST,
        default="S",
        allowed=("S", "L"),
        displays=("Small", "Large"),
    ),
    Parameter(
        name="Roles",
        type=ParameterType.MULTI_SELECT,
        default="web;db",
        allowed=("web", "db", "mail"),
        displays=("Web", "Database", "Mail"),
    ),
    Parameter(name="Note", type=ParameterType.MULTI_LINE, default="one\ntwo"),
    Parameter(
        name="Account",
        type=ParameterType.CREDENTIALS,
        default="svc",
        default2="the account's secret",
    ),
    Parameter(name="Password", type=ParameterType.PASSWORD, default="the password's secret"),
)
SECRETS = ("the account's secret", "the password's secret", "a secret of the job")


class _RealClock(engines.MovableClock):
    def __call__(self) -> int:
        return moments.now()


class House:
    """A gateway with its application; runs are claimed and finished by hand."""

    def __init__(self, gateway: Gateway, log: SessionLog) -> None:
        self.gateway = gateway
        self.app = application.create_app(gateway)
        self.log = log
        self.engine = engines.Engine(
            store=gateway.store,
            now=_RealClock(),
            catalog=gateway.catalog,
            jobs=gateway.jobs,
            clock=gateway.clock,
            reception=gateway.reception,
            signals=gateway.signals,
        )

    def client(self, login: tuple[str, str] | None = ADMIN) -> Client:
        """A client that sends these credentials."""
        return Client(self.app, self.log, login)

    def login(self, name: str, *roles: str, password: str | None = "a long password") -> Client:
        """Add a login, and a client that uses it."""
        self.gateway.logins.add(name, password, roles, MACHINE)
        return self.client((name, password or ""))

    def module(
        self,
        name: str = "Test Module",
        parameters: tuple[Parameter, ...] = (),
        *,
        tasks: tuple[str, ...] = ("Task",),
        unused: tuple[Parameter, ...] = (),
    ) -> Module:
        """A module whose every task uses all parameters but the unused ones."""
        arguments = [f"$[{parameter.name}]" for parameter in parameters]
        module = Module(
            guid=uuid.uuid4(),
            name=name,
            parameters=(*parameters, *unused),
            tasks=tuple(
                Task(
                    guid=uuid.uuid4(),
                    name=task,
                    type="command",
                    settings={"argv": ["echo", *arguments]},
                )
                for task in tasks
            ),
        )
        self.gateway.catalog.save(module, MACHINE)
        return module

    def agent(self, name: str = "PC1234") -> AgentSession:
        """An agent that is online."""
        return self.engine.agent(name)

    def team(self, name: str, *members: str, folder: str = "", rule: Rule | None = None) -> Team:
        """A team with these agents in it, by name."""
        content = TeamContent.of(name=name, folder=folder, rule=rule)
        team = self.gateway.teams.create(content, MACHINE)
        change = TeamChange(add=[Reference(member) for member in members])
        self.gateway.memberships.change_team(str(team.guid), change, MACHINE)
        return team

    def silence(self, agent: AgentSession) -> None:
        """Let an agent not have been heard of for an hour."""
        table = models.Agent
        query = table.update(last_contact_at=moments.now() - 3600 * moments.SECOND)
        query = query.where(table.id == agent.agent_id)
        self.gateway.store.unit_of_work(lambda session: session.execute(query))

    def adopt(self, job: JobView) -> None:
        """Make the only job of the store one that a run book started."""
        assert self.stored() == 1

        def change(session: Session) -> None:
            query = models.Job.update(origin=Origin.RUN_BOOK)
            session.execute(query.where(models.Job.id == job.id))
            session.execute(models.JobCounter.update(origin=Origin.RUN_BOOK))

        self.gateway.store.unit_of_work(change)

    def stored(self) -> int:
        """How many jobs are in the store."""
        return sum(count.jobs for count in self.gateway.jobs.counts())


def build(folder: Path, log: SessionLog, *, administrator: bool = True, **settings: Any) -> House:
    """A gateway on an empty folder; no thread of its own works in it."""
    given: dict[str, Any] = {
        "web_api": "ENABLED",
        "time_zone": "UTC",
        "embedded_agent": False,
        "low_disk_bytes": 0,
    }
    data = DataFolder(folder)
    data.create()
    gateway = application.build(Settings(data=folder, **(given | settings)), data)
    if administrator:
        gateway.logins.ensure_administrator(ADMIN[1])
    return House(gateway, log)
