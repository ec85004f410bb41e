"""Why a schedule made a job or not, on both databases."""

import dataclasses
import uuid

import pytest

from gateway import moments
from gateway.identity.principals import MACHINE
from gateway.jobs.calendars import Calendars
from gateway.jobs.explanations.conditions import Condition, Met, ScheduleExplanation
from gateway.jobs.explanations.explainer import JobExplainer
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.maintenance import Maintenances
from gateway.jobs.open_days import OpenDays
from gateway.jobs.orders import MissedRuns, Recurrence, RecurrenceKind, Timing
from gateway.jobs.schedules import ScheduleNotFound
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.engine import HOUR, MINUTE, Engine

SECOND = moments.SECOND
HOURLY = Recurrence(RecurrenceKind.CRON, "0 * * * *")


def recurring(engine: Engine, rule: Recurrence = HOURLY) -> JobView:
    timing = Timing(immediate=False, recurrence=rule)
    return engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))


def explain(engine: Engine, job: JobView, at: int | None = None) -> ScheduleExplanation:
    return JobExplainer(engine.store, WindowPolicy(), MINUTE, engine.now).schedule(job.guid, at)


def condition(found: ScheduleExplanation, name: str) -> Condition:
    (one,) = [each for each in found.conditions if each.name == name]
    return one


def test_a_due_time_that_ran_and_the_job_that_it_made(engine: Engine) -> None:
    job = recurring(engine)
    engine.now.advance(HOUR)
    due = engine.now()
    engine.clock.tick()
    found = explain(engine, job, due)
    assert (condition(found, "due time").met, condition(found, "ran").met) == (Met.YES, Met.YES)
    assert found.made is not None
    assert found.made.status is JobStatus.SCHEDULED
    assert " ran" in found.summary
    assert len(found.following) == 5


def test_a_moment_that_is_no_due_time(engine: Engine) -> None:
    job = recurring(engine)
    engine.now.advance(HOUR)
    engine.clock.tick()
    engine.now.advance(MINUTE)
    found = explain(engine, job)
    assert condition(found, "due time").met is Met.NO
    assert found.due_at == engine.now() - MINUTE
    assert "is no due time; the last one" in found.summary


def test_a_due_time_that_nobody_could_meet(engine: Engine) -> None:
    rule = Recurrence(RecurrenceKind.CRON, "0 * * * *", missed_runs=MissedRuns.NONE)
    job = recurring(engine, rule)
    engine.now.advance(HOUR)
    due = engine.now()
    engine.now.advance(30 * MINUTE)
    engine.clock.tick()
    found = explain(engine, job, due)
    assert condition(found, "ran").met is Met.NO
    assert condition(found, "server there in time").met is Met.NO
    assert "was not running" in found.summary
    assert found.made is None
    assert "no due time of a downtime" in condition(found, "policy").fact


def test_a_server_that_was_there_but_busy(engine: Engine) -> None:
    job = recurring(engine)
    engine.now.advance(HOUR)
    due = engine.now()
    table = models.HousekeepingRun
    row = table.insert(name="x", started_at=due + MINUTE, finished_at=None, ok=None, detail="")
    engine.store.unit_of_work(lambda session: session.execute(row))
    engine.now.advance(30 * MINUTE)
    engine.clock.tick()
    assert "busy" in condition(explain(engine, job, due), "server there in time").fact


def test_a_schedule_that_was_on_hold_then(engine: Engine) -> None:
    job = recurring(engine)
    engine.now.advance(MINUTE)
    engine.jobs.hold(job.guid, MACHINE, "holidays")
    engine.now.advance(HOUR - MINUTE)
    due = engine.now()
    engine.clock.tick()
    engine.now.advance(MINUTE)
    engine.jobs.resume(job.guid, MACHINE)
    found = explain(engine, job, due)
    assert (condition(found, "enabled").met, condition(found, "due time").met) == (Met.NO, Met.YES)
    assert "holidays" in found.summary
    engine.now.advance(HOUR - MINUTE)
    engine.clock.tick()
    assert condition(explain(engine, job), "enabled").met is Met.YES


