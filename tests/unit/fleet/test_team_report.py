"""The report of teams is made one team at a time, and others may compute meanwhile."""

import itertools

import pytest

from gateway.catalog.definitions import Operator
from gateway.fleet import team_report, teams
from gateway.fleet.membership import Memberships, Reference, TeamChange
from gateway.fleet.rules import Comparison, Rule
from gateway.fleet.teams import MemberKind, TeamContent, Teams
from gateway.identity.principals import MACHINE
from tests.engine import MINUTE, Engine

NAMES = ("Red", "Green", "Blue")


@pytest.fixture
def circle(engine: Engine) -> Engine:
    """Three teams, each within the next, with three agents; by a rule and put in."""
    making, changing = Teams(engine.store, engine.now), Memberships(engine.store, engine.now)
    for name in ("a", "b", "c"):
        engine.agent(name)
    rule = Rule.model_validate(
        {"all": [{"fact": "name", "operator": "matches", "value": "^[bc]$"}]}
    )
    for name in NAMES:
        making.create(TeamContent.of(name=name, rule=rule if name == "Red" else None), MACHINE)
    for inner, outer in itertools.pairwise((*NAMES, NAMES[0])):
        members = [Reference(inner, MemberKind.TEAM), Reference("a")]
        changing.change_team(outer, TeamChange(add=members), MACHINE)
    return engine


def test_each_team_has_who_belongs_to_it(circle: Engine) -> None:
    with circle.store.reading() as session:
        ids = {team.name: team.id for team in teams.teams(session)}
    shown = {ids["Red"], ids["Green"]}
    found = list(team_report.report(circle.store, circle.now(), MINUTE, shown))
    assert [one.team.name for one in found] == ["Green", "Red"]
    assert [[each.agent.name for each in one.agents] for one in found] == [["a", "b", "c"]] * 2
    assert [[inner.name for inner in one.teams] for one in found] == [["Red"], []]


def test_a_team_is_looked_at_when_it_is_asked_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.agent("a")
    looked: list[str] = []

    def holds(comparison: Comparison, _agent: object) -> bool:
        looked.append(comparison.value)
        return True

    making = Teams(engine.store, engine.now)
    for name in NAMES:
        rule = Rule.model_validate(
            {"any": [{"fact": "name", "operator": Operator.EQUALS, "value": name}]}
        )
        making.create(TeamContent.of(name=name, rule=rule), MACHINE)
    monkeypatch.setattr(Comparison, "holds", holds)
    with engine.store.reading() as session:
        shown = {team.id for team in teams.teams(session)}
    report = team_report.report(engine.store, engine.now(), MINUTE, shown)
    assert looked == []
    assert next(report).team.name == "Blue"
    assert looked == ["Blue"]
    assert [one.team.name for one in report] == ["Green", "Red"]
    assert looked == ["Blue", "Green", "Red"]


def test_others_get_a_turn_while_rules_are_looked_at(
    circle: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_report, "_IN_ONE_GO", 0)
    with circle.store.reading() as session:
        shown = {team.id for team in teams.teams(session)}
    ways: list[None] = []
    report = team_report.report(circle.store, 0, MINUTE, shown, lambda: ways.append(None))
    next(report)
    # Three agents against a rule, and three teams.
    assert len(ways) == 6
