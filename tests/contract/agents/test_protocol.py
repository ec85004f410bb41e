"""Sessions, polls, reports, losses and resources of a remote agent."""

import threading
import time
import uuid
from typing import Any

import pytest

from gateway import moments
from gateway.agents import protocol
from gateway.agents.protocol import LogChunk, RunFinished, RunOrder, TaskFinished, TaskStarted
from gateway.catalog.resources import ResourceDetails
from gateway.fleet import events, roster
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import JobOrder, What, Who
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from tests.contract.agents.conftest import Build, Remote, enrolled
from tests.contract.dispatcher.house import House

PATIENCE = 20.0


def submit(house: House, remote: Remote, module: uuid.UUID | None = None) -> JobView:
    """A job for the agent."""
    wanted = house.module(f"Module {uuid.uuid4()}").guid if module is None else module
    order = JobOrder(what=(What(wanted),), who=(Who(remote.session["agent"]),))
    return house.gateway.jobs.accept(order, MACHINE)


def work_off(remote: Remote, order: RunOrder, status: JobStatus = JobStatus.COMPLETED) -> Any:
    """Report everything about a run that ends so."""
    now = moments.now()
    told: list[protocol.Report] = []
    for task in order.tasks:
        told.append(TaskStarted(order.run, order.attempt, task.seq, now))
        told.append(LogChunk(order.run, order.attempt, task.seq, 0, b"\xff output\n"))
        told.append(TaskFinished(order.run, order.attempt, task.seq, now, now, status, 0))
    told.append(RunFinished(order.run, order.attempt, now, status))
    return remote.report(*told)


def status(house: House, job: JobView) -> JobStatus:
    return house.gateway.jobs.get(job.guid).status


def kinds(house: House, agent: str) -> list[str]:
    with house.gateway.store.reading() as session:
        found = roster.find(session, agent)
        return [one.kind for one in events.of_agent(session, found.id)]


def test_a_run_is_given_out_worked_off_and_ends_its_job(stored_house: House) -> None:
    remote = enrolled(stored_house)
    remote.open()
    job = submit(stored_house, remote)
    (order,) = remote.orders()
    assert status(stored_house, job) is JobStatus.ACTIVE
    assert work_off(remote, order).json["refused"] == []
    assert status(stored_house, job) is JobStatus.COMPLETED
    (run,) = stored_house.gateway.jobs.runs(job.guid, tasks=True)
    assert [task.status for task in run.tasks] == [JobStatus.COMPLETED]


def test_a_poll_waits_until_there_is_work(house: House, remote: Remote) -> None:
    found: list[RunOrder] = []
    waiting = threading.Thread(target=lambda: found.extend(remote.orders(wait=PATIENCE)))
    waiting.start()
    until(lambda: house.gateway.switchboard.waiting == 1)
    job = submit(house, remote)
    waiting.join(PATIENCE)
    assert [order.job for order in found] == [job.guid]


def test_a_poll_whose_time_is_up_says_nothing(remote: Remote) -> None:
    answer = remote.poll(wait=0.05).json
    assert (answer["orders"], answer["aborts"], answer["refused"]) == ([], [], [])
    assert abs(answer["server_time"] - moments.now()) < 60 * moments.SECOND


def test_a_newer_poll_answers_the_older_one(house: House, remote: Remote) -> None:
    answers: list[Any] = []
    older = threading.Thread(target=lambda: answers.append(remote.poll(wait=PATIENCE).json))
    older.start()
    until(lambda: house.gateway.switchboard.waiting == 1)
    remote.poll(wait=0.05)
    older.join(PATIENCE)
    assert answers[0]["orders"] == []


def test_who_has_no_room_is_given_nothing_but_hears_of_aborts(house: House, remote: Remote) -> None:
    job, other = submit(house, remote), submit(house, remote)
    (order,) = remote.orders(places=1)
    named = [{"run": str(order.run), "attempt": 1}]
    assert remote.orders(places=0, runs=named, wait=0.3) == []
    house.gateway.jobs.abort(job.guid, MACHINE)
    answer = remote.poll(places=0, runs=named, wait=PATIENCE).json
    assert [one["run"] for one in answer["aborts"]] == [str(order.run)]
    assert status(house, other) is JobStatus.SCHEDULED
    # Stopping takes a while: the same abort is no news.
    assert remote.poll(places=0, runs=named, wait=0.1).json["aborts"] == []


