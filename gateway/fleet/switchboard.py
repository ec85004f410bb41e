"""Remote agents that wait for work: their polls are parked here, and answered when there is some.

One thread looks after all of them. A wake-up says which agents it concerns where that is known;
else one query finds those of the waiting agents that have something. What nobody was woken for,
such as another gateway's jobs, is found once a second.
"""

import dataclasses
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future

from gateway import moments
from gateway.agents.desk import Abort, AgentFacts, AgentSession, Attempt, Refusal, SessionOver
from gateway.agents.protocol import RunOrder
from gateway.fleet import errands
from gateway.fleet.parked import Errand, ParkedPoll, ParkedPolls
from gateway.fleet.reception import Reception
from gateway.jobs.signals import Signals
from storage.database import Store
from storage.errors import StoreUnavailable

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
# Whose claim came to nothing (a window, a limit) is not asked for again at each wake-up.
_VAIN_SECONDS = 5.0
# An abort that is under way is told again so often.
_AGAIN_SECONDS = 5.0
# A wait below this many seconds is kept to exactly.
_SHORT_WAIT = 10.0
_PORTION = 500


@dataclasses.dataclass(frozen=True)
class Ask:
    """A poll: room for so many runs, those that the agent has, what has changed at its machine."""

    places: int
    runs: tuple[Attempt, ...] = ()
    facts: AgentFacts | None = None
    wait: float = 0.0


@dataclasses.dataclass(frozen=True)
class _Told:
    """The aborts that an agent was told last, and when, by the steady clock."""

    attempts: frozenset[Attempt]
    at: float


