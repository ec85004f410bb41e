"""A SOAP message and its REST twin leave the same behind: all tables, by one digest.

Two gateways begin with copies of one store; the same is asked of one by SOAP and of the other by
REST. What must differ (new ids, times, request ids, what is sealed with a random nonce) is left
out or told in the order in which it appears.
"""

import base64
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.catalog.resources import ResourceDetails
from gateway.identity.principals import MACHINE
from gateway.surfaces.dispatcher.service import SERVICES
from storage import columns, models
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import BASE, JSON, PARAMETERS, XML, House, braced

S11 = "http://schemas.xmlsoap.org/soap/envelope/"
RESOURCES = "/Dispatcher/ResourceService"
_GUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_DIGITS = re.compile(r"\b1[5-9]\d{14}\b")
"""Moments of our days, in microseconds, where they stand within JSON."""

# What tells how and when something came, and what a clock and a die have made.
_OF_THE_REQUEST = {"request_id", "at", "sealed", "key_id", "token"}


def rows(house: House, known: frozenset[str]) -> Iterator[str]:
    """All rows of a store in the order in which they were made, in words that can be compared."""
    new: dict[str, str] = {}

    def told(match: re.Match[str]) -> str:
        guid = match[0].lower().replace("-", "")
        return guid if guid in known else new.setdefault(guid, f"new-{len(new)}")

    with house.gateway.store.reading() as session:
        for model in models.IN_ORDER:
            moments = {
                name for name, one in model._meta.fields.items() if isinstance(one, columns.Moment)
            }
            for row in session.rows(model.select().order_by(*model._meta.get_primary_keys())):
                kept = {k: v for k, v in row.items() if k not in _OF_THE_REQUEST | moments}
                text = json.dumps(kept, default=_plain, sort_keys=True)
                yield f"{model._meta.table_name} {_DIGITS.sub('moment', _GUID.sub(told, text))}"


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    return hashlib.sha256(bytes(value)).hexdigest()[:8]  # type: ignore[call-overload]


def digest(house: House, known: frozenset[str]) -> tuple[str, str]:
    """The digest of a store, and what it was made of."""
    text = "\n".join(rows(house, known))
    return hashlib.sha256(text.encode()).hexdigest(), text


def guids(house: House) -> frozenset[str]:
    """All GUIDs that a store has by now."""
    found: set[str] = set()
    with house.gateway.store.reading() as session:
        for model in models.IN_ORDER:
            text = json.dumps(session.rows(model.select()), default=_plain)
            found |= {one.lower().replace("-", "") for one in _GUID.findall(text)}
    return frozenset(found)


@dataclass(frozen=True)
class Twin:
    """One request: its operation and arguments in SOAP, and the same in REST."""

    operation: str
    arguments: str
    verb: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Things:
    """What the stores have before."""

    module: uuid.UUID
    agent: uuid.UUID
    offline: uuid.UUID
    team: uuid.UUID
    job: str
    resource: uuid.UUID


