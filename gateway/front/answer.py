"""Answers on the wire: head, framing, and blocks at the pace of the client."""

from __future__ import annotations

import asyncio
import email.utils
import enum
import functools
import http
import re
import time
from typing import NamedTuple

from uvicorn.protocols.http import httptools_impl

from gateway.front.bridge import Reply

_STATUS = re.compile(r"[2-5][0-9][0-9]( [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")

# The front decides these itself, whatever the application says.
_OWN = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "server", "x-request-id"}
)
_RETRY_AFTER_SECONDS = "2"


class Framing(enum.Enum):
    """How the client finds the end of an answer."""

    EMPTY = enum.auto()
    LENGTH = enum.auto()
    CHUNKED = enum.auto()
    CLOSE = enum.auto()


class Request(NamedTuple):
    """What of a request decides on the form of its answer."""

    method: str
    http_version: str
    identity: str


class Head(NamedTuple):
    """An answer's first bytes, and how its body is framed; ``length`` only for ``LENGTH``."""

    wire: bytes
    framing: Framing
    length: int
    keep_alive: bool


class InvalidAnswer(Exception):
    """The application's status or headers cannot be sent."""


class ClientStalled(Exception):
    """The client takes no byte of its answer."""


def refusal(status: int, text: str) -> Reply:
    """Return the front's own short answer in text/plain."""
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", _RETRY_AFTER_SECONDS))
    phrase = http.HTTPStatus(status).phrase
    return Reply(f"{status} {phrase}", headers, f"{text}\n".encode(), True)


def compose(request: Request, reply: Reply, *, keep_alive: bool) -> Head:
    """Return the head of ``reply``.

    Header names keep the case that the application gave.  A complete body is always sent with a
    Content-Length, which HTTP/1.0 stacks need; such clients are never sent chunks.  Raises
    ``InvalidAnswer``.
    """
    lines = [f"HTTP/1.1 {_checked_status(reply.status)}"]
    stated: int | None = None
    dated = False
    for name, value in reply.headers:
        lower = _checked_name(name)
        if lower in _OWN:
            keep_alive = keep_alive and not (lower == "connection" and "close" in value.lower())
            continue
        if lower == "content-length":
            stated = _length(value)
            continue
        dated = dated or lower == "date"
        lines.append(f"{name}: {_checked_value(name, value)}")
    framing, stated = _framing(request, reply, stated)
    keep_alive = keep_alive and framing is not Framing.CLOSE
    if stated is not None:
        lines.append(f"Content-Length: {stated}")
    if framing is Framing.CHUNKED:
        lines.append("Transfer-Encoding: chunked")
    if not dated:
        lines.append(_date(int(time.time())))
    lines.append(f"Server: gateway\r\nX-Request-Id: {request.identity}")
    lines.append(_connection(request, keep_alive=keep_alive))
    return Head("\r\n".join(lines).encode("latin-1"), framing, stated or 0, keep_alive)


def _framing(request: Request, reply: Reply, stated: int | None) -> tuple[Framing, int | None]:
    """Return the framing and the Content-Length to be sent, if any."""
    code = reply.status[:3]
    if code == "204":
        return Framing.EMPTY, None
    if code == "304":
        return Framing.EMPTY, stated
    if reply.complete and (stated is None or request.method != "HEAD"):
        # Nothing is known of the length of a body that HEAD left out.
        unknown = request.method == "HEAD" and not reply.block
        stated = None if unknown else len(reply.block) if stated is None else stated
    if request.method == "HEAD":
        return Framing.EMPTY, stated
    if stated is not None:
        return Framing.LENGTH, stated
    return (Framing.CLOSE if request.http_version < "1.1" else Framing.CHUNKED), None


def _connection(request: Request, *, keep_alive: bool) -> str:
    if not keep_alive:
        return "Connection: close\r\n\r\n"
    return "Connection: keep-alive\r\n\r\n" if request.http_version < "1.1" else "\r\n"


def _checked_status(status: str) -> str:
    if _STATUS.fullmatch(status):
        return status
    raise InvalidAnswer(f"the status line {status!r} cannot be sent")


@functools.lru_cache(maxsize=1024)
def _checked_name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name.lower()
    raise InvalidAnswer(f"the header name {name!r} cannot be sent")


def _checked_value(name: str, value: str) -> str:
    if _UNSAFE_VALUE.search(value):
        raise InvalidAnswer(f"the value of header {name} has characters that cannot be sent")
    return value


def _length(value: str) -> int:
    if value.isascii() and value.isdigit():
        return int(value)
    raise InvalidAnswer(f"the Content-Length {value!r} is no number")


@functools.lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {email.utils.formatdate(second, usegmt=True)}"


class Answer:
    """Writes one answer to one connection; each write waits until the client has taken it.

    The request's cycle is uvicorn's; its ``send`` is not used, because it lower-cases header
    names and sends chunks to HTTP/1.0 clients.
    """

    def __init__(
        self, cycle: httptools_impl.RequestResponseCycle, request: Request, idle_seconds: float
    ) -> None:
        self._cycle = cycle
        self._request = request
        self._idle_seconds = idle_seconds
        self._head: Head | None = None
        self._left = 0
        self._open = False

    @property
    def started(self) -> bool:
        """Whether the head has been sent."""
        return self._head is not None

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may serve another request after this answer."""
        return self._head is not None and self._head.keep_alive and self.complete

    async def begin(self, reply: Reply, *, keep_alive: bool) -> None:
        """Send the head and the first block; with a complete reply that is all.

        Raises ``InvalidAnswer`` before anything is sent, and ``ClientStalled``.
        """
        head = compose(self._request, reply, keep_alive=keep_alive)
        self._head = head
        self._left = head.length if head.framing is Framing.LENGTH else 0
        self._open = not reply.complete
        self._cycle.response_started = True
        self._cycle.waiting_for_100_continue = False
        wire = head.wire + self._framed(reply.block)
        if reply.complete:
            wire += self._end()
        await self._write(wire)

    async def write(self, block: bytes) -> None:
        """Send one more block; raises ``ClientStalled``."""
        await self._write(self._framed(block))

    async def finish(self) -> None:
        """Send what ends the body; raises ``ClientStalled``."""
        self._open = False
        await self._write(self._end())

    @property
    def complete(self) -> bool:
        """Whether the body is as long as its Content-Length says, or was ended if it has none."""
        if self._head is not None and self._head.framing is Framing.LENGTH:
            return not self._left
        return not self._open

    def _framed(self, block: bytes) -> bytes:
        framing = self._head.framing if self._head else Framing.EMPTY
        if framing is Framing.EMPTY or not block:
            return b""
        if framing is Framing.CHUNKED:
            return b"%x\r\n%b\r\n" % (len(block), block)
        if framing is Framing.LENGTH:
            block = block[: self._left]
            self._left -= len(block)
        return block

    def _end(self) -> bytes:
        chunked = self._head is not None and self._head.framing is Framing.CHUNKED
        return b"0\r\n\r\n" if chunked else b""

    async def _write(self, wire: bytes) -> None:
        transport = self._cycle.transport
        if not wire or self._cycle.disconnected or transport.is_closing():
            return
        transport.write(wire)
        if self._cycle.flow.write_paused:
            await self._taken(transport)

    async def _taken(self, transport: asyncio.Transport) -> None:
        """Wait until the client has taken what was written, as long as it goes on taking."""
        left = transport.get_write_buffer_size()
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    return await self._cycle.flow.drain()
            except TimeoutError:
                before, left = left, transport.get_write_buffer_size()
                if left >= before:
                    raise ClientStalled from None
