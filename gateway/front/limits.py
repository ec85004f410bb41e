"""What a client may use of the server: bytes, seconds and places."""

from __future__ import annotations

import dataclasses

KIB = 1024
MIB = 1024 * KIB


@dataclasses.dataclass(frozen=True)
class Limits:
    """The bounds within which the front serves a client.

    Sizes are in bytes, times in seconds.

    Attributes:
        body_bytes: longest request body, unless a route asks for another cap
            (``gateway.front.body.allow``).
        memory_spool_bytes: what of a body stays in memory; a longer one goes to a file.
        spool_free_bytes: what must stay free on the disk of the files; a body that would take of
            it is answered 503.
        header_bytes: longest request line and headers together; also the longest trailers.
        header_seconds: for a complete request head, and for a TLS handshake.
        body_idle_seconds: longest silence while a body is expected.
        body_minimum_rate: bytes a second that a body must reach on average; 0 for no minimum.
        body_allowance_seconds: how long after its start a body may still be slower than that.
        keep_alive_seconds: how long an idle connection is kept for a next request.
        response_idle_seconds: how long a client may take no byte of its answer.
        connections: open connections; who comes beyond is answered 503.
        waiting: requests that may wait for a thread; who comes beyond is answered 503.
    """

    body_bytes: int = 8 * MIB
    memory_spool_bytes: int = 256 * KIB
    spool_free_bytes: int = 0
    header_bytes: int = 64 * KIB
    header_seconds: float = 20.0
    body_idle_seconds: float = 30.0
    body_minimum_rate: float = 200.0
    body_allowance_seconds: float = 20.0
    keep_alive_seconds: int = 60
    response_idle_seconds: float = 60.0
    connections: int = 8192
    waiting: int = 1024