def twins(things: Things) -> list[Twin]:
    """A request of each operation that changes something, and several that order jobs."""
    module, agent = braced(things.module), braced(things.agent)
    who = {"ID": agent, "Type": 0, "Name": "PC1234"}
    what = {"ID": module, "Type": 0, "Name": "Test Module"}
    note = "Größe & <b>\n\ttwo ]]> 漢字"
    values = {"VMName": note, "Size": "L", "Roles": "web;mail", "Note": "", "Password": "new pw"}
    job = {
        "Description": note,
        "When": {
            "ScheduledDateTime": "/Date(1940138400000+0200)/",
            "Immediate": False,
            "IsLocalTime": False,
            "UseWakeOnLAN": True,
        },
        "What": [what],
        "Who": [who],
        "Parameters": [
            {
                "Identifier": "",
                "Type": 0,
                "TaskContainerGuid": module,
                "TaskContainerName": "x",
                "JobGuid": "{00000000-0000-0000-0000-000000000000}",
                "JobName": "",
                "JobParameters": [
                    {"Name": name, "Type": 0, "Value1": value} for name, value in values.items()
                ],
            }
        ],
    }
    parameters = "".join(
        f"<Parameter><Name>{name}</Name><Type>Text</Type><Value1>{escaped(value)}</Value1>"
        "</Parameter>"
        for name, value in values.items()
    )
    in_xml = (
        f"<Description>{escaped(note)}</Description>"
        "<Parameters><ParameterSet><Identifier/>"
        "<JobGuid>{00000000-0000-0000-0000-000000000000}</JobGuid><JobName/>"
        f"<JobParameters>{parameters}</JobParameters>"
        f"<TaskContainerGuid>{module}</TaskContainerGuid><TaskContainerName>x</TaskContainerName>"
        "<Type>Module</Type></ParameterSet></Parameters>"
        f"<What><JobWhat><ID>{module}</ID><Name>Test Module</Name><Type>Module</Type></JobWhat>"
        "</What><When><Immediate>false</Immediate><IsLocalTime>false</IsLocalTime>"
        "<ScheduledDateTime>2031-06-25T12:00:00+02:00</ScheduledDateTime>"
        "<UseWakeOnLAN>true</UseWakeOnLAN></When>"
        f"<Who><JobWho><ID>{agent}</ID><Name>PC1234</Name><Type>Agent</Type></JobWho></Who>"
    )
    at_once = {"When": {"Immediate": True}, "What": [what], "Who": [who]}
    at_once_in_xml = (
        f"<What><JobWhat><ID>{module}</ID><Name>Test Module</Name><Type>Module</Type></JobWhat>"
        "</What><When><Immediate>true</Immediate></When>"
        f"<Who><JobWho><ID>{agent}</ID><Name>PC1234</Name><Type>Agent</Type></JobWho></Who>"
    )
    content = bytes(range(256)) * 10
    team, member = braced(things.team), {"ID": agent, "Type": 0}
    team_in_xml = f"<JobWho><ID>{team}</ID><Type>Team</Type></JobWho>"
    member_in_xml = f"<JobWho><ID>{agent}</ID><Type>Agent</Type></JobWho>"
    agent_in_xml = member_in_xml.replace("JobWho>", "Agent>")
    return [
        Twin("ScheduleJob", f"<job>{in_xml}</job>", "POST", f"{BASE}/jobs", job),
        Twin("ScheduleJob", f"<job>{at_once_in_xml}</job>", "POST", f"{BASE}/jobs", at_once),
        Twin("ScheduleJob", f"<job>{in_xml}</job>", "POST", f"{BASE}/jobs", f"<Job>{in_xml}</Job>"),
        Twin(
            "AbortJob",
            f"<jobId>{things.job}</jobId><status><Type>Aborting</Type></status>",
            "PUT",
            f"{BASE}/jobs/{things.job}",
            {"Type": 2},
        ),
        Twin(
            "ModifyAgentMembership",
            f"<membership><AddTo>{team_in_xml}</AddTo>{agent_in_xml}<Comment>why</Comment>"
            f"<PrimaryTeam><ID>{team}</ID></PrimaryTeam></membership>",
            "POST",
            f"{BASE}/agentmembership",
            {
                "Agent": member,
                "AddTo": [{"ID": team, "Type": 1}],
                "Comment": "why",
                "PrimaryTeam": {"ID": team},
            },
        ),
        Twin(
            "ModifyTeamMembership",
            f"<membership><Add>{member_in_xml}</Add><Team><ID>{team}</ID></Team></membership>",
            "POST",
            f"{BASE}/teammembership",
            {"Team": {"ID": team}, "Add": [member]},
        ),
        Twin(
            "RemoveAgent",
            f"<removal><Agent><ID>{braced(things.offline)}</ID></Agent></removal>",
            "POST",
            f"{BASE}/removeagent",
            {"Agent": {"ID": braced(things.offline)}},
        ),
        Twin(
            "UploadResource",
            "<filename>a b.bin</filename><name>Größe</name><folder>A/B</folder>"
            "<description>x &amp; y</description><parseContent>true</parseContent>"
            f"<content>{base64.b64encode(content).decode()}</content>",
            "POST",
            f"{RESOURCES}/UploadResource",
            content,
            {
                "Filename": "a b.bin",
                "Name": "Gr%C3%B6%C3%9Fe",
                "Folder": "A/B",
                "Description": "x & y",
                "ParseContent": "true",
            },
        ),
        Twin(
            "DeleteResource",
            f"<guid>{braced(things.resource)}</guid>",
            "POST",
            f"{RESOURCES}/DeleteResource",
            b"",
            {"Guid": braced(things.resource)},
        ),
    ]


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def by_soap(house: House, twin: Twin) -> None:
    service = next(
        one for one in SERVICES for each in one.operations if each.name == twin.operation
    )
    message = (
        f'<s:Envelope xmlns:s="{S11}" xmlns="{service.namespace}"><s:Body><{twin.operation}>'
        f"{twin.arguments}</{twin.operation}></s:Body></s:Envelope>"
    )
    answer = house.client().post(f"{service.path}/soap", message.encode(), "text/xml")
    assert answer.status == 200, answer.text


def by_rest(house: House, twin: Twin) -> None:
    if isinstance(twin.body, bytes):
        body, media = twin.body, "application/octet-stream"
    elif isinstance(twin.body, str):
        body, media = twin.body.encode(), XML
    else:
        body, media = json.dumps(twin.body).encode(), JSON
    answer = house.client().send(twin.verb, twin.path, body, media, **dict(twin.headers))
    assert answer.status == 200, answer.text


@pytest.fixture
def pair(sqlite_template: Path, tmp_path: Path, session_log: SessionLog) -> Iterator[Any]:
    """Two houses with the same content, and what is in them."""
    first, second = tmp_path / "soap", tmp_path / "rest"
    first.mkdir()
    shutil.copy(sqlite_template, first / "gateway.sqlite3")
    house = houses.build(first, session_log)
    module = house.module("Test Module", PARAMETERS)
    agent, offline = house.agent(), house.agent("offline")
    house.silence(offline)
    team = house.team("Team")
    resource = house.gateway.resources.add(
        ResourceDetails(name="Old", file_name="old.bin"), [b"content"], MACHINE
    )
    order = house.engine.order(house.module("Simple").guid, agent)
    job = house.gateway.jobs.accept(order, MACHINE)
    things = Things(
        module.guid, agent.agent, offline.agent, team.guid, braced(job.guid), resource.guid
    )
    house.gateway.stop(0)
    shutil.copytree(first, second)
    pair = [houses.build(folder, session_log) for folder in (first, second)]
    yield pair[0], pair[1], things
    for one in pair:
        one.gateway.stop(0)


@pytest.mark.parametrize("number", range(9))
def test_the_twins_leave_the_same_behind(pair: Any, number: int) -> None:
    soap, rest, things = pair
    known = guids(soap)
    before = digest(soap, known)
    assert before == digest(rest, known)
    twin = twins(things)[number]
    by_soap(soap, twin)
    by_rest(rest, twin)
    after, other = digest(soap, known), digest(rest, known)
    assert after[1].splitlines() == other[1].splitlines()
    assert after[0] == other[0] != before[0]


def test_every_operation_that_changes_something_has_a_twin(pair: Any) -> None:
    changing = {one.name for service in SERVICES for one in service.operations if one.verb != "GET"}
    assert {twin.operation for twin in twins(pair[2])} == changing
    assert len(twins(pair[2])) == 9
