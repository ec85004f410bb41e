"""From a parsed request to a WSGI environ, and one run of the WSGI application."""

from __future__ import annotations

import contextvars
import functools
import logging
import re
import secrets
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, Any, NamedTuple
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import FileWrapper

from gateway.front.body import BodyPending
from gateway.front.gate import Gate
from gateway.front.held import HELD

LOGGER = logging.getLogger("gateway.front")

Headers = Iterable[tuple[bytes, bytes]]
ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_FILE_BLOCK = 256 * 1024


class Peer(NamedTuple):
    """What is known of a connection before its first request.

    ``certificate`` is the subject of the client's verified certificate (RFC 4514), or None.
    ``trusted`` tells that the other end is one of our proxies, whose X-Forwarded headers count.
    """

    address: str
    port: int
    server_address: str
    server_port: int
    tls: bool
    certificate: str | None
    trusted: bool
    surfaces: frozenset[str] | None


def request_id(headers: Headers) -> str:
    """Return the client's X-Request-Id when it can be trusted to a log line, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return new_request_id()


def new_request_id() -> str:
    """Return 16 random hexadecimal digits."""
    return secrets.token_hex(8)


def environ(scope: Any, peer: Peer, identity: str) -> WSGIEnvironment:
    """Return the environ (PEP 3333) of an ASGI HTTP ``scope`` with lower-case header names.

    The input is left to the caller.  Beside the standard keys it has ``REQUEST_URI`` and
    ``RAW_URI`` (as the client wrote them), ``gateway.request_id``, ``gateway.peer`` (the address
    of the socket's other end), ``gateway.surfaces`` and ``gateway.client_certificate``.
    """
    query = scope["query_string"].decode("latin-1")
    raw_path = scope["raw_path"].decode("latin-1")
    uri = f"{raw_path}?{query}" if query else raw_path
    path = (
        urllib.parse.unquote_to_bytes(raw_path).decode("latin-1") if "%" in raw_path else raw_path
    )
    variables: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_URI": uri,
        "RAW_URI": uri,
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": peer.server_address,
        "SERVER_PORT": str(peer.server_port),
        "REMOTE_ADDR": peer.address,
        "REMOTE_PORT": str(peer.port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if peer.tls else "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": _LargeBlocks,
        "gateway.request_id": identity,
        "gateway.peer": peer.address,
        "gateway.surfaces": peer.surfaces,
        "gateway.client_certificate": peer.certificate,
    }
    _add_headers(variables, scope["headers"], trusted=peer.trusted)
    return variables


def _add_headers(variables: dict[str, Any], headers: Headers, *, trusted: bool) -> None:
    for name, value in headers:
        variable = _variable(name)
        if variable is None:
            continue
        if not trusted and variable.startswith(_FORWARDED):
            # Not believed, but it tells that the client is not at the other end.
            variables[FORWARDED] = "1"
            continue
        text = value.decode("latin-1")
        if variable in variables:
            variables.setdefault(REPEATED, set()).add(variable)
            separator = "; " if variable == "HTTP_COOKIE" else ", "
            text = f"{variables[variable]}{separator}{text}"
        variables[variable] = text


FORWARDED = "gateway.forwarded"
"""In the environ when a peer that is not trusted sent headers that only proxies send."""

REPEATED = "gateway.repeated_headers"
"""In the environ the keys of headers that were sent more than once, where any was."""

_FORWARDED = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


_LONGEST_KNOWN_NAME = 64


def _variable(name: bytes) -> str | None:
    """Return the environ key of a header; of usual names it is remembered."""
    return _known_variable(name) if len(name) <= _LONGEST_KNOWN_NAME else _new_variable(name)


def _new_variable(name: bytes) -> str | None:
    """Return the environ key of a header, None for one that must not get in.

    ``X_Forwarded_For`` would become the key of ``X-Forwarded-For``, and ``Proxy`` the variable
    that programs started by a task read as their proxy ("httpoxy").
    """
    if b"_" in name or name == b"proxy":
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_known_variable = functools.lru_cache(maxsize=1024)(_new_variable)


class _LargeBlocks(FileWrapper):
    """``wsgi.file_wrapper``: each block is a trip between threads, so they are large."""

    def __init__(self, file: IO[bytes], buffer_size: int = 0) -> None:
        super().__init__(file, max(buffer_size, _FILE_BLOCK))


class Reply(NamedTuple):
    """The beginning of an answer; ``complete`` tells that ``block`` is all of its body."""

    status: str
    headers: list[tuple[str, str]]
    block: bytes
    complete: bool


class Call:
    """One run of the application for one request.

    ``start``, ``next_block`` and ``close`` are called one after the other, from any thread: all
    run in one context, so that what Flask keeps in context variables stays with the request. Only
    ``close`` may come early; it waits for the block that is being made.
    """

    def __init__(
        self, application: WSGIApplication, variables: WSGIEnvironment, gate: Gate
    ) -> None:
        self._application = application
        self._environ = variables
        self._gate = gate
        self._context = contextvars.Context()
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._sent = False
        self._iterable: Iterable[bytes] = ()
        self._blocks: Iterator[bytes] = iter(())
        # A call may be given up while its next block is still made.
        self._making = threading.Lock()

    @property
    def identity(self) -> str:
        """The request's id."""
        return str(self._environ["gateway.request_id"])

    def start(self) -> Reply | BodyPending:
        """Run the application up to the first block of its answer.

        Returns ``BodyPending`` when it wants the body first.  Its exceptions are logged and
        become a 500.
        """
        with self._gate:
            return self._context.run(self._start)

    def next_block(self) -> bytes | None:
        """Return the next block, None after the last; exceptions are logged and raised."""
        with self._gate, self._making:
            return self._context.run(self._next_block)

    def close(self) -> None:
        """Give back the answer and the body; needed when ``start`` was not complete."""
        with self._making:
            self._context.run(self._close)

    def close_input(self) -> None:
        """Give back the body of a call whose answer was held: it might have been run again."""
        self._environ["wsgi.input"].close()

    def _start(self) -> Reply | BodyPending:
        try:
            return self._begin()
        except BodyPending as pending:
            self._close()
            return pending
        except BaseException:
            LOGGER.exception("request %s: the application failed", self.identity)
            self._close()
            return failure(self.identity)

    def _begin(self) -> Reply:
        self._iterable = self._application(self._environ, self._start_response)
        if isinstance(self._iterable, (list, tuple)):
            block, complete = b"".join(self._iterable), True
        else:
            self._blocks = iter(self._iterable)
            block = next(filter(None, self._blocks), b"")
            complete = not block or self._is_all(block)
        if not self._status:
            raise RuntimeError("the application did not call start_response")
        self._sent = True
        if complete:
            self._close()
        return Reply(self._status, self._headers, b"".join(self._written) + block, complete)

    def _is_all(self, block: bytes) -> bool:
        if self._environ["REQUEST_METHOD"] == "HEAD":
            return True
        stated = [value for name, value in self._headers if name.lower() == "content-length"]
        return stated == [str(len(block) + sum(map(len, self._written)))]

    def _next_block(self) -> bytes | None:
        try:
            return next(filter(None, self._blocks), None)
        except BaseException:
            LOGGER.exception("request %s: the application failed in its answer", self.identity)
            raise

    def _close(self) -> None:
        iterable, self._iterable = self._iterable, ()
        try:
            getattr(iterable, "close", _nothing)()
            if not self._environ.get(HELD):
                self.close_input()
        except BaseException:
            LOGGER.exception("request %s: closing the answer failed", self.identity)

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExceptionInfo = None,
        /,
    ) -> Callable[[bytes], object]:
        if exc_info and exc_info[1] and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if not exc_info and self._status:
            raise RuntimeError("start_response was called twice without exc_info")
        self._status, self._headers = status, list(headers)
        # PEP 3333 keeps write() for old applications only; what they write is sent together with
        # the first block, which spares every other request a way from here into the event loop.
        return self._written.append


def _nothing() -> None:
    """Stand for the ``close`` that an iterable need not have."""


def failure(identity: str) -> Reply:
    """Return the answer to a request in which the application failed; it tells nothing else."""
    text = f"Internal server error. Request {identity}\n".encode()
    return Reply(
        "500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")], text, True
    )
