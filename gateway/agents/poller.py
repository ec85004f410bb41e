"""Asks the server for runs on behalf of a remote agent, and says by that that it is alive.

One poll waits at the server nearly always. It says for how many runs there is room; when it said
none and a place becomes free, or when there is room no more since the agent is being stopped,
another one is sent beside it, which does not wait: the server then answers the first.
"""

import contextlib
import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gateway.agents.desk import Abort, AgentFacts, AgentSession, Attempt, Refusal, SessionOver
from gateway.agents.ledger import Ledger
from gateway.agents.messages import PollAnswer
from gateway.agents.news import News
from gateway.agents.protocol import RunOrder
from gateway.agents.refusals import SecondAgent, Unauthenticated
from storage.errors import StoreUnavailable

# While no place is free: how long one is waited for before a poll says that there is none.
_FULL_SECONDS = 0.1
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
# A server (or what stands before it) that answers polls at once, with nothing, is asked less often.
_HASTY_SECONDS = 0.1
_LONGEST_IDLE = 2.0
_BESIDE_SECONDS = 0.1
_PAUSE_BESIDE = 0.5
# What stands between may cut a poll that waits longer than it likes: then others wait less for a
# while, but not less than this.
_LEAST_WAIT = 5.0
_SHORTER = 0.75
_LONGER = 1.1
# How long the last poll may take to be answered at a stop; if it is not, nobody waits for it.
_STOP_SECONDS = 3.0

_log = logging.getLogger(__name__)


class PollDesk(Protocol):
    """Where polls go."""

    def poll(
        self,
        session: AgentSession,
        places: int,
        runs: Sequence[Attempt],
        facts: AgentFacts | None,
        wait: float,
    ) -> PollAnswer:
        """Renew the runs' leases, and wait for others or for aborts."""


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """In seconds: how often runs are renewed, and how long a poll waits while there are none."""

    renew_seconds: float
    longest_wait: float


