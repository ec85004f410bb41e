"""Schedules with calendars: what is closed is recorded, what is changed is computed anew."""

import dataclasses
import time

import pytest

from gateway import moments
from gateway.jobs import calendars, recurrence, schedule_views
from gateway.jobs.calendars import Calendar, CalendarNotFound, CalendarRefused, Calendars
from gateway.jobs.dues import Due
from gateway.jobs.orders import (
    MissedRuns,
    OnClosed,
    OrderRefused,
    Recurrence,
    RecurrenceKind,
    Timing,
)
from gateway.jobs.recomputation import Recomputation
from gateway.jobs.schedule_views import FiringView
from gateway.jobs.schedules import Outcome, ScheduleNotFound
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.engine import HOUR, MINUTE, Engine

DAY = 24 * HOUR
# The engine begins on a Monday at noon.
DAILY = Recurrence(RecurrenceKind.CRON, "0 9 * * *", missed_runs=MissedRuns.ALL)
WEEKDAYS = {"zone": "UTC", "workdays": ["mon", "tue", "wed", "thu", "fri"]}


def book(engine: Engine) -> Calendars:
    return Calendars(engine.store, engine.now)


def office(engine: Engine) -> Calendar:
    return book(engine).create("Office", calendars.content(WEEKDAYS), engine.caller)


def recurring(
    engine: Engine,
    calendar: Calendar,
    on_closed: OnClosed = OnClosed.SKIP,
    rule: Recurrence = DAILY,
) -> JobView:
    given = dataclasses.replace(rule, calendar=calendar.guid, on_closed=on_closed)
    timing = Timing(immediate=False, recurrence=given)
    return engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))


def history(engine: Engine, job: JobView) -> list[FiringView]:
    with engine.store.reading() as session:
        return list(reversed(schedule_views.history(session, str(job.guid), 100)))


def forecast(engine: Engine, job: JobView, count: int) -> list[Due]:
    with engine.store.reading() as session:
        return schedule_views.forecast(session, str(job.guid), engine.now(), count)


def live(engine: Engine, hours: int) -> None:
    """Let the time pass, an hour at a step."""
    for _ in range(hours):
        engine.now.advance(HOUR)
        engine.clock.tick()


def test_a_closed_due_time_leaves_its_record(engine: Engine) -> None:
    job = recurring(engine, office(engine))
    live(engine, 7 * 24)
    found = history(engine, job)
    assert [one.outcome for one in found] == [
        *[Outcome.RAN] * 4,
        *[Outcome.CLOSED] * 2,
        Outcome.RAN,
    ]
    assert [one.reason for one in found if one.outcome is Outcome.CLOSED] == [
        "Saturday is no working day",
        "Sunday is no working day",
    ]
    assert [one.job is not None for one in found] == [one.outcome is Outcome.RAN for one in found]


def test_a_job_says_when_it_runs_next_and_not_what_is_closed_before(engine: Engine) -> None:
    job = recurring(engine, office(engine))
    live(engine, 4 * 24)
    (closed, sunday, monday) = forecast(engine, job, 1)
    assert (closed.runs, sunday.runs, monday.runs) == (False, False, True)
    assert engine.jobs.get(job.guid).due_at == monday.at


@pytest.mark.parametrize("on_closed", [OnClosed.NEXT, OnClosed.PREVIOUS])
def test_a_moved_due_time_says_from_where(engine: Engine, on_closed: OnClosed) -> None:
    saturday = dataclasses.replace(DAILY, rule="0 9 ? * sat")
    job = recurring(engine, office(engine), on_closed, saturday)
    live(engine, 8 * 24)
    found = {one.outcome: one for one in history(engine, job)}
    assert found.keys() == {Outcome.RAN, Outcome.CLOSED}
    closed, ran = found[Outcome.CLOSED], found[Outcome.RAN]
    assert ran.due_at - closed.due_at == (2 * DAY if on_closed is OnClosed.NEXT else -DAY)
    assert ran.reason.startswith("instead of 2026-01-10 09:00:00 UTC")


@pytest.mark.parametrize(
    ("policy", "runs"), [(MissedRuns.ALL, 150), (MissedRuns.LAST, 1), (MissedRuns.NONE, 0)]
)
def test_a_long_outage_leaves_a_record_of_every_due_time(
    engine: Engine, policy: MissedRuns, runs: int
) -> None:
    rule = dataclasses.replace(DAILY, missed_runs=policy, grace=MINUTE)
    job = recurring(engine, office(engine), rule=rule)
    engine.now.advance(210 * DAY)
    engine.clock.tick()
    with engine.store.reading() as session:
        found = schedule_views.history(session, str(job.guid), 1000)
    assert len(found) == 210
    outcomes = [one.outcome for one in found]
    assert outcomes.count(Outcome.CLOSED) == 60
    assert outcomes.count(Outcome.RAN) == runs
    assert outcomes.count(Outcome.MISSED) == 150 - runs


