"""Accepting and steering jobs, on both databases."""

import dataclasses
import uuid

import pytest

from gateway import moments
from gateway.catalog.definitions import Module, Parameter, ParameterType
from gateway.identity.principals import MACHINE
from gateway.identity.vault import SECRET_MARKER
from gateway.jobs import service
from gateway.jobs.orders import (
    GivenParameters,
    GivenValue,
    JobOrder,
    OrderRefused,
    Recurrence,
    RecurrenceKind,
    Timing,
    What,
    Who,
    WhoKind,
)
from gateway.jobs.service import JobFilter, JobNotFound
from gateway.jobs.states import JobStatus, MoveRefused, Stage
from storage import models
from tests.engine import HOUR, LAUNCH_TIMEOUT, MINUTE, Engine


def test_an_immediate_job_waits_for_its_agent_at_once(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(tasks=2), agent))
    assert job.status is JobStatus.SCHEDULED
    (order,) = engine.reception.claim(agent, 10)
    assert order.job == job.guid
    assert [task.name for task in order.tasks] == ["task 0", "task 1"]
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    engine.finish(agent, order)
    done = engine.jobs.get(job.guid)
    assert (done.status, done.finished_at) == (JobStatus.COMPLETED, engine.now())


def test_the_answer_to_an_acceptance_is_what_a_later_read_gives(engine: Engine) -> None:
    agent = engine.agent()
    accepted = engine.accept(engine.order(engine.module(), agent))
    assert engine.jobs.get(accepted.guid) == accepted


def test_a_job_on_two_agents_ends_with_the_last(engine: Engine) -> None:
    first, second = engine.agent("one"), engine.agent("two")
    job = engine.accept(engine.order(engine.module(), first, second))
    engine.run_all(first)
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    engine.run_all(second)
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED
    assert [run.status for run in engine.jobs.runs(job.guid)] == [JobStatus.COMPLETED] * 2


def test_urgent_jobs_are_claimed_first(engine: Engine) -> None:
    agent, module = engine.agent(), engine.module()
    slow = engine.accept(engine.order(module, agent, priority=1))
    usual = engine.accept(engine.order(module, agent))
    urgent = engine.accept(engine.order(module, agent, priority=9))
    claimed = [order.job for order in engine.reception.claim(agent, 10)]
    assert claimed == [urgent.guid, usual.guid, slow.guid]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"what": ()}, "What"),
        ({"what": (What(uuid.uuid4()),)}, "What[0].ID"),
        ({"who": ()}, "Who"),
        ({"who": (Who("nobody"),)}, "Who[0].ID"),
        ({"who": (Who("agent", WhoKind.TEAM),)}, "Who[0].ID"),
        ({"timing": Timing(immediate=False)}, "When.ScheduledDateTime"),
        ({"timing": Timing(immediate=False, scheduled_at=10**19)}, "When.ScheduledDateTime"),
        ({"timing": Timing(recurrence=Recurrence(RecurrenceKind.CRON, "never"))}, "When"),
        ({"priority": 10}, "Priority"),
        ({"description": "x" * 5000}, "Description"),
        ({"parameters": (GivenParameters(uuid.uuid4(), ()),)}, "Parameters[0].TaskContainerGuid"),
    ],
)
def test_an_order_that_cannot_be_kept_is_refused_and_leaves_nothing(
    engine: Engine, change: dict[str, object], path: str
) -> None:
    order = dataclasses.replace(
        engine.order(engine.module(), engine.agent()),
        **change,  # type: ignore[arg-type]
    )
    with pytest.raises(OrderRefused) as refused:
        engine.accept(order)
    assert refused.value.path == path
    with engine.store.reading() as session:
        for table in (models.Job, models.JobRequest, models.Run, models.JobEvent):
            assert session.rows(table.select()) == []


def test_an_agent_may_be_named(engine: Engine) -> None:
    engine.agent("Print Server")
    order = JobOrder(what=(What(engine.module()),), who=(Who(" print  SERVER "),))
    assert [who.name for who in engine.accept(order).who] == ["Print Server"]


