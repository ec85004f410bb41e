"""When runs begin: local times, boots, windows, timeouts, places. On both databases."""

import dataclasses
import datetime
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import moments
from gateway.agents.desk import AgentFacts, AgentSession
from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.run_books import (
    RunBook,
    RunBookJob,
    RunBookWhat,
    RunBookWho,
    WhoReferenceKind,
)
from gateway.fleet.membership import AgentChange, Memberships
from gateway.fleet.reception import Reception
from gateway.fleet.teams import TeamContent, Teams
from gateway.identity.principals import MACHINE
from gateway.jobs import launching
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.orders import (
    Boot,
    LaunchWindow,
    MissedRuns,
    OrderRefused,
    Origin,
    OutsideWindow,
    Recurrence,
    RecurrenceKind,
    Timing,
    What,
    Who,
    WhoKind,
)
from gateway.jobs.service import JobFilter
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.engine import HOUR, LAUNCH_TIMEOUT, LEASE, MINUTE, Engine

DAY = 24 * HOUR
NEXT = Timing(boot=Boot.NEXT)
EVERY = Timing(boot=Boot.EVERY)


@pytest.fixture(autouse=True)
def consistent(engine: Engine) -> Iterator[None]:
    """Whatever was done, nothing is left that nobody looks after."""
    yield
    engine.clock.tick()
    with engine.store.reading() as session:
        rows = session.rows(models.Job.select())
    for row in rows:
        ended = JobStatus(row["status"]).finished
        assert not (ended and row["wake_at"])
        if row["status"] == JobStatus.SCHEDULED:
            assert row["wake_at"] or not row["launch_by"]


def agent(
    engine: Engine, name: str, boot: str = "first", *, max_runs: int = 10, **facts: Any
) -> AgentSession:
    """An agent that comes to the desk in this boot, and tells this, too."""
    told = AgentFacts(name, "linux", "1", boot, (), ("sh",), max_runs, embedded=True)
    session = engine.reception.open_session(told)
    query = models.Agent.update(facts=dataclasses.asdict(told) | facts)
    engine.store.unit_of_work(
        lambda db: db.execute(query.where(models.Agent.id == session.agent_id))
    )
    return session


def wall(text: str) -> Timing:
    return Timing(immediate=False, local_time=True, wall=datetime.datetime.fromisoformat(text))


def claimed(engine: Engine, *sessions: AgentSession) -> list[int]:
    """How many runs each gets, after the clock has looked; they are finished."""
    engine.clock.tick()
    return [engine.run_all(session) for session in sessions]


def status(engine: Engine, job: JobView) -> JobStatus:
    return engine.jobs.get(job.guid).status


def reasons(engine: Engine, job: JobView) -> list[str]:
    return [run.reason for run in engine.jobs.runs(job.guid)]


def children(engine: Engine) -> list[JobView]:
    page = engine.jobs.page(JobFilter(recurring_jobs=False), 1, 1000)
    return [job for job in reversed(page.jobs) if job.origin is Origin.BOOT]


# Local times. The engine begins on Monday, 2026-01-05, 12:00 UTC.


def test_a_job_starts_in_three_zones_at_three_moments(engine: Engine) -> None:
    tokyo = agent(engine, "tokyo", time_zone="Asia/Tokyo")
    berlin = agent(engine, "berlin", time_zone="Europe/Berlin")
    # It tells no zone: the server's counts, which is UTC.
    here = agent(engine, "here", time_zone="")
    timing = wall("2026-01-06T14:00")
    job = engine.accept(engine.order(engine.module(), tokyo, berlin, here, timing=timing))
    assert job.due_at == engine.now() + 17 * HOUR
    assert job.timing.wall == timing.wall
    got = []
    for hours in (16, 1, 7, 1, 1):
        engine.now.advance(hours * HOUR)
        got.append(claimed(engine, tokyo, berlin, here))
    assert got == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert status(engine, job) is JobStatus.COMPLETED
    assert [run.not_before_at for run in engine.jobs.runs(job.guid)] == [
        job.created_at + hours * HOUR for hours in (17, 25, 26)
    ]


