"""Request bodies: announced but not received, while being received, and complete.

A body is not read before the application wants it.  The application is first run with an input
whose first read raises ``BodyPending``; only then is the body received, as a whole, and the
application run again.  Whatever the application does before its first read (authentication,
rights, routing) must therefore have no effect.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import io
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from gateway.front.limits import Limits

RECEIVED = "gateway.body_bytes"
"""Environ key: the complete body's length in bytes, or None while it has not been received."""


class BodyPending(BaseException):
    """The application wants the body, which has not been received (or is longer than it wants).

    It is no ``Exception``: Flask answers every uncaught ``Exception`` with a 500, and code between
    the front and the reader has ``except Exception`` blocks.  This must pass them all.

    ``limit`` is the longest body in bytes that the route accepts, None for the front's own limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit)
        self.limit = limit


def allow(environ: Mapping[str, Any], limit: int) -> None:
    """Say, before the first read, that this route accepts a body of up to ``limit`` bytes.

    Raises ``BodyPending`` when the body is not here yet, or is longer (the front then answers
    413; who wants to do that himself looks at ``RECEIVED`` before).  Does nothing under another
    server, for example Flask's test client.
    """
    received = environ.get(RECEIVED, 0)
    if received is None or received > limit:
        raise BodyPending(limit)


class PendingInput(io.RawIOBase):
    """``wsgi.input`` of a body that was announced but not received."""

    def readable(self) -> bool:
        """Tell that reading is possible: what it raises is not an error."""
        return True

    def readinto(self, _buffer: object, /) -> int:
        """Ask for the body; every way of reading comes here."""
        raise BodyPending


class Refusal(Exception):
    """The front answers this request itself, with ``status`` and a short ``text``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text


class ClientGone(Exception):
    """The connection ended before the request was complete."""


class Receive(Protocol):
    """The ``receive`` of ASGI."""

    def __call__(self) -> Awaitable[Any]:
        """Wait for the next event."""


class Receiver:
    """Receives one body block by block, within the limits.

    Only bytes of the body count as progress, so that neither single bytes nor chunk framing nor
    trailers keep a connection alive.
    """

    def __init__(self, receive: Receive, limits: Limits, longest: int) -> None:
        self._receive = receive
        self._limits = limits
        self._longest = longest
        self._started = asyncio.get_running_loop().time()
        self.received = 0
        self.complete = False

    async def block(self) -> bytes:
        """Return the next bytes; ``complete`` tells whether they are the last.

        Raises ``Refusal`` (408 when the client is silent or slow, 413 when the body is too long)
        and ``ClientGone``.
        """
        event = await self._event()
        if event["type"] != "http.request":
            raise ClientGone(f"after {self.received} bytes of the body")
        self.complete = not event.get("more_body", False)
        data: bytes = event.get("body", b"")
        self.received += len(data)
        if self.received > self._longest:
            raise TooLong(self._longest)
        return data

    async def _event(self) -> Any:
        try:
            async with asyncio.timeout_at(self._deadline()):
                return await self._receive()
        except TimeoutError:
            raise Refusal(408, "The request body came too slowly.") from None

    def _deadline(self) -> float:
        limits = self._limits
        idle = asyncio.get_running_loop().time() + limits.body_idle_seconds
        if not limits.body_minimum_rate:
            return idle
        lead = limits.body_allowance_seconds + self.received / limits.body_minimum_rate
        return min(idle, self._started + lead)


class TooLong(Refusal):
    """The body is longer than ``longest`` bytes."""

    def __init__(self, longest: int) -> None:
        super().__init__(413, f"The request body is longer than {longest} bytes.")


# How much of a body is written before the room on the disk is looked at again.
_LOOK_BYTES = 16 * 1024 * 1024


class Spool:
    """Keeps bodies: short ones in memory, long ones in files without a name in ``folder``."""

    def __init__(self, folder: Path | None, memory_bytes: int, least_free: int = 0) -> None:
        """A body that would leave less than ``least_free`` bytes of the disk is refused."""
        self._folder = tempfile.gettempdir() if folder is None else str(folder)
        self._memory_bytes = memory_bytes
        self._least_free = least_free
        # Writing to a disk may block, which the event loop never must.  The requests' own threads
        # may all be waiting, so these are others.
        self._writers = concurrent.futures.ThreadPoolExecutor(2, "front-spool")

    async def take(self, receiver: Receiver) -> IO[bytes]:
        """Receive a whole body and return it, rewound; the caller closes it.

        Raises what ``Receiver.block`` raises, and a 503 ``Refusal`` when it cannot be written.
        """
        file = tempfile.SpooledTemporaryFile(self._memory_bytes, dir=self._folder)  # noqa: SIM115 (handed to the caller)
        try:
            looked = 0
            while not receiver.complete:
                block = await receiver.block()
                if receiver.received - looked > _LOOK_BYTES:
                    looked = receiver.received
                    await self._off_loop(self._check_room)
                await self._do(receiver.received, lambda: file.write(block))  # noqa: B023 (done before the next)
            await self._do(receiver.received, lambda: file.seek(0))
        except OSError as error:
            await self._off_loop(file.close)
            raise Refusal(503, "The request body cannot be stored at the moment.") from error
        except BaseException:
            await self._off_loop(file.close)
            raise
        return file

    def _check_room(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < self._least_free:
            raise OSError(errno.ENOSPC, f"{free} bytes free, {self._least_free} must stay so")

    async def _do(self, length: int, work: Callable[[], object]) -> None:
        """Do what touches a disk once the body has this length, on a thread if it does."""
        if length <= self._memory_bytes:
            work()
        else:
            await self._off_loop(work)

    async def _off_loop(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writers, work)

    def close(self) -> None:
        """End the writing threads once they are idle."""
        self._writers.shutdown(wait=False)
