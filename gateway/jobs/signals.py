"""Waking those who wait for runs; the store remains the fallback."""

import threading
from collections.abc import Callable, Collection

Listener = Callable[[Collection[int] | None], None]
"""Told the ids of the agents that are concerned; None where that may be any."""


class Signals:
    """Wakes those who wait for work at the desk."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """Have each wake-up told to this one as well, who must not take his time over it."""
        self._listeners = (*self._listeners, listener)

    def wake(self, agents: Collection[int] | None = None) -> None:
        """There may be something new: for these agents, or for anybody."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()
        for listener in self._listeners:
            listener(agents)

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until there has been a wake-up after ``seen``; answers the present count."""
        with self._changed:
            self._changed.wait_for(lambda: self._count > seen, timeout)
            return self._count
