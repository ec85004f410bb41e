"""One connection: uvicorn's reading of HTTP/1.1, with bounds on what a client may do.

uvicorn's protocol parses, buffers, pauses the client and queues pipelined requests.  What it
lacks is added here: timeouts and sizes for the request head, a bound on connections and pipelined
requests, request ids on its own 400, and an end of the connection that lets a client read the
answer to a body which it is still sending.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import httptools
from cryptography import x509
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from gateway.front import answer, bridge
from gateway.front.body import Refusal
from gateway.front.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Coroutine

LOGGER = logging.getLogger("gateway.front")

Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]

NATIVE = "native"
"""Key in the scope's state of a request that an ASGI application answers."""

LINGER_SECONDS = 2.0
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_TOLD_OF_EXCESS = 64  # more clients than these are cut off without an answer
_PIPELINED = 16
_FRAMING_BYTES_PER_BODY_BYTE = 16  # a chunk of one byte has six bytes of framing


class Connection(httptools_impl.HttpToolsProtocol):
    """The protocol of one accepted connection.

    ``serve`` is called for each request and answers it.  ``state`` is shared by all connections
    of the front; ``refuses`` tells whether it takes no new ones.
    """

    def __init__(
        self,
        config: Config,
        *,
        state: ServerState,
        limits: Limits,
        trusted: Networks,
        surfaces: frozenset[str] | None,
        serve: Callable[
            [Connection, httptools_impl.RequestResponseCycle], Coroutine[Any, Any, None]
        ],
        refuses: Callable[[], bool],
    ) -> None:
        super().__init__(config, state, {})
        self.logger = LOGGER
        self.access_log = False
        self.limits = limits
        self.peer = _NOBODY
        self._trusted = trusted
        self._surfaces = surfaces
        self._serve = serve
        self._refuses = refuses
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: Refusal | None = None
        self._in_head = False
        self._lingering = False
        self._head_bytes = 0
        self._overhead = 0
        self._body_bytes = 0

    # -- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Learn who is there; refuse whom there is no room for."""
        super().connection_made(transport)
        # A write counts as done when the system has taken all of it: so a client that does not
        # read is noticed, and at most one block of an answer waits in memory.
        transport.set_write_buffer_limits(high=1, low=0)
        self.peer = self._find_peer(transport)
        excess = len(self.connections) - self.limits.connections
        if self._refuses() or excess > _TOLD_OF_EXCESS:
            transport.abort()
        elif excess > 0:
            self.refuse(Refusal(503, "The server has too many connections."))
        else:
            self._arm(self.limits.header_seconds)

    def _find_peer(self, transport: asyncio.Transport) -> bridge.Peer:
        address, port = self.client or ("", 0)
        server_address, server_port = self.server or ("", 0)
        return bridge.Peer(
            address,
            port,
            server_address,
            server_port or 0,
            self.scheme == "https",
            certificate_subject(transport),
            is_among(address, self._trusted),
            self._surfaces,
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        self._disarm()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn always closes
        """Keep a half-closed connection until its complete request is answered.

        Old HTTP/1.0 clients close their side after the request.  A long poll is over then, and
        TLS knows no half-closed connection.
        """
        native = self._is_serving() and NATIVE in self.cycle.scope["state"]
        if native or self.peer.tls or not self._has_whole_request():
            return None
        self.cycle.keep_alive = False
        return True

    # -- what arrives ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within bounds of bytes and time."""
        self._unset_keepalive_if_required()
        self._overhead += len(data)
        if self._lingering:
            if self._overhead > self.limits.body_bytes:
                self.transport.close()
            return
        try:
            self.parser.feed_data(data)
            self._check_overhead()
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except (httptools.HttpParserError, Refusal):
            self._refuse_input()
        if self._timer is None and not self._is_serving():
            self._arm(self.limits.header_seconds)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Parse the request again as if it had not offered another protocol.

        The parser takes such a request as ended by its head and drops the body, which is still
        HTTP/1.1 unless the offer is accepted.  Java's HttpClient offers h2c on each connection.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, version)
        self.data_received(b"".join([line, *kept, b"\r\n", rest]))

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _has_whole_request(self) -> bool:
        return self._is_serving() and not self.cycle.more_body

    def _check_overhead(self) -> None:
        """Bound what the parser holds back: an unfinished head, chunk line or trailer."""
        allowed = self.limits.header_bytes + _FRAMING_BYTES_PER_BODY_BYTE * self._body_bytes
        if self._overhead > allowed and (self._in_head or not self._has_whole_request()):
            raise self._too_large()

    def _too_large(self) -> Refusal:
        self._refusal = Refusal(
            431, f"The request line and headers are longer than {self.limits.header_bytes} bytes."
        )
        return self._refusal

    def on_message_begin(self) -> None:
        """Begin to count a request head."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_message_complete(self) -> None:
        """Note that the request is whole; what was counted belongs to it."""
        self._overhead = self._body_bytes = 0
        if not self._in_head:
            super().on_message_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are counted but not kept."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self.limits.header_bytes:
            raise self._too_large()
        if not self._in_head:
            return  # a trailer: too late to mean anything
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check what uvicorn does not, and hand the request on."""
        if len(self.url) > self.limits.header_bytes:
            raise self._too_large()
        self._check_coding()
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise ValueError("more than one Host")
        if len(self.pipeline) >= _PIPELINED:
            raise ValueError("too many pipelined requests")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("no proxy")
            return  # what follows is in _decline_upgrade
        self._in_head = False
        self._disarm()
        super().on_headers_complete()
        # uvicorn closes after each HTTP/1.0 request; here keep-alive is answered as asked for.
        self.cycle.keep_alive = bool(self.parser.should_keep_alive())
        if self.scope["http_version"] < "1.1":
            self.cycle.waiting_for_100_continue = False

    def _check_coding(self) -> None:
        """Refuse a body that is more than cut into chunks: the parser would take it for plain."""
        values = [value for name, value in self.headers if name == b"transfer-encoding"]
        codings = b",".join(values).strip().lower()
        if not values or codings == b"chunked":
            return
        if not codings.endswith(b"chunked"):
            raise ValueError("a body without an end")
        self._refusal = Refusal(
            501, "Of Transfer-Encoding only 'chunked' is known: send the body as it is."
        )
        raise self._refusal

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._overhead -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def _start_asgi_task(
        self, cycle: httptools_impl.RequestResponseCycle, _app: ASGI3Application
    ) -> None:
        task = self.loop.create_task(self._serve(self, cycle))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # -- the end --------------------------------------------------------------------------------

    def _refuse_input(self) -> None:
        """Answer what is no HTTP, as far as the requests before it leave room for an answer."""
        cycle = self.cycle
        serving = self._is_serving() or bool(self.pipeline)
        if serving and (cycle.response_started or self.pipeline):
            self.reset()
        elif self._has_whole_request():
            cycle.keep_alive = False
            self.flow.pause_reading()
        else:
            if serving:
                cycle.disconnected = True
                cycle.message_event.set()
            self.refuse(self._refusal or Refusal(400, "This is not a valid HTTP request."))

    def refuse(self, refusal: Refusal) -> None:
        """Answer without a request, and end the connection."""
        request = answer.Request("GET", "1.1", bridge.new_request_id())
        reply = answer.refusal(refusal.status, refusal.text)
        LOGGER.info("request %s from %s: %s", request.identity, self.peer.address, refusal)
        self.transport.write(answer.compose(request, reply, keep_alive=False).wire + reply.block)
        self.linger()

    def linger(self) -> None:
        """Close so that the client can read the answer.

        Closing a socket with unread bytes makes the system reset the connection, which may take
        the answer from a client that is still sending.  So what comes is thrown away for a moment.
        """
        self._lingering = True
        self._overhead = 0
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._arm(LINGER_SECONDS)

    def reset(self) -> None:
        """Cut the connection so that the client notices, even one that reads up to its end."""
        opened = self.transport.get_extra_info("socket")
        if opened is not None and not self.transport.is_closing():
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self._lingering or not self._in_head:
            self.transport.close()
        else:
            self.refuse(Refusal(408, "The request head came too slowly."))


_NOBODY = bridge.Peer("", 0, "", 0, False, None, False, None)


def is_among(address: str, networks: Networks) -> bool:
    """Tell whether a socket's address lies in one of the networks."""
    if not networks or not address:
        return False
    host = ipaddress.ip_address(address.partition("%")[0])
    return any(host in network for network in networks)


def certificate_subject(transport: asyncio.Transport) -> str | None:
    """Return the subject of the client's verified certificate as RFC 4514 writes it."""
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    encoded = secured.getpeercert(binary_form=True) if secured else None
    if not encoded:
        return None
    try:
        return x509.load_der_x509_certificate(encoded).subject.rfc4514_string()
    except ValueError as error:
        LOGGER.warning("a client certificate cannot be read and counts as none: %s", error)
        return None
