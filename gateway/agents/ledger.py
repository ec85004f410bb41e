"""Which runs the embedded agent has under way, and how many places are free."""

import dataclasses
import threading
from collections.abc import Iterable

from gateway.agents.desk import Attempt
from gateway.agents.protocol import ProcessIdentity, Report, RunFinished, RunOrder, TaskStarted

__all__ = ["Attempt", "Ledger", "Remains"]


@dataclasses.dataclass(frozen=True, slots=True)
class Remains:
    """What a dead supervisor leaves: runs without an end, and processes that it had started."""

    runs: tuple[Attempt, ...]
    processes: tuple[ProcessIdentity, ...]


class Ledger:
    """Counts runs in and out. There are no free places while it is closed, as it is at first."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._changed = threading.Condition()
        self._open = False
        self._runs: dict[Attempt, dict[int, ProcessIdentity]] = {}
        self._left: tuple[Attempt, ...] = ()

    def open(self) -> None:
        """From now on there are places."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def drain(self) -> None:
        """From now on there are no places; what is under way goes on."""
        with self._changed:
            self._open = False

    def close(self) -> Remains:
        """From now on there are no places. Gives what was under way, until it is ``settled``."""
        with self._changed:
            self._open = False
            identities = [i for tasks in self._runs.values() for i in tasks.values()]
            remains = Remains(tuple(self._runs), tuple(identities))
            self._left = remains.runs
            self._runs.clear()
            self._changed.notify_all()
            return remains

    def settled(self) -> None:
        """Forget what a closed ledger still answers for: the desk is going to be told."""
        with self._changed:
            self._left = ()

    @property
    def free(self) -> int:
        """How many runs may be claimed."""
        with self._changed:
            return self._places - len(self._runs) if self._open else 0

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The runs under way, and those that were when the ledger was closed."""
        with self._changed:
            return (*self._runs, *self._left)

    @property
    def busy(self) -> bool:
        """Whether any run is under way."""
        with self._changed:
            return bool(self._runs)

    def wait_free(self, seconds: float) -> None:
        """Wait for a free place, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._open and len(self._runs) < self._places, seconds)

    def enter(self, orders: Iterable[RunOrder]) -> bool:
        """Take places for the runs; False, and nothing is taken, if the ledger was closed."""
        with self._changed:
            if self._open:
                self._runs.update({(order.run, order.attempt): {} for order in orders})
            return self._open

    def note(self, reports: Iterable[Report]) -> None:
        """Learn from reports which processes run and which runs are over."""
        with self._changed:
            for report in reports:
                self._note(report)
            self._changed.notify_all()

    def _note(self, report: Report) -> None:
        attempt = (report.run, report.attempt)
        if isinstance(report, RunFinished):
            self._runs.pop(attempt, None)
        elif isinstance(report, TaskStarted) and report.process and attempt in self._runs:
            self._runs[attempt][report.seq] = report.process
