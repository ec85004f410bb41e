"""Agents and teams (Dispatcher contract 2.2, rows 13 and 14)."""

import contextlib
import http.client
import itertools
from typing import Any

import pytest

from gateway.fleet import team_report
from gateway.fleet.membership import AgentChange, Reference, TeamChange
from gateway.fleet.rules import Rule
from gateway.fleet.teams import MemberKind, TeamContent
from gateway.identity.principals import MACHINE
from tests.contract.dispatcher import served
from tests.contract.dispatcher.house import (
    ADMIN,
    BASE,
    JSON,
    NAMESPACE,
    XML,
    House,
    basic,
    braced,
    checked,
)

NAMED_PC = Rule.model_validate({"all": [{"fact": "name", "operator": "matches", "value": "^pc"}]})


def names(house: House, query: str = "") -> list[str]:
    return [who["Name"] for who in house.client().get(f"who{query}").json]


def test_2_2_agents_and_teams_have_id_type_and_name(stored_house: House) -> None:
    agent = stored_house.agent("PC1234")
    team = stored_house.team("Floor 2")
    assert stored_house.client().get("who").json == [
        {"ID": braced(team.guid), "Name": "Floor 2", "Type": 1},
        {"ID": braced(agent.agent), "Name": "PC1234", "Type": 0},
    ]


def test_2_2_in_xml_the_type_is_a_name(house: House) -> None:
    house.agent("a")
    house.team("b")
    found = house.client().get_xml("who").xml
    assert [who.findtext("{*}Type") for who in found] == ["Agent", "Team"]


ALL = ["alpha", "Pc team", "PC1", "Pc2", "Ärzte"]
AGENTS = ["alpha", "PC1", "Pc2"]
TEAMS = ["Pc team", "Ärzte"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ALL),
        ("?search=pc", ["Pc team", "PC1", "Pc2"]),
        ("?Search=LPH", ["alpha"]),
        ("?search=%C3%A4RZ", ["Ärzte"]),
        ("?search=%00", []),
        ("?search=", ALL),
        ("?agents=True&teams=True", ALL),
        # What LUCD sends where nothing is asked of it: it wants to see all, to choose by name.
        ("?agents=True&teams=True&online=False&licensed=False", ALL),
        ("?agents=True&teams=False&online=False&licensed=True", AGENTS),
        ("?agents=True&teams=False&online=True&licensed=True", AGENTS),
        ("?agents=True", AGENTS),
        ("?teams=False", AGENTS),
        ("?agents=False&teams=True", TEAMS),
        ("?agents=False", TEAMS),
        ("?teams=True", TEAMS),
        ("?agents=False&teams=False", []),
        ("?licensed=False", ALL),
        ("?online=False", ALL),
        ("?online=True&search=pc", ["Pc team", "PC1", "Pc2"]),
    ],
)
def test_row_13_what_the_query_asks_for(house: House, query: str, found: list[str]) -> None:
    for name in ("Pc2", "alpha", "PC1"):
        house.agent(name)
    for name in ("Ärzte", "Pc team"):
        house.team(name)
    assert names(house, query) == found


def test_row_13_an_agent_that_is_silent_for_long_is_offline(house: House) -> None:
    house.agent("here")
    house.silence(house.agent("gone"))
    assert names(house, "?online=True") == ["here"]
    assert names(house, "?online=False") == ["gone", "here"]
    assert names(house) == ["gone", "here"]


def a_house_of_teams(house: House) -> tuple[Any, Any]:
    """Floor 2 holds Floor 3 and the other way round; one agent by rule, one offline."""
    agent, silent = house.agent("PC1"), house.agent("alpha")
    house.silence(silent)
    upper = house.team("Floor 3", "alpha")
    lower = house.team("Floor 2", folder="Offices/North", rule=NAMED_PC)
    for outer, inner in ((upper, lower), (lower, upper)):
        change = TeamChange(add=[Reference(str(inner.guid), MemberKind.TEAM)])
        house.gateway.memberships.change_team(str(outer.guid), change, MACHINE)
    change = AgentChange(primary="Floor 3")
    house.gateway.memberships.change_agent("alpha", change, MACHINE)
    return [agent, silent], [lower, upper]


