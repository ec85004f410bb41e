"""Changing who is in which team: all or nothing, audited, by agents and by teams."""

import dataclasses
import random
from collections.abc import Callable

import pytest

from gateway.fleet import membership, roster, teams
from gateway.fleet.membership import (
    AgentChange,
    MembershipRefused,
    Memberships,
    Reference,
    TeamChange,
    TeamMembership,
)
from gateway.fleet.rules import Rule
from gateway.fleet.teams import MemberKind, Team, TeamContent, Teams
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


def primaries_lost(place: Place) -> list[str]:
    """Who lost which primary team, of the audit trail, the last one first."""
    lost = [one for one in place.audited() if one.after == {"primary": None}]
    assert all(one.object_kind == "agent" for one in lost)
    return [f"{one.object_name}: {one.before['primary']['name']}" for one in lost]


def stored_primary(place: Place, agent: str) -> int | None:
    with place.engine.store.reading() as session:
        return roster.find(session, agent).primary_team_id


def test_a_primary_team_is_lost_with_a_team_between(place: Place) -> None:
    for name in ("Outer", "Middle", "Inner"):
        place.team(name)
    place.add("Outer", "@Middle", "c")
    place.add("Middle", "@Inner")
    place.add("Inner", "a", "b", "c")
    for name in ("a", "b", "c"):
        place.agent(name, primary="Outer")
    place.agent("b", primary="Inner")
    place.remove("Middle", "@Inner")
    assert primaries_lost(place) == ["a: Outer"]
    assert [stored_primary(place, name) is None for name in ("a", "b", "c")] == [True, False, False]
    # What was told can be sent back: it puts nobody into anything.
    assert names(place.agent("a").teams) == ["Inner"]
    place.remove("Inner", "b")
    assert primaries_lost(place) == ["b: Inner", "a: Outer"]


def test_an_agent_loses_its_primary_team_by_its_own_change(place: Place) -> None:
    place.team("Outer")
    place.team("Inner")
    place.add("Outer", "@Inner")
    place.agent("a", add_to=["Inner"], primary="Outer")
    after = place.agent("a", remove_from=["Inner"])
    assert (names(after.teams), after.primary, stored_primary(place, "a")) == ([], None, None)
    entry = place.audited()[0]
    assert (entry.before["primary"]["name"], entry.after["primary"]) == ("Outer", None)


def test_a_primary_team_is_lost_with_its_rule(place: Place) -> None:
    outer, ruled = place.team("Outer"), place.team("Ruled", NAMED_B)
    place.add("Outer", "@Ruled")
    place.add("Ruled", "a")
    place.agent("a", primary="Ruled")
    place.agent("b", primary="Outer")
    place.teams.update(outer.guid, TeamContent.of(name="Around"), MACHINE)
    place.teams.update(ruled.guid, TeamContent.of(name="Ruled", description="d"), MACHINE)
    assert primaries_lost(place) == ["b: Around"]
    assert (stored_primary(place, "a"), stored_primary(place, "b")) == (ruled.id, None)


def test_a_primary_team_is_lost_with_a_deleted_team(place: Place) -> None:
    place.team("Outer")
    inner = place.team("Inner")
    place.add("Outer", "@Inner")
    place.add("Inner", "a", "b")
    place.agent("a", primary="Outer")
    place.agent("b", primary="Inner")
    place.teams.delete(inner.guid, MACHINE)
    assert primaries_lost(place) == ["b: Inner", "a: Outer"]
    assert (stored_primary(place, "a"), stored_primary(place, "b")) == (None, None)


def test_a_primary_team_by_a_fact_that_has_changed_is_not_told(place: Place) -> None:
    ruled = place.team("Ruled", NAMED_B)
    place.agent("b", primary="Ruled")
    renamed = models.Agent.update(name="x").where(models.Agent.name == "b")
    place.engine.store.unit_of_work(lambda session: session.execute(renamed))
    assert stored_primary(place, "b") == ruled.id
    assert place.agent("b").primary is None


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
    lost, entry = place.audited()[:2]
    assert (lost.object_kind, lost.object_name, lost.comment) == ("agent", "a", "moved")
    assert (lost.before, lost.after) == ({"primary": shown}, {"primary": None})
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


AGENTS, OUTER = ["a", "b", "c"], ["One", "Two", "Three"]


@dataclasses.dataclass
class Model:
    """What memberships come to, with plain sets: who was put into which team, and primaries."""

    put: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    primary: dict[str, str] = dataclasses.field(default_factory=dict)

    def belongs(self, agent: str, team: str) -> bool:
        seen, ahead = set(), [team]
        while ahead:
            here = ahead.pop()
            if here not in seen:
                seen.add(here)
                ahead += [one for where, one in self.put if where == here and one in OUTER]
        return any((here, agent) in self.put for here in seen)

    def change_team(self, team: str, adding: list[str], removing: list[str]) -> bool:
        if set(adding) & set(removing):
            return False
        self.put |= {(team, one) for one in adding if one != team}
        self.put -= {(team, one) for one in removing}
        self.settle()
        return True

    def settle(self) -> None:
        for agent, team in list(self.primary.items()):
            if not self.belongs(agent, team):
                del self.primary[agent]

    def change_agent(self, agent: str, to: list[str], out: list[str], wanted: str | None) -> bool:
        if set(out) & {*to, wanted}:
            return False
        self.put -= {(one, agent) for one in out}
        self.put |= {(one, agent) for one in to}
        if wanted is not None:
            self.primary[agent] = wanted
            if not self.belongs(agent, wanted):
                self.put.add((wanted, agent))
        self.settle()
        return True


def accepted(change: Callable[[], object]) -> bool:
    try:
        change()
    except MembershipRefused:
        return False
    return True


def one_change(place: Place, model: Model, chance: random.Random) -> None:
    """Make any change, a wrong one perhaps, to both."""
    adding, removing = (chance.sample(AGENTS + OUTER, chance.randint(0, 3)) for _ in range(2))
    if chance.random() < 0.5:
        team = chance.choice(OUTER)
        change = TeamChange(*(references(tuple(map(marked, x))) for x in (adding, removing)))
        done = accepted(lambda: place.memberships.change_team(team, change, MACHINE))
        assert done is model.change_team(team, adding, removing)
        return
    agent, wanted = chance.choice(AGENTS), chance.choice([None, *OUTER])
    to, out = ([one for one in found if one in OUTER] for found in (adding, removing))
    done = accepted(lambda: place.agent(agent, add_to=to, remove_from=out, primary=wanted))
    assert done is model.change_agent(agent, to, out, wanted)


def marked(name: str) -> str:
    return f"@{name}" if name in OUTER else name


@pytest.mark.parametrize("seed", range(3))
def test_many_changes_leave_what_a_model_of_them_holds(place: Place, seed: int) -> None:
    for name in OUTER:
        place.team(name)
    model, chance = Model(), random.Random(seed)
    for _ in range(60):
        one_change(place, model, chance)
    for team in OUTER:
        assert place.within(team) == [one for one in AGENTS if model.belongs(one, team)]
    for agent in AGENTS:
        found = place.agent(agent)
        assert set(names(found.teams)) == {team for team, one in model.put if one == agent}
        assert (found.primary.name if found.primary else None) == model.primary.get(agent)