class Poller:
    """Two threads that poll until ``stop``, or until ``ended`` is told why it is of no more use.

    ``send`` takes orders, ``abort`` stops a run; ``unreported`` are the runs of which the server is
    still to be told something; ``between`` is done between two polls and may raise what they do.
    """

    def __init__(
        self,
        desk: PollDesk,
        session: AgentSession,
        ledger: Ledger,
        send: Callable[[Sequence[RunOrder]], None],
        abort: Callable[[Abort | Refusal], None],
        unreported: Callable[[], Iterable[Attempt]],
        rhythm: Rhythm,
        news: News,
        ended: Callable[[Exception], None],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self._desk = desk
        self._session = session
        self._ledger = ledger
        self._send = send
        self._abort = abort
        self._unreported = unreported
        self._rhythm = rhythm
        self._news = news
        self._ended = ended
        self._between = between
        self._aborting: set[Attempt] = set()
        self._refused: set[Attempt] = set()
        self._stopped = threading.Event()
        self._draining = threading.Event()
        # Whether the poll that waits may have to be corrected.
        self._watched = threading.Event()
        # Who holds it makes up a poll, or has one under way that does not wait.
        self._asking = threading.Lock()
        # The places of the poll that waits at the server; None while none does.
        self._waiting: int | None = None
        self._hasty = 0
        self._longest_wait = rhythm.longest_wait
        self._threads = [
            threading.Thread(target=self._run, name="agent-poller", daemon=True),
            threading.Thread(target=self._run_beside, name="agent-poller-beside", daemon=True),
        ]

    def start(self) -> None:
        """Begin to poll."""
        for thread in self._threads:
            thread.start()

    def drain(self) -> None:
        """Take no more runs. Leases are renewed and aborts heard of until ``stop``."""
        self._ledger.drain()
        self._draining.set()
        self._watched.set()

    def stop(self) -> None:
        """End; the poll that waits is taken back, if the server can be reached."""
        self._stopped.set()
        self.drain()
        end = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        silent = False
        while not self._stopped.is_set():
            try:
                self._round()
                if silent:
                    _log.info("the server is reached again")
                pause, silent = _FIRST_PAUSE, False
                continue
            except (SessionOver, Unauthenticated, SecondAgent) as error:
                if not self._stopped.is_set():
                    self._stopped.set()
                    self._watched.set()
                    self._ended(error)
                return
            except StoreUnavailable as error:
                if not silent:
                    _log.warning("no runs are asked for: %s. It is tried again", error)
                silent = True
            except Exception:  # noqa: BLE001  (whatever it is must not end the agent)
                _log.exception("asking for runs failed; it is tried again")
            # All agents of a server that was away must not come back at the same moment.
            self._stopped.wait(random.uniform(pause / 2, pause))  # noqa: S311  # no secret
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _round(self) -> None:
        self._between()
        if not self._ledger.free and not self._draining.is_set():
            self._ledger.wait_free(_FULL_SECONDS)
        with self._asking:
            poll = self._make_up()
            self._waiting = poll.places
        if not poll.places:
            self._watched.set()
        began = time.monotonic()
        try:
            answer = self._ask(poll, poll.wait)
        except StoreUnavailable:
            self._wait_less(time.monotonic() - began)
            raise
        finally:
            self._waiting = None
        took = time.monotonic() - began
        self._longest_wait = min(self._rhythm.longest_wait, self._longest_wait * _LONGER)
        if not self._take(answer):
            self._slow_down(took)
        else:
            self._hasty = 0

    def _wait_less(self, took: float) -> None:
        if took >= _LEAST_WAIT:
            self._longest_wait = max(_LEAST_WAIT, min(self._longest_wait, took * _SHORTER))

    def _slow_down(self, took: float) -> None:
        self._hasty = self._hasty + 1 if took < _HASTY_SECONDS else 0
        if self._hasty > 1:
            pause = min(_LONGEST_IDLE, _HASTY_SECONDS * 2 ** min(self._hasty, 10) / 4)
            self._stopped.wait(pause)

    def _run_beside(self) -> None:
        """Send a poll beside the one that waits whenever that says what is no longer so."""
        while not self._stopped.is_set():
            self._watched.wait()
            try:
                self._look_beside()
            except (StoreUnavailable, SessionOver, Unauthenticated, SecondAgent):
                # The poll that waits meets the same, and does what is to be done.
                self._stopped.wait(_PAUSE_BESIDE)
            except Exception:  # noqa: BLE001  (as above)
                _log.exception("asking for runs failed; it is tried again")
                self._stopped.wait(_PAUSE_BESIDE)
        self._take_back()

    def _look_beside(self) -> None:
        if self._outdated():
            self._correct()
            self._stopped.wait(_BESIDE_SECONDS)
        elif self._waiting == 0:
            self._ledger.wait_free(_PAUSE_BESIDE)
        else:
            self._watched.clear()
            if self._waiting == 0 or self._outdated():
                self._watched.set()

    def _take_back(self) -> None:
        """At the end, have the poll that waits answered."""
        end = time.monotonic() + _STOP_SECONDS
        with contextlib.suppress(Exception):
            while self._waiting is not None and time.monotonic() < end:
                self._correct()
                time.sleep(_BESIDE_SECONDS)

    def _outdated(self) -> bool:
        waiting = self._waiting
        if waiting is None or self._stopped.is_set():
            return waiting is not None
        return self._ledger.free > 0 if waiting == 0 else self._draining.is_set()

    def _correct(self) -> None:
        with self._asking:
            if self._outdated():
                self._take(self._ask(self._make_up(), 0.0))

    def _make_up(self) -> "_Poll":
        # In this order: a run goes to those unreported before the ledger forgets it.
        runs = tuple({*self._ledger.attempts, *self._unreported()})
        places = self._ledger.free
        longest = self._longest_wait
        wait = min(longest, self._rhythm.renew_seconds) if runs else longest
        return _Poll(places, runs, self._news.look(), wait)

    def _ask(self, poll: "_Poll", wait: float) -> PollAnswer:
        answer = self._desk.poll(self._session, poll.places, poll.runs, poll.facts, wait)
        if poll.facts is not None:
            self._news.told(poll.facts)
        return answer

    def _take(self, answer: PollAnswer) -> bool:
        """Do what the answer says; whether it says anything new."""
        here = set(self._ledger.attempts)
        for refusal in answer.refused:
            # Of one that is not, the last report has crossed the poll that named it.
            if (refusal.run, refusal.attempt) in here:
                _log.warning("run %s is given up here: %s", refusal.run, refusal.reason)
            self._abort(refusal)
        refused = {(one.run, one.attempt) for one in answer.refused}
        news = bool(refused - self._refused)
        self._refused = refused
        fresh = [one for one in answer.aborts if (one.run, one.attempt) not in self._aborting]
        for abort in fresh:
            self._abort(abort)
        self._aborting = {(abort.run, abort.attempt) for abort in answer.aborts}
        orders = [one for one in answer.orders if (one.run, one.attempt) not in here]
        if orders:
            self._send(orders)
        return bool(news or fresh or orders)


@dataclasses.dataclass(frozen=True)
class _Poll:
    """What one poll says."""

    places: int
    runs: tuple[Attempt, ...]
    facts: AgentFacts | None
    wait: float