def test_room_that_reports_make_is_used_at_once(house: House, remote: Remote) -> None:
    submit(house, remote)
    (first,) = remote.orders(places=1)
    second = submit(house, remote)
    found: list[RunOrder] = []
    named = [{"run": str(first.run), "attempt": 1}]
    waiting = threading.Thread(
        target=lambda: found.extend(remote.orders(places=0, runs=named, wait=PATIENCE))
    )
    waiting.start()
    until(lambda: house.gateway.switchboard.waiting == 1)
    work_off(remote, first)
    waiting.join(PATIENCE)
    assert [order.job for order in found] == [second.guid]


def test_a_run_whose_order_was_lost_on_its_way_waits_again(build: Build) -> None:
    house = build(lease_seconds=1)
    remote = enrolled(house)
    remote.open()
    job = submit(house, remote)
    (lost,) = remote.orders()
    # The agent knows nothing of it, so it does not name it.
    ends = time.monotonic() + PATIENCE
    again: list[RunOrder] = []
    while not again and time.monotonic() < ends:
        again = remote.orders(wait=0.2)
    assert [(order.job, order.attempt) for order in again] == [(job.guid, lost.attempt)]


def test_a_lost_run_fails_with_the_reason(house: House, remote: Remote) -> None:
    job = submit(house, remote)
    (order,) = remote.orders()
    runs = [{"run": str(order.run), "attempt": 1}]
    told = {**remote.named, "runs": runs, "reason": "the supervisor died"}
    assert remote.post("/losses", told).status == 200
    assert house.gateway.jobs.get(job.guid).status is JobStatus.FAILED
    late = work_off(remote, order).json["refused"]
    assert [one["run"] for one in late] == [str(order.run)]
    assert any("late report of attempt 1" in text for text in history(house, job))
    assert events.LATE in kinds(house, remote.session["agent"])


def test_a_run_that_was_never_begun_waits_again(house: House, remote: Remote) -> None:
    job = submit(house, remote)
    (order,) = remote.orders()
    runs = [{"run": str(order.run), "attempt": 1}]
    told = {**remote.named, "runs": runs, "reason": "no room", "begun": False}
    assert remote.post("/losses", told).status == 200
    assert status(house, job) is JobStatus.SCHEDULED
    assert [one.job for one in remote.orders()] == [job.guid]


def test_the_same_report_twice_counts_once(house: House, remote: Remote) -> None:
    job = submit(house, remote)
    (order,) = remote.orders()
    now = moments.now() + 3600 * moments.SECOND  # a clock that is ahead
    end = RunFinished(order.run, order.attempt, now, JobStatus.FAILED, "no")
    assert remote.report(end).json["refused"] == []
    assert remote.report(end).json["refused"] == []
    view = house.gateway.jobs.get(job.guid)
    assert view.status is JobStatus.FAILED
    assert view.finished_at is not None
    assert view.finished_at <= moments.now()


def test_times_before_the_start_are_those_of_the_start(house: House, remote: Remote) -> None:
    submit(house, remote)
    (order,) = remote.orders()
    work = RunFinished(order.run, order.attempt, 5, JobStatus.COMPLETED)
    assert remote.report(work).json["refused"] == []
    with house.gateway.store.reading() as session:
        (run,) = session.rows(models.Run.select().where(models.Run.guid == order.run))
    assert run["finished_at"] == run["started_at"]


