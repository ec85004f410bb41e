"""The commands ``team`` and ``agent``, on a data folder that no server holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import application
from gateway.agents.desk import AgentFacts
from gateway.datafolder import DataFolder
from gateway.fleet.reception import Reception
from gateway.settings import Settings
from storage import models
from tests.unit.cli.conftest import Run


@pytest.fixture
def agents(gateway: Run, data: Path) -> Run:
    """Runs commands where there are the agents PC1, alpha (both online) and old (offline)."""
    folder = DataFolder(data)
    with folder.hold():
        built = application.build(Settings(data=data), folder)
        for name, platform in (("PC1", "linux"), ("alpha", "windows"), ("old", "linux")):
            open_session(built.reception, name, platform)
        silent = models.Agent.update(last_contact_at=None).where(models.Agent.name == "old")
        built.store.unit_of_work(lambda session: session.execute(silent))
        built.store.close()
    return gateway


def open_session(reception: Reception, name: str, platform: str) -> None:
    facts = AgentFacts(name, platform, "1", "boot", (), (), 1, embedded=True)
    reception.open_session(facts)


def listed(run: Run, *command: str) -> dict[str, Any]:
    return {one["name"]: one for one in run(*command, "--json").json}


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in found]


def test_a_team_from_its_making_to_its_end(agents: Run) -> None:
    made = agents("team", "create", "Floor 2", "--folder", "Offices", "--description", "North")
    assert made.out.startswith("created Floor 2 (")
    agents("team", "create", "Floor 3")
    changed = agents("team", "add", "floor 2", "PC1", "alpha", "--team", "Floor 3", "--json").json
    assert (names(changed["agents"]), names(changed["teams"])) == (["alpha", "PC1"], ["Floor 3"])
    changed = agents("team", "remove", "Floor 2", "alpha", "--comment", "moved", "--json").json
    assert names(changed["belonging"]) == ["PC1"]
    team = listed(agents, "team", "list")["Floor 2"]
    assert (team["folder"], team["description"], team["rule"]) == ("Offices", "North", None)
    assert (team["agent_count"], team["team_count"]) == (1, 1)
    assert "Floor 2" in agents("team", "list").out
    assert "PC1" in agents("team", "show", "Floor 2").out
    assert agents("team", "delete", "Floor 2").out == "deleted Floor 2\n"
    assert list(listed(agents, "team", "list")) == ["Floor 3"]


def test_a_team_by_rule(agents: Run) -> None:
    rule = ("--all", "platform", "equals", "Linux", "--any", "name", "matches", "^(pc|x)")
    made = agents("team", "create", "Penguins", *rule, "--json").json
    assert (names(made["by_rule"]), made["agents"]) == (["PC1"], [])
    refused = agents("team", "remove", "Penguins", "PC1")
    assert refused.code == 2
    assert "'PC1' belongs to the team 'Penguins' by the team's rule" in refused.err
    changed = agents("team", "change", "Penguins", "--all", "platform", "not_equals", "linux")
    assert changed.code == 0
    shown = agents("team", "show", "Penguins", "--json").json
    assert names(shown["belonging"]) == ["alpha"]
    changed = agents("team", "change", "penguins", "--name", "Empty", "--no-rule", "--json")
    assert (changed.json["name"], changed.json["rule"]) == ("Empty", None)


def test_agents_are_listed_with_their_teams(agents: Run) -> None:
    agents("team", "create", "Outer")
    agents("team", "create", "Inner")
    agents("team", "add", "Outer", "--team", "Inner")
    assert agents("agent", "primary", "pc1", "Inner").out == "the primary team of PC1 is Inner\n"
    found = listed(agents, "agent", "list")
    assert list(found) == ["alpha", "old", "PC1"]
    agent = found["PC1"]
    assert (agent["primary_team"], agent["teams"]) == ("Inner", ["Inner", "Outer"])
    assert (agent["online"], agent["enabled"], agent["platform"]) == (True, True, "linux")
    assert (found["old"]["online"], found["old"]["last_contact"]) == (False, None)
    assert "Inner, Outer" in agents("agent", "list").out
    assert agents("agent", "primary", "PC1").out == "PC1 has no primary team\n"


def test_only_an_offline_agent_is_removed(agents: Run) -> None:
    refused = agents("agent", "remove", "PC1")
    assert (refused.code, refused.out) == (2, "")
    assert "the agent 'PC1' is online" in refused.err
    assert agents("agent", "remove", "OLD", "--comment", "x").out == "removed old, runs ended: 0\n"
    assert list(listed(agents, "agent", "list")) == ["alpha", "PC1"]


WRONG = {
    ("team", "show", "Nowhere"): "there is no team with the GUID or name 'Nowhere'",
    ("team", "create", "Taken"): "there is another team 'Taken' at the top",
    ("team", "create", "A", "--folder", "A//B"): "folder: the folder path 'A//B'",
    ("team", "create", " "): "name: must not be blank",
    ("team", "create", "A", "--all", "colour", "equals", "red"): "'colour' is not one of",
    ("team", "create", "A", "--any", "name", "matches", "("): "not a regular expression",
    ("team", "change", "Taken", "--no-rule", "--all", "name", "equals", "a"): "--no-rule excludes",
    ("team", "add", "Taken"): "name at least one agent",
    ("team", "add", "Taken", "PC1", "nobody"): "Add[1]: there is no agent with the GUID or name",
    ("agent", "primary", "nobody", "Taken"): "there is no agent with the GUID or name 'nobody'",
    ("agent", "primary", "PC1", "Nowhere"): "PrimaryTeam: there is no team",
    ("agent", "remove", "nobody"): "there is no agent with the GUID or name 'nobody'",
    ("team", "delete", "Taken", "--comment", "x" * 4001): "Comment: is longer than 4000",
}


@pytest.fixture
def taken(agents: Run) -> Iterator[Run]:
    agents("team", "create", "Taken")
    yield agents
    assert [one["agent_count"] for one in agents("team", "list", "--json").json] == [0]


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_a_wrong_command_is_told_and_changes_nothing(taken: Run, command: tuple[str, ...]) -> None:
    outcome = taken(*command)
    assert (outcome.code, outcome.out) == (2, "")
    assert WRONG[command] in outcome.err