def test_row_14_the_report_has_who_belongs_to_each_team(stored_house: House) -> None:
    (agent, silent), (lower, upper) = a_house_of_teams(stored_house)
    alpha = {"ID": braced(silent.agent), "Name": "alpha", "Online": False, "Primary": False}
    pc1 = {"ID": braced(agent.agent), "Name": "PC1", "Online": True, "Primary": False}
    assert stored_house.client().get("report/teams").json == [
        {
            "Agents": [alpha, pc1],
            "Description": "",
            "Folder": "Offices/North",
            "ID": braced(lower.guid),
            "Name": "Floor 2",
            "Teams": [{"ID": braced(upper.guid), "Name": "Floor 3", "Type": 1}],
        },
        {
            "Agents": [alpha | {"Primary": True}, pc1],
            "Description": "",
            "Folder": "",
            "ID": braced(upper.guid),
            "Name": "Floor 3",
            "Teams": [{"ID": braced(lower.guid), "Name": "Floor 2", "Type": 1}],
        },
    ]


def test_row_14_in_xml(house: House) -> None:
    a_house_of_teams(house)
    first, second = house.client().get_xml("report/teams").xml
    assert [team.findtext("{*}Name") for team in (first, second)] == ["Floor 2", "Floor 3"]
    found = first.findall("{*}Agents/{*}TeamAgent")
    assert [one.findtext("{*}Name") for one in found] == ["alpha", "PC1"]
    assert [one.findtext("{*}Online") for one in found] == ["false", "true"]


def test_row_14_of_no_teams_is_an_empty_list(house: House) -> None:
    assert house.client().get("report/teams").json == []


LONG = "x" * 4000


@pytest.fixture
def many_teams(house: House) -> House:
    """More than a piece of teams: two of them within each other."""
    house.agent("PC1")
    for number in range(40):
        content = TeamContent.of(name=f"{number:02}", description=LONG, rule=NAMED_PC)
        house.gateway.teams.create(content, MACHINE)
    return house


def test_row_14_a_long_report_is_streamed(many_teams: House) -> None:
    client = many_teams.client()
    for content_type in (JSON, XML):
        answer = client.get("report/teams", content_type)
        assert "Content-Length" not in answer.headers
        told = answer.json if content_type == JSON else answer.xml
        assert len(told) == 40
    call = (
        f'<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
        f'<GetTeamsReport xmlns="{NAMESPACE}"/></Body></Envelope>'
    )
    answer = client.post("soap", call, "text/xml")
    assert (answer.status, "Content-Length" in answer.headers) == (200, False)
    (result,) = checked(answer.body)
    assert [one.findtext("{*}Agents/{*}TeamAgent/{*}Name") for one in result] == ["PC1"] * 40


def test_row_14_a_report_leaves_before_its_end_is_made(
    many_teams: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This report has no end of its own."""
    real = team_report.report
    monkeypatch.setattr(team_report, "report", lambda *given: itertools.cycle(real(*given)))
    with served.serving(many_teams) as place:
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=20)
        with contextlib.closing(connection):
            many_teams.log.requests += 1
            headers = {"Authorization": basic(*ADMIN), "Content-Type": JSON}
            connection.request("GET", f"{BASE}/report/teams", headers=headers)
            answer = connection.getresponse()
            assert answer.getheader("Transfer-Encoding") == "chunked"
            assert len(answer.read(1_000_000)) == 1_000_000


def test_row_14_others_compute_while_a_report_is_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(team_report, "report", lambda *values: iter(given.extend(values) or ()))
    assert house.client().get("report/teams").json == []
    assert house.gateway.gate.give_way in given
