"""Something of everything that can be scheduled, and PowerShell's way of calling."""

import dataclasses
import datetime
import re
import uuid
from collections.abc import Iterator
from typing import Any

from gateway.agents.desk import AgentSession
from gateway.catalog.definitions import Module
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import ParameterLink, RunBook, RunBookJob, RunBookWhat, WhatKind
from gateway.fleet.teams import Team
from gateway.identity.principals import MACHINE
from tests.contract.dispatcher.house import ADMIN, JSON, PARAMETERS, Answer, House, basic
from tests.contract.dispatcher.served import Place, head

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DATE = re.compile(r'"\\/Date\((-?\d+)([+-]\d{4})?\)\\/"')


@dataclasses.dataclass(frozen=True)
class Stage:
    """A house with one of each kind; all have the same six parameters, an agent is in the team."""

    house: House
    module: Module
    project: Project
    run_book: RunBook
    agent: AgentSession
    team: Team

    def guid(self, kind: str) -> uuid.UUID:
        """The id of what ``kind`` names: module, project or runbook."""
        found = {"module": self.module, "project": self.project, "runbook": self.run_book}
        return found[kind].guid


KINDS = {"module": 0, "project": 1, "runbook": 2}


def stage(house: House) -> Stage:
    """Fill a house: the run book asks on which agents, and gives its values to the project."""
    module = house.module("Test Module", PARAMETERS)
    entry = ProjectModule(guid=uuid.uuid4(), module=module.guid)
    project = Project(guid=uuid.uuid4(), name="Test Project", modules=(entry,))
    job = RunBookJob(
        guid=uuid.uuid4(),
        name="The project",
        what=(RunBookWhat(kind=WhatKind.PROJECT, guid=project.guid),),
        links=tuple(ParameterLink(parameter=one.name, target=one.name) for one in PARAMETERS),
    )
    run_book = RunBook(guid=uuid.uuid4(), name="Test Run Book", parameters=PARAMETERS, jobs=(job,))
    for one in (project, run_book):
        house.gateway.catalog.save(one, MACHINE)
    agent = house.agent("PC1234")
    return Stage(house, module, project, run_book, agent, house.team("Floor 2", "PC1234"))


@dataclasses.dataclass(frozen=True)
class PowerShell:
    """Invoke-RestMethod of Windows PowerShell 5.1 with a credential (Dispatcher contract 1.3, 1.4).

    Each call is two requests: the first without Authorization, the second with. It names JSON as
    Content-Type on a GET, too, sends no Accept, and waits for 100 before it sends a body.
    """

    place: Place

    def invoke(
        self, method: str, path: str, body: str | bytes | None = None, media: str = JSON
    ) -> Answer:
        """Call; a body that is text goes out as Windows PowerShell encodes it, in Latin-1."""
        data = body.encode("latin-1") if isinstance(body, str) else body
        challenge = self._sent(method, path, data, media)
        assert challenge.status == 401
        assert challenge.headers["WWW-Authenticate"].startswith("Basic realm=")
        return self._sent(method, path, data, media, Authorization=basic(*ADMIN))

    def _sent(
        self, method: str, path: str, data: bytes | None, media: str, **headers: str
    ) -> Answer:
        headers |= {
            "User_Agent": "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1",
            "Content_Type": media,
            "Connection": "Keep-Alive",
        }
        with self.place.connected() as wire:
            if data is None:
                wire.send(head(method, path, **headers))
                return wire.answer()
            headers |= {"Expect": "100-continue", "Content_Length": str(len(data))}
            wire.send(head(method, path, **headers))
            answer = wire.answer()
            if answer.status == 100:
                wire.send(data)
                answer = wire.answer()
            return answer


def dates(answer: Answer) -> list[tuple[datetime.datetime, str]]:
    """The dates of a JSON answer as its bytes have them: the moment, and the suffix behind it.

    The moment is what JavaScriptSerializer makes of it, which knows no suffix (contract 1.5).
    """
    found = _DATE.findall(answer.text)
    return [(EPOCH + datetime.timedelta(milliseconds=int(ms)), suffix) for ms, suffix in found]


def members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every member of a JSON value that is no object or list, by its name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from members(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from members(item, name)
    else:
        yield name, value
