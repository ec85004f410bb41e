"""Waking those who wait for runs; the store remains the fallback."""

import threading


class Signals:
    """Wakes those who wait for work at the desk."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def wake(self) -> None:
        """There may be something new for somebody."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until there has been a wake-up after ``seen``; answers the present count."""
        with self._changed:
            self._changed.wait_for(lambda: self._count > seen, timeout)
            return self._count
