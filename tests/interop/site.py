"""The site that the clients call: a real server with an agent, and what they are to find there."""

import contextlib
import functools
import hashlib
import json
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import application, moments
from gateway.agents.desk import AgentFacts
from gateway.application import Gateway
from gateway.catalog.definitions import Capture, CaptureKind, Module, Parameter, ParameterType, Task
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import RunBook, RunBookJob, RunBookWhat, RunBookWho, WhatKind
from gateway.datafolder import DataFolder
from gateway.fleet.membership import Reference, TeamChange
from gateway.fleet.teams import TeamContent
from gateway.identity.principals import MACHINE
from gateway.settings import Settings
from storage import models
from storage.session import Session
from tests.reliability import servers

TITLE = "Größe & <Ordnung> \"x\" 'y' ]]> 漢字"
NOTE = "one\n\ttwo & <three>\nfour"
SECRET = "p&ss <wörd>"
DEFAULT = "left as it is"
DESCRIPTION = 'Nachtlauf "Größe" & <b>漢字</b>'
START = "2031-07-01T09:30:00+02:00"
"""When the job of each client is to start, as the client is to send it."""
START_UTC = "2031-07-01T07:30:00Z"
UNKNOWN = "{11111111-2222-3333-4444-555555555555}"
FILE_BYTES = 5 * 1024 * 1024
TEAM = "Büro & Lager"
MEMBER = "Überall <1>"
OFFICE = "Filiale & Co"
_RESOURCE = "$[Resource]"


def braced(guid: uuid.UUID | str) -> str:
    """An id as it is on the wire."""
    return f"{{{str(guid).strip('{}').upper()}}}"


