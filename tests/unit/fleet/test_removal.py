"""Removing an agent: only an offline one, and what it had to do is settled with it."""

import concurrent.futures
import contextlib
import threading

import pytest

from gateway import moments
from gateway.agents.desk import SessionOver
from gateway.agents.protocol import RunFinished
from gateway.fleet import events, roster, teams
from gateway.fleet.membership import AgentChange, Memberships
from gateway.fleet.reception import REMOVED
from gateway.fleet.removal import AgentOnline, AgentRemoval, Removed
from gateway.fleet.teams import TeamContent, Teams
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import Boot, JobOrder, OrderRefused, Timing, What, Who, WhoKind
from gateway.jobs.states import JobStatus, Stage
from gateway.jobs.views import JobView
from storage import models
from tests.engine import MINUTE, Engine

SILENCE = 5 * MINUTE


def remove(engine: Engine, name: str = "agent", comment: str = "") -> Removed:
    removal = AgentRemoval(engine.store, engine.signals, SILENCE, engine.now)
    return removal.remove(name, MACHINE, comment)


def test_an_agent_that_is_online_stays(engine: Engine) -> None:
    agent = engine.agent()
    engine.now.advance(SILENCE)
    job = engine.accept(engine.order(engine.module(), agent))
    with pytest.raises(AgentOnline, match=r"'agent' is online: stop it, .* for 5 minutes"):
        remove(engine)
    assert engine.jobs.get(job.guid).status is JobStatus.SCHEDULED
    assert engine.run_all(agent) == 1
    with engine.store.reading() as session:
        assert [one.action for one in audit.page(session)].count("remove") == 0


def test_what_it_had_to_do_is_settled_at_once(engine: Engine) -> None:
    agent, other = engine.agent(), engine.agent("other")
    begun = engine.accept(engine.order(engine.module(retries=3), agent))
    aborted = engine.accept(engine.order(engine.module(), agent))
    orders = engine.reception.claim(agent, 2)
    engine.jobs.abort(aborted.guid, engine.caller)
    waiting = engine.accept(engine.order(engine.module(), agent))
    shared = engine.accept(engine.order(engine.module(), agent, other))
    held = engine.accept(engine.order(engine.module(), agent))
    engine.jobs.hold(held.guid, engine.caller)
    engine.now.advance(SILENCE + moments.SECOND)
    assert remove(engine).runs == 5
    for job, status in (
        (begun, JobStatus.FAILED),
        (aborted, JobStatus.ABORTED),
        (waiting, JobStatus.CANCELED),
        (held, JobStatus.CANCELED),
    ):
        ended = engine.jobs.get(job.guid)
        assert (ended.status, ended.reason) == (status, REMOVED)
    tasks = [task for run in engine.jobs.runs(begun.guid, tasks=True) for task in run.tasks]
    assert [task.status.finished for task in tasks] == [True]
    assert engine.jobs.get(shared.guid).status is JobStatus.SCHEDULED
    assert engine.run_all(other) == 1
    assert engine.jobs.get(shared.guid).status is JobStatus.COMPLETED_WITH_ERRORS
    by_stage = {count.stage: count.jobs for count in engine.jobs.counts() if count.jobs}
    assert by_stage == {Stage.HISTORY: 5}
    late = RunFinished(orders[0].run, 1, engine.now(), JobStatus.COMPLETED)
    assert len(engine.reception.report(agent, [late])) == 1
    with pytest.raises(SessionOver):
        engine.reception.renew(agent, [])
    with pytest.raises(SessionOver):
        engine.reception.claim(agent, 1)


