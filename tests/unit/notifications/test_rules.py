"""Whom to tell: rules, and which jobs they fit."""

import uuid
from typing import Any

import pytest

from gateway.fleet.membership import Memberships, Reference, TeamChange
from gateway.fleet.teams import TeamContent, TeamNotFound, Teams
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import Recurrence, RecurrenceKind, Timing
from gateway.jobs.states import JobStatus
from gateway.notifications import outbox, rules
from gateway.notifications.rules import Channel, Event, RuleNotFound, RuleRefused
from storage import models
from tests.engine import HOUR, MINUTE
from tests.unit.notifications.conftest import House

URL = "https://user:word@example.com/hook?key=secret"


def create(house: House, *events: str, name: str = "rule", target: str = URL, **more: Any) -> None:
    house.rules.create(name, events or list(Event), Channel.WEBHOOK, target, MACHINE, **more)


def told(house: House) -> list[str]:
    with house.engine.store.reading() as session:
        return [one.event for one in reversed(outbox.latest(session, 100))]


def contents(house: House) -> list[dict[str, Any]]:
    with house.engine.store.reading() as session:
        return [one.content for one in reversed(outbox.latest(session, 100))]


def work_off(house: House, end: JobStatus = JobStatus.COMPLETED) -> uuid.UUID:
    engine = house.engine
    agent = engine.agent()
    module = engine.module(name=f"Module {uuid.uuid4()}")
    job = engine.accept(engine.order(module, agent))
    (order,) = engine.reception.claim(agent, 1)
    engine.finish(agent, order, end)
    return job.guid


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (JobStatus.COMPLETED, "success"),
        (JobStatus.COMPLETED_WITH_ERRORS, "failure"),
        (JobStatus.FAILED, "failure"),
        (JobStatus.TIMED_OUT, "failure"),
        (JobStatus.ABORTED, None),
    ],
)
@pytest.mark.usefixtures("store_place")
def test_start_and_end_are_told(house: House, end: JobStatus, event: str | None) -> None:
    create(house)
    guid = work_off(house, end)
    assert told(house) == ["start"] + ([] if event is None else [event])
    content = contents(house)[-1]
    assert content["job"]["guid"] == str(guid)
    assert content["agents"] == ["agent"]
    assert content["definition"]["kind"] == "module"


def test_only_the_events_of_the_rule_are_told(house: House) -> None:
    create(house, "failure")
    work_off(house)
    assert told(house) == []
    work_off(house, JobStatus.FAILED)
    assert told(house) == ["failure"]


def test_without_rules_nothing_is_written_or_read(house: House) -> None:
    work_off(house)
    create(house)
    house.rules.set_enabled("rule", False, MACHINE)
    work_off(house)
    house.rules.set_enabled("rule", True, MACHINE)
    house.rules.delete("RULE", MACHINE)
    work_off(house)
    assert told(house) == []


def test_a_rule_of_a_definition_is_told_of_it_alone(house: House) -> None:
    engine = house.engine
    module = engine.module(name="Told")
    create(house, "start", definition="told")
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    engine.accept(engine.order(module, agent))
    engine.reception.claim(agent, 10)
    assert [one["definition"]["name"] for one in contents(house)] == ["Told"]


def test_a_rule_of_a_team_is_told_of_jobs_on_its_agents(house: House) -> None:
    engine = house.engine
    mine, other = engine.agent("mine"), engine.agent("other")
    for name in ("Inner", "Outer"):
        Teams(engine.store).create(TeamContent.of(name=name), MACHINE)
    memberships = Memberships(engine.store)
    memberships.change_team("Inner", TeamChange(add=[Reference("mine")]), MACHINE)
    inner = Reference("Inner", rules.teams.MemberKind.TEAM)
    memberships.change_team("Outer", TeamChange(add=[inner]), MACHINE)
    create(house, "start", team="Outer")
    module = engine.module()
    for agent in (mine, other):
        engine.accept(engine.order(module, agent))
        engine.reception.claim(agent, 10)
    assert [one["agents"] for one in contents(house)] == [["mine"]]


@pytest.mark.usefixtures("store_place")
def test_lateness_and_missed_times_are_told(house: House) -> None:
    engine = house.engine
    create(house, "late", "missed")
    agent = engine.agent()
    at = engine.now() + HOUR
    engine.accept(
        engine.order(engine.module(), agent, timing=Timing(immediate=False, scheduled_at=at))
    )
    rule = Recurrence(RecurrenceKind.INTERVAL, "60")
    engine.accept(
        engine.order(engine.module(), agent, timing=Timing(immediate=False, recurrence=rule))
    )
    engine.now.advance(HOUR + 10 * MINUTE)
    engine.clock.tick()
    assert sorted(told(house)) == ["late", "missed"]
    missed = next(one for one in contents(house) if one["event"] == "missed")
    assert missed["missed"] > 60
    late = next(one for one in contents(house) if one["event"] == "late")
    assert late["late_seconds"] == 600


@pytest.mark.usefixtures("store_place")
def test_what_is_rolled_back_is_not_told(house: House) -> None:
    create(house)
    engine = house.engine
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))

    class Broken(Exception):
        pass

    def work(session: Any) -> None:
        row = session.first(models.Job.select().where(models.Job.guid == job.guid))
        from gateway.jobs import moves, rows

        moves.move(session, rows.JobRow.of(row), JobStatus.CANCELED, engine.now(), "test")
        raise Broken

    with pytest.raises(Broken):
        engine.store.unit_of_work(work)
    assert told(house) == []


class TestRules:
    """Making and changing rules."""

    def test_secrets_stay_out_of_sight(self, house: House) -> None:
        create(house, secret="the signing secret")
        with house.engine.store.reading() as session:
            rule = rules.find(session, "rule")
            entry = audit.page(session)[0]
            text = str(rules.shown(rule)) + str(entry.after)
            assert rule.secret is not None
            assert house.vault.reveal(session, rule.secret) == "the signing secret"
        for secret in ("the signing secret", "word", "key=secret"):
            assert secret not in text
        assert "https://example.com/hook?…" in text

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"name": " "}, "printable"),
            ({"events": ()}, "at least one"),
            ({"events": ("never",)}, "choose of"),
            ({"target": "ftp://host/"}, "address such as"),
            ({"target": "http:///path"}, "address such as"),
            ({"target": "https://[broken"}, "address such as"),
            ({"target": "two\nlines"}, "printable"),
            ({"definition": "none"}, "no definition"),
            ({"definition": "none", "team": "none"}, "not for both"),
            ({"secret": ""}, "not empty"),
            ({"channel": Channel.MAIL, "target": "nobody"}, "no mail address"),
            ({"channel": Channel.MAIL, "target": "a@b.c\r\nBcc: x@y.z"}, "printable"),
            ({"channel": Channel.MAIL, "target": "a@b.c", "secret": "x"}, "signs webhooks"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, house: House, change: dict[str, Any], words: str
    ) -> None:
        given = {
            "name": "rule",
            "events": ("start",),
            "channel": Channel.WEBHOOK,
            "target": URL,
            **change,
        }
        names = ("name", "events", "channel", "target")
        with pytest.raises(RuleRefused, match=words):
            house.rules.create(*(given.pop(name) for name in names), MACHINE, **given)

    def test_names_are_one_of_a_kind(self, house: House) -> None:
        create(house)
        with pytest.raises(RuleRefused, match="already"):
            create(house, name="RULE")
        with pytest.raises(RuleNotFound):
            house.rules.delete("none", MACHINE)
        with pytest.raises(TeamNotFound):
            create(house, name="other", team="none")
