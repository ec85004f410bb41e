import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from gateway import moments
from gateway.agents import facts, poller
from gateway.agents.desk import Abort, AgentFacts, AgentSession, Attempt, Refusal, SessionOver
from gateway.agents.ledger import Ledger
from gateway.agents.messages import PollAnswer
from gateway.agents.news import News
from gateway.agents.poller import Poller, Rhythm
from gateway.agents.protocol import RunFinished, RunOrder
from gateway.agents.refusals import ServerUnreachable
from gateway.jobs.states import JobStatus
from tests.unit.agents.memory_desk import eventually, order

SESSION = AgentSession(0, uuid.uuid4(), uuid.uuid4())
FACTS = facts.gather("here", 2, embedded=False)
PLACES = 2

Answer = Callable[[float], PollAnswer]


def nothing(_wait: float) -> PollAnswer:
    return PollAnswer(server_time=moments.now())


class Server:
    """Answers with what is next in ``answers``; else a poll waits until a newer one comes."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.asked: list[tuple[int, tuple[Attempt, ...], float]] = []
        self.answers: list[Answer] = []
        self.at_once = False

    def poll(
        self,
        session: AgentSession,
        places: int,
        runs: Sequence[Attempt],
        facts: AgentFacts | None,
        wait: float,
    ) -> PollAnswer:
        with self.changed:
            self.asked.append((places, tuple(runs), wait))
            mine = len(self.asked)
            answer = self.answers.pop(0) if self.answers else None
            self.changed.notify_all()
            if answer is None and not self.at_once:
                self.changed.wait_for(lambda: len(self.asked) > mine, wait)
        return (answer or nothing)(wait)


class Machine:
    def __init__(self, server: Server) -> None:
        self.ledger = Ledger(PLACES)
        self.ledger.open()
        self.sent: list[RunOrder] = []
        self.aborted: list[Abort | Refusal] = []
        self.ended: list[Exception] = []
        self.poller = Poller(
            server,
            SESSION,
            self.ledger,
            self.send,
            self.aborted.append,
            lambda: (),
            Rhythm(10.0, 50.0),
            News(FACTS, lambda: FACTS),
            self.ended.append,
        )

    def send(self, orders: Sequence[RunOrder]) -> None:
        self.ledger.enter(orders)
        self.sent += orders

    def finish(self, one: RunOrder) -> None:
        self.ledger.note([RunFinished(one.run, one.attempt, 0, JobStatus.COMPLETED)])


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def machine(server: Server) -> Iterator[Machine]:
    made = Machine(server)
    yield made
    made.poller.stop()


def giving(*orders: RunOrder) -> Answer:
    return lambda _: PollAnswer(orders=orders, server_time=moments.now())


def test_it_asks_for_as_many_as_there_is_room_for(server: Server, machine: Machine) -> None:
    orders = [order(), order()]
    server.answers += [giving(orders[0]), giving(orders[1])]
    machine.poller.start()
    eventually(lambda: len(server.asked) >= 3)
    assert [places for places, _, _ in server.asked[:3]] == [2, 1, 0]
    assert server.asked[0][2] == 50.0
    assert server.asked[2][1:] == (server.asked[2][1], 10.0)
    assert set(server.asked[2][1]) == {(one.run, 1) for one in orders}
    # A place that becomes free is told at once, beside the poll that waits.
    machine.finish(orders[0])
    eventually(lambda: server.asked[-1][0] == 1)
    assert machine.sent == orders


def test_an_order_that_comes_twice_is_taken_once(server: Server, machine: Machine) -> None:
    one = order()
    server.answers += [giving(one), giving(one)]
    machine.poller.start()
    eventually(lambda: len(server.asked) >= 3)
    assert machine.sent == [one]


def test_an_abort_is_passed_on_once_and_a_refusal_always(server: Server, machine: Machine) -> None:
    abort = Abort(uuid.uuid4(), 1, "on request")
    refusal = Refusal(uuid.uuid4(), 1, "settled")
    told = PollAnswer(aborts=(abort,), refused=(refusal,), server_time=moments.now())
    server.answers += [lambda _: told] * 3
    machine.poller.start()
    eventually(lambda: len(server.asked) >= 4)
    assert machine.aborted.count(abort) == 1
    assert machine.aborted.count(refusal) == 3


def test_a_server_that_answers_at_once_is_asked_less_often(
    server: Server, machine: Machine
) -> None:
    server.at_once = True
    machine.poller.start()
    time.sleep(1.5)
    assert 2 < len(server.asked) < 20


def test_polls_that_are_cut_wait_less_and_then_more_again(
    server: Server, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "_LEAST_WAIT", 0.1)
    monkeypatch.setattr(poller, "_FIRST_PAUSE", 0.01)

    def cut(_wait: float) -> PollAnswer:
        time.sleep(0.4)
        raise ServerUnreachable("cut")

    def held(_wait: float) -> PollAnswer:
        time.sleep(0.2)
        return nothing(0)

    server.answers += [cut, cut, held, held]
    machine.poller.start()
    eventually(lambda: len(server.asked) >= 5)
    first, second, third, fourth, fifth = (wait for _, _, wait in server.asked[:5])
    assert first == 50.0 > second
    assert 0.1 <= third <= second < 30.0
    assert third < fourth < fifth


def test_the_end_of_the_session_is_told_once_and_ends_it(server: Server, machine: Machine) -> None:
    def over(_wait: float) -> PollAnswer:
        raise SessionOver("another was opened")

    server.answers += [over]
    machine.poller.start()
    eventually(lambda: bool(machine.ended))
    machine.poller.stop()
    assert len(machine.ended) == len(server.asked) == 1


def test_a_stop_takes_the_poll_back(server: Server, machine: Machine) -> None:
    machine.poller.start()
    eventually(lambda: len(server.asked) == 1)
    machine.poller.drain()
    eventually(lambda: server.asked[-1][0] == 0)
    machine.poller.stop()
    assert not any(thread.name.startswith("agent-poller") for thread in threading.enumerate())
    assert machine.sent == []
