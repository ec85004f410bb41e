"""Maintenance: nothing begins, all that waits says so, and nothing is lost when it ends."""

import uuid

import pytest

from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.run_books import RunBook, RunBookJob, RunBookWhat
from gateway.fleet.teams import TeamContent, Teams
from gateway.jobs import schedule_views
from gateway.jobs.maintenance import MaintenanceRefused, Maintenances
from gateway.jobs.orders import JobOrder, MissedRuns, Recurrence, RecurrenceKind, Timing, What, Who
from gateway.jobs.schedules import Outcome
from gateway.jobs.service import JobFilter
from gateway.jobs.states import JobStatus
from storage import models
from tests.engine import HOUR, MINUTE, Engine


@pytest.fixture
def woken() -> list[str]:
    """Who was woken."""
    return []


@pytest.fixture
def maintenances(engine: Engine, woken: list[str]) -> Maintenances:
    """Maintenance of the engine."""
    return Maintenances(
        engine.store,
        lambda: woken.append("agents"),
        lambda _: woken.append("clock"),
        engine.now,
    )


def test_no_run_begins_and_all_that_waits_says_why(
    engine: Engine, maintenances: Maintenances, woken: list[str]
) -> None:
    agent = engine.agent()
    module = engine.module()
    running = engine.accept(engine.order(module, agent))
    (order,) = engine.reception.claim(agent, 10)
    waiting = engine.accept(engine.order(module, agent))
    maintenances.begin(None, None, "new disk", engine.caller)
    assert engine.reception.claim(agent, 10) == []
    told = engine.jobs.get(waiting.guid).reason
    assert told.startswith("maintenance of the server since 2026-01-05 12:00:00 UTC: new disk")
    assert [run.reason for run in engine.jobs.runs(waiting.guid)] == [told]
    # What runs goes on.
    engine.finish(agent, order)
    assert engine.jobs.get(running.guid).status is JobStatus.COMPLETED
    maintenances.end(None, engine.caller)
    assert woken == ["clock", "agents"]
    assert engine.jobs.get(waiting.guid).reason == ""
    assert engine.run_all(agent) == 1
    assert engine.jobs.get(waiting.guid).status is JobStatus.COMPLETED


def test_it_ends_by_itself(engine: Engine, maintenances: Maintenances, woken: list[str]) -> None:
    agent = engine.agent()
    waiting = engine.accept(engine.order(engine.module(), agent))
    maintenances.begin(None, engine.now() + HOUR, "", engine.caller)
    assert engine.reception.claim(agent, 10) == []
    engine.now.advance(HOUR - 1)
    maintenances.expire()
    assert (engine.reception.claim(agent, 10), woken) == ([], [])
    engine.now.advance(1)
    maintenances.expire()
    assert woken == ["clock", "agents"]
    assert engine.run_all(agent) == 1
    assert engine.jobs.runs(waiting.guid)[0].reason == ""
    (ended,) = maintenances.listed()
    assert (ended.ended_at, ended.ended_by) == (ended.until, "clock")


def test_that_of_a_team_keeps_runs_from_its_agents_nested_ones_too(
    engine: Engine, maintenances: Maintenances
) -> None:
    inside, outside = engine.agent("inside"), engine.agent("outside")
    teams = Teams(engine.store, engine.now)
    outer = teams.create(TeamContent(name="outer"), engine.caller)
    inner = teams.create(TeamContent(name="inner"), engine.caller)
    link(engine, outer.id, 1, inner.id)
    link(engine, inner.id, 0, inside.agent_id)
    for agent in (inside, outside):
        engine.accept(engine.order(engine.module(), agent))
    maintenances.begin("outer", None, "", engine.caller)
    assert engine.reception.claim(inside, 10) == []
    assert len(engine.reception.claim(outside, 10)) == 1
    maintenances.end("outer", engine.caller)
    assert len(engine.reception.claim(inside, 10)) == 1


def link(engine: Engine, team: int, kind: int, member: int) -> None:
    query = models.TeamMember.insert(team_id=team, kind=kind, member_id=member)
    engine.store.unit_of_work(lambda session: session.execute(query))


