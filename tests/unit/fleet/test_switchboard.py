"""Parked polls: who is answered when, with what, and that nobody is forgotten."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from gateway.agents.desk import AgentSession, SessionOver
from gateway.agents.protocol import RunFinished, RunOrder
from gateway.fleet import roster
from gateway.fleet.parked import Errand
from gateway.fleet.switchboard import Ask, Switchboard
from gateway.jobs.states import JobStatus
from storage.errors import StoreUnavailable
from tests.engine import Engine

PATIENCE = 20.0


@pytest.fixture
def board(engine: Engine) -> Iterator[Switchboard]:
    board = Switchboard(engine.store, engine.reception, engine.signals, engine.now)
    board.start()
    yield board
    board.stop()


def accept(engine: Engine, *agents: AgentSession) -> None:
    engine.accept(engine.order(engine.module(), *agents))


def finish(engine: Engine, agent: AgentSession, order: RunOrder) -> None:
    end = RunFinished(order.run, order.attempt, engine.now(), JobStatus.COMPLETED)
    assert engine.reception.report(agent, [end]) == []


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.002)


def test_each_of_several_gets_its_own(engine: Engine, board: Switchboard) -> None:
    agents = [engine.agent(f"agent {number}") for number in range(5)]
    polls = [board.poll(agent, Ask(10, wait=PATIENCE)) for agent in agents]
    accept(engine, *agents[:4])
    for agent, poll in zip(agents[:4], polls, strict=False):
        (order,) = poll.result(PATIENCE).orders
        assert engine.reception.renew(agent, [(order.run, order.attempt)]) == []
    assert not polls[4].done()


def test_a_wake_up_for_others_leaves_an_agent_alone(engine: Engine, board: Switchboard) -> None:
    one, other = engine.agent("one"), engine.agent("other")
    poll = board.poll(one, Ask(10, wait=PATIENCE))
    engine.signals.wake({other.agent_id})
    accept(engine, other)
    (order,) = board.poll(other, Ask(10, wait=PATIENCE)).result(PATIENCE).orders
    assert order.attempt == 1
    assert not poll.done()


def test_who_cannot_be_served_is_told_and_not_kept_for_ever(
    engine: Engine, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = engine.agent()
    unavailable = StoreUnavailable("the store cannot be read")

    def fail(*_: object) -> "Future[list[RunOrder]]":
        raise unavailable

    with monkeypatch.context() as patched:
        patched.setattr(engine.reception, "claim_soon", fail)
        poll = board.poll(agent, Ask(10, wait=PATIENCE))
        accept(engine, agent)
        assert poll.exception(PATIENCE) is unavailable
    assert len(board.poll(agent, Ask(10, wait=PATIENCE)).result(PATIENCE).orders) == 1


def test_a_failure_of_one_disturbs_no_other(
    engine: Engine, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = engine.agent("broken"), engine.agent("sound")
    claim = engine.reception.claim_soon

    def some(agent: AgentSession, limit: int, freed: int = 0) -> "Future[list[RunOrder]]":
        if agent == broken:
            raise StoreUnavailable("not now")
        return claim(agent, limit, freed)

    monkeypatch.setattr(engine.reception, "claim_soon", some)
    polls = [board.poll(agent, Ask(10, wait=PATIENCE)) for agent in (broken, sound)]
    accept(engine, broken, sound)
    assert isinstance(polls[0].exception(PATIENCE), StoreUnavailable)
    assert len(polls[1].result(PATIENCE).orders) == 1


def test_who_was_given_nothing_goes_on_waiting_and_is_asked_again(
    engine: Engine,
    board: Switchboard,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = engine.agent()
    claim, vain = engine.reception.claim_soon, []

    def sometimes(one: AgentSession, limit: int, freed: int = 0) -> "Future[list[RunOrder]]":
        if len(vain) >= 2:
            return claim(one, limit, freed)
        vain.append(one)
        nothing: Future[list[RunOrder]] = Future()
        nothing.set_result([])
        return nothing

    monkeypatch.setattr(engine.reception, "claim_soon", sometimes)
    poll = board.poll(agent, Ask(10, wait=PATIENCE))
    accept(engine, agent)

    def asked_again() -> bool:
        engine.signals.wake({agent.agent_id})
        return poll.done()

    wait_until(asked_again)
    assert len(poll.result(PATIENCE).orders) == 1
    assert caplog.records == []


@pytest.mark.parametrize("told", [1, 2, 50])
def test_reports_make_room_for_no_more_than_the_agent_may_have(
    engine: Engine, board: Switchboard, told: int
) -> None:
    agent = engine.agent(max_runs=2)
    for _ in range(5):
        accept(engine, agent)
    first, second = engine.reception.claim(agent, 2)
    runs = tuple((one.run, one.attempt) for one in (first, second))
    poll = board.poll(agent, Ask(0, runs, wait=PATIENCE))
    finish(engine, agent, first)
    # The report of one run may come more than once.
    board.ended(agent, told)
    assert len(poll.result(PATIENCE).orders) == 1


def test_a_run_that_the_poll_had_counted_as_ended_is_not_counted_again(engine: Engine) -> None:
    agent = engine.agent(max_runs=2)
    for _ in range(5):
        accept(engine, agent)
    orders = engine.reception.claim(agent, 2)
    finish(engine, agent, orders[0])
    # It had counted the place of the first run as free before it reported its end.
    assert len(engine.reception.claim_soon(agent, 1, freed=1).result(PATIENCE)) == 1
    assert engine.reception.claim_soon(agent, 0, freed=1).result(PATIENCE) == []


def test_whose_session_is_over_is_told_so(engine: Engine, board: Switchboard) -> None:
    agent, other = engine.agent("one"), engine.agent("other")
    poll, others = (board.poll(one, Ask(10, wait=PATIENCE)) for one in (agent, other))
    board.release(agent.agent_id)
    assert isinstance(poll.exception(PATIENCE), SessionOver)
    assert not others.done()
    with pytest.raises(SessionOver):
        board.poll(AgentSession(agent.agent_id, agent.agent, other.session), Ask(1))


def test_who_has_left_is_given_nothing(engine: Engine, board: Switchboard) -> None:
    agent = engine.agent()
    assert board.poll(agent, Ask(10, wait=PATIENCE)).cancel()
    accept(engine, agent)
    wait_until(lambda: board.waiting == 0)
    # The run still waits, for the next one.
    assert len(board.poll(agent, Ask(10, wait=PATIENCE)).result(PATIENCE).orders) == 1


def test_a_stop_answers_all_also_those_who_come_during_it(engine: Engine) -> None:
    board = Switchboard(engine.store, engine.reception, engine.signals, engine.now)
    board.start()
    agents = [engine.agent(f"agent {number}") for number in range(20)]
    polls: list[Future[Errand]] = []

    def ask() -> None:
        polls.extend(board.poll(agent, Ask(10, wait=PATIENCE)) for agent in agents)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: bool(polls) or board.waiting > 0)
    board.stop()
    asking.join(PATIENCE)
    assert [poll.result(PATIENCE) for poll in polls] == [Errand()] * len(agents)


def test_contacts_are_kept_of_those_without_runs(engine: Engine, board: Switchboard) -> None:
    agent = engine.agent()
    board.poll(agent, Ask(1, wait=0.0)).result(PATIENCE)
    engine.now.advance(60_000_000)
    board.poll(agent, Ask(1, wait=0.0)).result(PATIENCE)

    def contact() -> int:
        with engine.store.reading() as session:
            return roster.by_ids(session, {agent.agent_id})[agent.agent_id].last_contact_at or 0

    wait_until(lambda: contact() == engine.now())
