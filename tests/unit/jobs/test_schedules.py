"""Recurring jobs: nothing missed in silence, nothing run twice."""

import dataclasses

import pytest

from gateway.jobs.orders import MissedRuns, Origin, Recurrence, RecurrenceKind, Timing
from gateway.jobs.schedules import Outcome
from gateway.jobs.service import JobFilter
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.engine import HOUR, MINUTE, Engine

EVERY_MINUTE = Recurrence(RecurrenceKind.CRON, "* * * * *")


def recurring(engine: Engine, rule: Recurrence = EVERY_MINUTE) -> JobView:
    timing = Timing(recurrence=rule)
    return engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))


def children(engine: Engine) -> list[JobView]:
    page = engine.jobs.page(JobFilter(recurring_jobs=False), 1, 1000)
    return list(reversed(page.jobs))


def firings(engine: Engine) -> list[tuple[int, Outcome]]:
    table = models.ScheduleFiring
    with engine.store.reading() as session:
        rows = session.rows(table.select().order_by(table.due_at))
    return [(row["due_at"], Outcome(row["outcome"])) for row in rows]


def test_each_due_time_makes_a_job(engine: Engine) -> None:
    master = recurring(engine)
    for _ in range(3):
        engine.now.advance(MINUTE)
        engine.clock.tick()
    made = children(engine)
    assert [job.origin for job in made] == [Origin.RECURRING_SCHEDULE] * 3
    assert [job.due_at for job in made] == [due for due, _ in firings(engine)]
    assert len({job.due_at for job in made}) == 3
    assert engine.jobs.get(master.guid).status is JobStatus.SCHEDULED


def test_a_clock_that_jumps_back_runs_nothing_twice(engine: Engine) -> None:
    recurring(engine)
    engine.now.advance(2 * MINUTE)
    engine.clock.tick()
    before = len(children(engine))
    engine.now.advance(-MINUTE)
    engine.clock.tick()
    engine.now.advance(MINUTE)
    engine.clock.tick()
    assert len(children(engine)) == before


@pytest.mark.parametrize(
    ("policy", "runs", "missed"),
    [(MissedRuns.ALL, 10, 0), (MissedRuns.LAST, 1, 9), (MissedRuns.NONE, 0, 10)],
)
def test_due_times_of_a_downtime_follow_the_policy(
    engine: Engine, policy: MissedRuns, runs: int, missed: int
) -> None:
    master = recurring(engine, dataclasses.replace(EVERY_MINUTE, missed_runs=policy, grace=1))
    # Half a minute past the last due time: all of them are late.
    engine.now.advance(10 * MINUTE + MINUTE // 2)
    engine.clock.tick()
    outcomes = [outcome for _, outcome in firings(engine)]
    assert outcomes.count(Outcome.RAN) == runs == len(children(engine))
    assert outcomes.count(Outcome.MISSED) == missed
    if missed:
        assert f"missed {missed} due time(s)" in engine.jobs.events(master.guid)[-1].reason


def test_a_due_time_within_the_grace_runs(engine: Engine) -> None:
    rule = dataclasses.replace(EVERY_MINUTE, missed_runs=MissedRuns.NONE, grace=MINUTE)
    recurring(engine, rule)
    engine.now.advance(MINUTE + MINUTE // 2)
    engine.clock.tick()
    (job,) = children(engine)
    assert job.reason == "30 s late"


def test_a_long_downtime_is_worked_off_in_portions(engine: Engine) -> None:
    rule = Recurrence(RecurrenceKind.INTERVAL, "1", missed_runs=MissedRuns.LAST, grace=1)
    recurring(engine, rule)
    engine.now.advance(10 * MINUTE + MINUTE // 3 + 500_000)
    engine.clock.tick()
    outcomes = [outcome for _, outcome in firings(engine)]
    assert len(outcomes) == 620
    assert outcomes.count(Outcome.RAN) == 1
    assert outcomes[-1] is Outcome.RAN


@pytest.mark.parametrize("hours", [99, 100, 101, 200])
def test_the_last_of_any_number_of_missed_due_times_runs(engine: Engine, hours: int) -> None:
    # Missed due times are worked off a hundred at a time: the last one is known all the same.
    rule = Recurrence(RecurrenceKind.INTERVAL, "3600", missed_runs=MissedRuns.LAST, grace=1)
    recurring(engine, rule)
    engine.now.advance(hours * HOUR + MINUTE)
    engine.clock.tick()
    outcomes = [outcome for _, outcome in firings(engine)]
    assert (len(outcomes), outcomes.count(Outcome.RAN), outcomes[-1]) == (hours, 1, Outcome.RAN)


def test_a_recurring_job_accepted_on_hold_does_not_fire(engine: Engine) -> None:
    timing = Timing(recurrence=EVERY_MINUTE)
    order = engine.order(engine.module(), engine.agent(), timing=timing, on_hold=True)
    master = engine.accept(order)
    engine.now.advance(5 * MINUTE)
    assert engine.clock.tick() == 0
    assert children(engine) == []
    engine.jobs.resume(master.guid, engine.caller)
    engine.now.advance(MINUTE)
    engine.clock.tick()
    assert len(children(engine)) == 1


def test_a_held_job_that_the_clock_finds_due_is_left_alone(engine: Engine) -> None:
    master = recurring(engine)
    engine.jobs.hold(master.guid, engine.caller)
    wake = models.Job.update(wake_at=engine.now()).where(models.Job.id == master.id)
    engine.store.unit_of_work(lambda session: session.execute(wake))
    assert engine.clock.tick() == 1
    assert engine.clock.tick() == 0
    assert children(engine) == []


def test_due_times_that_pass_on_hold_are_not_owed(engine: Engine) -> None:
    master = recurring(engine)
    engine.jobs.hold(master.guid, engine.caller)
    engine.now.advance(10 * MINUTE)
    engine.clock.tick()
    assert children(engine) == []
    engine.jobs.resume(master.guid, engine.caller)
    engine.now.advance(MINUTE)
    engine.clock.tick()
    assert len(children(engine)) == 1


def test_aborting_the_recurring_job_ends_its_schedule(engine: Engine) -> None:
    master = recurring(engine)
    assert engine.jobs.abort(master.guid, engine.caller).status is JobStatus.ABORTED
    engine.now.advance(10 * MINUTE)
    engine.clock.tick()
    assert children(engine) == []


def test_a_schedule_that_ends_completes_its_job(engine: Engine) -> None:
    rule = dataclasses.replace(EVERY_MINUTE, ends_at=engine.now() + 2 * MINUTE)
    master = recurring(engine, rule)
    for _ in range(4):
        engine.now.advance(MINUTE)
        engine.clock.tick()
    assert len(children(engine)) == 2
    assert engine.jobs.get(master.guid).status is JobStatus.COMPLETED


def test_a_job_that_cannot_be_dealt_with_holds_up_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = recurring(engine)
    other = recurring(engine)
    engine.store.unit_of_work(
        lambda session: session.execute(
            models.Schedule.update(zone="Mars/Olympus").where(models.Schedule.job_id == broken.id)
        )
    )
    engine.now.advance(MINUTE)
    assert engine.clock.tick() == 1
    assert "could not be dealt with" in caplog.text
    assert len(children(engine)) == 1
    assert engine.jobs.get(other.guid).due_at is not None