def test_it_leaves_lists_and_teams_and_may_come_back_as_another(engine: Engine) -> None:
    old = engine.agent()
    team = Teams(engine.store, engine.now).create(TeamContent.of(name="Team"), MACHINE)
    Memberships(engine.store, engine.now).change_agent(
        "agent", AgentChange(primary="Team"), MACHINE
    )
    ran = engine.accept(engine.order(engine.module(), old))
    engine.run_all(old)
    engine.now.advance(SILENCE + moments.SECOND)
    removed = remove(engine, str(old.agent), "scrapped")
    assert (removed.agent.guid, removed.runs) == (old.agent, 0)
    with engine.store.reading() as session:
        (event,) = events.of_agent(session, old.agent_id)
    assert (event.kind, event.detail) == (events.REMOVED, "scrapped")
    with engine.store.reading() as session:
        assert roster.agents(session) == []
        assert session.rows(models.TeamMember.select()) == []
        assert teams.agents_of(session, [team.id]) == []
        entry = audit.page(session)[0]
    assert (entry.action, entry.object_guid, entry.comment) == ("remove", old.agent, "scrapped")
    assert entry.before["primary"]["name"] == "Team"
    with pytest.raises(roster.AgentNotFound):
        remove(engine, str(old.agent))
    assert [run.agent for run in engine.jobs.runs(ran.guid)] == ["agent"]
    new = engine.agent()
    assert new.agent != old.agent
    assert engine.jobs.get(ran.guid).status is JobStatus.COMPLETED
    assert engine.accept(engine.order(engine.module(), new)).status is JobStatus.SCHEDULED


def test_a_job_that_is_due_later_finds_its_agent_gone(engine: Engine) -> None:
    agent = engine.agent()
    at = engine.now() + 60 * MINUTE
    later = engine.accept(
        engine.order(engine.module(), agent, timing=Timing(immediate=False, scheduled_at=at))
    )
    engine.now.advance(SILENCE + moments.SECOND)
    assert remove(engine).runs == 0
    engine.now.advance(60 * MINUTE)
    engine.clock.tick()
    engine.reception.expire()
    ended = engine.jobs.get(later.guid)
    assert (ended.status, ended.reason) == (JobStatus.CANCELED, REMOVED)


def every_boot(engine: Engine, *who: Who) -> JobView:
    return engine.accept(JobOrder((What(engine.module()),), who, Timing(boot=Boot.EVERY)))


def test_jobs_after_every_boot_that_name_nobody_else_end(engine: Engine) -> None:
    agent, other = engine.agent(), engine.agent("other")
    team, gone = (
        Teams(engine.store, engine.now).create(TeamContent.of(name=name), MACHINE)
        for name in ("Team", "Gone")
    )
    own, another = Who(str(agent.agent)), Who(str(other.agent))
    alone = every_boot(engine, own)
    held = every_boot(engine, own)
    engine.jobs.hold(held.guid, engine.caller)
    aborted = every_boot(engine, own)
    engine.jobs.abort(aborted.guid, engine.caller)
    deserted = every_boot(engine, own, Who(str(gone.guid), WhoKind.TEAM))
    Teams(engine.store, engine.now).delete(gone.guid, MACHINE)
    stay = [
        every_boot(engine, own, another),
        every_boot(engine, own, Who(str(team.guid), WhoKind.TEAM)),
        every_boot(engine, another),
    ]
    engine.now.advance(SILENCE + moments.SECOND)
    assert remove(engine).runs == 0
    for job in (alone, held, deserted):
        ended = engine.jobs.get(job.guid)
        assert (ended.status, ended.reason) == (JobStatus.CANCELED, REMOVED)
    assert engine.jobs.get(aborted.guid).status is JobStatus.ABORTED
    assert {engine.jobs.get(job.guid).status for job in stay} == {JobStatus.SCHEDULED}
    with engine.store.reading() as session:
        enabled = session.rows(models.Schedule.select().where(models.Schedule.enabled))
        assert len(enabled) - 1 == len(stay)  # what was aborted is left as it was
    by_stage = {count.stage: count.jobs for count in engine.jobs.counts() if count.jobs}
    assert by_stage == {Stage.SCHEDULED: 3, Stage.HISTORY: 4}


def test_jobs_accepted_meanwhile_are_settled_too(engine: Engine) -> None:
    """Somebody goes on to order while the agent is removed: no run is left that waits for it."""
    agent = engine.agent()
    order = engine.order(engine.module(), agent)
    engine.now.advance(SILENCE + moments.SECOND)
    accepted: list[JobView] = []
    begun = threading.Event()

    def accept() -> None:
        with contextlib.suppress(OrderRefused):
            for _ in range(200):
                accepted.append(engine.accept(order))
                begun.set()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        accepting = pool.submit(accept)
        assert begun.wait(30)
        assert remove(engine).runs > 0
        accepting.result(timeout=60)
    engine.reception.expire()
    assert {engine.jobs.get(job.guid).status for job in accepted} == {JobStatus.CANCELED}
