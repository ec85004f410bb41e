"""Resources on the supervisor's side: asked for, and taken piece by piece from the channel.

The server sends a few pieces ahead and then waits until one was used up, so that a slow disk here
holds up neither the memory nor the orders and aborts that come by the same pipe.
"""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

from gateway.agents import channel
from gateway.tasks.base import Cancellation, Cancelled, ResourceContent, TaskFailed

# How many pieces the server may be ahead.
WINDOW = 8

_Answers = queue.SimpleQueue["channel.ResourceAnswer | None"]


class Downloads:
    """All transfers that are under way. ``send`` takes messages to the server."""

    def __init__(self, send: Callable[[channel.Message], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[int, _Answers] = {}

    def deliver(self, answer: channel.ResourceAnswer) -> None:
        """Hand on what the server has sent; nothing of a transfer that is over."""
        with self._lock:
            answers = self._open.get(answer.transfer)
        if answers is not None:
            answers.put(answer)

    @contextlib.contextmanager
    def open(
        self, run: UUID, reference: str, cancellation: Cancellation
    ) -> Iterator[ResourceContent]:
        """The resource with this GUID or name; TaskFailed if the server refuses it."""
        number = next(self._numbers)
        answers: _Answers = queue.SimpleQueue()
        with self._lock:
            self._open[number] = answers
        try:
            # An empty place in the queue wakes who waits for an answer.
            with cancellation.calling(lambda: answers.put(None)):
                self._send(channel.ResourceWanted(number, run, reference))
                yield self._content(number, answers, cancellation)
        finally:
            with self._lock:
                del self._open[number]
            self._send(channel.ResourceDone(number))

    def _content(
        self, number: int, answers: _Answers, cancellation: Cancellation
    ) -> ResourceContent:
        head = _next(answers, cancellation)
        if not isinstance(head, channel.ResourceFound):
            raise TaskFailed("The server sent pieces of a resource before its name.")
        pieces = self._pieces(number, answers, cancellation)
        return ResourceContent(
            head.name,
            head.size,
            head.sha256,
            pieces,
            parse_content=head.parse_content,
            skip_environment=head.skip_environment,
        )

    def _pieces(
        self, number: int, answers: _Answers, cancellation: Cancellation
    ) -> Iterator[bytes]:
        while True:
            piece = _next(answers, cancellation)
            if not isinstance(piece, channel.ResourcePiece):
                raise TaskFailed("The server sent a resource twice.")
            if not piece.data:
                return
            yield piece.data
            self._send(channel.ResourceTaken(number))


def _next(
    answers: _Answers, cancellation: Cancellation
) -> channel.ResourceFound | channel.ResourcePiece:
    try:
        answer = answers.get(timeout=cancellation.remaining)
    except queue.Empty:
        answer = None
    cancellation.check()
    if answer is None:
        raise Cancelled
    if isinstance(answer, channel.ResourceRefused):
        raise TaskFailed(answer.reason)
    return answer
