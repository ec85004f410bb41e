"""A remote agent in this process, with a real supervisor, against a server that fails as told."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway import moments
from gateway.agents import delivery, poller, remote
from gateway.agents.home import AgentHome, Identity
from gateway.agents.messages import Document, ReportRequest
from gateway.agents.protocol import Report
from gateway.agents.refusals import AgentRefused, NotTrusted
from gateway.agents.remote import RemoteAgent, RemoteSettings
from gateway.jobs.states import JobStatus
from tests.unit.agents import fake_server
from tests.unit.agents.fake_server import FakeServer
from tests.unit.agents.memory_desk import eventually, order, sh, task

ROOT = Path(__file__).parents[3]
NOOP = "tests.unit.agents.noop:NoopTask"


GRACE = 5.0


class Running:
    """An agent at work in a thread; ``error`` is what it ended with."""

    def __init__(self, home: AgentHome, identity: Identity, **settings: Any) -> None:
        values = {"grace": 0.3, "task_types": {"noop": NOOP}, **settings}
        self.agent = RemoteAgent(home, identity, RemoteSettings("here", home.runs, **values))
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.agent.run(GRACE)
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        self.agent.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


Start = Callable[..., Running]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path) -> AgentHome:
    made = AgentHome(tmp_path / "agent")
    made.create()
    return made


def identity(server: FakeServer, **more: Any) -> Identity:
    values = {"token": SecretStr("enrolled"), "token_since": moments.now(), **more}
    return Identity(server=server.url, agent=server.agent, **values)


@pytest.fixture
def start(server: FakeServer, home: AgentHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(poller, "_LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(remote, "_LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.3)
    begun: list[Running] = []

    def begin(known: Identity | None = None, **settings: Any) -> Running:
        begun.append(Running(home, known or identity(server), **settings))
        return begun[-1]

    yield begin
    for one in begun:
        one.stop()


def polled(server: FakeServer) -> Callable[[], bool]:
    return lambda: bool(server.polls)


def test_runs_are_worked_off_and_reported(server: FakeServer, start: Start) -> None:
    start()
    orders = [order(sh(f"echo line {n}")) for n in range(20)]
    server.desk.submit(*orders)
    for n, one in enumerate(orders):
        record = server.desk.finish(one)
        assert record.status is JobStatus.COMPLETED
        assert record.log() == f"line {n}\n"
    facts = server.openings[0].facts
    assert (facts.name, facts.embedded, facts.max_runs) == ("here", False, 10)
    assert facts.health is not None
    assert facts.health.disk_total > facts.health.disk_free > 0


def test_a_place_that_becomes_free_is_told_beside_the_poll_that_waits(
    server: FakeServer, start: Start, tmp_path: Path
) -> None:
    server.renew_seconds = server.longest_wait = 30
    start(max_runs=1)
    go = tmp_path / "go"
    first, second = order(sh(f"while [ ! -e {go} ]; do sleep 0.05; done")), order(sh("echo two"))
    server.desk.submit(first)
    server.desk.until(lambda: any(poll.places == 0 and poll.runs for poll in server.polls))
    server.desk.submit(second)
    go.touch()
    # Long before the waiting poll would have been answered by itself.
    assert server.desk.finish(second, 20).status is JobStatus.COMPLETED


def test_runs_that_are_aborted_or_refused_are_stopped(server: FakeServer, start: Start) -> None:
    start()
    aborted, refused = order(sh("echo on; sleep 1000")), order(sh("echo on; sleep 1000"))
    server.desk.submit(aborted, refused)
    server.desk.until(lambda: all(server.desk.record(one).log() for one in (aborted, refused)))
    server.desk.abort(aborted)
    assert server.desk.finish(aborted).status is JobStatus.ABORTED
    with server.lock:
        server.desk.settled.add((refused.run, refused.attempt))
    assert server.desk.finish(refused).status is JobStatus.ABORTED


def test_a_run_under_way_is_named_until_its_end_was_taken(server: FakeServer, start: Start) -> None:
    server.longest_wait = 0.5
    start()
    one = order(sh("echo on; sleep 1"))
    server.desk.submit(one)
    server.desk.until(lambda: bool(server.desk.record(one).log()))
    server.fail("/reports", fake_server.page(503), times=3)
    attempt = (one.run, one.attempt)

    def renewals() -> int:
        return sum(attempt in [(r.run, r.attempt) for r in poll.runs] for poll in server.polls)

    server.desk.until(lambda: renewals() >= 3)
    assert server.desk.finish(one).status is JobStatus.COMPLETED
    count = len(server.polls)
    server.desk.until(lambda: len(server.polls) > count + 1)
    assert not server.polls[-1].runs


@pytest.mark.parametrize(
    "act",
    [
        *map(fake_server.page, (200, 302, 404, 503)),
        fake_server.hang_up,
        fake_server.truncate,
    ],
)
def test_whatever_stands_between_costs_no_run(
    server: FakeServer, start: Start, act: Callable[[Any], None]
) -> None:
    for path in ("/poll", "/reports", "/sessions"):
        server.fail(path, act, times=2)
    start()
    one = order(sh("echo through"))
    server.desk.submit(one)
    record = server.desk.finish(one)
    assert (record.status, record.log()) == (JobStatus.COMPLETED, "through\n")
    assert not server.faults


def test_an_answer_may_take_its_time(server: FakeServer, start: Start) -> None:
    server.fail("/poll", fake_server.drip, times=3)
    start()
    one = order(sh("echo through"))
    server.desk.submit(one)
    assert server.desk.finish(one).status is JobStatus.COMPLETED


def test_a_poll_that_is_never_answered_is_given_up(
    server: FakeServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.agents.remote_desk._LATE_SECONDS", 0.3)
    server.longest_wait = 0.2
    released = threading.Event()
    server.fail("/poll", lambda _: released.wait(60) and None)
    start()
    one = order(sh("echo late"))
    server.desk.submit(one)
    assert server.desk.finish(one).status is JobStatus.COMPLETED
    released.set()


def test_a_run_goes_on_while_the_server_is_away_and_is_reported_once(
    server: FakeServer, start: Start, tmp_path: Path
) -> None:
    running = start()
    go = tmp_path / "go"
    one = order(sh(f"echo on; while [ ! -e {go} ]; do sleep 0.05; done; echo off"))
    server.desk.submit(one)
    server.desk.until(lambda: bool(server.desk.record(one).log()))
    server.stop()
    go.touch()
    time.sleep(1)
    assert running.thread.is_alive()
    again = FakeServer(server.port)
    try:
        again.session, again.desk.records = server.session, server.desk.records
        record = again.desk.finish(one)
        assert (record.status, record.log()) == (JobStatus.COMPLETED, "on\noff\n")
        running.stop()
    finally:
        again.stop()


def test_a_session_that_is_over_kills_what_runs_and_another_is_opened(
    server: FakeServer, start: Start, tmp_path: Path
) -> None:
    start()
    alive = tmp_path / "alive"
    one = order(sh(f"echo on; while true; do touch {alive}; sleep 0.05; done"))
    server.desk.submit(one)
    server.desk.until(lambda: bool(server.desk.record(one).log()))
    before = server.session
    server.end_session()
    server.desk.until(lambda: server.session is not None)
    assert server.openings[1].previous == before
    alive.unlink()
    time.sleep(0.3)
    assert not alive.exists()
    two = order(sh("echo two"))
    server.desk.submit(two)
    assert server.desk.finish(two).status is JobStatus.COMPLETED


def test_a_revoked_agent_stops_its_tasks_and_ends(
    server: FakeServer, start: Start, tmp_path: Path
) -> None:
    running = start()
    alive = tmp_path / "alive"
    one = order(sh(f"trap '' TERM; echo on; while true; do touch {alive}; sleep 0.05; done"))
    server.desk.submit(one)
    server.desk.until(lambda: bool(server.desk.record(one).log()))
    server.tokens.clear()
    running.thread.join(30)
    assert isinstance(running.error, AgentRefused)
    assert "revoked or removed" in str(running.error)
    alive.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not alive.exists()


def test_a_second_agent_is_refused_by_name_at_once(server: FakeServer, start: Start) -> None:
    server.second_agent = True
    running = start()
    running.thread.join(30)
    assert isinstance(running.error, AgentRefused)
    assert "at work elsewhere" in str(running.error)


def test_who_lost_its_session_waits_for_the_other_to_fall_silent(
    server: FakeServer, start: Start
) -> None:
    running = start()
    server.desk.until(polled(server))
    server.second_agent = True
    server.end_session()
    eventually(lambda: server.paths["/sessions"] >= 4)
    assert running.thread.is_alive()
    server.second_agent = False
    server.desk.until(lambda: len(server.openings) == 2)


def test_tokens_change_and_the_agent_keeps_in(
    server: FakeServer, start: Start, home: AgentHome
) -> None:
    start(token_days=0)
    server.desk.until(lambda: server.made_tokens > 0)
    one = order(sh("echo on"))
    server.desk.submit(one)
    assert server.desk.finish(one).status is JobStatus.COMPLETED
    kept = home.identity()
    assert kept is not None
    assert kept.token.get_secret_value().startswith("made-")


def test_the_token_before_still_counts_where_the_new_one_does_not(
    server: FakeServer, start: Start
) -> None:
    # As after a restore of the server's store, or a crash between two writes.
    start(identity(server, token=SecretStr("unknown"), former=SecretStr("enrolled")))
    one = order(sh("echo on"))
    server.desk.submit(one)
    assert server.desk.finish(one).status is JobStatus.COMPLETED


@pytest.mark.parametrize("hours", [-9, 5])
def test_reports_say_the_servers_time(server: FakeServer, start: Start, hours: int) -> None:
    server.skew = hours * 3600 * moments.SECOND
    start()
    one = order(sh("echo on"))
    server.desk.submit(one)
    before = server.now()
    record = server.desk.finish(one)
    after = server.now()
    end = record.end
    assert end is not None
    (finished,) = record.tasks
    second = moments.SECOND
    for at in (end.at, finished.at, finished.started_at, record.started[0].at):
        assert before - 5 * second <= at <= after + 5 * second


def test_output_comes_while_the_task_runs(server: FakeServer, start: Start) -> None:
    start()
    one = order(sh("echo first; sleep 1000"))
    server.desk.submit(one)
    server.desk.until(lambda: server.desk.record(one).log() == "first\n")
    server.desk.abort(one)
    server.desk.finish(one)


def test_much_output_goes_in_portions(server: FakeServer, start: Start) -> None:
    start()
    text = "x" * 99 + "\n"
    one = order(sh(f"yes '{text.strip()}' | head -n 50000"))
    server.desk.submit(one)
    assert server.desk.finish(one).log() == text * 50_000


def test_a_stop_lets_runs_end_and_takes_no_more(
    server: FakeServer, start: Start, tmp_path: Path
) -> None:
    server.renew_seconds = server.longest_wait = 30
    running = start()
    go = tmp_path / "go"
    one = order(sh(f"echo on; while [ ! -e {go} ]; do sleep 0.05; done"))
    server.desk.submit(one)
    server.desk.until(lambda: bool(server.desk.record(one).log()))
    running.agent.stop()
    server.desk.until(lambda: server.polls[-1].places == 0)
    late = order(sh("echo late"))
    server.desk.submit(late)
    go.touch()
    running.thread.join(30)
    assert not running.thread.is_alive()
    assert server.desk.record(one).status is JobStatus.COMPLETED
    assert server.desk.record(late).reports == []


def test_a_stop_waits_for_no_server(server: FakeServer, start: Start) -> None:
    server.fail("/sessions", fake_server.page(502), times=1000)
    running = start()
    eventually(lambda: server.paths["/sessions"] >= 2)
    running.stop()
    assert running.error is None


def test_resources_cross_the_network_once(server: FakeServer, start: Start) -> None:
    data = base64.b64encode(bytes(range(256)) * 4096)
    server.resources["tool"] = data
    start()
    orders = [
        order(
            task("download_resource", resource="tool", target="tool"),
            sh('test "$(wc -c < tool)" = ' + str(len(data))),
        )
        for _ in range(4)
    ]
    server.desk.submit(*orders)
    for one in orders:
        assert server.desk.finish(one).status is JobStatus.COMPLETED
    assert server.paths["/resources/content"] == 1
    missing = order(task("download_resource", resource="none", target="none"))
    server.desk.submit(missing)
    record = server.desk.finish(missing)
    assert record.status is JobStatus.FAILED_HALTED
    assert "There is no resource 'none'" in record.tasks[0].detail


def test_a_link_that_is_cut_again_and_again_brings_it_all(server: FakeServer, start: Start) -> None:
    server.resources["tool"] = bytes(1_000_000)
    server.cut_after = 300_000
    start()
    one = order(task("download_resource", resource="tool", target="tool"))
    server.desk.submit(one)
    assert server.desk.finish(one).status is JobStatus.COMPLETED
    assert server.ranges == ["", "bytes=300000-", "bytes=600000-", "bytes=900000-"]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[FakeServer, Path, str]]:
    file, key, pin = fake_server.certificate(tmp_path)
    own, _, _ = fake_server.certificate(tmp_path, "agent")
    made = FakeServer(context=fake_server.tls(file, key, own))
    yield made, file, pin
    made.stop()


@pytest.mark.parametrize("way", ["ca", "pin"])
def test_tls_with_an_authority_or_a_pin_and_a_certificate_of_the_agent(
    secured: tuple[FakeServer, Path, str], start: Start, tmp_path: Path, way: str
) -> None:
    made, file, pin = secured
    own = {"certificate": tmp_path / "agent.pem", "key": tmp_path / "agent.key"}
    by = {"ca": file} if way == "ca" else {"pin": pin}
    start(identity(made, **own, **by))
    one = order(sh("echo on"))
    made.desk.submit(one)
    assert made.desk.finish(one).status is JobStatus.COMPLETED


@pytest.mark.parametrize("by", [{}, {"pin": f"sha256:{'0' * 64}"}])
def test_nothing_is_said_to_a_server_that_is_not_the_one(
    secured: tuple[FakeServer, Path, str], start: Start, tmp_path: Path, by: dict[str, str]
) -> None:
    made, _, _ = secured
    own = {"certificate": tmp_path / "agent.pem", "key": tmp_path / "agent.key"}
    running = start(identity(made, **own, **by))
    running.thread.join(30)
    assert isinstance(running.error, NotTrusted)
    assert not made.paths


def test_what_a_dead_agent_left_in_its_folder_is_removed(
    server: FakeServer, start: Start, home: AgentHome
) -> None:
    left = home.runs / "run-left"
    left.mkdir(parents=True)
    (left / "file").touch()
    start()
    server.desk.until(polled(server))
    eventually(lambda: not left.exists())


def test_a_report_says_the_same_however_often_it_is_sent(server: FakeServer, start: Start) -> None:
    """The server knows a repeated end by its time, so a better guess of it comes too late."""
    server.skew = 3600 * moments.SECOND
    sent: list[tuple[Report, ...]] = []
    taken = server.reports

    def take_and_lose_the_answer(body: bytes) -> Document:
        sent.append(ReportRequest.model_validate_json(body).reports)
        server.skew += 7200 * moments.SECOND
        if len(sent) == 1:
            raise fake_server.Refused(503, "unavailable")
        server.reports = taken  # type: ignore[method-assign]
        return taken(body)

    server.reports = take_and_lose_the_answer  # type: ignore[method-assign]
    start()
    one = order(sh("echo on"))
    server.desk.submit(one)
    assert server.desk.finish(one).status is JobStatus.COMPLETED
    first, second = sent
    assert second[: len(first)] == first
