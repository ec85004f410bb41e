"""How far the machine's clock is from the server's, and reports corrected by it."""

import dataclasses
import threading
from collections.abc import Callable, Iterable

from gateway import moments
from gateway.agents.delivery import Item
from gateway.agents.protocol import LogChunk, RunFinished, TaskFinished, TaskStarted

# Less is what the way of a message may take; with each answer another correction would only make
# the steps of one run differ from each other.
_NOTICEABLE = moments.SECOND // 2


class ServerTime:
    """Learns from the server's answers. A report is corrected once, before it is first sent: the
    same report, sent again, says the same time.
    """

    def __init__(self, now: Callable[[], int] = moments.now) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._offset = 0

    @property
    def offset(self) -> int:
        """What is to be added to this machine's time, in microseconds."""
        return self._offset

    def learn(self, server_time: int, sent: int) -> None:
        """Take what an answer says that just came, to a request that was sent at that moment."""
        came = self._now()
        with self._lock:
            # It was written somewhere between the two.
            low, high = server_time - came, server_time - min(sent, came)
            if not low - _NOTICEABLE <= self._offset <= high + _NOTICEABLE:
                self._offset = (low + high) // 2

    def learn_late(self, server_time: int) -> None:
        """Take what the answer to a request says that the server had left waiting."""
        self.learn(server_time, self._now())

    def corrected(self, items: Iterable[Item]) -> list[Item]:
        """The reports in the server's time."""
        offset = self._offset
        return [_moved(item, offset) for item in items] if offset else list(items)


def _moved(item: Item, offset: int) -> Item:
    match item:
        case TaskStarted() | RunFinished():
            return dataclasses.replace(item, at=item.at + offset)
        case TaskFinished():
            return dataclasses.replace(
                item, at=item.at + offset, started_at=item.started_at + offset
            )
        case LogChunk():
            return item
    return item