def test_start_and_end(engine: Engine) -> None:
    now = engine.now()
    rule = Recurrence(
        RecurrenceKind.CRON, "0 * * * *", starts_at=now + 2 * HOUR, ends_at=now + 4 * HOUR
    )
    job = recurring(engine, rule)
    early = explain(engine, job, now + HOUR)
    assert (condition(early, "begun").met, condition(early, "due time").met) == (Met.NO, Met.NO)
    assert condition(early, "not over").met is Met.YES
    inside = explain(engine, job, now + 3 * HOUR)
    assert condition(inside, "begun").met is Met.YES
    assert "still to come" in condition(inside, "record of the due time").fact
    assert condition(explain(engine, job, now + 5 * HOUR), "not over").met is Met.NO


def test_a_day_on_which_clocks_change(engine: Engine) -> None:
    rule = Recurrence(RecurrenceKind.CRON, "30 2 * * *", zone="Europe/Amsterdam")
    job = recurring(engine, rule)
    # 2026-03-29, 02:00 UTC: an hour after clocks went from 02:00 to 03:00.
    change = 1_774_749_600 * SECOND
    assert "+1 h" in condition(explain(engine, job, change), "clock change").fact
    names = {one.name for one in explain(engine, job, change + 72 * HOUR).conditions}
    assert "clock change" not in names


def test_every_boot_and_what_is_no_schedule(engine: Engine) -> None:
    agent = engine.agent()
    once = engine.accept(engine.order(engine.module(), agent))
    for guid in (once.guid, uuid.uuid4()):
        with pytest.raises(ScheduleNotFound, match=str(guid)):
            JobExplainer(engine.store, WindowPolicy(), 0).schedule(guid)
    job = recurring(engine, Recurrence(RecurrenceKind.INTERVAL, "60"))
    with engine.store.reading() as session:
        guid = session.scalar(models.Schedule.select(models.Schedule.guid))
    found = JobExplainer(engine.store, WindowPolicy(), 0, engine.now).schedule(guid)
    assert (found.job, found.schedule, found.rule) == (job.guid, guid, "every 60 s")


def test_a_day_on_which_the_calendar_is_closed(engine: Engine) -> None:
    # The test begins on a Monday, 2026-01-05.
    days = OpenDays(zone="UTC", holidays=("2026-01-06",))
    made = Calendars(engine.store, engine.now).create("work", days, MACHINE)
    rule = dataclasses.replace(HOURLY, rule="0 9 * * *", calendar=made.guid)
    job = recurring(engine, rule)
    tuesday, wednesday = engine.now() + 21 * HOUR, engine.now() + 45 * HOUR
    before = explain(engine, job, tuesday)
    assert condition(before, "calendar open").met is Met.NO
    assert "does not run" in before.following[0] or "2026-01-07" in before.following[0]
    assert condition(explain(engine, job, wednesday), "calendar open").met is Met.YES
    engine.now.advance(45 * HOUR)
    engine.clock.tick()
    closed = explain(engine, job, tuesday)
    assert (condition(closed, "calendar open").met, closed.made) == (Met.NO, None)
    assert "did not run (closed)" in closed.summary
    ran = explain(engine, job, wednesday)
    assert (condition(ran, "calendar open").met, condition(ran, "ran").met) == (Met.YES, Met.YES)


def test_maintenance_of_the_server_in_which_it_was_due(engine: Engine) -> None:
    rule = dataclasses.replace(HOURLY, missed_runs=MissedRuns.NONE)
    job = recurring(engine, rule)
    maintenances = Maintenances(engine.store, engine.signals.wake, engine.clock.wake_by, engine.now)
    maintenances.begin(None, None, "new disks", MACHINE)
    engine.now.advance(HOUR)
    due = engine.now()
    engine.clock.tick()
    held = explain(engine, job)
    assert condition(held, "no maintenance").met is Met.NO
    assert "new disks" in held.summary
    engine.now.advance(30 * MINUTE)
    maintenances.end(None, MACHINE)
    engine.now.advance(SECOND)
    engine.clock.tick()
    missed = explain(engine, job, due)
    assert condition(missed, "ran").met is Met.NO
    assert "did not run (maintenance)" in missed.summary
    assert condition(explain(engine, job), "no maintenance").met is Met.NO
    engine.now.advance(30 * MINUTE)
    engine.clock.tick()
    assert condition(explain(engine, job), "no maintenance").met is Met.YES
