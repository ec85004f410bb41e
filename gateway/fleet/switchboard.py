"""Remote agents that wait for work: their polls are parked here, and answered when there is some.

One thread looks after all of them. A wake-up says which agents it concerns where that is known;
else one query finds those of the waiting agents that have something. What nobody was woken for,
such as another gateway's jobs, is found once a second.
"""

import dataclasses
import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future

import peewee

from gateway import moments
from gateway.agents.desk import Abort, AgentFacts, AgentSession, Attempt, Refusal, SessionOver
from gateway.agents.protocol import RunOrder
from gateway.fleet.reception import Reception
from gateway.jobs.signals import Signals
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session

log = logging.getLogger(__name__)

_RUN = models.Run
_AGENT = models.Agent

_LOOK_SECONDS = 1.0
# Whose claim came to nothing (a window, a limit) is not asked for again at each wake-up.
_VAIN_SECONDS = 5.0
# An abort that is under way is told again so often.
_AGAIN_SECONDS = 5.0
_PORTION = 500


@dataclasses.dataclass(frozen=True)
class Ask:
    """A poll: room for so many runs, those that the agent has, what has changed at its machine."""

    places: int
    runs: tuple[Attempt, ...] = ()
    facts: AgentFacts | None = None
    wait: float = 0.0