def test_a_changed_calendar_moves_what_comes(engine: Engine) -> None:
    calendar = office(engine)
    jobs = [recurring(engine, calendar) for _ in range(3)]
    others = recurring(engine, book(engine).create("O", calendar.days, engine.caller))
    tuesday = engine.jobs.get(jobs[0].guid).due_at
    days = calendars.content({**WEEKDAYS, "holidays": ["2026-01-06", "01-07"]})
    book(engine).change("office", lambda before: (before.name, days), engine.caller)
    woken: list[int] = []
    assert Recomputation(engine.store, woken.append, engine.now).after_changes() == 3
    assert {engine.jobs.get(job.guid).due_at for job in jobs} == {(tuesday or 0) + 2 * DAY}
    assert engine.jobs.get(others.guid).due_at == tuesday
    assert woken
    # It is done: nothing is left for the next start.
    assert Recomputation(engine.store, woken.append, engine.now).after_changes() == 0


def test_what_was_killed_in_between_is_recomputed_at_the_next_start(engine: Engine) -> None:
    calendar = office(engine)
    job = recurring(engine, calendar)
    before = engine.jobs.get(job.guid).due_at
    days = calendars.content({**WEEKDAYS, "holidays": ["2026-01-06"]})
    book(engine).change("office", lambda one: (one.name, days), engine.caller)
    assert engine.jobs.get(job.guid).due_at == before
    Recomputation(engine.store, lambda _: None, engine.now).at_start("v1")
    assert engine.jobs.get(job.guid).due_at == (before or 0) + DAY


def test_new_zone_data_have_local_times_computed_anew(engine: Engine) -> None:
    job = recurring(engine, office(engine))
    due = engine.jobs.get(job.guid).due_at
    recomputation = Recomputation(engine.store, lambda _: None, engine.now)
    assert recomputation.at_start("2026a") == 0
    # As if the zone's offset had been another one.
    table = models.Schedule
    wrong = table.update(next_due_at=(due or 0) + HOUR)
    engine.store.unit_of_work(lambda session: session.execute(wrong))
    assert recomputation.at_start("2026a") == 0
    assert recomputation.at_start("2026b") == 1
    with engine.store.reading() as session:
        assert session.scalar(table.select(table.next_due_at)) == due


def test_a_calendar_in_use_is_not_deleted(engine: Engine) -> None:
    calendar = office(engine)
    job = recurring(engine, calendar)
    with pytest.raises(CalendarRefused, match="used by 1 schedule"):
        book(engine).delete("Office", engine.caller)
    assert [one.schedules for one in book(engine).listed()] == [1]
    engine.jobs.abort(job.guid, engine.caller)
    book(engine).delete("Office", engine.caller)
    assert book(engine).listed() == []
    with pytest.raises(OrderRefused, match="there is no calendar"):
        recurring(engine, calendar)


def test_names_are_taken_once(engine: Engine) -> None:
    calendar = office(engine)
    with pytest.raises(CalendarRefused, match="already"):
        book(engine).create("OFFICE", calendar.days, engine.caller)
    with pytest.raises(CalendarRefused, match="one line"):
        book(engine).create("two\nlines", calendar.days, engine.caller)
    with pytest.raises(CalendarNotFound, match="there is no calendar 'nobody'"):
        book(engine).delete("nobody", engine.caller)


def test_every_change_is_in_the_audit_trail(engine: Engine) -> None:
    days = office(engine).days
    book(engine).change("office", lambda _: ("Plant", days), engine.caller)
    book(engine).delete("plant", engine.caller)
    entry = models.AuditEntry
    with engine.store.reading() as session:
        rows = session.rows(
            entry.select().where(entry.object_kind == "calendar").order_by(entry.id)
        )
    assert [(row["action"], row["object_name"]) for row in rows] == [
        ("create", "Office"),
        ("update", "Plant"),
        ("delete", "Plant"),
    ]


def test_a_disabled_schedule_has_no_forecast_and_its_events_say_who(engine: Engine) -> None:
    job = recurring(engine, office(engine))
    engine.jobs.hold(job.guid, engine.caller, "stocktaking")
    assert forecast(engine, job, 3) == []
    with engine.store.reading() as session:
        view = schedule_views.find(session, str(job.guid))
        (listed,) = schedule_views.listed(session, 10)
    assert (view.enabled, view.status, view.calendar) == (False, JobStatus.DISABLED, "Office")
    assert listed == view
    assert engine.jobs.events(job.guid)[-1].reason == "stocktaking"
    engine.jobs.resume(job.guid, engine.caller)
    assert len(forecast(engine, job, 3)) == 3


@pytest.mark.parametrize("reference", ["x", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_schedule_is_told(engine: Engine, reference: str) -> None:
    with engine.store.reading() as session, pytest.raises(ScheduleNotFound, match=reference):
        schedule_views.find(session, reference)


@pytest.mark.parametrize(
    "rule",
    [
        Recurrence(RecurrenceKind.INTERVAL, "60"),
        Recurrence(RecurrenceKind.CRON, "*/5 8-17 LW * 5#2", "Europe/Berlin"),
        Recurrence(
            RecurrenceKind.CALENDAR,
            "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0",
            "Europe/Berlin",
            starts_at=10**15,
        ),
    ],
)
def test_a_next_due_time_costs_little(rule: Recurrence) -> None:
    begin = 1_767_614_400 * moments.SECOND
    started = time.thread_time()
    for place in range(200):
        recurrence.next_due(rule, begin + place * DAY)
    # A hundred thousand schedules would be done within minutes at the worst.
    assert (time.thread_time() - started) / 200 < 0.005
