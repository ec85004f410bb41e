"""The front: listeners and their event loop, in a thread of their own."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple
from wsgiref.types import WSGIApplication

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway.front import body, listeners
from gateway.front.connection import Connection, Networks
from gateway.front.exchange import Exchange, House
from gateway.front.gate import Gate
from gateway.front.limits import Limits
from gateway.front.workers import Workers

LOGGER = logging.getLogger("gateway.front")


class Address(NamedTuple):
    """Where a listener can be reached; ``port`` is the real one."""

    address: str
    port: int
    tls: bool

    @classmethod
    def of(cls, opened: socket.socket, listener: listeners.Listener) -> Address:
        """Ask the system where a listener's socket was bound."""
        host, port = opened.getsockname()[:2]
        return cls(host, port, listener.tls is not None)


class Front:
    """Serves a WSGI application on several listeners, from one process.

    The event loop owns connections, TLS, bodies, timeouts and answers; the application runs on
    up to ``threads`` threads, of which ``gate`` lets few compute at once.  No signal handlers are
    installed: the caller owns signals and calls ``stop``.

    Args:
        application: the WSGI application; see ``gateway.front.body`` for what it must keep to.
        listeners: where to listen.
        limits: what clients may use.
        gate: entered while the application computes, also while it makes blocks of a streamed
            answer; the application gives its turn up (``gate.released()``) while it waits.
        threads: how many requests may be in the application at once.
        trusted_proxies: networks whose X-Forwarded-For, -Proto, -Host and -Prefix count; all
            others' are removed.
        native: path prefixes and the ASGI applications that answer them in the event loop, such
            as long polls (``gateway.front.exchange.Native``); they must never block.
        spool_folder: where long bodies are kept while they are received; None for the system's.
        on_error: called from the front's thread with what ended the event loop unexpectedly.
    """

    def __init__(
        self,
        application: WSGIApplication,
        listeners: Sequence[listeners.Listener],
        limits: Limits,
        gate: Gate,
        *,
        threads: int = 48,
        trusted_proxies: Networks = (),
        native: Mapping[str, ASGI3Application] | None = None,
        spool_folder: Path | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._application = application
        self._listeners = tuple(listeners)
        self._limits = dataclasses.replace(limits, connections=_room(limits.connections))
        self._gate = gate
        self._workers = Workers(threads, limits.waiting, gate)
        self._trusted = tuple(trusted_proxies)
        self._native = dict(native or {})
        self._spool_folder = spool_folder
        self._on_error = on_error
        self._sockets: list[socket.socket] = []
        self._addresses: list[Address] = []
        self._serving: _Serving | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind all listeners, then serve; returns when connections are accepted.

        Raises ``ListenerError``, with nothing left open.
        """
        if self._thread is not None:
            raise RuntimeError("a front is started once")
        contexts = [listeners.tls_context(listener) for listener in self._listeners]
        self._sockets = listeners.bind_all(self._listeners)
        self._addresses = [
            Address.of(opened, listener)
            for opened, listener in zip(self._sockets, self._listeners, strict=True)
        ]
        ready: Future[_Serving] = Future()
        self._thread = threading.Thread(
            target=self._main, args=(contexts, ready), name="front-loop", daemon=True
        )
        self._thread.start()
        try:
            self._serving = ready.result()
        except BaseException:
            self._close_sockets()
            raise

    @property
    def addresses(self) -> list[Address]:
        """One entry for each listener, in their order; empty before ``start``."""
        return list(self._addresses)

    @property
    def alive(self) -> bool:
        """Whether the event loop runs."""
        return self._thread is not None and self._thread.is_alive()

    def reload_certificates(self) -> None:
        """Read all certificate files again, for connections to come; open ones are kept.

        Raises ``ListenerError`` and keeps the old certificates when any file is unusable.
        """
        if self._serving is None or not self.alive:
            return
        contexts = [listeners.tls_context(listener) for listener in self._listeners]
        asyncio.run_coroutine_threadsafe(
            self._serving.accept(contexts), self._serving.loop
        ).result()

    def stop(self, grace: float) -> None:
        """Take no new connections, finish running requests for ``grace`` seconds, then end."""
        serving, thread = self._serving, self._thread
        if serving is None or thread is None:
            return
        if thread.is_alive():
            serving.loop.call_soon_threadsafe(serving.ask_to_end, grace)
        thread.join()
        self._serving = None
        self._close_sockets()

    def _close_sockets(self) -> None:
        for opened in self._sockets:
            opened.close()

    def _main(self, contexts: Sequence[ssl.SSLContext | None], ready: Future[_Serving]) -> None:
        try:
            asyncio.run(self._serve(contexts, ready))
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
                return
            LOGGER.exception("the HTTP front ended unexpectedly")
            if self._on_error is None:
                raise
            self._on_error(error)

    async def _serve(
        self, contexts: Sequence[ssl.SSLContext | None], ready: Future[_Serving]
    ) -> None:
        house = self._house()
        serving = _Serving(house, self._listeners, self._sockets, self._trusted)
        await serving.accept(contexts)
        ready.set_result(serving)
        try:
            await serving.until_end()
        finally:
            await serving.close()
            house.workers.stop()
            house.spool.close()

    def _house(self) -> House:
        return House(
            self._application,
            ProxyFix(self._application, x_for=1, x_proto=1, x_host=1, x_prefix=1),
            self._native,
            self._limits,
            self._gate,
            self._workers,
            body.Spool(
                self._spool_folder,
                self._limits.memory_spool_bytes,
                self._limits.spool_free_bytes,
            ),
            asyncio.Event(),
            set(),
        )


def _room(connections: int) -> int:
    """Return how many connections there may be, given the files that the process may open.

    A process without free descriptors cannot open its database or accept a client to say so.
    """
    try:
        import resource  # noqa: PLC0415 (there is none on Windows, which has no such limit)
    except ImportError:
        return connections
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or connections <= soft - _OTHER_FILES:
        return connections
    room = max(soft - _OTHER_FILES, soft // 2)
    LOGGER.warning(
        "only %d of %d connections can be served: the limit of open files is %d (ulimit -n)",
        room,
        connections,
        soft,
    )
    return room


_OTHER_FILES = 512


class _Serving:
    """What lives in the event loop: the accepting servers and the open connections."""

    def __init__(
        self,
        house: House,
        configured: Sequence[listeners.Listener],
        sockets: Sequence[socket.socket],
        trusted: Networks,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._house = house
        self._configured = configured
        self._sockets = sockets
        self._trusted = trusted
        self._state = ServerState()
        self._config = _uvicorn_config(house.limits)
        self._servers: list[asyncio.Server] = []
        self._grace: asyncio.Future[float] = self.loop.create_future()

    async def accept(self, contexts: Sequence[ssl.SSLContext | None]) -> None:
        """Accept connections with these certificates, instead of the former ones.

        Each server gets a duplicate of the listening socket, which itself stays open: so the
        certificates can change without a moment in which a connection is refused.
        """
        former, self._servers = self._servers, []
        for listener, opened, context in zip(
            self._configured, self._sockets, contexts, strict=True
        ):
            self._servers.append(await self._open(listener, opened.dup(), context))
        for server in former:
            server.close()

    async def _open(
        self, listener: listeners.Listener, opened: socket.socket, context: ssl.SSLContext | None
    ) -> asyncio.Server:
        seconds = self._house.limits.header_seconds
        return await self.loop.create_server(
            functools.partial(self._connection, listener),
            sock=opened,
            ssl=context,
            backlog=listeners.BACKLOG,
            ssl_handshake_timeout=seconds if context else None,
            ssl_shutdown_timeout=seconds if context else None,
        )

    def _connection(self, listener: listeners.Listener) -> Connection:
        return Connection(
            self._config,
            state=self._state,
            limits=self._house.limits,
            trusted=self._trusted,
            surfaces=listener.surfaces,
            serve=self._exchange,
            refuses=self._house.draining.is_set,
        )

    async def _exchange(
        self, connection: Connection, cycle: httptools_impl.RequestResponseCycle
    ) -> None:
        await Exchange(self._house, connection, cycle).run()

    def ask_to_end(self, grace: float) -> None:
        """Begin to stop; may be called more than once."""
        if not self._grace.done():
            self._grace.set_result(grace)

    async def until_end(self) -> None:
        """Serve until asked to end, then drain."""
        grace = await self._grace
        self._stop_listening()
        self._house.draining.set()
        for parked in list(self._house.parked):
            parked.cancel()
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._drain(grace)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        for opened in self._sockets:
            opened.close()

    async def close(self) -> None:
        """Let go of whatever is still open."""
        self._stop_listening()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def _drain(self, grace: float) -> None:
        tasks = set(self._state.tasks)
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=grace)
        if tasks:
            LOGGER.warning("%d requests were not finished within %g s", len(tasks), grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._await_readers()

    async def _await_readers(self) -> None:
        """Give the last answers a moment to be read."""
        ends = self.loop.time() + _LAST_SECONDS
        while self._state.connections and self.loop.time() < ends:
            await asyncio.sleep(_POLL_SECONDS)


_LAST_SECONDS = 1.0
_POLL_SECONDS = 0.02


def _uvicorn_config(limits: Limits) -> Config:
    """Return what uvicorn's protocol asks its configuration for."""
    config = Config(
        _unused,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        interface="asgi3",
        timeout_keep_alive=limits.keep_alive_seconds,
    )
    config.load()
    return config


async def _unused(_scope: object, _receive: object, _send: object) -> None:
    """Stand for the application in uvicorn's configuration; connections have their own."""