def content() -> bytes:
    """The file that each client uploads: every byte, and no two parts alike."""
    return b"".join(hashlib.sha256(n.to_bytes(4)).digest() for n in range(FILE_BYTES // 32))


@dataclass(frozen=True)
class Site:
    """A running server and what is stored there; ``finished`` and ``book`` are ended jobs.

    ``module`` has parameters, ``fetching`` downloads the resource that its parameter names.
    """

    address: str
    agent: str
    module: str
    fetching: str
    book: str
    finished: str
    file: Path
    listed: Mapping[str, list[str]]
    """By step (modules, projects ...) what lists hold: ``ID|Type|Name``."""

    def environment(self, run: str, version: str) -> dict[str, str]:
        """What a client program finds in its environment; ``run`` tells its things apart."""
        scheduling, resources = (
            f"{self.address}/Dispatcher/{name}/soap"
            for name in ("SchedulingService", "ResourceService")
        )
        query = "?wsdl" if version == "1.1" else "?wsdl=1.2"
        return {
            "SCHEDULING": scheduling,
            "RESOURCES": resources,
            "SCHEDULING_WSDL": scheduling + query,
            "RESOURCES_WSDL": resources + query,
            "VERSION": version,
            "LOGIN": servers.LOGIN[0],
            "PASSWORD": servers.LOGIN[1],
            "MODULE": self.module,
            "AGENT": self.agent,
            "FETCHING": self.fetching,
            "BOOK": self.book,
            "FINISHED": self.finished,
            "UNKNOWN": UNKNOWN,
            "FILE": str(self.file),
            "RESOURCE": resource_name(run),
            "SPARE": spare(run),
            "MEMBER": MEMBER,
            "TEAM": OFFICE,
            "TITLE": TITLE,
            "NOTE": NOTE,
            "SECRET": SECRET,
            "DESCRIPTION": DESCRIPTION,
            "START": START,
        }

    def get(self, path: str) -> Any:
        """What REST in JSON answers."""
        with servers.httpx.Client(auth=servers.LOGIN, timeout=servers.WAIT) as client:
            answer = client.get(
                f"{self.address}/Dispatcher/SchedulingService/{path}",
                headers={"Content-Type": "application/json"},
            )
        assert answer.status_code == 200, answer.text
        return answer.json()

    @functools.cached_property
    def results(self) -> str:
        """The document of the finished job's results."""
        numbers = self.get(f"jobs/{self.finished}/results?overview=True&detailed=True")["Xml"]
        return bytes(numbers).decode("utf-16-le")


def resource_name(run: str) -> str:
    """The name of the resource that a run uploads."""
    return f"Größe & co {run}"


def spare(run: str) -> str:
    """The agent that a run removes."""
    return f"spare {run}"


def parameters() -> tuple[Parameter, ...]:
    """Those of the module that every client schedules."""
    return (
        Parameter(name="Title", hint="Größe & <Ordnung>"),
        Parameter(
            name="Size",
            type=ParameterType.LIST,
            default="S",
            allowed=("S", "L"),
            displays=("Klein", "Groß"),
        ),
        Parameter(name="Note", type=ParameterType.MULTI_LINE, default="one\ntwo"),
        Parameter(name="Empty", default="not empty"),
        Parameter(name="Left", default=DEFAULT),
        Parameter(name="Secret", type=ParameterType.PASSWORD, default="old"),
        Parameter(name="Outcome", ask=False),
    )


def _command(*argv: str, captures: tuple[Capture, ...] = ()) -> Task:
    return Task(
        guid=uuid.uuid4(),
        name="Größe",
        type="command",
        settings={"argv": list(argv)},
        captures=captures,
    )


def _furnish(gateway: Gateway, runs: list[str]) -> dict[str, Any]:
    """Store what is to be found; answers the GUIDs of definitions by a word for each."""
    names = [f"$[{one.name}]" for one in parameters() if one.ask]
    told = Capture(parameter="Outcome", kind=CaptureKind.OUTPUT, expression=".*")
    module = Module(
        guid=uuid.uuid4(),
        name=TITLE,
        parameters=parameters(),
        tasks=(_command("echo", *names, captures=(told,)),),
    )
    simple = Module(guid=uuid.uuid4(), name="Simple", tasks=(_command("echo", TITLE),))
    fetching = Module(
        guid=uuid.uuid4(),
        name="Fetching",
        parameters=(Parameter(name="Resource"),),
        tasks=(
            Task(
                guid=uuid.uuid4(),
                name="Fetch",
                type="download_resource",
                settings={"resource": _RESOURCE, "target": "file.bin"},
            ),
        ),
    )
    project = Project(
        guid=uuid.uuid4(),
        name="Projekt & <mehr>",
        modules=(ProjectModule(guid=uuid.uuid4(), module=simple.guid),),
    )
    job = RunBookJob(
        guid=uuid.uuid4(),
        name="Schritt & <eins>",
        what=(RunBookWhat(kind=WhatKind.MODULE, guid=simple.guid),),
        who=(RunBookWho(reference=servers.AGENT),),
    )
    book = RunBook(guid=uuid.uuid4(), name="Abläufe", jobs=(job,))
    for one in (module, simple, fetching, project, book):
        gateway.catalog.save(one, MACHINE)
    for name in (MEMBER, *map(spare, runs)):
        facts = AgentFacts(name, "linux", "1", "boot", (), ("sh",), 10, embedded=False)
        gateway.reception.open_session(facts)
    _silence(gateway)
    for name in (TEAM, OFFICE):
        team = gateway.teams.create(TeamContent.of(name=name, folder="", rule=None), MACHINE)
        if name == TEAM:
            change = TeamChange(add=[Reference(MEMBER)])
            gateway.memberships.change_team(str(team.guid), change, MACHINE)
    return {"module": module, "simple": simple, "fetching": fetching, "book": book}


def _silence(gateway: Gateway) -> None:
    """Let all agents so far not have been heard of for an hour."""
    query = models.Agent.update(last_contact_at=moments.now() - 3600 * moments.SECOND)

    def work(session: Session) -> None:
        session.execute(query)

    gateway.store.unit_of_work(work)


@contextlib.contextmanager
def serving(runs: list[str]) -> Iterator[Site]:
    """A site for the runs of these names, for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="interop-") as name:
        folder = Path(name)
        house = servers.House(folder / "data", folder / "server.log")
        house.scratch.mkdir()
        data = DataFolder(house.data)
        data.create()
        gateway = application.build(Settings(data=house.data, embedded_agent=False), data)
        try:
            gateway.logins.ensure_administrator(servers.LOGIN[1])
            made = _furnish(gateway, runs)
        finally:
            gateway.store.close()
        file = folder / "file.bin"
        file.write_bytes(content())
        with house.serving() as server:
            yield _site(server, made, file)
        assert house.tracebacks() == []


def _site(server: servers.Server, made: Mapping[str, Any], file: Path) -> Site:
    with server.client() as client:
        base = "/Dispatcher/SchedulingService"
        client.headers["Content-Type"] = "application/json"

        def get(path: str) -> Any:
            return client.get(f"{base}/{path}").json()

        def schedule(guid: uuid.UUID, kind: int, who: list[Any], when: dict[str, Any]) -> str:
            what = [{"ID": braced(guid), "Type": kind}]
            body = {"Description": DESCRIPTION, "When": when, "What": what, "Who": who}
            answer = client.post(f"{base}/jobs", content=json.dumps(body))
            assert answer.status_code == 200, answer.text
            return str(answer.json()["JobID"])

        def online() -> list[Any]:
            found: list[Any] = get(f"who?agents=true&online=true&search={servers.AGENT}")
            return found

        servers.until("the agent is there", online)
        agent = online()[0]["ID"]
        who = [{"ID": agent, "Type": 0}]
        finished = schedule(made["simple"].guid, 0, who, {"Immediate": True})
        book = schedule(made["book"].guid, 2, [], {"Immediate": True})
        for _ in range(5):
            later = {"ScheduledDateTime": "/Date(1956528000000)/"}
            schedule(made["simple"].guid, 0, who, later)
        for job in (finished, book):
            servers.until("it has run", lambda job=job: get(f"jobs/{job}")["Status"]["Type"] == 4)
        words = {0: ("Module", "Agent"), 1: ("Project", "Team"), 2: ("RunBook", "")}

        def lines(path: str, side: int) -> list[str]:
            return [f"{one['ID']}|{words[one['Type']][side]}|{one['Name']}" for one in get(path)]

        listed = {
            "modules": lines("what/modules", 0),
            "projects": lines("what/projects", 0),
            "runbooks": lines("what/runbooks", 0),
            "agents": lines("who?agents=true", 1),
            "teams": lines("who?teams=true", 1),
        }
        assert all(listed.values())
        return Site(
            address=re.sub(r"/$", "", server.address),
            agent=agent,
            module=braced(made["module"].guid),
            fetching=braced(made["fetching"].guid),
            book=book,
            finished=finished,
            file=file,
            listed=listed,
        )
