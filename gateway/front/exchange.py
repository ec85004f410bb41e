"""The life of one request: when its body is read, who answers it, how the answer ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import http
import io
import logging
from collections.abc import Mapping
from typing import IO, Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http import httptools_impl

from gateway.front import answer, body, bridge, held
from gateway.front.connection import NATIVE, Connection
from gateway.front.gate import Gate
from gateway.front.limits import Limits
from gateway.front.workers import Saturated, Workers

LOGGER = logging.getLogger("gateway.front")

PROMPT_BYTES = 64 * 1024
PROMPT_SECONDS = 0.01


@dataclasses.dataclass(frozen=True)
class House:
    """What all requests of a front share.

    ``proxied`` is the application as requests from a trusted proxy see it.  ``native`` maps path
    prefixes to ASGI applications.  ``draining`` is set when the front begins to stop.  ``parked``
    are the requests that wait for what may be long in coming.
    """

    application: WSGIApplication
    proxied: WSGIApplication
    native: Mapping[str, ASGI3Application]
    limits: Limits
    gate: Gate
    workers: Workers
    spool: body.Spool
    draining: asyncio.Event
    parked: set[asyncio.Future[Any]]

    def native_for(self, path: str) -> ASGI3Application | None:
        """Return the ASGI application with the longest prefix of ``path``."""
        prefixes = [prefix for prefix in self.native if path.startswith(prefix)]
        return self.native[max(prefixes, key=len)] if prefixes else None


class Exchange:
    """One request and its answer, in the event loop."""

    def __init__(
        self,
        house: House,
        connection: Connection,
        cycle: httptools_impl.RequestResponseCycle,
    ) -> None:
        scope = cycle.scope
        self._house = house
        self._connection = connection
        self._cycle = cycle
        self._identity = bridge.request_id(scope["headers"])
        request = answer.Request(scope["method"], scope["http_version"], self._identity)
        self._answer = answer.Answer(cycle, request, house.limits.response_idle_seconds)

    async def run(self) -> None:
        """Serve the request; every outcome is answered or logged here, none is raised."""
        try:
            await self._serve()
        except body.Refusal as refusal:
            await self._refuse(refusal)
        except Saturated:
            await self._refuse(body.Refusal(503, "The server is busy."))
        except body.ClientGone as gone:
            self._log("the client went away %s; nothing was run", gone)
        except answer.ClientStalled:
            self._log("the client stopped reading its answer")
            self._connection.reset()
        except _Broken as broken:
            self._log("the answer broke off: %s", broken)
            self._connection.reset()
        except Exception:
            LOGGER.exception("request %s failed", self._identity)
            await self._fail()
        except asyncio.CancelledError:
            # The server stops. A client that reads until the end of the connection must not take
            # what it has for all.
            if self._answer.started and not self._answer.complete:
                self._connection.reset()
            raise
        finally:
            self._end()

    async def _serve(self) -> None:
        if self._cycle.disconnected:
            return
        scope = self._cycle.scope
        native = self._house.native_for(scope["path"]) if self._house.native else None
        if native is None:
            await self._serve_wsgi()
        else:
            await Native(self._house, self._connection, self._cycle, self._answer).run(
                native, self._identity
            )

    # -- the body -------------------------------------------------------------------------------

    async def _serve_wsgi(self) -> None:
        variables = bridge.environ(self._cycle.scope, self._connection.peer, self._identity)
        if self._cycle.more_body:
            await self._wait_for_prompt_body(variables)
        if not self._cycle.more_body:
            content = bytes(self._cycle.body)
            await self._run_complete(variables, io.BytesIO(content), len(content), admitted=False)
            return
        call, reply = await self._start(variables, body.PendingInput(), None, admitted=False)
        if isinstance(reply, body.BodyPending):
            await self._receive_and_run(variables, reply.limit)
        else:
            await self._send(call, reply)

    async def _wait_for_prompt_body(self, variables: WSGIEnvironment) -> None:
        """Give a short body that follows its head a moment, which saves running twice."""
        cycle = self._cycle
        stated = variables.get("CONTENT_LENGTH")
        if stated is None or int(stated) > PROMPT_BYTES or cycle.waiting_for_100_continue:
            return
        try:
            async with asyncio.timeout(PROMPT_SECONDS):
                while cycle.more_body and not cycle.disconnected:
                    await cycle.message_event.wait()
                    cycle.message_event.clear()
        except TimeoutError:
            return
        if cycle.disconnected:
            raise body.ClientGone(f"after {len(cycle.body)} bytes of the body")

    async def _receive_and_run(self, variables: WSGIEnvironment, limit: int | None) -> None:
        longest = self._house.limits.body_bytes if limit is None else limit
        if int(variables.get("CONTENT_LENGTH", 0)) > longest:
            raise body.TooLong(longest)
        # A block that the prompt wait has taken note of must wake the receiver too.
        self._cycle.message_event.set()
        receiver = body.Receiver(self._cycle.receive, self._house.limits, longest)
        try:
            content = await self._house.spool.take(receiver)
        except body.TooLong as refusal:
            await self._refuse_length(variables, receiver.received, refusal)
        else:
            await self._run_complete(variables, content, receiver.received, admitted=True)

    async def _refuse_length(
        self, variables: WSGIEnvironment, length: int, refusal: body.TooLong
    ) -> None:
        """Let the application refuse a body that grew too long in its own words, if it has any."""
        call, reply = await self._start(variables, body.PendingInput(), length, admitted=True)
        if isinstance(reply, body.BodyPending):
            raise refusal
        await self._send(call, reply)

    async def _run_complete(
        self, variables: WSGIEnvironment, content: IO[bytes], length: int, *, admitted: bool
    ) -> None:
        call, reply = await self._start(variables, content, length, admitted=admitted)
        if not isinstance(reply, body.BodyPending):
            await self._send(call, reply)
        elif reply.limit is not None and length > reply.limit:
            raise body.TooLong(reply.limit)
        else:
            LOGGER.error("request %s: a body was asked for that is complete", self._identity)
            await self._fail()

    async def _start(
        self,
        variables: WSGIEnvironment,
        content: io.RawIOBase | IO[bytes],
        length: int | None,
        *,
        admitted: bool,
    ) -> tuple[bridge.Call, bridge.Reply | body.BodyPending]:
        """Run the application up to its first block, on a thread.

        A request that was admitted once is not refused when its body has come at last.
        """
        house = self._house
        trusted = self._connection.peer.trusted
        application = house.proxied if trusted else house.application
        outcomes: list[Any] = []
        run = {**variables, "wsgi.input": content, body.RECEIVED: length}
        call = bridge.Call(application, {**run, held.HELD: outcomes}, house.gate)
        begin = house.workers.run if admitted else house.workers.admit
        reply = await begin(call.start)
        if not outcomes:
            return call, reply
        if isinstance(outcomes[0], held.Parked):
            return await self._unpark(call, outcomes[0].outcome, application, run, content)
        error = await self._outcome(outcomes[0])
        if error is None:
            if length is None or length > house.limits.memory_spool_bytes:
                await house.workers.run(call.close_input)  # what closes a file may wait for a disk
            else:
                call.close_input()
            return call, reply
        # The answer told of something that has not come about.
        await house.workers.run(call.close)
        content.seek(0)
        call = bridge.Call(application, {**run, held.FAILURE: error}, house.gate)
        return call, await house.workers.run(call.start)

    async def _unpark(
        self,
        call: bridge.Call,
        outcome: concurrent.futures.Future[Any],
        application: WSGIApplication,
        run: WSGIEnvironment,
        content: io.RawIOBase | IO[bytes],
    ) -> tuple[bridge.Call, bridge.Reply | body.BodyPending]:
        """Run the application again when what it waits for is there, or the server stops."""
        await self._house.workers.run(call.close)
        await self._come(outcome)
        content.seek(0)
        call = bridge.Call(application, {**run, held.OUTCOME: outcome}, self._house.gate)
        return call, await self._house.workers.run(call.start)

    async def _come(self, outcome: concurrent.futures.Future[Any]) -> None:
        """Wait, at the cost of no thread, until it is done; raises ClientGone.

        What nobody waits for any more is cancelled, so that it is not given to nobody.
        """
        # From here on a client that closes its side has left.
        self._cycle.scope["state"][NATIVE] = True
        come = asyncio.wrap_future(outcome)
        left = asyncio.ensure_future(self._client_left())
        draining = self._house.draining
        parked = self._house.parked
        parked.add(come)
        try:
            if not draining.is_set():
                await asyncio.wait((come, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            parked.discard(come)
            left.cancel()
            if not come.done():
                come.cancel()
                outcome.cancel()
        if self._cycle.disconnected:
            raise body.ClientGone("while it waited")
        if not outcome.done():
            # Somebody has just begun to complete it.
            await asyncio.wait((asyncio.wrap_future(outcome),))
        if not come.cancelled():
            come.exception()  # the application looks at it

    async def _client_left(self) -> None:
        cycle = self._cycle
        while not cycle.disconnected:
            cycle.message_event.clear()
            await cycle.message_event.wait()

    async def _outcome(self, outcome: concurrent.futures.Future[Any]) -> Exception | None:
        """Wait for it; the error that it is, if it is one."""
        try:
            await self._house.workers.told(outcome)
        except Exception as error:  # noqa: BLE001 (the application answers it)
            return error
        return None

    # -- the answer -----------------------------------------------------------------------------

    async def _send(self, call: bridge.Call, reply: bridge.Reply) -> None:
        try:
            await self._begin(reply)
            if not reply.complete:
                await self._send_rest(call)
        finally:
            if not reply.complete:
                self._house.workers.run(call.close)
        if not self._answer.complete:
            raise _Broken("it is shorter than its Content-Length")

    async def _begin(self, reply: bridge.Reply) -> None:
        keep_alive = self._cycle.keep_alive and not self._cycle.more_body
        await self._answer.begin(reply, keep_alive=keep_alive)

    async def _send_rest(self, call: bridge.Call) -> None:
        """Fetch a block when the last one was taken: a slow client holds no thread."""
        while not self._cycle.transport.is_closing():
            try:
                block = await self._house.workers.run(call.next_block)
            except Exception as error:
                raise _Broken("the application failed") from error
            if block is None:
                return await self._answer.finish()
            await self._answer.write(block)
        if not self._answer.complete:
            raise _Broken("the client went away")
        return None

    async def _refuse(self, refusal: body.Refusal) -> None:
        self._log("refused: %s", refusal)
        await self._answer_itself(answer.refusal(refusal.status, refusal.text))

    async def _fail(self) -> None:
        if self._answer.started:
            self._connection.reset()
        else:
            await self._answer_itself(bridge.failure(self._identity))

    async def _answer_itself(self, reply: bridge.Reply) -> None:
        try:
            await self._begin(reply)
        except answer.ClientStalled:
            self._connection.reset()

    def _end(self) -> None:
        """Hand the connection on: to the next request, or to its end."""
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if cycle.transport.is_closing():
            return
        if self._answer.keep_alive and cycle.keep_alive:
            self._connection.on_response_complete()
        elif cycle.more_body:
            self._connection.linger()
        else:
            cycle.transport.close()

    def _log(self, text: str, *arguments: object) -> None:
        LOGGER.info(
            f"request %s from %s: {text}",  # noqa: G004 (text is a constant of this module)
            self._identity,
            self._connection.peer.address,
            *arguments,
        )


class _Broken(Exception):
    """An answer cannot be completed; only the end of the connection can tell the client."""


class Native:
    """One request that an ASGI application answers in the event loop, holding no thread.

    The scope's ``state`` has ``request_id``, ``peer`` (``bridge.Peer``) and ``draining``, an
    event after which the application should answer at once.  ``receive`` keeps the limits of
    bodies; once the body is complete it waits for the client to go away.
    """

    def __init__(
        self,
        house: House,
        connection: Connection,
        cycle: httptools_impl.RequestResponseCycle,
        written: answer.Answer,
    ) -> None:
        self._house = house
        self._connection = connection
        self._cycle = cycle
        self._answer = written
        self._receiver = body.Receiver(cycle.receive, house.limits, house.limits.body_bytes)
        self._start: Mapping[str, Any] | None = None

    async def run(self, application: ASGI3Application, identity: str) -> None:
        """Run the application; raises what the body's limits raise and what it raises itself."""
        self._cycle.scope["state"].update(
            {
                NATIVE: True,
                "request_id": identity,
                "peer": self._connection.peer,
                "draining": self._house.draining,
            }
        )
        await application(self._cycle.scope, self._receive, self._send)
        if not self._answer.started and not self._cycle.disconnected:
            raise RuntimeError("the ASGI application did not answer")
        if not self._answer.complete:
            raise _Broken("it is shorter than its Content-Length")

    async def _receive(self) -> Any:
        if self._receiver.complete:
            return await self._cycle.receive()
        try:
            data = await self._receiver.block()
        except body.ClientGone:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": data, "more_body": not self._receiver.complete}

    async def _send(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self._start = event
            return
        block, more = event.get("body", b""), event.get("more_body", False)
        if not self._answer.started:
            await self._begin(block, complete=not more)
        elif block:
            await self._answer.write(block)
        if not more:
            await self._answer.finish()

    async def _begin(self, block: bytes, *, complete: bool) -> None:
        if self._start is None:
            raise RuntimeError("the ASGI application sent a body before http.response.start")
        status = str(self._start["status"])
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._start.get("headers", ())
        ]
        reply = bridge.Reply(f"{status} {_phrase(status)}", headers, block, complete)
        keep_alive = self._cycle.keep_alive and not self._cycle.more_body
        await self._answer.begin(reply, keep_alive=keep_alive)


def _phrase(status: str) -> str:
    try:
        return http.HTTPStatus(int(status)).phrase
    except ValueError:
        return ""
