"""Parked polls against a plain list of them."""

import uuid
from concurrent.futures import Future

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.agents.desk import AgentSession
from gateway.fleet.parked import Errand, ParkedPoll, ParkedPolls

SESSIONS = [AgentSession(of // 2, uuid.UUID(int=of // 2), uuid.UUID(int=of)) for of in range(8)]


class Polls(RuleBasedStateMachine):
    """``kept`` is what a list has to say."""

    def __init__(self) -> None:
        super().__init__()
        self.polls = ParkedPolls()
        self.kept: list[ParkedPoll] = []
        self.gone: list[ParkedPoll] = []

    @rule(agent=st.sampled_from(SESSIONS), until=st.integers(0, 50))
    def come(self, agent: AgentSession, until: int) -> None:
        """A poll takes the place of an older one of its session."""
        older = self.polls.of_session(agent.session)
        assert [older] == ([one for one in self.kept if one.agent == agent] or [None])
        if older is not None:
            self._leave(older)
        answer: Future[Errand] = Future()
        poll = ParkedPoll(agent, 1, float(until), answer)
        self.polls.add(poll)
        self.kept.append(poll)

    @rule(number=st.integers(0, 100))
    def leave(self, number: int) -> None:
        """One of them is answered."""
        if self.kept:
            self._leave(self.kept[number % len(self.kept)])

    @rule(number=st.integers(0, 100))
    def come_again(self, number: int) -> None:
        """One that was answered with nothing goes on waiting."""
        if self.gone:
            poll = self.gone.pop(number % len(self.gone))
            if self.polls.of_session(poll.agent.session) is None:
                self.polls.add(poll)
                self.kept.append(poll)

    @rule(at=st.integers(0, 60))
    def time_goes_on(self, at: int) -> None:
        """Those whose time is up are told once."""
        over = self.polls.over(float(at))
        assert {id(one) for one in over} == {id(one) for one in self.kept if one.until <= at}
        assert len(over) == len({id(one) for one in over})
        self.gone += over
        self.kept = [one for one in self.kept if one.until > at]

    @invariant()
    def finds_the_same(self) -> None:
        """Each way of finding them has the same ones."""
        assert len(self.polls) == len(self.kept)
        assert {id(one) for one in self.polls} == {id(one) for one in self.kept}
        assert set(self.polls.sessions) == {one.agent.session for one in self.kept}
        assert all(one in self.polls for one in self.kept)
        assert not any(one in self.polls for one in self.gone)
        for agent in range(4):
            wanted = {id(one) for one in self.kept if one.agent.agent_id == agent}
            assert {id(one) for one in self.polls.of_agents((agent,))} == wanted
        first = self.polls.first_end()
        ends = [one.until for one in self.kept]
        assert not ends or (first is not None and first <= min(ends))

    def _leave(self, poll: ParkedPoll) -> None:
        assert self.polls.remove(poll)
        assert not self.polls.remove(poll)
        self.kept.remove(poll)
        self.gone.append(poll)


Polls.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestPolls = Polls.TestCase


def test_deadlines_of_polls_that_are_gone_do_not_pile_up() -> None:
    polls = ParkedPolls()
    for _ in range(5000):
        poll = ParkedPoll(SESSIONS[0], 1, 60.0, Future())
        polls.add(poll)
        assert polls.remove(poll)
    assert len(polls._ends) < 500  # memory is what this is about