def test_a_scheduled_job_starts_when_it_is_due(engine: Engine) -> None:
    agent = engine.agent()
    timing = Timing(immediate=False, scheduled_at=engine.now() + HOUR)
    job = engine.accept(engine.order(engine.module(), agent, timing=timing))
    assert engine.clock.tick() == 0
    assert engine.reception.claim(agent, 10) == []
    engine.now.advance(HOUR)
    assert engine.clock.tick() == 1
    assert engine.clock.tick() == 0
    assert [order.job for order in engine.reception.claim(agent, 10)] == [job.guid]


def test_a_job_that_starts_late_says_so(engine: Engine) -> None:
    timing = Timing(immediate=False, scheduled_at=engine.now() + HOUR)
    job = engine.accept(engine.order(engine.module(), engine.agent(), timing=timing))
    engine.now.advance(3 * HOUR)
    engine.clock.tick()
    assert [event.reason for event in engine.jobs.events(job.guid)][-1] == "started 7200 s late"


def test_jobs_are_counted_by_the_folder_of_their_module(engine: Engine) -> None:
    module = Module(guid=uuid.uuid4(), name="Nightly", folder="Night/DB", tasks=())
    engine.catalog.save(module, MACHINE)
    engine.accept(engine.order(module.guid, engine.agent()))
    (count,) = engine.jobs.counts()
    assert count.folder_id != 0


def test_a_job_that_nobody_starts_is_canceled(engine: Engine) -> None:
    job = engine.accept(engine.order(engine.module(), engine.agent()))
    engine.now.advance(LAUNCH_TIMEOUT)
    engine.clock.tick()
    ended = engine.jobs.get(job.guid)
    assert ended.status is JobStatus.CANCELED
    assert "launch timeout" in ended.reason
    assert [run.status for run in engine.jobs.runs(job.guid)] == [JobStatus.CANCELED]


def test_an_agent_that_did_start_is_not_canceled_with_the_one_that_did_not(
    engine: Engine,
) -> None:
    busy, silent = engine.agent("busy"), engine.agent("silent")
    job = engine.accept(engine.order(engine.module(), busy, silent))
    (order,) = engine.reception.claim(busy, 10)
    engine.now.advance(LAUNCH_TIMEOUT)
    engine.clock.tick()
    assert engine.jobs.get(job.guid).status is JobStatus.ACTIVE
    engine.finish(busy, order)
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED_WITH_ERRORS


def test_a_held_job_waits_until_it_is_resumed(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    assert engine.jobs.hold(job.guid, engine.caller).status is JobStatus.DISABLED
    assert engine.reception.claim(agent, 10) == []
    engine.now.advance(2 * LAUNCH_TIMEOUT)
    engine.clock.tick()
    assert engine.jobs.get(job.guid).status is JobStatus.DISABLED
    assert engine.jobs.resume(job.guid, engine.caller).status is JobStatus.SCHEDULED
    engine.clock.tick()
    assert engine.run_all(agent) == 1
    assert engine.jobs.get(job.guid).status is JobStatus.COMPLETED


def test_a_job_accepted_on_hold_does_not_start(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent, on_hold=True))
    engine.clock.tick()
    assert (job.status, engine.reception.claim(agent, 1)) == (JobStatus.DISABLED, [])
    engine.jobs.resume(job.guid, engine.caller)
    engine.clock.tick()
    assert engine.run_all(agent) == 1


