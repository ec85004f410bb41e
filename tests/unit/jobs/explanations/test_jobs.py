"""Why a job waits, ran or did not run: each condition met and not met, on both databases."""

import dataclasses
import random
import uuid
from typing import Any

import pytest

from gateway import moments
from gateway.agents.desk import AgentSession
from gateway.catalog.definitions import Module, Task
from gateway.catalog.policies import Concurrency, Policy
from gateway.fleet import events
from gateway.fleet.exclusive_windows import ExclusiveWindows
from gateway.fleet.limits import RunLimits
from gateway.fleet.membership import Memberships, Reference, TeamChange
from gateway.fleet.teams import TeamContent, Teams
from gateway.identity.principals import MACHINE
from gateway.jobs.explanations.conditions import Condition, JobExplanation, Met, words
from gateway.jobs.explanations.explainer import JobExplainer
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.launching import OFFLINE_AFTER
from gateway.jobs.orders import Boot, LaunchWindow, OutsideWindow, Timing
from gateway.jobs.service import JobNotFound
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.engine import HOUR, LAUNCH_TIMEOUT, MINUTE, Engine
from tests.unit.jobs.test_run_books import module_job, run_book, schedule

SECOND = moments.SECOND


def explain(engine: Engine, job: JobView, at: int | None = None) -> JobExplanation:
    return JobExplainer(engine.store, WindowPolicy(), MINUTE, engine.now).job(job.guid, at)


def condition(engine: Engine, job: JobView, name: str, at: int | None = None) -> Condition:
    found = explain(engine, job, at).conditions
    (one,) = [each for each in found if each.name == name] or pytest.fail(f"{name}: {found}")
    return one


def module(engine: Engine, **members: Any) -> uuid.UUID:
    task = Task(guid=uuid.uuid4(), name="task", type="command", settings={"argv": ["true"]})
    made = Module(guid=uuid.uuid4(), name=f"M {uuid.uuid4()}", tasks=(task,), **members)
    engine.catalog.save(made, MACHINE)
    return made.guid


def test_a_job_before_it_was_accepted_and_after(engine: Engine) -> None:
    job = engine.accept(engine.order(engine.module(), engine.agent()))
    before = explain(engine, job, engine.now() - 1)
    assert (before.status, before.conditions[0].met) == (None, Met.NO)
    assert "did not exist" in before.summary
    assert "through cli" in condition(engine, job, "accepted").fact
    with pytest.raises(JobNotFound):
        JobExplainer(engine.store, WindowPolicy(), 0).job(uuid.uuid4())


def test_a_duplicate_is_called_so(engine: Engine) -> None:
    order = engine.order(engine.module(), engine.agent())
    first, second = engine.accept(order), engine.accept(order)
    assert str(first.guid) in condition(engine, second, "accepted").fact
    assert "duplicate" not in condition(engine, first, "accepted").fact


def test_on_hold_and_let_go(engine: Engine) -> None:
    job = engine.accept(engine.order(engine.module(), engine.agent()))
    engine.now.advance(SECOND)
    engine.jobs.hold(job.guid, MACHINE, "not before the audit")
    held = condition(engine, job, "not on hold")
    assert (held.met, held.since_at) == (Met.NO, engine.now())
    assert "not before the audit" in explain(engine, job).summary
    engine.now.advance(SECOND)
    engine.jobs.resume(job.guid, MACHINE)
    assert condition(engine, job, "not on hold").met is Met.YES
    assert condition(engine, job, "not on hold", engine.now() - 1).met is Met.NO


def test_due_later_and_due(engine: Engine) -> None:
    timing = Timing(immediate=False, scheduled_at=engine.now() + HOUR)
    job = engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))
    assert condition(engine, job, "due").met is Met.NO
    assert explain(engine, job).summary.startswith("It waits (due)")
    assert condition(engine, job, "runs made").met is Met.NO
    engine.now.advance(HOUR)
    engine.clock.tick()
    assert condition(engine, job, "due").met is Met.YES
    assert condition(engine, job, "due", engine.now() - 1).met is Met.NO