@dataclasses.dataclass(frozen=True)
class Errand:
    """What there is to do for an agent; nothing when its time is up."""

    orders: tuple[RunOrder, ...] = ()
    aborts: tuple[Abort, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclasses.dataclass
class _Parked:
    """A poll that waits; ``until`` by the steady clock.

    ``freed`` counts the runs whose end was reported since it came.
    """

    agent: AgentSession
    places: int
    until: float
    answer: "Future[Errand]"
    freed: int = 0
    in_vain_until: float = 0.0


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
        self._parked: dict[uuid.UUID, _Parked] = {}
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
        self._answer_all(list(self._parked.values()))

    @property
    def waiting(self) -> int:
        """How many polls are parked."""
        return len(self._parked)

    def poll(self, agent: AgentSession, ask: Ask) -> "Future[Errand]":
        """Take a poll; an older one of the same session is answered.

        Renews the leases of the runs that it names. Raises SessionOver, StoreUnavailable.
        """
        self._reception.check(agent)
        refused = self._renew(agent, ask)
        if ask.facts is not None:
            self._reception.tell(agent, ask.facts)
        answer: Future[Errand] = Future()
        parked = _Parked(agent, ask.places, self._elapsed() + ask.wait, answer)
        with self._changed:
            self._heard.add(agent.agent_id)
            older = self._parked.pop(agent.session, None)
            if refused or self._stopping:
                answer.set_result(Errand(refused=tuple(refused)))
            else:
                self._parked[agent.session] = parked
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
            parked = self._parked.get(agent.session)
            if parked is not None and runs:
                parked.freed += runs
                self._concern((agent.agent_id,))

    def release(self, agent_id: int) -> None:
        """Have an agent ask again at once: its session may be over."""
        with self._changed:
            left = [one for one in self._parked.values() if one.agent.agent_id == agent_id]
            for one in left:
                del self._parked[one.agent.session]
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
        ends = min((one.until for one in self._parked.values()), default=next_look)
        return max(0.0, min(next_look, ends) - self._elapsed())

    def _turn(self, concerned: set[int] | None) -> None:
        if concerned is None:
            self._keep_heard()
        self._look(concerned)
        self._answer_all(self._taken_late())

    def _keep_heard(self) -> None:
        with self._changed:
            heard, self._heard = sorted(self._heard), set()
            living = self._parked.keys()
            self._known &= self._given | living
        for session in self._told.keys() - living - self._given:
            del self._told[session]
        for some in _portions(heard):
            self._reception.heard(some)

    def _look(self, concerned: set[int] | None) -> None:
        """Answer those of the waiting agents for which there is something to do."""
        at = self._elapsed()
        with self._changed:
            # One agent may have two sessions for a moment: the older one is over.
            candidates = {
                one.agent.agent_id: one
                for one in self._parked.values()
                if (concerned is None or one.agent.agent_id in concerned)
                and (concerned is not None or at >= one.in_vain_until)
            }
        if not candidates:
            return
        with self._store.reading() as session:
            aborts = {
                agent: found
                for agent, found in _aborts(session, candidates).items()
                if self._is_news(candidates[agent], found)
            }
            working = _with_work(session, candidates, self._now())
        roomy = [one for one in map(candidates.__getitem__, working) if one.places or one.freed]
        self._claim(roomy, aborts)
        for agent, found in aborts.items():
            # Unless it was answered just now, with its orders.
            self._take(candidates[agent], Errand(aborts=found))

    def _claim(self, parked: Iterable[_Parked], aborts: dict[int, tuple[Abort, ...]]) -> None:
        claims = []
        for one in parked:
            with self._changed:
                if self._parked.get(one.agent.session) is not one:
                    continue
                if not one.answer.set_running_or_notify_cancel():
                    del self._parked[one.agent.session]
                    continue
                del self._parked[one.agent.session]
                self._given.add(one.agent.session)
            claims.append((one, self._claimed(one)))
        for one, claim in claims:
            self._settle(one, claim, aborts.pop(one.agent.agent_id, ()))

    def _claimed(self, one: _Parked) -> "Future[list[RunOrder]]":
        """What is claimed for it. It is in no list by now, so a failure is told like any other."""
        try:
            return self._reception.claim_soon(one.agent, one.places, one.freed)
        except Exception as error:  # noqa: BLE001  (whoever polls is told)
            failed: Future[list[RunOrder]] = Future()
            failed.set_exception(error)
            return failed

    def _settle(
        self, one: _Parked, claim: "Future[list[RunOrder]]", aborts: tuple[Abort, ...]
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
            replaced = one.agent.session in self._parked
            if not replaced:
                self._parked[one.agent.session] = one
        if replaced:
            one.answer.set_result(Errand())

    def _take(self, one: _Parked, errand: Errand) -> None:
        with self._changed:
            if self._parked.get(one.agent.session) is not one:
                return
            del self._parked[one.agent.session]
        self._note_told(one, errand.aborts)
        _resolve(one, errand)

    def _note_told(self, one: _Parked, aborts: Sequence[Abort]) -> None:
        if aborts:
            attempts = frozenset((abort.run, abort.attempt) for abort in aborts)
            self._told[one.agent.session] = _Told(attempts, self._elapsed())

    def _is_news(self, one: _Parked, aborts: Sequence[Abort]) -> bool:
        """Whether the agent has not been told these aborts lately: stopping a run takes a while."""
        told = self._told.get(one.agent.session)
        if told is None or self._elapsed() - told.at >= _AGAIN_SECONDS:
            return True
        return any((abort.run, abort.attempt) not in told.attempts for abort in aborts)

    def _taken_late(self) -> list[_Parked]:
        """Those whose time is up, and those that nobody waits for any more."""
        at = self._elapsed()
        with self._changed:
            over = [
                one for one in self._parked.values() if one.until <= at or one.answer.cancelled()
            ]
            for one in over:
                del self._parked[one.agent.session]
        return over

    def _answer_all(self, parked: Sequence[_Parked]) -> None:
        for one in parked:
            _resolve(one, Errand())


def _begun(one: _Parked) -> bool:
    """Whether somebody waits for the answer; from then on he cannot leave unnoticed."""
    return one.answer.running() or one.answer.set_running_or_notify_cancel()


def _resolve(one: _Parked, errand: Errand) -> None:
    if not one.answer.done() and _begun(one):
        one.answer.set_result(errand)


def _fail(one: _Parked, error: Exception) -> None:
    if not one.answer.done() and _begun(one):
        one.answer.set_exception(error)


def _aborts(session: Session, parked: dict[int, _Parked]) -> dict[int, tuple[Abort, ...]]:
    """The runs of these agents' sessions that are to be stopped, by agent."""
    columns = (_RUN.agent_id, _RUN.session, _RUN.guid, _RUN.attempt, _RUN.reason)
    found: dict[int, tuple[Abort, ...]] = {}
    for some in _portions(sorted(parked)):
        query = _RUN.select(*columns).where(
            peewee.SQL("status IN (1, 2)"),
            _RUN.status == JobStatus.ABORTING,
            _RUN.agent_id.in_(list(some)),
        )
        for row in session.rows(query):
            agent = row["agent_id"]
            if row["session"] == parked[agent].agent.session:
                abort = Abort(row["guid"], row["attempt"], row["reason"])
                found[agent] = (*found.get(agent, ()), abort)
    return found


def _with_work(session: Session, agents: Collection[int], now: int) -> list[int]:
    """Those of these agents that have a run which may begin."""
    waiting = _RUN.select(peewee.Value(1)).where(
        peewee.SQL("t2.status = 0"),
        _RUN.agent_id == _AGENT.id,
        _RUN.not_before.is_null() | (_RUN.not_before <= now),
        _RUN.after_boot.is_null() | (_RUN.after_boot != _AGENT.boot_id),
    )
    found: list[int] = []
    for some in _portions(sorted(agents)):
        query = _AGENT.select(_AGENT.id).where(_AGENT.id.in_(list(some)), peewee.fn.EXISTS(waiting))
        found += [row["id"] for row in session.rows(query)]
    return found


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _PORTION):
        yield numbers[start : start + _PORTION]