def test_the_clock_looks_whenever_an_agents_time_has_come(engine: Engine) -> None:
    sessions = [
        agent(engine, zone, time_zone=zone) for zone in ("Asia/Tokyo", "Asia/Kolkata", "UTC")
    ]
    job = engine.accept(engine.order(engine.module(), *sessions, timing=wall("2026-01-06T00:00")))
    engine.now.advance(3 * HOUR)
    engine.clock.tick()
    looks = [wake_at(engine, job)]
    for _ in range(2):
        engine.now.moment = looks[-1] or 0
        assert engine.clock.tick() == 1
        looks.append(wake_at(engine, job))
    hours = [((look or 0) - job.created_at) / HOUR for look in looks]
    # 00:00 in Kolkata and by UTC; then the launch timeout of the first of them.
    assert hours == [6.5, 12, 3 + LAUNCH_TIMEOUT / HOUR]
    assert reasons(engine, job) == [launching.LOCAL_TIME if i else "" for i in range(3)]


def wake_at(engine: Engine, job: JobView) -> int | None:
    with engine.store.reading() as session:
        row = session.first(models.Job.select().where(models.Job.guid == job.guid))
    assert row is not None
    found: int | None = row["wake_at"]
    return found


def test_a_local_time_that_is_past_starts_at_once(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Asia/Tokyo")
    engine.accept(engine.order(engine.module(), session, timing=wall("2026-01-05T20:59")))
    assert len(engine.reception.claim(session, 10)) == 1


def test_each_run_has_a_launch_timeout_of_its_own(engine: Engine) -> None:
    east, west = (
        agent(engine, zone, time_zone=zone) for zone in ("Asia/Tokyo", "America/New_York")
    )
    order = engine.order(engine.module(), east, west, timing=wall("2026-01-06T12:00"))
    job = engine.accept(dataclasses.replace(order, launch_timeout=2 * HOUR))
    assert job.launch_timeout == 2 * HOUR
    engine.now.moment = job.due_at or 0
    engine.clock.tick()
    engine.now.advance(2 * HOUR)
    engine.clock.tick()
    assert [run.status for run in engine.jobs.runs(job.guid)] == [
        JobStatus.CANCELED,
        JobStatus.SCHEDULED,
    ]
    engine.now.advance(12 * HOUR)
    assert claimed(engine, east, west) == [0, 1]
    assert status(engine, job) is JobStatus.COMPLETED_WITH_ERRORS


def test_a_job_that_nobody_began_in_its_timeouts_is_canceled(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Asia/Tokyo")
    job = engine.accept(engine.order(engine.module(), session, timing=wall("2026-01-06T12:00")))
    engine.now.moment = job.due_at or 0
    engine.clock.tick()
    engine.now.advance(LAUNCH_TIMEOUT)
    assert engine.clock.tick() == 1
    assert status(engine, job) is JobStatus.CANCELED


def test_the_time_on_hold_does_not_count_for_runs_either(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Asia/Tokyo")
    job = engine.accept(engine.order(engine.module(), session, timing=wall("2026-01-06T12:00")))
    engine.now.moment = job.due_at or 0
    engine.clock.tick()
    engine.jobs.hold(job.guid, engine.caller)
    engine.now.advance(LAUNCH_TIMEOUT + HOUR)
    assert claimed(engine, session) == [0]
    engine.jobs.resume(job.guid, engine.caller)
    engine.now.advance(LAUNCH_TIMEOUT - MINUTE)
    assert claimed(engine, session) == [1]
    assert status(engine, job) is JobStatus.COMPLETED


def test_a_copy_of_a_job_waits_for_nothing(engine: Engine) -> None:
    session = agent(engine, "agent")
    timing = dataclasses.replace(wall("2027-01-06T12:00"), boot=Boot.NEXT)
    job = engine.accept(engine.order(engine.module(), session, timing=timing))
    again = engine.jobs.rerun(job.guid, engine.caller)
    assert (again.timing.wall, again.timing.boot) == (None, Boot.NONE)
    assert claimed(engine, session) == [1]
    assert status(engine, again) is JobStatus.COMPLETED


@pytest.mark.parametrize("text", ["1969-12-31T00:00", "1970-01-01T00:00", "9999-12-31T23:59"])
def test_a_local_time_that_no_clock_can_be_asked_for_is_refused(engine: Engine, text: str) -> None:
    session = agent(engine, "agent", time_zone="America/New_York")
    with pytest.raises(OrderRefused) as refused:
        engine.accept(engine.order(engine.module(), session, timing=wall(text)))
    assert refused.value.path == "When.ScheduledDateTime"


# The next boot.


def test_a_job_for_the_next_boot_waits_as_long_as_that_takes(engine: Engine) -> None:
    one, other = agent(engine, "one"), agent(engine, "other")
    job = engine.accept(engine.order(engine.module(), one, other, timing=NEXT))
    assert (job.status, job.reason) == (JobStatus.SCHEDULED, launching.SOME_AFTER_BOOT)
    assert reasons(engine, job) == [launching.AFTER_BOOT] * 2
    engine.now.advance(100 * LAUNCH_TIMEOUT)
    assert claimed(engine, one, other) == [0, 0]
    # The server was started anew, the machine was not.
    one = agent(engine, "one")
    assert claimed(engine, one, other) == [0, 0]
    one = agent(engine, "one", "second")
    assert claimed(engine, one, other) == [1, 0]
    present = engine.jobs.get(job.guid)
    assert (present.status, present.reason) == (JobStatus.ACTIVE, launching.SOME_AFTER_BOOT)
    other = agent(engine, "other", "second")
    assert claimed(engine, one, other) == [0, 1]
    assert status(engine, job) is JobStatus.COMPLETED
    assert reasons(engine, job) == ["", ""]


def test_a_launch_timeout_that_is_given_ends_the_wait_for_a_boot(engine: Engine) -> None:
    session = agent(engine, "agent")
    order = engine.order(engine.module(), session, timing=NEXT)
    job = engine.accept(dataclasses.replace(order, launch_timeout=HOUR))
    engine.now.advance(HOUR)
    engine.clock.tick()
    assert status(engine, job) is JobStatus.CANCELED
    session = agent(engine, "agent", "second")
    assert claimed(engine, session) == [0]


def test_a_job_for_the_next_boot_can_be_held_and_aborted(engine: Engine) -> None:
    session = agent(engine, "agent")
    job = engine.accept(engine.order(engine.module(), session, timing=NEXT))
    engine.jobs.hold(job.guid, engine.caller)
    engine.jobs.resume(job.guid, engine.caller)
    engine.now.advance(100 * LAUNCH_TIMEOUT)
    assert engine.clock.tick() == 0
    assert status(engine, job) is JobStatus.SCHEDULED
    assert engine.jobs.abort(job.guid, engine.caller).status is JobStatus.ABORTED


def test_a_boot_that_comes_before_a_scheduled_start_does_not_count(engine: Engine) -> None:
    session = agent(engine, "agent")
    timing = Timing(immediate=False, scheduled_at=engine.now() + HOUR, boot=Boot.NEXT)
    engine.accept(engine.order(engine.module(), session, timing=timing))
    session = agent(engine, "agent", "second")
    engine.now.advance(HOUR)
    assert claimed(engine, session) == [0]
    session = agent(engine, "agent", "third")
    assert claimed(engine, session) == [1]


def test_only_agents_that_are_offline_wait_for_their_next_boot(engine: Engine) -> None:
    asleep = agent(engine, "asleep")
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    awake = agent(engine, "awake")
    timing = Timing(offline_at_next_boot=True)
    job = engine.accept(engine.order(engine.module(), asleep, awake, timing=timing))
    assert reasons(engine, job) == [launching.AFTER_BOOT, ""]
    # It is heard of again, but its machine has not been started.
    assert claimed(engine, asleep, awake) == [0, 1]
    engine.now.advance(2 * LAUNCH_TIMEOUT)
    engine.clock.tick()
    present = engine.jobs.get(job.guid)
    assert (present.status, present.reason) == (JobStatus.ACTIVE, launching.SOME_AFTER_BOOT)
    asleep = agent(engine, "asleep", "second")
    assert claimed(engine, asleep) == [1]
    assert status(engine, job) is JobStatus.COMPLETED


# Every boot.


def test_a_job_is_done_after_every_boot_and_once(engine: Engine) -> None:
    session = agent(engine, "agent")
    other = agent(engine, "other")
    job = engine.accept(engine.order(engine.module(), session, timing=EVERY))
    assert (job.recurring, job.status, job.due_at) == (True, JobStatus.SCHEDULED, None)
    for boot in ("first", "second", "second", "third"):
        session = agent(engine, "agent", boot)
        other = agent(engine, "other", boot)
        engine.clock.tick()
    made = children(engine)
    assert [(one.origin, one.timing.boot) for one in made] == [(Origin.BOOT, Boot.NONE)] * 2
    assert claimed(engine, session, other) == [2, 0]
    assert [status(engine, one) for one in made] == [JobStatus.COMPLETED] * 2
    assert status(engine, job) is JobStatus.SCHEDULED
    with engine.store.reading() as db:
        assert [row["reason"] for row in db.rows(models.ScheduleFiring.select())] == [
            "agent started"
        ] * 2


def test_agents_that_boot_at_the_same_moment_each_do_it(engine: Engine) -> None:
    names = ("one", "two", "three")
    sessions = [agent(engine, name) for name in names]
    engine.accept(engine.order(engine.module(), *sessions, timing=EVERY))
    sessions = [agent(engine, name, "second") for name in names]
    assert claimed(engine, *sessions) == [1, 1, 1]
    assert [[who.name for who in job.who] for job in children(engine)] == [[n] for n in names]


def test_boots_during_a_hold_are_not_owed(engine: Engine) -> None:
    session = agent(engine, "agent")
    job = engine.accept(engine.order(engine.module(), session, timing=EVERY))
    engine.jobs.hold(job.guid, engine.caller)
    session = agent(engine, "agent", "second")
    assert claimed(engine, session) == [0]
    engine.jobs.resume(job.guid, engine.caller)
    assert claimed(engine, session) == [0]
    session = agent(engine, "agent", "third")
    assert claimed(engine, session) == [1]
    assert engine.jobs.abort(job.guid, engine.caller).status is JobStatus.ABORTED
    session = agent(engine, "agent", "fourth")
    assert claimed(engine, session) == [0]


def test_boots_before_its_start_are_none_of_its(engine: Engine) -> None:
    session = agent(engine, "agent")
    timing = Timing(immediate=False, scheduled_at=engine.now() + HOUR, boot=Boot.EVERY)
    job = engine.accept(engine.order(engine.module(), session, timing=timing))
    session = agent(engine, "agent", "second")
    assert claimed(engine, session) == [0]
    engine.now.advance(HOUR)
    session = agent(engine, "agent", "third")
    assert claimed(engine, session) == [1]
    assert status(engine, job) is JobStatus.SCHEDULED


def test_runs_that_a_boot_cut_off_are_settled_together_with_it(engine: Engine) -> None:
    session = agent(engine, "agent")
    lost = engine.accept(engine.order(engine.module(), session))
    engine.accept(engine.order(engine.module(), session, timing=EVERY))
    assert len(engine.reception.claim(session, 10)) == 1
    session = agent(engine, "agent", "second")
    assert status(engine, lost) is JobStatus.FAILED
    assert claimed(engine, session) == [1]


def test_every_boot_is_no_other_recurrence(engine: Engine) -> None:
    rule = Recurrence(RecurrenceKind.CRON, "* * * * *", missed_runs=MissedRuns.ALL)
    timing = Timing(boot=Boot.EVERY, recurrence=rule)
    with pytest.raises(OrderRefused) as refused:
        engine.accept(engine.order(engine.module(), agent(engine, "agent"), timing=timing))
    assert refused.value.path == "When.AfterBoot"


# Launch windows.

NIGHT = LaunchWindow(22 * 60, 6 * 60)


def windowed(outside: OutsideWindow, **members: Any) -> Timing:
    return Timing(window=dataclasses.replace(NIGHT, **members), outside=outside)


def test_a_run_waits_for_its_launch_window(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Europe/Berlin")
    timing = windowed(OutsideWindow.WAIT)
    job = engine.accept(engine.order(engine.module(), session, timing=timing))
    assert claimed(engine, session) == [0]
    present = engine.jobs.get(job.guid)
    assert (present.status, present.reason) == (JobStatus.SCHEDULED, launching.WINDOW)
    assert reasons(engine, job) == [launching.WINDOW]
    # 22:00 in Berlin.
    assert wake_at(engine, job) == engine.now() + 9 * HOUR
    engine.now.advance(9 * HOUR)
    assert claimed(engine, session) == [1]
    assert engine.jobs.get(job.guid).reason == ""
    assert reasons(engine, job) == [""]


def test_a_window_by_utc_does_not_mind_the_agents_clock(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Asia/Tokyo")
    order = engine.order(engine.module(), session, timing=windowed(OutsideWindow.WAIT, utc=True))
    job = engine.accept(order)
    assert claimed(engine, session) == [0]
    assert wake_at(engine, job) == engine.now() + 10 * HOUR


def test_a_run_may_fail_outside_its_window(engine: Engine) -> None:
    session = agent(engine, "agent")
    job = engine.accept(engine.order(engine.module(), session, timing=windowed(OutsideWindow.FAIL)))
    assert claimed(engine, session) == [0]
    present = engine.jobs.get(job.guid)
    assert (present.status, "launch window" in present.reason) == (JobStatus.FAILED, True)


def test_a_run_may_begin_outside_its_window(engine: Engine) -> None:
    session = agent(engine, "agent")
    engine.accept(engine.order(engine.module(), session, timing=windowed(OutsideWindow.CONTINUE)))
    assert claimed(engine, session) == [1]


def test_a_launch_timeout_may_end_before_the_window_opens(engine: Engine) -> None:
    session = agent(engine, "agent")
    order = engine.order(engine.module(), session, timing=windowed(OutsideWindow.WAIT))
    job = engine.accept(dataclasses.replace(order, launch_timeout=HOUR))
    assert claimed(engine, session) == [0]
    engine.now.advance(HOUR)
    assert claimed(engine, session) == [0]
    assert status(engine, job) is JobStatus.CANCELED
    engine.now.advance(9 * HOUR)
    assert claimed(engine, session) == [0]


def test_runs_that_wait_for_a_window_take_nobodys_turn(engine: Engine) -> None:
    session = agent(engine, "agent")
    for _ in range(3):
        order = engine.order(engine.module(), session, timing=windowed(OutsideWindow.WAIT))
        engine.accept(dataclasses.replace(order, priority=9))
    job = engine.accept(engine.order(engine.module(), session))
    orders = [engine.reception.claim(session, 2) for _ in range(2)]
    assert [order.job for some in orders for order in some] == [job.guid]


def sited(engine: Engine, policy: WindowPolicy) -> Engine:
    """The same engine, with a launch window of its site."""
    own = engine.reception
    reception = Reception(
        own._store,
        own._orders,
        own._resources,
        own._signals,
        LEASE,
        own._now,
        lambda: engine.now() / moments.SECOND,
        windows=policy,
    )
    return dataclasses.replace(engine, reception=reception)


def test_the_window_of_a_site_counts_for_jobs_without_their_own(engine: Engine) -> None:
    engine = sited(engine, WindowPolicy(NIGHT, OutsideWindow.FAIL, "Asia/Tokyo"))
    # 21:00 in Tokyo, which counts for an agent that tells no zone.
    session = agent(engine, "agent", time_zone="")
    job = engine.accept(engine.order(engine.module(), session))
    assert claimed(engine, session) == [0]
    assert status(engine, job) is JobStatus.FAILED
    order = engine.order(engine.module(), session, timing=Timing(outside=OutsideWindow.CONTINUE))
    engine.accept(order)
    assert claimed(engine, session) == [1]
    order = engine.order(engine.module(), session, timing=Timing(outside=OutsideWindow.WAIT))
    engine.accept(order)
    assert claimed(engine, session) == [0]
    engine.now.advance(HOUR)
    assert claimed(engine, session) == [1]


def test_a_window_without_a_day_is_refused(engine: Engine) -> None:
    timing = windowed(OutsideWindow.WAIT, days=frozenset())
    with pytest.raises(OrderRefused) as refused:
        engine.accept(engine.order(engine.module(), agent(engine, "agent"), timing=timing))
    assert refused.value.path == "When.LaunchWindow.Days"


# Launch timeouts and places.


@pytest.mark.parametrize("timeout", [0, -MINUTE, 4000 * DAY])
def test_a_launch_timeout_that_is_none_is_refused(engine: Engine, timeout: int) -> None:
    order = engine.order(engine.module(), agent(engine, "agent"))
    with pytest.raises(OrderRefused) as refused:
        engine.accept(dataclasses.replace(order, launch_timeout=timeout))
    assert refused.value.path == "When.LaunchTimeout"


def test_the_desk_gives_an_agent_no_more_runs_than_it_may_have(engine: Engine) -> None:
    """At once as many as it may have; besides, as many that have ended and are being reported."""
    session = agent(engine, "agent", max_runs=3)
    module = engine.module()
    for _ in range(9):
        engine.accept(engine.order(module, session))
    claims = [engine.reception.claim(session, limit) for limit in (2, 10, 10, 10)]
    assert [len(orders) for orders in claims] == [2, 3, 1, 0]
    engine.finish(session, claims[0][0])
    assert len(engine.reception.claim(session, 10)) == 1


def test_an_agent_that_was_full_is_called_when_a_run_has_been_reported(engine: Engine) -> None:
    session = agent(engine, "agent", max_runs=1)
    module = engine.module()
    for _ in range(3):
        engine.accept(engine.order(module, session))
    first, _ = (engine.reception.claim(session, 1) for _ in range(2))
    assert engine.reception.claim(session, 1) == []
    seen = engine.signals.wait(0, 0)
    engine.finish(session, first[0])
    assert engine.signals.wait(seen, 0) > seen


# Teams and run books.


def a_team(engine: Engine) -> str:
    """A team without members, by its GUID."""
    return str(Teams(engine.store, engine.now).create(TeamContent.of(name="team"), MACHINE).guid)


def join(engine: Engine, team: str, session: AgentSession) -> None:
    """Put an agent into a team."""
    change = AgentChange(add_to=(team,))
    Memberships(engine.store, engine.now).change_agent(str(session.agent), change, MACHINE)


def run_book(engine: Engine, *names: str) -> What:
    """A run book of one module in each job."""
    jobs = tuple(
        RunBookJob(guid=uuid.uuid4(), name=name, what=(RunBookWhat(guid=engine.module()),))
        for name in names
    )
    book = RunBook(guid=uuid.uuid4(), name=f"Run book {uuid.uuid4()}", jobs=jobs)
    engine.catalog.save(book, MACHINE)
    return What(book.guid, DefinitionKind.RUN_BOOK)


def test_a_team_is_asked_again_when_its_first_clock_shows_the_time(engine: Engine) -> None:
    """Who joins before that is in time; one whose clock is ahead of all begins with the first."""
    west = agent(engine, "west", time_zone="America/New_York")
    team = a_team(engine)
    join(engine, team, west)
    order = engine.order(engine.module(), timing=wall("2026-01-07T12:00"))
    who = (Who(team, WhoKind.TEAM),)
    job = engine.accept(dataclasses.replace(order, who=who))
    assert job.due_at == engine.now() + 2 * DAY + 5 * HOUR
    east = agent(engine, "east", time_zone="Pacific/Kiritimati")
    join(engine, team, east)
    engine.now.moment = job.due_at or 0
    assert claimed(engine, east, west) == [1, 1]
    assert status(engine, job) is JobStatus.COMPLETED


def test_the_jobs_of_a_run_book_begin_on_no_agent_before_its_time_there(engine: Engine) -> None:
    tokyo = agent(engine, "tokyo", time_zone="Asia/Tokyo")
    berlin = agent(engine, "berlin", time_zone="Europe/Berlin")
    what = (run_book(engine, "one", "two"),)
    order = engine.order(uuid.uuid4(), tokyo, berlin, timing=wall("2026-01-07T12:00"))
    job = engine.accept(dataclasses.replace(order, what=what))
    engine.now.moment = (job.due_at or 0) - 1
    assert claimed(engine, tokyo, berlin) == [0, 0]
    assert status(engine, job) is JobStatus.SCHEDULED
    engine.now.advance(1)
    assert claimed(engine, tokyo, berlin) == [1, 0]
    assert [child.timing.wall for child in engine.jobs.children(job.guid)] == [job.timing.wall] * 2
    engine.now.advance(8 * HOUR)
    assert claimed(engine, tokyo, berlin) == [0, 1]
    # The second job's turn: its time has come everywhere.
    assert claimed(engine, tokyo, berlin) == [1, 1]
    engine.clock.tick()
    assert status(engine, job) is JobStatus.COMPLETED


def test_a_run_book_for_agents_that_nobody_named_yet_starts_in_time_for_all(
    engine: Engine,
) -> None:
    session = agent(engine, "agent", time_zone="Pacific/Kiritimati")
    who = (RunBookWho(kind=WhoReferenceKind.AGENT, reference=str(session.agent)),)
    part = RunBookJob(
        guid=uuid.uuid4(), name="one", what=(RunBookWhat(guid=engine.module()),), who=who
    )
    book = RunBook(guid=uuid.uuid4(), name="book", jobs=(part,))
    engine.catalog.save(book, MACHINE)
    order = engine.order(uuid.uuid4(), timing=wall("2026-01-07T12:00"))
    what = (What(book.guid, DefinitionKind.RUN_BOOK),)
    job = engine.accept(dataclasses.replace(order, what=what))
    assert job.due_at == engine.now() + 2 * DAY - 14 * HOUR
    engine.now.moment = job.due_at or 0
    assert claimed(engine, session) == [1]


def test_a_run_book_lets_agents_that_are_offline_go_on_after_their_next_boot(
    engine: Engine,
) -> None:
    session = agent(engine, "agent")
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    order = engine.order(uuid.uuid4(), session, timing=Timing(offline_at_next_boot=True))
    job = engine.accept(dataclasses.replace(order, what=(run_book(engine, "one"),)))
    assert claimed(engine, session) == [0]
    session = agent(engine, "agent", "second")
    assert claimed(engine, session) == [1]
    engine.clock.tick()
    assert status(engine, job) is JobStatus.COMPLETED


def test_a_run_book_runs_after_every_boot_of_each_agent_named(engine: Engine) -> None:
    one, other = agent(engine, "one"), agent(engine, "other")
    order = engine.order(uuid.uuid4(), one, other, timing=EVERY)
    what = (run_book(engine, "first", "second"),)
    engine.accept(dataclasses.replace(order, what=what))
    one = agent(engine, "one", "second")
    got = [claimed(engine, one, other) for _ in range(3)]
    assert got == [[1, 0], [1, 0], [0, 0]]
    (made,) = children(engine)
    assert [who.name for who in made.who] == ["one"]
    assert status(engine, made) is JobStatus.COMPLETED


def test_what_run_books_cannot_wait_for_is_refused(engine: Engine) -> None:
    session = agent(engine, "agent")
    what = (run_book(engine, "one"),)
    for timing, named, path in ((NEXT, [session], "When.AfterBoot"), (EVERY, [], "Who")):
        order = engine.order(uuid.uuid4(), *named, timing=timing)
        with pytest.raises(OrderRefused) as refused:
            engine.accept(dataclasses.replace(order, what=what))
        assert refused.value.path == path


def test_a_team_is_asked_at_every_boot(engine: Engine) -> None:
    team = a_team(engine)
    order = engine.order(engine.module(), timing=EVERY)
    engine.accept(dataclasses.replace(order, who=(Who(team, WhoKind.TEAM),)))
    session = agent(engine, "agent")
    session = agent(engine, "agent", "second")
    assert claimed(engine, session) == [0]
    join(engine, team, session)
    session = agent(engine, "agent", "third")
    assert claimed(engine, session) == [1]


# What waits again.


def test_what_is_canceled_leaves_those_that_wait_for_a_boot(engine: Engine) -> None:
    asleep = agent(engine, "asleep")
    engine.now.advance(launching.OFFLINE_AFTER + MINUTE)
    awake = agent(engine, "awake")
    timing = Timing(offline_at_next_boot=True)
    job = engine.accept(engine.order(engine.module(), asleep, awake, timing=timing))
    engine.now.advance(LAUNCH_TIMEOUT)
    assert engine.clock.tick() == 1
    assert (status(engine, job), wake_at(engine, job)) == (JobStatus.SCHEDULED, None)
    asleep = agent(engine, "asleep", "second")
    assert claimed(engine, asleep, awake) == [1, 0]
    assert status(engine, job) is JobStatus.COMPLETED_WITH_ERRORS


def test_a_run_that_is_tried_again_has_its_launch_timeout_anew(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Asia/Tokyo")
    module = engine.module(retries=2)
    job = engine.accept(engine.order(module, session, timing=wall("2026-01-06T12:00")))
    engine.now.moment = job.due_at or 0
    engine.clock.tick()
    for _ in range(2):
        engine.now.advance(LAUNCH_TIMEOUT - MINUTE)
        assert len(engine.reception.claim(session, 10)) == 1
        # It comes anew: what it had is lost.
        session = agent(engine, "agent", time_zone="Asia/Tokyo")
        engine.clock.tick()
        assert status(engine, job) is JobStatus.ACTIVE
        assert wake_at(engine, job) == engine.now() + LAUNCH_TIMEOUT
    engine.now.advance(LAUNCH_TIMEOUT)
    assert claimed(engine, session) == [0]
    assert status(engine, job) is JobStatus.CANCELED


def test_a_run_that_is_given_back_after_a_boot_needs_no_other(engine: Engine) -> None:
    session = agent(engine, "agent")
    job = engine.accept(engine.order(engine.module(), session, timing=NEXT))
    session = agent(engine, "agent", "second")
    (order,) = engine.reception.claim(session, 10)
    engine.reception.give_back(session, [(order.run, order.attempt)])
    assert status(engine, job) is JobStatus.SCHEDULED
    assert wake_at(engine, job) is None
    assert claimed(engine, session) == [1]
    assert status(engine, job) is JobStatus.COMPLETED


def test_a_run_that_is_tried_again_waits_for_the_window_again(engine: Engine) -> None:
    session = agent(engine, "agent")
    timing = windowed(OutsideWindow.WAIT)
    job = engine.accept(engine.order(engine.module(retries=1), session, timing=timing))
    engine.now.advance(11 * HOUR)
    assert len(engine.reception.claim(session, 10)) == 1
    engine.now.advance(8 * HOUR)
    session = agent(engine, "agent")
    assert claimed(engine, session) == [0]
    assert reasons(engine, job) == [launching.WINDOW]
    engine.now.advance(15 * HOUR)
    assert claimed(engine, session) == [1]
    assert status(engine, job) is JobStatus.COMPLETED


def test_a_window_that_lies_in_a_skipped_hour_keeps_the_run_waiting(engine: Engine) -> None:
    session = agent(engine, "agent", time_zone="Europe/Berlin")
    sunday = LaunchWindow(130, 170, frozenset({6}))
    order = engine.order(
        engine.module(), session, timing=Timing(window=sunday, outside=OutsideWindow.WAIT)
    )
    # The Saturday before the change.
    engine.now.moment = moments.from_datetime(
        datetime.datetime(2026, 3, 28, 12, tzinfo=datetime.UTC)
    )
    job = engine.accept(dataclasses.replace(order, launch_timeout=30 * DAY))
    assert claimed(engine, session) == [0]
    opens = datetime.datetime(2026, 4, 5, 0, 10, tzinfo=datetime.UTC)
    assert wake_at(engine, job) == moments.from_datetime(opens)
    engine.now.moment = moments.from_datetime(opens)
    assert claimed(engine, session) == [1]
