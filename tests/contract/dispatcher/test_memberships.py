"""Membership and removal in XML and JSON (Dispatcher contract 3, rows 16 to 18).

The bodies are our choice; what they do is the contract's section 6.
"""

import json
from typing import Any

import pytest

from gateway.fleet.rules import Rule
from gateway.identity import audit
from tests.contract.dispatcher.house import XML, Answer, Client, House, braced

NAMED_PC = Rule.model_validate({"all": [{"fact": "name", "operator": "matches", "value": "^pc"}]})


def named(name: str, **members: Any) -> dict[str, Any]:
    return {"Name": name, **members}


def team(name: str) -> dict[str, Any]:
    return {"ID": name, "Type": 1}


def agent_membership(client: Client, agent: str = "PC1", **change: Any) -> Answer:
    return client.post("agentmembership", json.dumps({"Agent": named(agent), **change}))


def team_membership(client: Client, name: str = "Floor 2", **change: Any) -> Answer:
    return client.post("teammembership", json.dumps({"Team": named(name), **change}))


def remove_agent(client: Client, agent: str = "PC1", **members: Any) -> Answer:
    return client.post("removeagent", json.dumps({"Agent": named(agent), **members}))


def who(listed: list[dict[str, Any]]) -> list[str]:
    return [one["Name"] for one in listed]


def with_teams(house: House) -> House:
    for name in ("PC1", "Pc2", "alpha"):
        house.agent(name)
    for name in ("Floor 2", "Floor 3"):
        house.team(name)
    return house


@pytest.fixture
def teams(house: House) -> House:
    """Agents and teams on SQLite: for what does not depend on the database."""
    return with_teams(house)


@pytest.fixture
def stored_teams(stored_house: House) -> House:
    """The same on each database in turn."""
    return with_teams(stored_house)


def test_row_16_an_agent_changes_its_teams(stored_teams: House) -> None:
    client = stored_teams.client()
    agent, floor = client.get("who?search=pc1").json[0], client.get("who?search=floor 2").json[0]
    answer = agent_membership(client, AddTo=[team("floor 3")], PrimaryTeam=floor, Comment="ä").json
    assert answer["Agent"] == agent
    assert answer["PrimaryTeam"] == floor
    assert who(answer["MemberOf"]) == ["Floor 2", "Floor 3"]
    assert (answer["AddTo"], answer["RemoveFrom"], answer["MemberByRule"]) == ([], [], [])
    answer = agent_membership(client, RemoveFrom=[floor, named("Floor 3")]).json
    assert answer["MemberOf"] == []
    assert "PrimaryTeam" not in answer
    with stored_teams.gateway.store.reading() as session:
        entries = [one for one in audit.page(session) if one.object_kind == "agent"]
    assert [one.principal for one in entries] == ["admin", "admin"]
    assert entries[1].comment == "ä"
    assert entries[1].surface == "dispatcher"


def test_row_16_in_xml(teams: House) -> None:
    body = (
        '<AgentMembership xmlns="urn:any"><Agent><Name>pc1</Name></Agent>'
        "<AddTo><JobWho><ID>Floor 2</ID><Type>Team</Type></JobWho>"
        "<JobWho><Name>Floor 3</Name></JobWho></AddTo>"
        "<PrimaryTeam><ID>Floor 3</ID></PrimaryTeam></AgentMembership>"
    )
    answer = teams.client().post("agentmembership", body, XML).xml
    assert answer.findtext("{*}Agent/{*}Name") == "PC1"
    found = [one.text for one in answer.findall("{*}MemberOf/{*}JobWho/{*}Name")]
    assert found == ["Floor 2", "Floor 3"]
    assert answer.findtext("{*}PrimaryTeam/{*}Type") == "Team"


def test_row_17_a_team_changes_its_members(stored_teams: House) -> None:
    client = stored_teams.client()
    agents = client.get("who?agents=true").json
    answer = team_membership(client, Add=[*agents, team("Floor 3")], Comment="all").json
    assert answer["Team"]["Name"] == "Floor 2"
    assert who(answer["Members"]) == ["alpha", "PC1", "Pc2", "Floor 3"]
    answer = team_membership(client, Remove=[named("PC1"), agents[0]], Add=[named("pc2")]).json
    assert who(answer["Members"]) == ["Pc2", "Floor 3"]