class TestSessions:
    """Who may speak for an agent."""

    def test_the_same_machine_takes_over_at_once(self, house: House, remote: Remote) -> None:
        job = submit(house, remote)
        (order,) = remote.orders()
        first = remote.session["session"]
        assert remote.open(previous=first).status == 200
        assert house.gateway.jobs.get(job.guid).status is JobStatus.FAILED
        remote.session["session"] = first
        (refused,) = work_off(remote, order).json["refused"]
        assert refused["run"] == str(order.run)
        remote.poll(wait=0.01).refused(409, "session_over")

    def test_a_second_one_is_refused_by_name(self, house: House, remote: Remote) -> None:
        second = Remote(house.app, house.log, remote.token, instance="elsewhere/boot 2/copy")
        second.open(previous=remote.session["session"]).refused(
            409, "second_agent", "'remote'", "machine/boot 1/folder"
        )
        assert remote.poll(wait=0.01).status == 200
        assert events.SECOND in kinds(house, remote.session["agent"])

    def test_one_that_has_forgotten_its_session_is_refused(self, remote: Remote) -> None:
        remote.open(previous=str(uuid.uuid4())).refused(409, "second_agent")

    def test_another_may_take_over_from_one_that_is_silent(
        self, house: House, remote: Remote
    ) -> None:
        long_ago = moments.now() - 3600 * moments.SECOND
        query = models.Agent.update(last_contact_at=long_ago)
        house.gateway.store.unit_of_work(lambda db: db.execute(query.where(~models.Agent.embedded)))
        second = Remote(house.app, house.log, remote.token, instance="elsewhere/boot 2/copy")
        assert second.open().status == 200
        remote.poll(wait=0.01).refused(409, "session_over")

    def test_a_restored_store_refuses_what_was_begun_before(
        self, house: House, remote: Remote
    ) -> None:
        remote.session["incarnation"] = str(uuid.uuid4())
        run = uuid.uuid4()
        remote.report(RunFinished(run, 1, 1, JobStatus.COMPLETED)).refused(
            409, "session_over", "restored"
        )
        remote.poll(wait=0.01).refused(409, "session_over")
        assert kinds(house, remote.session["agent"]).count(events.LATE) == 1

    def test_another_boot_frees_what_waits_for_one(self, house: House, remote: Remote) -> None:
        with house.gateway.store.reading() as session:
            agent = roster.find(session, remote.session["agent"])
        assert agent.boot_id == "boot 1"
        first = remote.session["session"]
        remote.open(previous=first, boot="boot 2")
        with house.gateway.store.reading() as session:
            assert roster.find(session, remote.session["agent"]).boot_id == "boot 2"

    def test_facts_that_have_changed_are_kept(self, house: House, remote: Remote) -> None:
        from tests.contract.agents.conftest import as_json, facts

        remote.poll(wait=0.01, facts=as_json(facts(console_user="ann")))
        with house.gateway.store.reading() as session:
            agent = roster.find(session, remote.session["agent"])
            (row,) = session.rows(models.Agent.select().where(models.Agent.id == agent.id))
        assert row["last_console_user"] == "ann"


class TestResources:
    """What runs need is for whoever has them."""

    CONTENT = bytes(range(256)) * 4000

    @pytest.fixture
    def order(self, house: House, remote: Remote) -> RunOrder:
        house.gateway.resources.add(
            ResourceDetails(name="tool", file_name="tool.bin"), [self.CONTENT], MACHINE
        )
        submit(house, remote)
        (order,) = remote.orders()
        return order

    def query(self, remote: Remote, run: uuid.UUID, reference: str = "tool") -> str:
        named = remote.named
        return (
            f"?session={named['session']}&incarnation={named['incarnation']}"
            f"&run={run}&reference={reference}"
        )

    def test_is_described_and_sent(self, remote: Remote, order: RunOrder) -> None:
        query = self.query(remote, order.run)
        described = remote.send("GET", f"/resources{query}").json
        assert described["size"] == len(self.CONTENT)
        sent = remote.send("GET", f"/resources/content{query}")
        assert (sent.status, sent.body) == (200, self.CONTENT)

    @pytest.mark.parametrize("start", [0, 1, 300_000, len(CONTENT)])
    def test_goes_on_from_where_it_broke_off(
        self, remote: Remote, order: RunOrder, start: int
    ) -> None:
        query = self.query(remote, order.run)
        sent = remote.send("GET", f"/resources/content{query}", Range=f"bytes={start}-")
        assert (sent.status, sent.body) == (206, self.CONTENT[start:])

    def test_is_nobody_elses(self, house: House, remote: Remote, order: RunOrder) -> None:
        other = enrolled(house, "other")
        other.open()
        other.send("GET", f"/resources{self.query(other, order.run)}").refused(404, "not_found")
        missing = self.query(remote, order.run, "none")
        remote.send("GET", f"/resources{missing}").refused(404, "not_found")


def history(house: House, job: JobView) -> list[str]:
    event = models.JobEvent
    with house.gateway.store.reading() as session:
        found = session.rows(event.select(event.reason).where(event.job_id == job.id))
    return [row["reason"] for row in found]


def until(condition: Any) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.002)
