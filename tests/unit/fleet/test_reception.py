"""The desk on the store: fencing, leases, lost runs, output."""

import dataclasses
import uuid
from typing import Any

import pytest

from gateway.agents.desk import AgentFacts, AgentSession, SessionOver
from gateway.agents.protocol import (
    LogChunk,
    ProcessIdentity,
    Report,
    RunFinished,
    RunOrder,
    TaskFinished,
    TaskStarted,
)
from gateway.catalog.definitions import Parameter, ParameterType
from gateway.fleet import events, roster
from gateway.fleet.orders import OrderMaker
from gateway.fleet.reception import REMOVED, STOPPED
from gateway.jobs.orders import Boot, Timing
from gateway.jobs.rows import JobRow, RunRow
from gateway.jobs.states import JobStatus
from storage import models
from storage.errors import StoreUnavailable
from storage.session import Row, Session
from tests.engine import LAUNCH_TIMEOUT, LEASE, Engine


def test_a_run_is_claimed_once(engine: Engine) -> None:
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    assert len(engine.reception.claim(agent, 10)) == 1
    assert engine.reception.claim(agent, 10) == []


def test_an_agent_gets_its_own_runs_only(engine: Engine) -> None:
    one, two = engine.agent("one"), engine.agent("two")
    engine.accept(engine.order(engine.module(), one))
    assert engine.reception.claim(two, 10) == []


def remove(engine: Engine, agent: AgentSession) -> None:
    table = models.Agent
    query = table.update(deleted_at=engine.now()).where(table.id == agent.agent_id)
    engine.store.unit_of_work(lambda session: session.execute(query))


def let_time_pass(engine: Engine, lease: float = 1) -> None:
    """Housekeeping looks, so many leases pass, and it looks again."""
    engine.reception.expire()
    engine.now.advance(int(lease * LEASE))
    engine.reception.expire()


def test_a_new_session_loses_the_runs_of_the_old_one(engine: Engine) -> None:
    old = engine.agent()
    job = engine.accept(engine.order(engine.module(), old))
    (order,) = engine.reception.claim(old, 1)
    new = engine.agent()
    assert (new.agent_id, new.agent) == (old.agent_id, old.agent)
    ended = engine.jobs.get(job.guid)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, STOPPED)
    with pytest.raises(SessionOver):
        engine.reception.claim(old, 1)
    late = RunFinished(order.run, order.attempt, engine.now(), JobStatus.COMPLETED)
    (refusal,) = engine.reception.report(old, [late])
    assert refusal.run == order.run
    assert engine.jobs.get(job.guid).status is JobStatus.FAILED


def test_a_late_report_leaves_one_record_also_when_its_first_one_was_rolled_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = engine.agent()
    job = engine.accept(engine.order(engine.module(), old))
    (order,) = engine.reception.claim(old, 1)
    engine.agent()
    late = RunFinished(order.run, order.attempt, engine.now(), JobStatus.COMPLETED)

    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(events, "record", full)
        with pytest.raises(StoreUnavailable):
            engine.reception.report(old, [late])
    for _ in range(2):
        assert len(engine.reception.report(old, [late])) == 1
    with engine.store.reading() as session:
        kinds = [one.kind for one in events.of_agent(session, old.agent_id)]
    assert kinds == [events.LATE]
    told = [event.reason for event in engine.jobs.events(job.guid)]
    assert [one for one in told if "late report of attempt 1 was refused" in one] == [told[-1]]


@pytest.mark.parametrize("boot", ["boot", "another"])
def test_a_remote_agent_does_after_another_start_what_waits_for_one(
    engine: Engine, boot: str
) -> None:
    agent = engine.agent(embedded=False)
    waits = engine.order(engine.module(), agent, timing=Timing(boot=Boot.NEXT))
    recurs = engine.order(engine.module(), agent, timing=Timing(boot=Boot.EVERY))
    for order in (waits, recurs):
        engine.accept(order)
    assert engine.reception.claim(agent, 10) == []
    facts = AgentFacts("agent", "linux", "1", boot, (), ("sh",), 10, embedded=False)
    again = engine.reception.open_remote(agent.agent_id, facts, "", agent.session)
    found = engine.reception.claim(again, 10)
    assert len(found) == (0 if boot == "boot" else 2)