def test_row_17_in_xml(teams: House) -> None:
    body = (
        "<TeamMembership><Team><ID>Floor 2</ID></Team><Add><JobWho><Name>Pc2</Name></JobWho>"
        "<JobWho><Name>Floor 3</Name><Type>Team</Type></JobWho></Add></TeamMembership>"
    )
    answer = teams.client().post("teammembership", body, XML).xml
    found = [one.findtext("{*}Name") for one in answer.findall("{*}Members/{*}JobWho")]
    assert found == ["Pc2", "Floor 3"]


def test_present_members_and_absent_ones_are_passed_over(teams: House) -> None:
    client = teams.client()
    first = team_membership(client, Add=[named("PC1"), named("PC1")]).json
    assert team_membership(client, Add=[named("pc1")], Remove=[named("alpha")]).json == first
    first = agent_membership(client, AddTo=[named("Floor 2")], RemoveFrom=[named("Floor 3")]).json
    assert who(first["MemberOf"]) == ["Floor 2"]


def test_an_answer_can_be_sent_back_and_changes_nothing(teams: House) -> None:
    client = teams.client()
    of_agent = agent_membership(client, PrimaryTeam=named("Floor 2")).json
    of_team = team_membership(client, Add=[team("Floor 3")]).json
    assert client.post("agentmembership", json.dumps(of_agent)).json == of_agent
    assert client.post("teammembership", json.dumps(of_team)).json == of_team
    for path, body in (
        ("agentmembership", "<AgentMembership><Agent><Name>PC1</Name></Agent></AgentMembership>"),
        ("teammembership", "<TeamMembership><Team><Name>Floor 2</Name></Team></TeamMembership>"),
    ):
        first = client.post(path, body, XML)
        assert first.xml is not None
        assert client.post(path, first.body, XML).body == first.body


def test_a_primary_team_of_zeros_is_none(teams: House) -> None:
    client = teams.client()
    assert agent_membership(client, PrimaryTeam=named("Floor 2")).json["PrimaryTeam"]
    none = {"ID": "{00000000-0000-0000-0000-000000000000}", "Type": 1}
    answer = agent_membership(client, PrimaryTeam=none).json
    assert "PrimaryTeam" not in answer
    assert who(answer["MemberOf"]) == ["Floor 2"]


def test_membership_by_rule_is_shown_and_cannot_be_ended(teams: House) -> None:
    teams.team("All PCs", rule=NAMED_PC)
    client = teams.client()
    assert who(agent_membership(client).json["MemberByRule"]) == ["All PCs"]
    assert who(team_membership(client, "All PCs").json["MembersByRule"]) == ["PC1", "Pc2"]
    words = ("[0]: the agent 'PC1' belongs to the team 'All PCs' by the team's rule",)
    agent_membership(client, RemoveFrom=[named("All PCs")]).refused(400, "RemoveFrom", *words)
    team_membership(client, "All PCs", Remove=[named("pc1")]).refused(400, "Remove", *words)