def test_an_agent_that_is_silent(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    assert condition(engine, job, "agent online").met is Met.YES
    engine.now.advance(OFFLINE_AFTER + 1)
    assert condition(engine, job, "agent online").met is Met.NO
    assert "agent online" in explain(engine, job).summary


def test_an_agent_that_was_silent_then(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    moment = engine.now()
    kinds = (events.SILENT, events.HEARD, events.REVOKED)

    def record(session: Any) -> None:
        for number, kind in enumerate(kinds):
            events.record(session, agent.agent_id, moment + (number + 1) * MINUTE, kind)

    engine.store.unit_of_work(record)
    engine.now.advance(10 * MINUTE)
    table = models.Agent
    heard = table.update(last_contact_at=engine.now()).where(table.id == agent.agent_id)
    engine.store.unit_of_work(lambda session: session.execute(heard))
    met = [
        condition(engine, job, "agent online", moment + number * MINUTE).met for number in (0, 1, 2)
    ]
    assert met == [Met.UNKNOWN, Met.NO, Met.YES]
    assert condition(engine, job, "agent known", moment + 2 * MINUTE).met is Met.YES
    assert condition(engine, job, "agent known").met is Met.NO


def test_an_agent_that_is_disabled(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    assert condition(engine, job, "agent known").met is Met.YES
    table = models.Agent
    off = table.update(enabled=False).where(table.id == agent.agent_id)
    engine.store.unit_of_work(lambda session: session.execute(off))
    assert condition(engine, job, "agent known").met is Met.NO


def test_a_boot_that_is_waited_for(engine: Engine) -> None:
    timing = Timing(boot=Boot.NEXT)
    job = engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))
    assert condition(engine, job, "machine was started").met is Met.NO
    table = models.Agent
    boot = table.update(boot_id="another")
    engine.store.unit_of_work(lambda session: session.execute(boot))
    found = condition(engine, job, "machine was started")
    assert (found.met, "'another' now" in found.fact) == (Met.YES, True)


def test_a_launch_window_that_is_closed_and_open(engine: Engine) -> None:
    # The test begins at noon.
    window = LaunchWindow(13 * 60, 14 * 60, utc=True)
    timing = Timing(window=window, outside=OutsideWindow.WAIT)
    job = engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))
    closed = condition(engine, job, "launch window")
    assert (closed.met, "13:00:00" in closed.fact) == (Met.NO, True)
    engine.now.advance(HOUR)
    assert condition(engine, job, "launch window").met is Met.YES