def test_a_lost_run_is_tried_again_when_its_module_says_so(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(retries=1), agent))
    (first,) = engine.reception.claim(agent, 1)
    engine.reception.lost(agent, [(first.run, first.attempt)], "the supervisor died")
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    (second,) = engine.reception.claim(agent, 1)
    assert (second.run, second.attempt) == (first.run, 2)
    assert "attempt 2: the supervisor died" in [e.reason for e in engine.jobs.events(job.guid)]
    late = RunFinished(first.run, first.attempt, engine.now(), JobStatus.COMPLETED)
    assert len(engine.reception.report(agent, [late])) == 1
    engine.reception.lost(agent, [(second.run, second.attempt)], "it died again")
    ended = engine.jobs.get(job.guid)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, "it died again")


def test_a_lost_run_that_was_to_be_aborted_is_aborted(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(retries=5), agent))
    (order,) = engine.reception.claim(agent, 1)
    engine.jobs.abort(job.guid, engine.caller)
    engine.reception.lost(agent, [(order.run, order.attempt)], "gone")
    assert engine.jobs.get(job.guid).status is JobStatus.ABORTED


def test_an_agent_that_falls_silent_loses_its_runs(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    let_time_pass(engine, 0.9)
    assert engine.reception.renew(agent, [(order.run, 1)]) == []
    let_time_pass(engine, 0.9)
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    let_time_pass(engine, 0.2)
    assert engine.jobs.get(job.guid).status is JobStatus.FAILED


def test_what_a_removed_agent_had_is_settled(engine: Engine) -> None:
    agent = engine.agent()
    begun = engine.accept(engine.order(engine.module(retries=1), agent))
    engine.reception.claim(agent, 1)
    waiting = engine.accept(engine.order(engine.module(name="Other"), agent))
    remove(engine, agent)
    with pytest.raises(SessionOver, match=REMOVED):
        engine.reception.renew(agent, [])
    with pytest.raises(SessionOver, match=REMOVED):
        engine.reception.claim(agent, 1)
    let_time_pass(engine)
    ended = engine.jobs.get(waiting.guid)
    assert (ended.status, ended.reason) == (JobStatus.CANCELED, REMOVED)
    # The one that was under way is lost, would be tried again, and finds its agent gone.
    engine.reception.expire()
    assert engine.jobs.get(begun.guid).status is JobStatus.CANCELED


def test_who_cannot_be_settled_on_a_full_disk_may_renew_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His leases could not be renewed on it either."""
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)

    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        engine.reception.expire()
        engine.now.advance(LEASE)
        patched.setattr(engine.store, "unit_of_work", full)
        with pytest.raises(StoreUnavailable):
            engine.reception.expire()
    engine.reception.expire()
    assert engine.reception.renew(agent, [(order.run, order.attempt)]) == []
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    let_time_pass(engine)
    assert engine.jobs.get(job.guid).status is not JobStatus.ACTIVE


def test_a_run_that_is_given_back_waits_again_and_loses_no_attempt(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (first,) = engine.reception.claim(agent, 1)
    engine.reception.give_back(agent, [(first.run, first.attempt)])
    again = engine.jobs.get(job.guid)
    assert (again.status, again.started_at) == (JobStatus.SCHEDULED, None)
    (second,) = engine.reception.claim(agent, 1)
    assert (second.run, second.attempt) == (first.run, 1)
    engine.finish(agent, second)
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED
    engine.reception.give_back(agent, [(second.run, 1)])
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED


def test_a_run_that_is_given_back_while_it_is_aborted_ends(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    engine.jobs.abort(job.guid, engine.caller)
    engine.reception.give_back(agent, [(order.run, 1)])
    assert engine.jobs.get(job.guid).status is JobStatus.ABORTED


def test_nothing_of_a_lost_attempt_stays_open(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(tasks=3, retries=1), agent))
    (order,) = engine.reception.claim(agent, 1)
    at = engine.now()
    engine.reception.report(
        agent,
        [
            TaskStarted(order.run, 1, 0, at),
            TaskFinished(order.run, 1, 0, at, at, JobStatus.COMPLETED),
            TaskStarted(order.run, 1, 1, at),
            LogChunk(order.run, 1, 1, 0, b"so far\n"),
        ],
    )
    engine.reception.lost(agent, [(order.run, 1)], "the supervisor died")
    with engine.store.reading() as session:
        tasks = session.rows(models.TaskResult.select().order_by(models.TaskResult.seq))
        (blob,) = session.rows(models.Blob.select())
    expected = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.SKIPPED]
    assert [task["status"] for task in tasks] == expected
    assert [task["detail"] for task in tasks[1:]] == [
        "the supervisor died",
        "not run: the supervisor died",
    ]
    assert (blob["size"], len(blob["sha256"])) == (7, 64)
    (run,) = engine.jobs.runs(job.guid)
    assert (run.attempt, run.tasks_done) == (2, 0)


def test_output_is_kept_in_order_and_sealed(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    at = engine.now()
    engine.reception.report(
        agent,
        [
            TaskStarted(order.run, 1, 0, at, ProcessIdentity(4711, at, "boot")),
            LogChunk(order.run, 1, 0, 0, b"one\n"),
            LogChunk(order.run, 1, 0, 1, b"two\n", truncated=True),
        ],
    )
    seen: dict[tuple[uuid.UUID, int], int] = {}
    assert [piece.data for piece in engine.jobs.output(job.guid, seen)] == [b"one\n", b"two\n"]
    assert list(engine.jobs.output(job.guid, seen)) == []
    engine.reception.report(
        agent,
        [
            TaskFinished(order.run, 1, 0, at, at, JobStatus.COMPLETED, 0, "", {"x": "y"}),
            RunFinished(order.run, 1, at, JobStatus.COMPLETED),
        ],
    )
    (run,) = engine.jobs.runs(job.guid, tasks=True)
    (task,) = run.tasks
    assert (task.status, task.exit_code, task.outputs) == (JobStatus.COMPLETED, 0, {"x": "y"})
    assert task.log_truncated
    assert run.tasks_done == 1
    assert task.log_id is not None
    assert engine.jobs.log(task.log_id, 100) == b"one\ntwo\n"
    with engine.store.reading() as session:
        (blob,) = session.rows(models.Blob.select())
    assert blob["size"] == 8
    assert len(blob["sha256"]) == 64


def test_a_new_server_knows_what_the_old_one_left_running(engine: Engine) -> None:
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    process = ProcessIdentity(4711, 1, "boot")
    engine.reception.report(agent, [TaskStarted(order.run, 1, 0, engine.now(), process)])
    assert engine.reception.left_behind("agent") == ([process], [order.run])
    assert engine.reception.left_behind("unknown") == ([], [])


def test_another_agent_of_the_same_name_is_another_agent(engine: Engine) -> None:
    own = engine.agent("here")
    job = engine.accept(engine.order(engine.module(), own))
    (order,) = engine.reception.claim(own, 1)
    stranger = engine.agent("here", embedded=False)
    assert stranger.agent_id != own.agent_id
    assert engine.reception.left_behind("here") == ([], [order.run])
    engine.finish(own, order)
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED
    assert engine.agent("here").agent_id == own.agent_id


def test_runs_that_never_reached_their_agent_wait_again(engine: Engine) -> None:
    agent = engine.agent()
    jobs = [engine.accept(engine.order(engine.module(), agent)) for _ in range(3)]
    begun, held, stranded = engine.reception.claim(agent, 10)
    engine.reception.report(agent, [TaskStarted(begun.run, 1, 0, engine.now())])
    # The answer to a claim may still be under way.
    assert engine.reception.renew(agent, [(held.run, 1)]) == []
    assert engine.reception.claim(agent, 10) == []
    engine.now.advance(LEASE // 2)
    assert engine.reception.renew(agent, [(held.run, 1)]) == []
    (again,) = engine.reception.claim(agent, 10)
    assert (again.run, again.attempt) == (stranded.run, 1)
    for order in (held, again):
        engine.finish(agent, order)
    # What was begun may not run twice: it is lost with its lease.
    assert [engine.jobs.get(job.guid).status for job in jobs] == [
        JobStatus.ACTIVE, JobStatus.COMPLETED, JobStatus.COMPLETED,
    ]  # fmt: skip
    let_time_pass(engine)
    assert engine.jobs.get(jobs[0].guid).status is JobStatus.FAILED


def test_a_renewal_names_what_was_settled_meanwhile(engine: Engine) -> None:
    agent = engine.agent()
    engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    let_time_pass(engine)
    (refusal,) = engine.reception.renew(agent, [(order.run, 1)])
    assert (refusal.run, refusal.attempt) == (order.run, 1)


def test_what_is_reported_twice_counts_once(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(tasks=2), agent))
    (order,) = engine.reception.claim(agent, 1)
    at = engine.now()
    first: list[Report] = [
        TaskStarted(order.run, 1, 0, at),
        LogChunk(order.run, 1, 0, 0, b"one\n"),
        TaskFinished(order.run, 1, 0, at, at, JobStatus.COMPLETED, outputs={"a": "b"}),
    ]
    last: list[Report] = [
        TaskFinished(order.run, 1, 1, at, at, JobStatus.SKIPPED),
        RunFinished(order.run, 1, at, JobStatus.COMPLETED),
    ]
    for reports in (first, first, last, [*first, *last]):
        assert engine.reception.report(agent, reports) == []
    (run,) = engine.jobs.runs(job.guid, tasks=True)
    assert (run.status, run.tasks_done) == (JobStatus.COMPLETED, 2)
    assert [task.status for task in run.tasks] == [JobStatus.COMPLETED, JobStatus.SKIPPED]
    assert [piece.data for piece in engine.jobs.output(job.guid)] == [b"one\n"]
    # Another end than the one that is known is none.
    other = RunFinished(order.run, 1, at, JobStatus.FAILED)
    assert len(engine.reception.report(agent, [other])) == 1


def test_a_long_log_is_read_in_portions(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    (order,) = engine.reception.claim(agent, 1)
    pieces = [bytes([97 + index % 26]) * 10 for index in range(50)]
    at = engine.now()
    reports = [LogChunk(order.run, 1, 0, index, data) for index, data in enumerate(pieces)]
    engine.reception.report(agent, reports)
    engine.reception.report(agent, [TaskFinished(order.run, 1, 0, at, at, JobStatus.COMPLETED)])
    assert [piece.data for piece in engine.jobs.output(job.guid)] == pieces
    ((task,),) = [run.tasks for run in engine.jobs.runs(job.guid, tasks=True)]
    assert task.log_id is not None
    assert engine.jobs.log(task.log_id, 1000) == b"".join(pieces)
    assert engine.jobs.log(task.log_id, 15) == b"a" * 10 + b"b" * 5


def test_what_waits_again_does_not_wait_for_ever(engine: Engine) -> None:
    agent = engine.agent()
    retried = engine.accept(engine.order(engine.module(retries=1), agent))
    returned = engine.accept(engine.order(engine.module(), agent))
    first, second = engine.reception.claim(agent, 10)
    engine.now.advance(LAUNCH_TIMEOUT)
    engine.clock.tick()
    engine.reception.lost(agent, [(first.run, 1)], "the supervisor died")
    engine.reception.give_back(agent, [(second.run, 1)])
    engine.now.advance(LAUNCH_TIMEOUT - 1)
    engine.clock.tick()
    statuses = [engine.jobs.get(job.guid).status for job in (retried, returned)]
    assert statuses == [JobStatus.ACTIVE, JobStatus.SCHEDULED]
    engine.now.advance(1)
    engine.clock.tick()
    statuses = [engine.jobs.get(job.guid).status for job in (retried, returned)]
    assert statuses == [JobStatus.CANCELED, JobStatus.CANCELED]


SECRET = Parameter(name="pin", type=ParameterType.PASSWORD, default="1234")


def test_a_secret_that_cannot_be_opened_fails_its_run_alone(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(parameters=(SECRET,)), agent))
    other = engine.accept(engine.order(engine.module(), agent))
    damaged = models.Secret.update(sealed=b"nothing of the kind")
    engine.store.unit_of_work(lambda session: session.execute(damaged))
    assert [order.job for order in engine.reception.claim(agent, 10)] == [other.guid]
    ended = engine.jobs.get(job.guid)
    assert ended.status is JobStatus.FAILED
    assert "could not be prepared" in ended.reason


def test_a_mistake_in_the_making_of_one_order_stops_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = engine.agent()
    bad, good = (engine.accept(engine.order(engine.module(), agent)) for _ in range(2))
    make = OrderMaker.order

    def mistaken(
        maker: OrderMaker, session: Session, job: JobRow, run: RunRow, request: Row | None
    ) -> RunOrder:
        order = make(maker, session, job, run, request)
        if order.job == bad.guid:
            raise TypeError("the password is 1234")
        return order

    monkeypatch.setattr(OrderMaker, "order", mistaken)
    assert [order.job for order in engine.reception.claim(agent, 10)] == [good.guid]
    ended = engine.jobs.get(bad.guid)
    assert ended.status is JobStatus.FAILED
    assert "1234" not in ended.reason


def test_a_run_whose_definition_is_unreadable_ends_with_the_reason(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    other = engine.accept(engine.order(engine.module(name="Other"), agent))
    version = job.what[0].version
    engine.store.unit_of_work(
        lambda session: session.execute(
            models.DefinitionVersion.update(body={"guid": "nonsense"}).where(
                models.DefinitionVersion.id == version
            )
        )
    )
    engine.catalog._versions.clear()
    claimed = engine.reception.claim(agent, 10)
    assert [order.job for order in claimed] == [other.guid]
    ended = engine.jobs.get(job.guid)
    assert ended.status is JobStatus.FAILED
    assert "could not be prepared" in ended.reason


def known(engine: Engine, agent: AgentSession) -> roster.Agent:
    with engine.store.reading() as session:
        return roster.by_ids(session, {agent.agent_id})[agent.agent_id]


def _told_of_its_machine(agent: roster.Agent) -> tuple[Any, ...]:
    return tuple(agent.facts.get(fact) for fact in ("time_zone", "mac_addresses", "console_user"))


def test_what_an_agent_tells_of_its_machine_is_kept(engine: Engine) -> None:
    plain = AgentFacts("here", "linux", "1", "boot", (), (), 1, embedded=True)
    session = engine.reception.open_session(plain)
    first = known(engine, session)
    assert _told_of_its_machine(first) == ("", [], "")
    macs = ("02:00:00:00:00:01",)
    told = dataclasses.replace(
        plain, time_zone="Asia/Tokyo", mac_addresses=macs, console_user="joe"
    )
    engine.reception.tell(session, told)
    second = known(engine, session)
    assert _told_of_its_machine(second) == ("Asia/Tokyo", list(macs), "joe")
    assert second.last_console_user == "joe"
    engine.reception.open_session(plain)
    third = known(engine, session)
    assert (third.facts["console_user"], third.last_console_user) == ("", "joe")
    # Its session is over by now.
    engine.reception.tell(session, dataclasses.replace(told, console_user="jane"))
    assert known(engine, session) == third