def test_teams_in_a_circle(teams: House) -> None:
    client = teams.client()
    team_membership(client, Add=[team("Floor 3"), named("PC1")])
    team_membership(client, "Floor 3", Add=[team("Floor 2"), named("alpha")])
    report = client.get("report/teams").json
    assert [who(one["Agents"]) for one in report] == [["alpha", "PC1"], ["alpha", "PC1"]]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("agentmembership", {}, 400, "Agent.ID: is missing"),
        ("agentmembership", {"Agent": {"ID": " "}}, 400, "Agent.ID: is missing"),
        ("agentmembership", {"Agent": {"ID": "nobody"}}, 404, "no agent with the GUID or name"),
        ("agentmembership", {"Agent": team("Floor 2")}, 400, "Agent.Type: is Team, but Agent"),
        (
            "agentmembership",
            {"Agent": named("PC1"), "AddTo": [named("Floor 2"), named("Floor 9")]},
            400,
            "AddTo[1]: there is no team with the GUID or name 'Floor 9'",
        ),
        (
            "agentmembership",
            {"Agent": named("PC1"), "AddTo": [{"ID": "Floor 2", "Type": 0}]},
            400,
            "AddTo[0].Type: is Agent, but Team is needed",
        ),
        (
            "agentmembership",
            {"Agent": named("PC1"), "AddTo": [named("Floor 2")], "Comment": "x" * 4001},
            400,
            "Comment: is longer than 4000",
        ),
        ("teammembership", {}, 400, "Team.ID: is missing"),
        ("teammembership", {"Team": named("Floor 9")}, 404, "no team with the GUID or name"),
        (
            "teammembership",
            {"Team": named("Floor 2"), "Add": [named("PC1"), named("Floor 3")]},
            400,
            "Add[1]: there is no agent with the GUID or name 'Floor 3'",
        ),
        (
            "teammembership",
            {"Team": named("Floor 2"), "Add": [named("PC1")], "Remove": [named("pc1")]},
            400,
            "Remove[0]: 'PC1' is to be added and removed at once",
        ),
        ("removeagent", {}, 400, "Agent.ID: is missing"),
        ("removeagent", {"Agent": named("nobody")}, 404, "no agent with the GUID or name"),
        ("removeagent", {"Agent": named("PC1")}, 409, "the agent 'PC1' is online: stop it"),
        ("removeagent", {"Agent": named("PC1"), "Comment": "x" * 4001}, 400, "longer than 4000"),
    ],
)
def test_what_is_refused_changes_nothing(
    teams: House, path: str, body: dict[str, Any], status: int, words: str
) -> None:
    client = teams.client()
    before = client.get("report/teams").json
    client.post(path, json.dumps(body)).refused(status, words)
    assert client.get("report/teams").json == before
    assert len(client.get("who?agents=true").json) == 3


def test_row_18_an_offline_agent_is_removed_with_what_it_had_to_do(stored_teams: House) -> None:
    client = stored_teams.client()
    team_membership(client, Add=[named("PC1"), named("Pc2")])
    agent = stored_teams.agent("PC1")
    job = stored_teams.engine.accept(stored_teams.engine.order(stored_teams.module().guid, agent))
    remove_agent(client).refused(409, "online")
    stored_teams.silence(agent)
    answer = remove_agent(client, Comment="scrapped").json
    assert answer["Agent"] == {"ID": braced(agent.agent), "Name": "PC1", "Type": 0}
    assert answer["EndedRuns"] == 1
    status = client.get(f"jobs/{job.guid}").json["Status"]
    assert (status["Type"], status["Reason"]) == (7, "the agent was removed")
    assert [one["Name"] for one in client.get("who?agents=true").json] == ["alpha", "Pc2"]
    assert who(team_membership(client).json["Members"]) == ["Pc2"]
    remove_agent(client).refused(404, "no agent")
    assert stored_teams.agent("PC1").agent != agent.agent


def test_row_18_in_xml(house: House) -> None:
    house.silence(house.agent("PC1"))
    body = "<AgentRemoval><Agent><ID>PC1</ID></Agent></AgentRemoval>"
    answer = house.client().post("removeagent", body, XML).xml
    assert answer.findtext("{*}EndedRuns") == "0"
    assert house.client().get("who").json == []


def test_the_embedded_agent_of_a_server_that_runs_is_online(house: House) -> None:
    house.agent("PC1")
    remove_agent(house.client()).refused(409, "not been heard of for 5 minutes")


def test_of_several_agents_of_one_name_none_is_meant(house: House) -> None:
    house.agent("PC1")
    house.engine.agent("PC1", embedded=False)
    remove_agent(house.client()).refused(400, "2 agents are called 'PC1'")


def test_an_answer_sent_back_puts_nobody_into_a_primary_team_that_was_lost(
    stored_teams: House,
) -> None:
    client = stored_teams.client()
    team_membership(client, Add=[team("Floor 3")])
    team_membership(client, "Floor 3", Add=[named("PC1")])
    assert agent_membership(client, PrimaryTeam=named("Floor 2")).json["PrimaryTeam"]
    team_membership(client, Remove=[team("Floor 3")])
    answer = agent_membership(client).json
    assert "PrimaryTeam" not in answer
    assert client.post("agentmembership", json.dumps(answer)).json == answer
    assert who(answer["MemberOf"]) == ["Floor 3"]