@pytest.mark.parametrize(
    ("policy", "outcomes"),
    [
        (MissedRuns.ALL, [Outcome.RAN] * 3),
        (MissedRuns.LAST, [Outcome.MAINTENANCE] * 2 + [Outcome.RAN]),
        (MissedRuns.NONE, [Outcome.MAINTENANCE] * 3),
    ],
)
def test_due_times_follow_the_policy_afterwards_and_name_it(
    engine: Engine, maintenances: Maintenances, policy: MissedRuns, outcomes: list[Outcome]
) -> None:
    rule = Recurrence(RecurrenceKind.CRON, "0 * * * *", missed_runs=policy, grace=MINUTE)
    timing = Timing(immediate=False, recurrence=rule)
    job = engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))
    maintenances.begin(None, None, "new disk", engine.caller)
    for _ in range(3):
        engine.now.advance(HOUR)
        engine.clock.tick()
    assert "new disk" in engine.jobs.get(job.guid).reason
    engine.now.advance(HOUR // 2)
    maintenances.end(None, engine.caller)
    engine.clock.tick()
    with engine.store.reading() as session:
        found = list(reversed(schedule_views.history(session, str(job.guid), 10)))
    assert [one.outcome for one in found] == outcomes
    assert all("maintenance of the server" in one.reason for one in found)
    assert engine.jobs.get(job.guid).reason == ""


def test_whoever_was_not_woken_looks_again(engine: Engine, maintenances: Maintenances) -> None:
    rule = Recurrence(RecurrenceKind.CRON, "0 * * * *", missed_runs=MissedRuns.ALL)
    timing = Timing(immediate=False, recurrence=rule)
    job = engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))
    maintenances.begin(None, None, "", engine.caller)
    engine.now.advance(HOUR)
    engine.clock.tick()
    # As if the server were killed right after the end was stored.
    ended = models.Maintenance.update(ended_at=engine.now(), ended_by="cli")
    engine.store.unit_of_work(lambda session: session.execute(ended))
    engine.clock.tick()
    engine.now.advance(10 * MINUTE)
    engine.clock.tick()
    with engine.store.reading() as session:
        (firing,) = schedule_views.history(session, str(job.guid), 10)
    assert firing.outcome is Outcome.RAN


def test_it_begins_and_ends_once_and_is_in_the_audit_trail(
    engine: Engine, maintenances: Maintenances
) -> None:
    with pytest.raises(MaintenanceRefused, match="there is no maintenance of the server"):
        maintenances.end(None, engine.caller)
    with pytest.raises(MaintenanceRefused, match="not after the present"):
        maintenances.begin(None, engine.now(), "", engine.caller)
    with pytest.raises(MaintenanceRefused, match="one line"):
        maintenances.begin(None, None, "a\nb", engine.caller)
    maintenances.begin(None, None, "", engine.caller)
    with pytest.raises(MaintenanceRefused, match="end it first"):
        maintenances.begin(None, None, "", engine.caller)
    maintenances.end(None, engine.caller)
    entry = models.AuditEntry
    with engine.store.reading() as session:
        query = entry.select().where(entry.object_kind == "maintenance").order_by(entry.id)
        assert [row["action"] for row in session.rows(query)] == ["begin", "end"]


def test_a_run_book_begins_no_further_job(engine: Engine, maintenances: Maintenances) -> None:
    agent, module = engine.agent(), engine.module()
    first, second = (
        RunBookJob(guid=uuid.uuid4(), name=name, what=(RunBookWhat(guid=module),))
        for name in ("first", "second")
    )
    book = RunBook(guid=uuid.uuid4(), name="Run book", jobs=(first, second))
    engine.catalog.save(book, engine.caller)
    what = (What(book.guid, DefinitionKind.RUN_BOOK),)
    job = engine.accept(JobOrder(what=what, who=(Who(str(agent.agent)),)))
    engine.clock.tick()
    (order,) = engine.reception.claim(agent, 10)
    maintenances.begin(None, None, "new disk", engine.caller)
    engine.finish(agent, order)
    engine.clock.tick()
    page = engine.jobs.page(JobFilter(run_book_jobs=True), 1, 10)
    waiting = next(one for one in page.jobs if one.description == "second")
    assert "new disk" in waiting.reason
    assert engine.jobs.runs(waiting.guid) == []
    maintenances.end(None, engine.caller)
    engine.clock.tick()
    assert engine.run_all(agent) == 1
    engine.clock.tick()
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED
