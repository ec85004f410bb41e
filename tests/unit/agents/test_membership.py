"""Changing who is in which team: all or nothing, audited, by agents and by teams."""

import dataclasses

import pytest

from gateway.agents import membership, roster, teams
from gateway.agents.membership import (
    AgentChange,
    MembershipRefused,
    Memberships,
    Reference,
    TeamChange,
    TeamMembership,
)
from gateway.agents.rules import Rule
from gateway.agents.teams import MemberKind, Team, TeamContent, Teams
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from storage import models
from tests.engine import Engine

NAMED_B = Rule.model_validate({"all": [{"fact": "name", "operator": "matches", "value": "^b"}]})


@dataclasses.dataclass
class Place:
    """An engine with teams, and short ways to use them."""

    engine: Engine
    teams: Teams
    memberships: Memberships

    def team(self, name: str, rule: Rule | None = None) -> Team:
        return self.teams.create(TeamContent.of(name=name, rule=rule), MACHINE)

    def agent(self, name: str, **change: object) -> membership.AgentMembership:
        return self.memberships.change_agent(name, AgentChange(**change), MACHINE, "why")  # type: ignore[arg-type]

    def add(self, team: str, *members: str) -> TeamMembership:
        return self.memberships.change_team(team, TeamChange(add=references(members)), MACHINE)

    def remove(self, team: str, *members: str) -> TeamMembership:
        return self.memberships.change_team(team, TeamChange(remove=references(members)), MACHINE)

    def within(self, team: str) -> list[str]:
        with self.engine.store.reading() as session:
            found = teams.find(session, team)
            return [agent.name for agent in teams.agents_of(session, [found.id])]

    def audited(self) -> list[audit.Entry]:
        with self.engine.store.reading() as session:
            return [one for one in audit.page(session) if one.action == "membership"]


def references(members: tuple[str, ...]) -> list[Reference]:
    """Names of agents, those of teams with ``@`` before them."""
    return [
        Reference(one.removeprefix("@"), MemberKind.TEAM if one[0] == "@" else MemberKind.AGENT)
        for one in members
    ]


@pytest.fixture
def place(engine: Engine) -> Place:
    for name in ("a", "b", "c"):
        engine.agent(name)
    return Place(engine, Teams(engine.store, engine.now), Memberships(engine.store, engine.now))


def names(found: tuple[Team, ...] | tuple[roster.Agent, ...]) -> list[str]:
    return [one.name for one in found]


def test_an_agent_is_put_into_teams_and_taken_out(place: Place) -> None:
    one, two = place.team("One"), place.team("Two")
    after = place.agent("A", add_to=["two", f"{{{one.guid}}}", "TWO"])
    assert (after.agent.name, names(after.teams), after.primary) == ("a", ["One", "Two"], None)
    after = place.agent("a", remove_from=["One", "one"], add_to=["Two"])
    assert names(after.teams) == ["Two"]
    assert (place.within("One"), place.within("Two")) == ([], ["a"])
    assert two in after.teams


def test_present_members_and_absent_ones_are_passed_over_without_a_trace(place: Place) -> None:
    place.team("One")
    place.team("Two")
    place.add("One", "a", "@Two")
    assert len(place.audited()) == 1
    place.add("One", "a", "A", "@two")
    place.remove("One", "b", "@One")
    place.agent("a", add_to=["One"], remove_from=["Two"])
    assert len(place.audited()) == 1
    assert names(place.add("One").agents) == ["a"]


def test_nothing_is_changed_if_one_reference_is_wrong(place: Place) -> None:
    place.team("One")
    place.team("Two")
    with pytest.raises(MembershipRefused, match=r"^AddTo\[1\]: there is no team .*'Three'"):
        place.agent("a", add_to=["One", "Three"])
    with pytest.raises(MembershipRefused, match=r"^Add\[1\]: there is no agent .*'@x'"):
        place.memberships.change_team(
            "One", TeamChange(add=[Reference("a"), Reference("@x")]), MACHINE
        )
    with pytest.raises(MembershipRefused, match=r"^PrimaryTeam: there is no team"):
        place.agent("a", add_to=["One"], primary="Three")
    with pytest.raises(MembershipRefused, match=r"^RemoveFrom\[0\]: 'One' is to be added and"):
        place.agent("a", add_to=["Two", "One"], remove_from=["one"])
    with pytest.raises(MembershipRefused, match=r"^RemoveFrom\[0\]: 'One' is to be added and"):
        place.agent("a", remove_from=["One"], primary="One")
    change = TeamChange(add=references(("b", "a")), remove=references(("A",)))
    with pytest.raises(MembershipRefused, match=r"^Remove\[0\]: 'a' is to be added and"):
        place.memberships.change_team("One", change, MACHINE)
    assert (place.within("One"), place.within("Two"), place.audited()) == ([], [], [])


def test_whom_or_what_is_changed_must_be_there(place: Place) -> None:
    with pytest.raises(roster.AgentNotFound):
        place.agent("nobody")
    with pytest.raises(teams.TeamNotFound):
        place.add("Nowhere", "a")


def test_an_agent_that_belongs_by_rule_cannot_be_taken_out(place: Place) -> None:
    place.team("Ruled", NAMED_B)
    words = r"\[0\]: the agent 'b' belongs to the team 'Ruled' by the team's rule"
    with pytest.raises(MembershipRefused, match="RemoveFrom" + words):
        place.agent("b", remove_from=["Ruled"])
    with pytest.raises(MembershipRefused, match="Remove" + words):
        place.remove("Ruled", "b", "a")
    # It may be put in, too: it stays when the rule goes, and may be taken out then.
    after = place.agent("b", add_to=["Ruled"])
    assert (names(after.teams), names(after.by_rule)) == (["Ruled"], ["Ruled"])
    found = place.add("Ruled", "a")
    assert (names(found.agents), names(found.by_rule)) == (["a", "b"], ["b"])
    place.teams.update(found.team.guid, TeamContent.of(name="Ruled"), MACHINE)
    assert place.within("Ruled") == ["a", "b"]
    assert names(place.remove("Ruled", "b").agents) == ["a"]


def test_teams_in_a_circle_are_put_in_and_taken_out(place: Place) -> None:
    for name in ("One", "Two", "Three"):
        place.team(name)
    place.add("One", "@Two", "a")
    place.add("Two", "@Three", "b")
    after = place.add("Three", "@One", "@Three", "c")
    assert names(after.teams) == ["One"]
    assert all(place.within(name) == ["a", "b", "c"] for name in ("One", "Two", "Three"))
    place.remove("Three", "@One")
    assert place.within("Three") == ["c"]
    # It belongs to One through Two only: it is no member of One that could be taken out.
    place.remove("One", "b")
    assert place.within("One") == ["a", "b", "c"]


def test_an_agent_has_one_primary_team(place: Place) -> None:
    place.team("One")
    place.team("Two")
    after = place.agent("a", primary="One")
    assert (names(after.teams), after.primary and after.primary.name) == (["One"], "One")
    after = place.agent("a", primary="Two")
    assert names(after.teams) == ["One", "Two"]
    assert after.primary is not None
    assert after.primary.name == "Two"
    assert place.agent("a", add_to=["One"]).primary == after.primary
    assert place.agent("a", remove_from=["One"]).primary == after.primary
    assert place.agent("a", primary=membership.NO_TEAM).primary is None
    place.agent("a", primary="Two")
    assert place.agent("a", remove_from=["Two"], add_to=["One"]).primary is None
    place.agent("a", primary="Two")
    after = place.agent("a", remove_from=["Two"], primary="One")
    assert (names(after.teams), after.primary and after.primary.name) == (["One"], "One")


def test_a_primary_team_needs_no_membership_of_its_own(place: Place) -> None:
    place.team("Outer")
    place.team("Inner")
    place.add("Outer", "@Inner")
    place.add("Inner", "a")
    after = place.agent("a", primary="Outer")
    assert names(after.teams) == ["Inner"]
    # Taken out of what was its way into the primary team, it is put into that itself.
    after = place.agent("a", remove_from=["Inner"], primary="Outer")
    assert names(after.teams) == ["Outer"]
    place.team("Ruled", NAMED_B)
    after = place.agent("b", primary="Ruled")
    assert (names(after.teams), names(after.by_rule)) == ([], ["Ruled"])
    assert place.agent("b").primary == after.primary


def test_the_team_is_no_primary_team_any_more_of_who_is_taken_out(place: Place) -> None:
    place.team("One")
    place.team("Two")
    place.agent("a", primary="One", add_to=["Two"])
    place.agent("b", primary="One")
    place.remove("Two", "a", "b")
    assert place.agent("a").primary is not None
    place.remove("One", "a")
    assert place.agent("a").primary is None
    assert place.agent("b").primary is not None


def test_a_change_is_audited_with_before_and_after(place: Place) -> None:
    one, two = place.team("One"), place.team("Two")
    place.agent("a", add_to=["Two"])
    place.agent("a", remove_from=["Two"], primary="One")
    entry = place.audited()[0]
    assert (entry.object_kind, entry.object_name, entry.comment) == ("agent", "a", "why")
    shown = {"kind": "team", "guid": str(two.guid), "name": "Two"}
    assert entry.before == {"teams": [shown], "primary": None}
    shown = {"kind": "team", "guid": str(one.guid), "name": "One"}
    assert entry.after == {"teams": [shown], "primary": shown}
    change = TeamChange(add=references(("b", "@Two")), remove=references(("a", "c")))
    place.memberships.change_team("One", change, MACHINE, "moved")
    entry = place.audited()[0]
    assert (entry.object_kind, entry.object_name, entry.comment) == ("team", "One", "moved")
    assert entry.before == {"agents": 1, "teams": 0}
    assert (entry.after["agents"], entry.after["teams"]) == (1, 1)
    assert [(x["kind"], x["name"]) for x in entry.after["added"]] == [
        ("agent", "b"),
        ("team", "Two"),
    ]
    assert [x["name"] for x in entry.after["removed"]] == ["a"]


def test_a_call_names_a_thousand_at_most(place: Place) -> None:
    place.team("One")
    with pytest.raises(MembershipRefused, match="AddTo: names more than 1000"):
        place.agent("a", add_to=["One"] * 1001)
    assert names(place.agent("a", add_to=["One"] * 1000).teams) == ["One"]
    assert len(place.audited()) == 1
    with place.engine.store.reading() as session:
        assert len(session.rows(models.TeamMember.select())) == 1