class Switchboard:
    """Answers polls. ``elapsed`` is a clock in seconds that never jumps."""

    def __init__(
        self,
        store: Store,
        reception: Reception,
        signals: Signals,
        now: Callable[[], int] = moments.now,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._reception = reception
        self._now = now
        self._elapsed = elapsed
        self._changed = threading.Condition()
        self._parked = ParkedPolls()
        # Which agents to look at; None for all.
        self._concerned: set[int] | None = set()
        self._heard: set[int] = set()
        # Sessions that may have runs of which they know nothing: an answer may get lost.
        self._given: set[uuid.UUID] = set()
        self._known: set[uuid.UUID] = set()
        # Used by the one thread only.
        self._told: dict[uuid.UUID, _Told] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="switchboard", daemon=True)
        signals.listen(self.wake)

    def start(self) -> None:
        """Begin to look after parked polls."""
        self._thread.start()

    def stop(self) -> None:
        """Answer all polls with nothing, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._answer_all(list(self._parked))

    @property
    def waiting(self) -> int:
        """How many polls are parked."""
        return len(self._parked)

    def poll(self, agent: AgentSession, ask: Ask) -> "Future[Errand]":
        """Take a poll; an older one of the same session is answered.

        Renews the leases of the runs that it names. Raises SessionOver, StoreUnavailable.
        """
        self._reception.check(agent)
        wait = _spread(ask.wait, first=agent.session not in self._known)
        refused = self._renew(agent, ask)
        if ask.facts is not None:
            self._reception.tell(agent, ask.facts)
        answer: Future[Errand] = Future()
        parked = ParkedPoll(agent, ask.places, self._elapsed() + wait, answer)
        with self._changed:
            self._heard.add(agent.agent_id)
            older = self._parked.of_session(agent.session)
            if older is not None:
                self._parked.remove(older)
            if refused or self._stopping:
                answer.set_result(Errand(refused=tuple(refused)))
            else:
                self._parked.add(parked)
                self._concern((agent.agent_id,))
        if older is not None:
            _resolve(older, Errand())
        return answer

    def ended(self, agent: AgentSession, runs: int) -> None:
        """Runs of the agent have ended, as it has reported: there may be room for as many more.

        How much there is in truth is found out where runs are claimed: reports may be repeated, or
        be of runs that the poll has counted as ended already.
        """
        with self._changed:
            parked = self._parked.of_session(agent.session)
            if parked is not None and runs:
                parked.freed += runs
                self._concern((agent.agent_id,))

    def release(self, agent_id: int) -> None:
        """Have an agent ask again at once: its session may be over."""
        with self._changed:
            left = self._parked.of_agents((agent_id,))
            for one in left:
                self._parked.remove(one)
        for one in left:
            _fail(one, SessionOver("the session has ended"))

    def wake(self, agents: Collection[int] | None) -> None:
        """There may be something for these agents; None for anybody."""
        with self._changed:
            if self._parked:
                self._concern(agents)

    def _concern(self, agents: Collection[int] | None) -> None:
        if agents is None:
            self._concerned = None
        elif self._concerned is not None:
            self._concerned.update(agents)
        self._changed.notify_all()

    def _renew(self, agent: AgentSession, ask: Ask) -> list[Refusal]:
        """Who has no runs, and cannot have been given any, is only heard of."""
        with self._changed:
            idle = agent.session in self._known and agent.session not in self._given
        if idle and not ask.runs:
            return []
        renewal = self._reception.renewal(agent, ask.runs)
        with self._changed:
            self._known.add(agent.session)
            if not ask.runs and not renewal.unnamed:
                self._given.discard(agent.session)
        return renewal.refused

    def _run(self) -> None:
        next_look = self._elapsed() + _LOOK_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._concerned is None or self._concerned,
                    self._pause(next_look),
                )
                if self._stopping:
                    return
                concerned, self._concerned = self._concerned, set()
            if self._elapsed() >= next_look:
                concerned, next_look = None, self._elapsed() + _LOOK_SECONDS
            try:
                self._turn(concerned)
            except StoreUnavailable as error:
                log.warning("agents wait, the store is not to be had: %s", error)
            except Exception:
                log.exception("waiting agents could not be looked after; it is tried again")

    def _pause(self, next_look: float) -> float:
        ends = self._parked.first_end()
        return max(0.0, min(next_look, next_look if ends is None else ends) - self._elapsed())

    def _turn(self, concerned: set[int] | None) -> None:
        if concerned is None:
            self._keep_heard()
            self._drop_left()
        self._look(concerned)
        with self._changed:
            over = self._parked.over(self._elapsed())
        self._answer_all(over)

    def _keep_heard(self) -> None:
        with self._changed:
            heard, self._heard = sorted(self._heard), set()
            living = set(self._parked.sessions)
            self._known &= self._given | living
        for session in self._told.keys() - living - self._given:
            del self._told[session]
        for some in _portions(heard):
            self._reception.heard(some)

    def _look(self, concerned: set[int] | None) -> None:
        """Answer those of the waiting agents for which there is something to do."""
        at = self._elapsed()
        with self._changed:
            concerns = (
                (one for one in self._parked if at >= one.in_vain_until)
                if concerned is None
                else self._parked.of_agents(concerned)
            )
            candidates = {one.agent.agent_id: one for one in concerns}
        if not candidates:
            return
        with self._store.reading() as session:
            stopped = errands.aborts(session, {one.agent for one in candidates.values()})
            working = errands.with_work(session, candidates.keys(), self._now())
        aborts = {
            agent: found
            for agent, found in stopped.items()
            if self._is_news(candidates[agent], found)
        }
        roomy = [one for one in map(candidates.__getitem__, working) if one.places or one.freed]
        self._claim(roomy, aborts)
        for agent, found in aborts.items():
            # Unless it was answered just now, with its orders.
            self._take(candidates[agent], Errand(aborts=found))

    def _claim(self, parked: Iterable[ParkedPoll], aborts: dict[int, tuple[Abort, ...]]) -> None:
        claims = []
        for one in parked:
            with self._changed:
                if not self._parked.remove(one) or not _begun(one):
                    continue
                self._given.add(one.agent.session)
            claims.append((one, self._claimed(one)))
        for one, claim in claims:
            self._settle(one, claim, aborts.pop(one.agent.agent_id, ()))

    def _claimed(self, one: ParkedPoll) -> "Future[list[RunOrder]]":
        """What is claimed for it. It is in no list by now, so a failure is told like any other."""
        try:
            return self._reception.claim_soon(one.agent, one.places, one.freed)
        except Exception as error:  # noqa: BLE001  (whoever polls is told)
            failed: Future[list[RunOrder]] = Future()
            failed.set_exception(error)
            return failed

    def _settle(
        self, one: ParkedPoll, claim: "Future[list[RunOrder]]", aborts: tuple[Abort, ...]
    ) -> None:
        try:
            orders = claim.result()
        except Exception as error:  # noqa: BLE001  (whoever polls is told)
            one.answer.set_exception(error)
            return
        if orders or aborts or self._elapsed() >= one.until:
            self._note_told(one, aborts)
            one.answer.set_result(Errand(tuple(orders), aborts))
            return
        # There was something for it that may not begin yet: it goes on waiting.
        one.in_vain_until = self._elapsed() + _VAIN_SECONDS
        with self._changed:
            replaced = self._parked.of_session(one.agent.session) is not None
            if not replaced:
                self._parked.add(one)
        if replaced:
            one.answer.set_result(Errand())

    def _take(self, one: ParkedPoll, errand: Errand) -> None:
        with self._changed:
            if not self._parked.remove(one):
                return
        self._note_told(one, errand.aborts)
        _resolve(one, errand)

    def _note_told(self, one: ParkedPoll, aborts: Sequence[Abort]) -> None:
        if aborts:
            attempts = frozenset((abort.run, abort.attempt) for abort in aborts)
            self._told[one.agent.session] = _Told(attempts, self._elapsed())

    def _is_news(self, one: ParkedPoll, aborts: Sequence[Abort]) -> bool:
        """Whether the agent has not been told these aborts lately: stopping a run takes a while."""
        told = self._told.get(one.agent.session)
        if told is None or self._elapsed() - told.at >= _AGAIN_SECONDS:
            return True
        return any((abort.run, abort.attempt) not in told.attempts for abort in aborts)

    def _drop_left(self) -> None:
        """Keep no poll for whose answer nobody waits any more."""
        with self._changed:
            for one in [one for one in self._parked if one.answer.cancelled()]:
                self._parked.remove(one)

    def _answer_all(self, parked: Sequence[ParkedPoll]) -> None:
        for one in parked:
            _resolve(one, Errand())


def _spread(wait: float, *, first: bool) -> float:
    """Less than was asked for: agents that came at one moment do not all come again at one.

    After a start of the server all of them come at once, each with its first poll.
    """
    least = 0.1 if first else 0.8
    return wait * random.uniform(least, 1.0) if wait > _SHORT_WAIT else wait  # noqa: S311  # no secret


def _begun(one: ParkedPoll) -> bool:
    """Whether somebody waits for the answer; from then on he cannot leave unnoticed."""
    return one.answer.running() or one.answer.set_running_or_notify_cancel()


def _resolve(one: ParkedPoll, errand: Errand) -> None:
    if not one.answer.done() and _begun(one):
        one.answer.set_result(errand)


def _fail(one: ParkedPoll, error: Exception) -> None:
    if not one.answer.done() and _begun(one):
        one.answer.set_exception(error)


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _PORTION):
        yield numbers[start : start + _PORTION]
