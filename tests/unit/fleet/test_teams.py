"""Teams: who belongs to them through others, circles and rules; how they are changed."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog.changes import NameTaken
from gateway.fleet import roster, teams
from gateway.fleet.roster import Agent
from gateway.fleet.rules import Rule
from gateway.fleet.team_report import Belonging
from gateway.fleet.teams import Composition, MemberKind, Team, TeamContent, Teams
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from storage import models
from storage.session import WritingSession
from tests.engine import Engine

LINUX = Rule.model_validate({"all": [{"fact": "platform", "operator": "equals", "value": "Linux"}]})
NAMED_B = Rule.model_validate({"any": [{"fact": "name", "operator": "matches", "value": "^b"}]})
RULE_OF = {None: None, "linux": LINUX, "b": NAMED_B}


def a_team(number: int, rule: Rule | None = None) -> Team:
    return Team(number, uuid.UUID(int=number), f"T{number}", "", None, "", rule)


def an_agent(number: int, name: str, platform: str) -> Agent:
    facts = {"platform": platform}
    return Agent(
        number, uuid.UUID(int=number), name, True, True, 1, None, "", None, None, "", facts
    )


@st.composite
def houses(draw: st.DrawFn) -> tuple[list[Team], list[Agent], list[tuple[int, int, int]]]:
    """Some teams with rules or not, some agents, and anything put into anything."""
    team_ids = list(range(1, draw(st.integers(1, 7)) + 1))
    agent_ids = list(range(1, draw(st.integers(0, 6)) + 1))
    rules = st.sampled_from(sorted(RULE_OF, key=str))
    all_teams = [a_team(number, RULE_OF[draw(rules)]) for number in team_ids]
    agents = [
        an_agent(number, draw(st.sampled_from("ABab")), draw(st.sampled_from(["linux", "windows"])))
        for number in agent_ids
    ]
    members = st.one_of(
        st.tuples(st.sampled_from(team_ids), st.just(1), st.sampled_from(team_ids)),
        st.tuples(st.sampled_from(team_ids), st.just(0), st.sampled_from(agent_ids or [99])),
    )
    return all_teams, agents, draw(st.lists(members, max_size=20))


def closure(
    all_teams: list[Team], agents: list[Agent], members: list[tuple[int, int, int]]
) -> dict[int, set[int]]:
    """Who belongs to which team, by adding what follows until nothing more does."""
    belongs = {
        team.id: {a.id for a in agents if team.rule is not None and team.rule.holds(a)}
        | {member for inside, kind, member in members if (inside, kind) == (team.id, 0)}
        for team in all_teams
    }
    while True:
        before = {team: set(agents) for team, agents in belongs.items()}
        for outer, kind, inner in members:
            if kind == MemberKind.TEAM:
                belongs[outer] |= belongs[inner]
        if belongs == before:
            return belongs


@given(houses())
def test_the_walk_finds_what_the_closure_holds(
    house: tuple[list[Team], list[Agent], list[tuple[int, int, int]]],
) -> None:
    all_teams, agents, members = house
    composed = Composition.made(all_teams, members)
    expected = closure(all_teams, agents, members)
    living = {agent.id for agent in agents}
    for team in all_teams:
        within = composed.below([team.id])
        found = {agent.id for agent in agents if composed.holds(within, agent)}
        assert found == expected[team.id] & living
        reported = Belonging(composed, agents).of(within)
        assert [agent.id for agent in reported] == sorted(found)
    for agent in agents:
        belongs = {team for team, ids in expected.items() if agent.id in ids}
        assert composed.teams_of(agent) == belongs


@pytest.fixture
def changing(engine: Engine) -> Teams:
    return Teams(engine.store, engine.now)


def put(engine: Engine, team: Team, kind: MemberKind, member: int) -> None:
    table = models.TeamMember
    query = table.insert(team_id=team.id, kind=kind, member_id=member)
    engine.store.unit_of_work(lambda session: session.execute(query))


def in_team(engine: Engine, *found: Team) -> list[str]:
    with engine.store.reading() as session:
        return [agent.name for agent in teams.agents_of(session, [team.id for team in found])]


def teams_with(engine: Engine, name: str) -> list[int]:
    with engine.store.reading() as session:
        return sorted(teams.composition(session).teams_of(roster.find(session, name)))


def test_members_through_a_circle_each_once_and_by_name(engine: Engine, changing: Teams) -> None:
    outer, inner = (changing.create(TeamContent.of(name=n), MACHINE) for n in ("Outer", "Inner"))
    for name in ("b", "C", "a"):
        agent = engine.agent(name)
        put(engine, inner, MemberKind.AGENT, agent.agent_id)
    put(engine, outer, MemberKind.AGENT, engine.agent("a").agent_id)
    assert in_team(engine, outer) == ["a"]
    put(engine, outer, MemberKind.TEAM, inner.id)
    put(engine, inner, MemberKind.TEAM, outer.id)
    assert in_team(engine, outer) == in_team(engine, inner) == ["a", "b", "C"]
    assert in_team(engine, outer, inner) == ["a", "b", "C"]
    assert teams_with(engine, "b") == sorted([outer.id, inner.id])


def test_a_rule_adds_to_who_was_put_in_and_forgets_who_was_removed(
    engine: Engine, changing: Teams
) -> None:
    team = changing.create(TeamContent.of(name="Ruled", rule=NAMED_B), MACHINE)
    outer = changing.create(TeamContent.of(name="Outer"), MACHINE)
    put(engine, outer, MemberKind.TEAM, team.id)
    for name in ("Berlin", "bonn", "Aachen", "Ulm"):
        engine.agent(name)
    with engine.store.reading() as session:
        ulm = roster.find(session, "Ulm")
    put(engine, team, MemberKind.AGENT, ulm.id)
    assert in_team(engine, outer) == ["Berlin", "bonn", "Ulm"]
    assert teams_with(engine, "Aachen") == []
    gone = models.Agent.update(deleted_at=1).where(models.Agent.name == "Berlin")
    engine.store.unit_of_work(lambda session: session.execute(gone))
    assert in_team(engine, outer) == ["bonn", "Ulm"]


def test_a_team_of_more_agents_than_one_query_names(engine: Engine, changing: Teams) -> None:
    team = changing.create(TeamContent.of(name="Many"), MACHINE)
    row = {
        "tenant_id": 1,
        "embedded": False,
        "enabled": True,
        "facts": {},
        "max_runs": 1,
        "boot_id": "",
        "created_at": 1,
    }
    called = [f"{number:04}" for number in range(1100)]
    agents = [row | {"guid": uuid.uuid4(), "name": n, "name_key": n} for n in reversed(called)]

    def store(session: WritingSession) -> None:
        for start in range(0, len(agents), 100):
            session.execute(models.Agent.insert_many(agents[start : start + 100]))
        found = session.rows(models.Agent.select(models.Agent.id))
        members = [(team.id, MemberKind.AGENT, one["id"]) for one in found]
        table = models.TeamMember
        fields = [table.team_id, table.kind, table.member_id]
        for start in range(0, len(members), 100):
            some = members[start : start + 100]
            session.execute(table.insert_many(some, fields=fields))

    engine.store.unit_of_work(store)
    assert in_team(engine, team) == called


def test_a_team_is_found_by_guid_in_any_form_or_by_name(engine: Engine, changing: Teams) -> None:
    made = changing.create(TeamContent.of(name=" Größe ", folder="A / B"), MACHINE)
    assert (made.name, made.folder) == (" Größe ", "A/B")
    with engine.store.reading() as session:
        for reference in (f" {{{str(made.guid).upper()}}} ", "grösse", "GRÖSSE "):
            assert teams.find(session, reference) == made
        with pytest.raises(teams.TeamNotFound, match="no team with the GUID or name 'Other'"):
            teams.find(session, "Other")
    changing.create(TeamContent.of(name="Größe"), MACHINE)
    with engine.store.reading() as session, pytest.raises(teams.TeamAmbiguous, match="'A/B', ''"):
        teams.find(session, "größe")
    changed = changing.update(made.guid, TeamContent.of(name="Size", rule=LINUX), MACHINE)
    assert (changed.id, changed.name, changed.folder) == (made.id, "Size", "")
    with engine.store.reading() as session:
        assert teams.find(session, "size").rule == LINUX
        assert [team.name for team in teams.teams(session)] == ["Größe", "Size"]


def test_a_name_is_taken_once_in_a_folder(changing: Teams) -> None:
    first = changing.create(TeamContent.of(name="Team", folder="A"), MACHINE)
    with pytest.raises(NameTaken, match="another team 'TEAM' in the folder 'a'"):
        changing.create(TeamContent.of(name="TEAM", folder="a"), MACHINE)
    other = changing.create(TeamContent.of(name="TEAM"), MACHINE)
    with pytest.raises(NameTaken):
        changing.update(other.guid, TeamContent.of(name="team", folder="A"), MACHINE)
    changing.update(first.guid, TeamContent.of(name="TEAM", folder="A"), MACHINE)


def test_a_deleted_team_is_in_no_team_and_nobodys_primary(engine: Engine, changing: Teams) -> None:
    outer, inner = (changing.create(TeamContent.of(name=n), MACHINE) for n in ("Outer", "Inner"))
    agent = engine.agent("a")
    put(engine, outer, MemberKind.TEAM, inner.id)
    put(engine, inner, MemberKind.AGENT, agent.agent_id)
    own = models.Agent.update(primary_team_id=inner.id)
    engine.store.unit_of_work(lambda session: session.execute(own))
    changing.delete(inner.guid, MACHINE, "no longer needed")
    assert in_team(engine, outer) == in_team(engine, inner) == []
    with engine.store.reading() as session:
        assert roster.find(session, "a").primary_team_id is None
        assert session.rows(models.TeamMember.select()) == []
        with pytest.raises(teams.TeamNotFound):
            teams.find(session, str(inner.guid))
    with pytest.raises(teams.TeamNotFound):
        changing.delete(inner.guid, MACHINE)
    with pytest.raises(teams.TeamRefused, match="belongs to another team, or did once"):
        changing.create(TeamContent.of(name="Inner"), MACHINE, guid=inner.guid)
    assert changing.create(TeamContent.of(name="Inner"), MACHINE).guid != inner.guid


def test_the_entry_of_a_deleted_team_says_who_was_in_it(engine: Engine, changing: Teams) -> None:
    team, inner = (changing.create(TeamContent.of(name=n), MACHINE) for n in ("Team", "Inner"))
    put(engine, team, MemberKind.TEAM, inner.id)
    for number in range(teams.MOST_TOLD + 1):
        put(engine, team, MemberKind.AGENT, engine.agent(f"{number:03}").agent_id)
    changing.delete(inner.guid, MACHINE)
    put(engine, inner, MemberKind.TEAM, team.id)
    changing.delete(team.guid, MACHINE)
    with engine.store.reading() as session:
        before = audit.page(session)[0].before
    assert (before["agents"], before["teams"]) == (101, 0)
    assert [one["name"] for one in before["members"]] == [f"{n:03}" for n in range(100)]
    assert before["members"][0].keys() == {"kind", "guid", "name"}


def test_each_change_is_audited_and_none_that_changes_nothing(
    engine: Engine, changing: Teams
) -> None:
    made = changing.create(TeamContent.of(name="Team", folder="A"), MACHINE, "for tests")
    changing.update(made.guid, made.content, MACHINE)
    changing.update(made.guid, TeamContent.of(name="Team", rule=LINUX), MACHINE)
    changing.delete(made.guid, MACHINE)
    with engine.store.reading() as session:
        entries = [one for one in audit.page(session) if one.object_kind == "team"]
    assert [one.action for one in entries] == ["delete", "update", "create"]
    _, updated, created = entries
    assert (created.before, created.comment, created.object_guid) == (None, "for tests", made.guid)
    assert created.after["folder"] == "A"
    assert updated.before["rule"] is None
    assert updated.after["rule"]["all"][0]["value"] == "Linux"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "  "}, "name: must not be blank"),
        ({"name": "T", "folder": "A//B"}, "folder: the folder path 'A//B' has an empty name"),
        ({"name": "T", "rule": {}}, "rule: a rule needs at least one comparison"),
    ],
)
def test_what_is_no_team(values: dict[str, object], words: str) -> None:
    with pytest.raises(teams.TeamRefused, match=words):
        TeamContent.of(**values)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x7fb", "a\x85b"])
def test_a_name_is_one_line(changing: Teams, name: str) -> None:
    with pytest.raises(teams.TeamRefused, match="name: must be one line, without control"):
        changing.create(TeamContent.of(name=name), MACHINE)
    made = changing.create(TeamContent.of(name="one line", description="two\nlines"), MACHINE)
    with pytest.raises(teams.TeamRefused, match="name: must be one line, without control"):
        changing.update(made.guid, TeamContent.of(name=name), MACHINE)


def test_texts_that_cannot_be_stored_are_refused(changing: Teams) -> None:
    with pytest.raises(teams.TeamRefused, match=r"U\+0000"):
        changing.create(TeamContent.of(name="a\x00b"), MACHINE)
