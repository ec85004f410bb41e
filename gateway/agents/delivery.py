"""Hands what the supervisor reports to the desk: in order, in batches, and never losing any.

While the desk stores one batch the next one gathers, so batches grow with the load. While the
store takes nothing (a full disk) the reports are kept and tried again; when there are too many the
pipe is no longer read, so the tasks that write too much come to wait.
"""

import collections
import dataclasses
import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence

from gateway.agents.desk import AgentSession, Refusal, ReportDesk
from gateway.agents.ledger import Attempt
from gateway.agents.protocol import LogChunk, Report
from storage.errors import StoreUnavailable

MAX_WAITING_BYTES = 16 * 1024 * 1024
# What a report weighs besides its data.
_REPORT_BYTES = 500
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
# Refused attempts of which it is known that they were told.
_REMEMBERED = 10_000

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class LostRuns:
    """Runs that ended with their supervisor. Told after all that it had still reported.

    Those that no supervisor was ever given are not ``begun``: they can wait for another.
    """

    runs: tuple[Attempt, ...]
    reason: str
    begun: bool = True


Item = Report | LostRuns


class Delivery:
    """A queue of reports with a thread that hands them over."""

    def __init__(self, desk: ReportDesk, session: AgentSession) -> None:
        self._desk = desk
        self._session = session
        self._changed = threading.Condition()
        self._waiting: collections.deque[Item] = collections.deque()
        self._size = 0
        # How many of the first items are told one by one, since one of them broke the desk.
        self._suspects = 0
        self._closing = False
        self._given_up = threading.Event()
        self._told: collections.OrderedDict[Attempt, None] = collections.OrderedDict()
        self._refused: Callable[[Refusal], None] = _ignore
        self._thread = threading.Thread(target=self._run, name="agent-delivery", daemon=True)

    def start(self, refused: Callable[[Refusal], None]) -> None:
        """Begin. ``refused`` is told once of each attempt whose reports are not taken."""
        self._refused = refused
        self._thread.start()

    def put(self, items: Sequence[Item]) -> None:
        """Take items for the desk; waits while too many are waiting."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < MAX_WAITING_BYTES or self._closing)
            self._waiting.extend(items)
            self._size += sum(map(_weight, items))
            self._changed.notify_all()

    @property
    def attempts(self) -> set[Attempt]:
        """The runs of which something is still to be told."""
        with self._changed:
            return {attempt for item in self._waiting for attempt in _attempts(item)}

    def close(self, patience: float) -> bool:
        """Hand over what is waiting, for so many seconds; whether all was taken."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(patience)
        self._given_up.set()
        self._thread.join()
        return not self._waiting

    def give_up(self) -> None:
        """Hand over nothing any more; whoever waits to put something waits no longer."""
        self._given_up.set()
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (batch := self._next()) and (done := self._deliver(batch)) is not None:
            self._forget(batch[:done])

    def _next(self) -> list[Item]:
        """All that is waiting and can go in one call; it stays here until the desk has it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if self._waiting and (self._suspects or isinstance(self._waiting[0], LostRuns)):
                return [self._waiting[0]]
            return list(_reports_before_losses(self._waiting))

    def _forget(self, items: list[Item]) -> None:
        with self._changed:
            for _ in items:
                self._waiting.popleft()
            self._size -= sum(map(_weight, items))
            self._suspects = max(0, self._suspects - len(items))
            self._changed.notify_all()

    def _deliver(self, batch: list[Item]) -> int | None:
        """Try until the desk has taken the batch; how many items are done with.

        None if there is no time left to try.
        """
        pause = _FIRST_PAUSE
        while not self._given_up.is_set():
            try:
                done = self._hand_over(batch)
            except StoreUnavailable as error:
                if pause == _FIRST_PAUSE:
                    _log.warning("reports wait, they cannot be handed over: %s", error)
                # Not all agents of a server at the same moment.
                self._given_up.wait(random.uniform(pause / 2, pause))  # noqa: S311  # no secret
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if pause > _FIRST_PAUSE:
                    _log.info("reports are handed over again")
                return done
        return None

    def _hand_over(self, batch: list[Item]) -> int:
        try:
            self._tell_desk(batch)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001  (a broken desk must not end the agent)
            if len(batch) > 1:
                # One of them breaks the desk; told one by one, the others still arrive.
                self._suspects = len(batch)
                return 0
            self._drop(batch[0])
        return len(batch)

    def _drop(self, item: Item) -> None:
        _log.exception("the desk failed at %r, which is dropped", type(item).__name__)
        if not isinstance(item, LostRuns):
            self._refuse([Refusal(item.run, item.attempt, "the desk failed at one of its reports")])

    def _tell_desk(self, batch: list[Item]) -> None:
        first = batch[0]
        if isinstance(first, LostRuns):
            if first.begun:
                self._desk.lost(self._session, first.runs, first.reason)
            else:
                self._desk.give_back(self._session, first.runs)
            return
        reports = [item for item in batch if not isinstance(item, LostRuns)]
        self._refuse(self._desk.report(self._session, reports))

    def _refuse(self, refusals: Iterable[Refusal]) -> None:
        for refusal in refusals:
            attempt = (refusal.run, refusal.attempt)
            if attempt not in self._told:
                self._remember(attempt)
                _log.warning(
                    "reports of run %s, attempt %d, are refused and dropped: %s",
                    *attempt, refusal.reason,
                )  # fmt: skip
                self._refused(refusal)

    def _remember(self, attempt: Attempt) -> None:
        self._told[attempt] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)


def _ignore(_refusal: Refusal) -> None:
    """Stand in until somebody wants to know."""


def _weight(item: Item) -> int:
    return _REPORT_BYTES + (len(item.data) if isinstance(item, LogChunk) else 0)


def _attempts(item: Item) -> tuple[Attempt, ...]:
    return item.runs if isinstance(item, LostRuns) else ((item.run, item.attempt),)


def _reports_before_losses(waiting: Iterable[Item]) -> Iterable[Item]:
    for item in waiting:
        if isinstance(item, LostRuns):
            return
        yield item
