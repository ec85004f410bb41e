"""Messages of the supervisor on their way to the server."""

import collections
import threading

from gateway.agents import channel

# What may wait for a server that does not read; beyond it those who report have to wait.
MAX_WAITING_BYTES = 8 * 1024 * 1024


class Outbox:
    """Sends messages in their order from a thread of its own, all that wait in one write."""

    def __init__(self, sender: channel.Sender) -> None:
        self._sender = sender
        self._changed = threading.Condition()
        self._frames: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, message: channel.Message) -> None:
        """Send a message; waits while too much is waiting already."""
        frame = channel.encode(message)
        with self._changed:
            while self._size >= MAX_WAITING_BYTES:
                self._changed.wait()
            self._frames.append(frame)
            self._size += len(frame)
            self._changed.notify_all()

    def close(self) -> None:
        """Send what is waiting, then close the pipe."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while frames := self._take():
                self._sender.send_frames(frames)
                with self._changed:
                    self._size -= sum(map(len, frames))
                    self._changed.notify_all()
            self._sender.close()
        except OSError:
            # The server is gone. The thread that reads from it sees that too and ends everything.
            return

    def _take(self) -> list[bytes]:
        with self._changed:
            while not (self._frames or self._closed):
                self._changed.wait()
            frames = list(self._frames)
            self._frames.clear()
            return frames
