"""When an agent counts as silent: no wall clock decides that.

A lease that is not renewed for its whole length, while this process looked on, has ended. So a
clock that jumps costs no run, and several servers on one store need not agree on the time.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class _Sighting:
    """What a lease was, and since when (in seconds of the steady clock) it is no other."""

    lease: int
    since: float


class Leases:
    """Watches the leases of runs. ``length`` in seconds; ``elapsed`` is a steady clock."""

    def __init__(self, length: float, elapsed: Callable[[], float]) -> None:
        self._length = length
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._seen: dict[int, _Sighting] = {}

    def ended(self, held: Mapping[int, int]) -> list[int]:
        """Which of the runs (ids with their present leases) have not been renewed for too long."""
        at = self._elapsed()
        with self._lock:
            self._seen = {run: self._sighting(run, lease, at) for run, lease in held.items()}
            return [run for run, seen in self._seen.items() if at - seen.since >= self._length]

    def forget(self) -> None:
        """Begin anew: leases could not be renewed, which is not the agents' fault."""
        with self._lock:
            self._seen.clear()

    def _sighting(self, run: int, lease: int, at: float) -> _Sighting:
        seen = self._seen.get(run)
        return seen if seen is not None and seen.lease == lease else _Sighting(lease, at)
