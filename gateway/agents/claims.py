"""Claims runs for the embedded agent as places become free, and brings it the aborts.

It also says what has changed at the machine since, whenever it says that the agent is alive.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from gateway.agents.desk import Abort, AgentDesk, AgentSession, Refusal, SessionOver
from gateway.agents.ledger import Attempt, Ledger
from gateway.agents.news import News
from gateway.agents.protocol import RunOrder
from storage.errors import StoreUnavailable

# How often aborts are looked for while no place is free, or while there is no end of runs.
ABORT_SECONDS = 0.2
_WAIT_SECONDS = 1.0
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
# A desk that calls for nothing (an abort that is under way already) is not asked more often.
_IDLE_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Claimer:
    """A thread that waits at the desk. ``send`` takes orders, ``abort`` stops a run; ``unreported``
    are the runs of which the desk is still to be told something. ``news`` says what has changed at
    the machine.
    """

    def __init__(
        self,
        desk: AgentDesk,
        session: AgentSession,
        ledger: Ledger,
        send: Callable[[Sequence[RunOrder]], None],
        abort: Callable[[Abort | Refusal], None],
        unreported: Callable[[], Iterable[Attempt]],
        renew_seconds: float,
        news: News,
    ) -> None:
        self._desk = desk
        self._session = session
        self._ledger = ledger
        self._send = send
        self._abort = abort
        self._unreported = unreported
        self._renew_seconds = renew_seconds
        self._news = news
        self._renew_at = 0.0
        self._abort_at = 0.0
        self._aborting: set[Attempt] = set()
        self._called_in_vain = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent-claimer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether runs are still claimed; no more once the session is over."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._stopped.is_set():
            try:
                self._round()
                pause = _PAUSE_SECONDS
                continue
            except SessionOver as error:
                self._give_up(error)
                return
            except StoreUnavailable as error:
                _log.warning("no runs are claimed, the store is not to be had: %s", error)
            except Exception:  # noqa: BLE001  (a broken desk must not end the agent)
                _log.exception("claiming failed; it is tried again")
            self._stopped.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _give_up(self, error: SessionOver) -> None:
        """Leave the name to whoever has it now, and stop what runs here: nobody hears of it."""
        _log.error("this server runs no tasks any more: %s. Give it a name of its own", error)
        self._ledger.drain()
        for run, attempt in self._ledger.attempts:
            self._abort(Abort(run, attempt, str(error)))

    def _round(self) -> None:
        self._renew()
        aborted = self._forward_aborts()
        free = self._ledger.free
        if free == 0:
            self._ledger.wait_free(ABORT_SECONDS)
            return
        orders = self._desk.claim(self._session, free)
        if orders:
            self._send(orders)
        if len(orders) < free:
            self._wait_at_desk(idle=not orders and not aborted)

    def _wait_at_desk(self, *, idle: bool) -> None:
        began = time.monotonic()
        if idle and self._called_in_vain:
            self._stopped.wait(_IDLE_SECONDS)
        self._desk.wait(self._session, min(_WAIT_SECONDS, self._renew_seconds))
        self._called_in_vain = idle and time.monotonic() - began < 2 * _IDLE_SECONDS
        self._abort_at = 0.0

    def _renew(self) -> None:
        now = time.monotonic()
        if now >= self._renew_at:
            # In this order: a run goes to those unreported before the ledger forgets it.
            named = {*self._ledger.attempts, *self._unreported()}
            for refusal in self._desk.renew(self._session, list(named)):
                self._abort(refusal)
            self._renew_at = now + self._renew_seconds
            self._tell_news()

    def _tell_news(self) -> None:
        facts = self._news.look()
        if facts is not None:
            self._desk.tell(self._session, facts)
            self._news.told(facts)

    def _forward_aborts(self) -> bool:
        """Forward the aborts that are new; whether there were any."""
        now = time.monotonic()
        if now < self._abort_at or not self._ledger.busy:
            return False
        self._abort_at = now + ABORT_SECONDS
        aborts = self._desk.aborts(self._session)
        fresh = [a for a in aborts if (a.run, a.attempt) not in self._aborting]
        for abort in fresh:
            self._abort(abort)
        self._aborting = {(abort.run, abort.attempt) for abort in aborts}
        return bool(fresh)