def test_maintenance_of_the_server_and_of_a_team(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    team = _team(engine, agent, "Servers")
    other = _team(engine, None, "Others")
    assert condition(engine, job, "no maintenance").met is Met.YES
    begun = engine.now() + MINUTE
    for minute, (one, met) in enumerate(
        ((other, Met.YES), (team, Met.NO), (None, Met.NO)), start=1
    ):
        _maintain(engine, one, engine.now() + minute * MINUTE, engine.now() + (minute + 1) * MINUTE)
        found = condition(engine, job, "no maintenance", engine.now() + minute * MINUTE)
        assert found.met is met
    assert condition(engine, job, "no maintenance", begun + 3 * MINUTE).met is Met.YES


def _maintain(engine: Engine, team: int | None, begun: int, ended: int) -> None:
    row = models.Maintenance.insert(
        tenant_id=1, team_id=team, reason="patches", begun_at=begun, begun_by="somebody",
        until=None, ended_at=ended, ended_by="somebody",
    )  # fmt: skip
    engine.store.unit_of_work(lambda session: session.execute(row))


def _team(engine: Engine, agent: AgentSession | None, name: str) -> int:
    team = Teams(engine.store, engine.now).create(TeamContent.of(name=name), MACHINE)
    if agent is not None:
        change = TeamChange(add=[Reference(str(agent.agent))])
        Memberships(engine.store, engine.now).change_team(str(team.guid), change, MACHINE)
    return team.id


def test_limits_of_an_agent_and_its_team(engine: Engine) -> None:
    agent = engine.agent()
    running, job = (engine.accept(engine.order(engine.module(), agent)) for _ in range(2))
    engine.reception.claim(agent, 1)
    assert explain(engine, running).status is JobStatus.ACTIVE
    assert condition(engine, job, "place free").met is Met.YES
    limits = RunLimits(engine.store, engine.signals, engine.now)
    limits.of_agent(str(agent.agent), 1, MACHINE)
    found = condition(engine, job, "place free")
    assert (found.met, "1 of 1" in found.fact) == (Met.NO, True)
    limits.of_agent(str(agent.agent), None, MACHINE)
    _team(engine, agent, "Servers")
    limits.of_team("Servers", 1, MACHINE)
    found = [one for one in explain(engine, job).conditions if one.name == "place free"]
    assert [one.met for one in found] == [Met.YES, Met.NO]
    assert "the team Servers has 1 of 1" in explain(engine, job).summary


def test_an_exclusive_window_of_other_definitions(engine: Engine) -> None:
    agent = engine.agent()
    own, other = module(engine), module(engine)
    mine, its = (engine.accept(engine.order(what, agent)) for what in (own, other))
    windows = ExclusiveWindows(engine.store, engine.now)
    # The test begins at noon.
    hours = LaunchWindow(11 * 60, 13 * 60, utc=True)
    windows.create("night", hours, [str(other)], None, None, MACHINE)
    shut = condition(engine, mine, "no exclusive window")
    assert (shut.met, "'night'" in shut.fact) == (Met.NO, True)
    assert condition(engine, its, "no exclusive window").met is Met.YES
    engine.now.advance(HOUR)
    assert condition(engine, mine, "no exclusive window").met is Met.YES


def test_places_and_the_queue(engine: Engine) -> None:
    agent = engine.agent(max_runs=1)
    first, second, third = (engine.accept(engine.order(engine.module(), agent)) for _ in range(3))
    urgent = engine.accept(engine.order(engine.module(), agent, priority=9))
    assert condition(engine, first, "place free").met is Met.YES
    assert condition(engine, urgent, "first in the queue").met is Met.YES
    (order,) = engine.reception.claim(agent, 1)
    assert order.job == urgent.guid
    assert condition(engine, first, "first in the queue").met is Met.YES
    assert condition(engine, third, "first in the queue").fact.startswith("2 runs")
    full = condition(engine, second, "place free")
    assert (full.met, "1 of 1" in full.fact) == (Met.NO, True)
    assert explain(engine, urgent).status is JobStatus.ACTIVE
    assert condition(engine, urgent, "run ended").met is Met.NO


def test_a_lock_that_another_job_has(engine: Engine) -> None:
    agent = engine.agent()
    what = module(engine, policy=Policy(concurrency=Concurrency.QUEUE, lock="db"))
    made = []
    for _ in range(3):
        made.append(engine.accept(engine.order(what, agent)))
        engine.now.advance(2 * MINUTE)
        engine.clock.tick()
    first, second, third = made
    assert condition(engine, first, "lock").met is Met.YES
    waits = condition(engine, third, "lock")
    assert (waits.met, str(first.guid) in waits.fact) == (Met.NO, True)
    assert "number 2" in waits.fact
    engine.run_all(agent)
    engine.clock.tick()
    assert condition(engine, second, "lock").met is Met.YES


def test_a_lock_for_which_a_job_was_skipped(engine: Engine) -> None:
    agent = engine.agent()
    what = module(engine, policy=Policy(concurrency=Concurrency.SKIP, lock="db"))
    first, second = (engine.accept(engine.order(what, agent)) for _ in range(2))
    engine.clock.tick()
    skipped = condition(engine, second, "lock")
    assert (skipped.met, str(first.guid) in skipped.fact) == (Met.NO, True)
    assert "skipped" in explain(engine, second).summary


def test_a_launch_timeout_that_is_over(engine: Engine) -> None:
    job = engine.accept(engine.order(engine.module(), engine.agent()))
    assert condition(engine, job, "launch timeout").met is Met.YES
    engine.now.advance(LAUNCH_TIMEOUT)
    assert condition(engine, job, "launch timeout").met is Met.NO
    engine.clock.tick()
    found = explain(engine, job)
    assert "canceled" in found.summary
    assert "launch timeout" in found.summary


def test_further_attempts_and_their_pause(engine: Engine) -> None:
    agent = engine.agent()
    what = module(engine, policy=Policy(retries=1, retry_delay=60))
    job = engine.accept(engine.order(what, agent))
    (order,) = engine.reception.claim(agent, 1)
    engine.finish(agent, order, JobStatus.FAILED)
    assert condition(engine, job, "pause before another attempt").met is Met.NO
    assert "attempt 2" in condition(engine, job, "attempt").fact
    assert "attempt 2" in condition(engine, job, "happened").fact
    engine.now.advance(MINUTE)
    assert condition(engine, job, "pause before another attempt").met is Met.YES


def test_the_turn_in_a_run_book(engine: Engine) -> None:
    agent = engine.agent()
    what = engine.module()
    book = run_book(engine, module_job(what, "one"), module_job(what, "two"))
    job = schedule(engine, book, agent)
    _, second = engine.jobs.children(job.guid)
    waits = condition(engine, second, "its turn in the run book")
    assert (waits.met, "not ended yet: 1" in waits.fact) == (Met.NO, True)
    assert "its turn" in explain(engine, second).summary
    moment = engine.now()
    engine.now.advance(SECOND)
    engine.run_all(agent)
    engine.clock.tick()
    assert condition(engine, second, "its turn in the run book").met is Met.YES
    assert condition(engine, second, "its turn in the run book", moment).met is Met.NO


def test_an_abort_and_who_wanted_it(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    engine.reception.claim(agent, 1)
    engine.jobs.abort(job.guid, MACHINE, "wrong machine")
    found = condition(engine, job, "not aborted")
    assert (found.met, "wrong machine" in found.fact) == (Met.NO, True)
    assert "being aborted" in explain(engine, job).summary


def test_the_past_of_a_job_that_has_ended(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    waiting = engine.now()
    engine.now.advance(MINUTE)
    (order,) = engine.reception.claim(agent, 1)
    running = engine.now()
    engine.now.advance(MINUTE)
    engine.finish(agent, order)
    stood = [explain(engine, job, at).status for at in (waiting, running, engine.now())]
    assert stood == [JobStatus.SCHEDULED, JobStatus.ACTIVE, JobStatus.COMPLETED]
    assert condition(engine, job, "taken up", waiting).met is Met.NO
    assert condition(engine, job, "taken up", running).met is Met.YES
    assert condition(engine, job, "ended", running).met is Met.NO
    assert condition(engine, job, "ended").met is Met.YES


def _scenario(engine: Engine, rng: random.Random) -> list[JobView]:
    """Some jobs of different kinds, steered about."""
    agents = [engine.agent(f"a{n}", max_runs=rng.randint(1, 2)) for n in range(2)]
    policies = [Policy(), Policy(retries=1, retry_delay=30)] + [
        Policy(concurrency=kind, lock="l") for kind in (Concurrency.QUEUE, Concurrency.SKIP)
    ]
    whats = [module(engine, policy=policy) for policy in policies]
    timings = [
        Timing(),
        Timing(immediate=False, scheduled_at=engine.now() + HOUR),
        Timing(boot=Boot.NEXT),
        Timing(window=LaunchWindow(0, 60, utc=True), outside=OutsideWindow.WAIT),
    ]
    made = []
    for _ in range(12):
        who = rng.sample(agents, rng.randint(1, 2))
        order = engine.order(rng.choice(whats), *who, timing=rng.choice(timings))
        job = engine.accept(dataclasses.replace(order, on_hold=rng.random() < 0.2))
        made.append(job)
        engine.now.advance(rng.choice((0, SECOND, MINUTE)))
        engine.clock.tick()
        agent = rng.choice(agents)
        for claimed in engine.reception.claim(agent, rng.randint(0, 2)):
            if rng.random() < 0.7:
                engine.finish(agent, claimed, rng.choice((JobStatus.COMPLETED, JobStatus.FAILED)))
        if rng.random() < 0.2:
            engine.jobs.abort(rng.choice(made).guid, MACHINE, "no more")
    return made


@pytest.mark.parametrize("seed", range(4))
def test_whoever_waits_is_told_why_and_whoever_ended_how(engine: Engine, seed: int) -> None:
    for job in _scenario(engine, random.Random(seed)):
        found = explain(engine, job)
        present = engine.jobs.get(job.guid)
        assert found.status is present.status
        if present.status in (JobStatus.SCHEDULED, JobStatus.DISABLED):
            reasons = [one for one in found.conditions if one.met is Met.NO]
            assert reasons
            assert any(one.name in found.summary and one.fact in found.summary for one in reasons)
        if present.status.finished:
            assert words(present.status) in found.summary
            assert present.reason in found.summary
        for event in engine.jobs.events(job.guid):
            last = [one for one in engine.jobs.events(job.guid) if one.at <= event.at][-1]
            assert explain(engine, job, event.at).status is last.after