def test_a_running_job_cannot_be_held_nor_a_waiting_one_resumed(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    with pytest.raises(MoveRefused):
        engine.jobs.resume(job.guid, engine.caller)
    engine.reception.claim(agent, 1)
    with pytest.raises(MoveRefused):
        engine.jobs.hold(job.guid, engine.caller)


def test_aborting_a_waiting_job_ends_it_at_once(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    assert engine.jobs.abort(job.guid, engine.caller).status is JobStatus.ABORTED
    assert engine.reception.claim(agent, 1) == []


def test_aborting_a_running_job_asks_its_agent(engine: Engine) -> None:
    agent, idle = engine.agent("busy"), engine.agent("idle")
    job = engine.accept(engine.order(engine.module(), agent, idle))
    (order,) = engine.reception.claim(agent, 1)
    aborting = engine.jobs.abort(job.guid, engine.caller, "wrong printer")
    assert aborting.status is JobStatus.ABORTING
    (abort,) = engine.reception.aborts(agent)
    assert (abort.run, abort.reason) == (order.run, "wrong printer")
    engine.finish(agent, order, JobStatus.ABORTED)
    assert engine.jobs.get(job.guid).status is JobStatus.ABORTED
    assert engine.reception.aborts(agent) == []


def test_an_abort_that_comes_too_late_changes_nothing(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    engine.run_all(agent)
    assert engine.jobs.abort(job.guid, engine.caller).status is JobStatus.COMPLETED


def test_a_rerun_is_a_new_job_with_the_same_versions(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    engine.run_all(agent)
    again = engine.jobs.rerun(job.guid, engine.caller)
    assert again.guid != job.guid
    assert again.what == job.what
    assert str(job.guid) in again.reason
    assert engine.run_all(agent) == 1


def test_unknown_jobs_are_not_found(engine: Engine) -> None:
    for act in (engine.jobs.abort, engine.jobs.hold, engine.jobs.resume, engine.jobs.rerun):
        with pytest.raises(JobNotFound):
            act(uuid.uuid4(), engine.caller)
    with pytest.raises(JobNotFound):
        engine.jobs.get(uuid.uuid4())


def test_every_move_leaves_an_event(engine: Engine) -> None:
    agent = engine.agent()
    job = engine.accept(engine.order(engine.module(), agent))
    engine.run_all(agent)
    moves = [(event.before, event.after) for event in engine.jobs.events(job.guid)]
    assert moves == [
        (None, JobStatus.SCHEDULED),
        (JobStatus.SCHEDULED, JobStatus.ACTIVE),
        (JobStatus.ACTIVE, JobStatus.COMPLETED),
    ]


def test_pages_count_by_stage_and_may_lie_beyond_the_end(engine: Engine) -> None:
    agent, module = engine.agent(), engine.module()
    jobs = [engine.accept(engine.order(module, agent)) for _ in range(5)]
    engine.jobs.abort(jobs[0].guid, engine.caller)
    page = engine.jobs.page(JobFilter(Stage.SCHEDULED), 1, 3)
    assert [job.guid for job in page.jobs] == [job.guid for job in jobs[:1:-1]]
    assert (page.page, page.pages, page.total) == (1, 2, 4)
    beyond = engine.jobs.page(JobFilter(Stage.SCHEDULED), 3, 3)
    assert (beyond.jobs, beyond.page, beyond.pages) == ((), 3, 2)
    assert engine.jobs.page(JobFilter(), 1, 10).total == 5
    assert engine.jobs.page(JobFilter(Stage.ACTIVE), 1, 10).pages == 0


def test_parameters_given_go_over_defaults_and_secrets_stay_hidden(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module(
        parameters=(
            Parameter(name="Greeting", default="hello"),
            Parameter(name="Name", default="world"),
            Parameter(name="Key", type=ParameterType.PASSWORD, default="default-key"),
            Parameter(name="Pin", type=ParameterType.PASSWORD),
            Parameter(name="Login", type=ParameterType.CREDENTIALS, default="u", default2="p"),
        )
    )
    given = GivenParameters(
        module,
        (
            GivenValue("NAME", "Zoë"),
            GivenValue("Key", SECRET_MARKER),
            GivenValue("Pin", "4711-secret"),
            GivenValue("Login", "other", "hidden-password"),
            GivenValue("Unknown", "ignored"),
        ),
    )
    job = engine.accept(engine.order(module, agent, parameters=(given,)))
    (order,) = engine.reception.claim(agent, 1)
    values = {value.name: (value.value, value.secondary) for value in order.parameters}
    assert values == {
        "Greeting": ("hello", ""),
        "Name": ("Zoë", ""),
        "Key": ("default-key", ""),
        "Pin": ("4711-secret", ""),
        "Login": ("other", "hidden-password"),
    }
    (shown_set,) = engine.jobs.values(job)
    shown = shown_set.given
    assert shown["Pin"].value == SECRET_MARKER
    assert (shown["Login"].value, shown["Login"].secondary) == ("other", SECRET_MARKER)
    with engine.store.reading() as session:
        stored = str(session.rows(models.JobRequest.select()))
        stored += str(session.rows(models.Secret.select()))
    for secret in ("4711-secret", "hidden-password", "default-key"):
        assert secret not in stored


def test_a_value_that_is_not_allowed_is_refused(engine: Engine) -> None:
    module = engine.module(
        parameters=(
            Parameter(name="Size", type=ParameterType.LIST, allowed=("S", "M"), default="S"),
            Parameter(name="Days", type=ParameterType.MULTI_SELECT, allowed=("mo", "tu")),
        )
    )
    agent = engine.agent()

    def accept(name: str, value: str) -> None:
        given = GivenParameters(None, (GivenValue(name, value),))
        engine.accept(engine.order(module, agent, parameters=(given,)))

    accept("Size", "M")
    accept("Days", "mo;tu")
    with pytest.raises(OrderRefused, match="'XL' is not allowed; choose from S;M"):
        accept("Size", "XL")
    with pytest.raises(OrderRefused, match="'su' is not allowed"):
        accept("Days", "mo;su")


def test_a_required_parameter_must_be_given(engine: Engine) -> None:
    module = engine.module(parameters=(Parameter(name="Host", required=True),))
    with pytest.raises(OrderRefused, match="Host"):
        engine.accept(engine.order(module, engine.agent()))


def test_a_job_keeps_the_version_it_was_accepted_with(engine: Engine) -> None:
    agent, module = engine.agent(), engine.module(tasks=1)
    job = engine.accept(engine.order(module, agent))
    with engine.store.reading() as session:
        current = engine.catalog.find(session, module)
        old = engine.catalog.module(session, current.version_id)
    engine.catalog.save(Module(**(old.model_dump() | {"tasks": (), "name": "Emptied"})), MACHINE)
    (order,) = engine.reception.claim(agent, 1)
    assert (order.job, len(order.tasks)) == (job.guid, 1)


def test_ten_thousand_scheduled_jobs_add_nothing_to_the_scheduler(engine: Engine) -> None:
    agent, module = engine.agent(), engine.module()
    engine.clock.start()
    try:
        before = engine.clock.scheduled
        timing = Timing(immediate=False, scheduled_at=moments.now() + 365 * 24 * HOUR)
        job = engine.accept(engine.order(module, agent, timing=timing))
        with engine.store.reading() as session:
            row = session.first(models.Job.select().where(models.Job.guid == job.guid))
        assert row is not None
        del row["id"]
        copies = [row | {"guid": uuid.uuid4()} for _ in range(10_000)]
        engine.store.unit_of_work(
            lambda session: [
                session.execute(models.Job.insert_many(copies[i : i + 500]))
                for i in range(0, len(copies), 500)
            ]
        )
        engine.clock.wake_by(moments.now() + MINUTE)
        assert engine.clock.scheduled == before
    finally:
        engine.clock.stop()


def test_the_disk_is_asked_for_its_room_twice_a_second_at_most() -> None:
    class Disk:
        asked = 0

        def free_bytes(self) -> int:
            self.asked += 1
            return 1000 * self.asked

    now = 0.0
    disk = Disk()
    room = service.FreeSpace(disk, lambda: now)  # type: ignore[arg-type]  # a store with one answer
    assert [room.bytes(), room.bytes()] == [1000, 1000]
    now = 0.4
    assert room.bytes() == 1000
    now = 0.5
    assert room.bytes() == 2000
