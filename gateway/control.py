"""How commands reach the server that holds the store: a socket in its data folder.

On Windows it is a named pipe. Only JSON text is exchanged, never pickled objects: what comes in
must not be able to run code. Who may connect is decided twice: the folder is closed to other users,
and both sides prove that they have read the key that lies in it.

A request is one message, ``{"command": name, "arguments": {...}}``. Answered are any number of
``{"item": value}`` and then ``{"end": value}``, or ``{"error": {"kind", "sentence", "exit_code"}}``
at any point. An item of null is a sign of life.
"""

import contextlib
import dataclasses
import json
import logging
import os
import secrets
import shutil
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Client,
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from pathlib import Path
from typing import Any

log = logging.getLogger("gateway.control")

Command = Callable[..., object]
Describe = Callable[[Exception], "CommandFailed | None"]

_CONNECTIONS = 32
_HANDSHAKE_SECONDS = 10
_STALLED_SECONDS = 300
_STOP_SECONDS = 5
_MESSAGE_BYTES = 256 * 1024 * 1024

# sockaddr_un.sun_path holds 108 bytes on Linux, 104 on BSD and macOS, the closing zero included.
_PATH_BYTES = 103


class CommandFailed(Exception):
    """A command that did not do what it should, with what the command line makes of it."""

    def __init__(self, kind: str, sentence: str, exit_code: int = 2) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.exit_code = exit_code


class ServerUnreachable(CommandFailed):
    """The server that holds the data folder does not answer."""

    def __init__(self, sentence: str) -> None:
        super().__init__("unreachable", sentence, 1)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a server can be reached, and the key both sides prove that they know."""

    address: str
    key: bytes = dataclasses.field(repr=False)

    def write(self, folder: Path) -> None:
        """Record it in the data folder, readable by this user alone."""
        unfinished = folder / "control.json.unfinished"
        unfinished.unlink(missing_ok=True)
        text = json.dumps({"address": self.address, "key": self.key.hex()})
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as to:
            to.write(text)
        unfinished.replace(_record(folder))

    @classmethod
    def read(cls, folder: Path) -> "Place":
        """Read what a server recorded. Raises ServerUnreachable."""
        try:
            recorded = json.loads(_record(folder).read_text())
            return cls(recorded["address"], bytes.fromhex(recorded["key"]))
        except (OSError, ValueError, KeyError) as error:
            raise ServerUnreachable(
                f"the process that uses {folder} takes no commands: it is starting, stopping, or "
                "another command that has not finished"
            ) from error


class ControlServer:
    """Answers commands, each connection in a thread of its own."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        folder: Path,
        describe: Describe = lambda _: None,
        *,
        connections: int = _CONNECTIONS,
    ) -> None:
        """``describe`` puts a command's exception in words; None for one that nobody expected."""
        self._commands = commands
        self._folder = folder
        self._describe = describe
        self._room = threading.BoundedSemaphore(connections)
        self._open: set[Connection[Any, Any]] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._cleanup = contextlib.ExitStack()
        self._listener: Listener | None = None
        self._place = Place("", b"")
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def start(self) -> None:
        """Listen; must be called by the process that holds the data folder. Raises OSError."""
        self._place = Place(self._choose_address(), secrets.token_bytes(32))
        self._listener = Listener(self._place.address, backlog=16)
        self._place.write(self._folder)
        self._cleanup.callback(_record(self._folder).unlink, missing_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more commands and cut off those that are under way."""
        if self._listener is None or self._stopping.is_set():
            return
        self._stopping.set()
        with contextlib.suppress(OSError, EOFError):
            Client(self._place.address).close()  # wakes the thread that waits for connections
        self._thread.join(_STOP_SECONDS)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                _shut(connection)
        self._cleanup.close()

    def _choose_address(self) -> str:
        if sys.platform == "win32":
            return rf"\\.\pipe\gateway-{secrets.token_hex(16)}"
        path = self._folder / "control.sock"
        if len(os.fsencode(path.absolute())) > _PATH_BYTES:
            private = tempfile.mkdtemp(prefix="gateway-")
            self._cleanup.callback(shutil.rmtree, private, ignore_errors=True)
            path = Path(private) / "control.sock"
        path.unlink(missing_ok=True)  # left over by a server that was killed
        return str(path.absolute())

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = self._next_connection()
            except OSError:
                if not self._stopping.wait(0.1):
                    log.exception("a connection of a command could not be accepted")
                continue
            if self._stopping.is_set() or not self._room.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="control-command", daemon=True
            ).start()

    def _next_connection(self) -> "Connection[Any, Any]":
        # Without a key, so that the proof is asked for in the connection's own thread: one who
        # connects and says nothing must not keep others waiting.
        assert self._listener is not None  # noqa: S101  # started
        return self._listener.accept()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        with self._lock:
            self._open.add(connection)
        try:
            with connection:
                self._converse(connection)
        except (OSError, EOFError, AuthenticationError) as error:
            log.debug("a command's connection ended: %s", error)
        finally:
            with self._lock:
                self._open.discard(connection)
            self._room.release()

    def _converse(self, connection: "Connection[Any, Any]") -> None:
        _limit(connection, _HANDSHAKE_SECONDS)
        _prove(connection, self._place.key, first=True)
        request = connection.recv_bytes(_MESSAGE_BYTES)
        _limit(connection, _STALLED_SECONDS)
        with contextlib.closing(self._answers(request)) as answers:
            for answer in answers:
                connection.send_bytes(answer)

    def _answers(self, request: bytes) -> Generator[bytes, None, None]:
        try:
            for message in _messages(self._run(json.loads(request))):
                yield json.dumps(message).encode()
        except Exception as error:  # noqa: BLE001  # whatever it is, the command line is told
            yield json.dumps({"error": self._failure(error)}).encode()

    def _run(self, request: Any) -> object:
        name = request["command"]
        command = self._commands.get(name)
        if command is None:
            raise CommandFailed(
                "unknown_command",
                f"the server does not know the command {name!r}: it is of another version",
            )
        return command(**request["arguments"])

    def _failure(self, error: Exception) -> dict[str, Any]:
        known = error if isinstance(error, CommandFailed) else self._describe(error)
        if known is None:
            log.error("a command failed", exc_info=error)
            known = CommandFailed("internal", "the server failed: its log says why", 1)
        return {"kind": known.kind, "sentence": known.sentence, "exit_code": known.exit_code}


class ControlClient:
    """Has a server carry out commands."""

    def __init__(self, folder: Path) -> None:
        """Use the server that holds the data folder."""
        self._folder = folder

    def call(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Carry out a command that answers one value. Raises CommandFailed."""
        with contextlib.closing(self._conversation(command, arguments)) as messages:
            for message in messages:
                if "end" in message:
                    return message["end"]
        raise _cut_off()

    def stream(self, command: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
        """Carry out a command that answers values one by one. Raises CommandFailed."""
        with contextlib.closing(self._conversation(command, arguments)) as messages:
            for message in messages:
                if "end" in message:
                    return
                if message["item"] is not None:
                    yield message["item"]
        raise _cut_off()

    def _conversation(
        self, command: str, arguments: Mapping[str, Any]
    ) -> Generator[dict[str, Any], None, None]:
        with self._connected() as connection:
            request = {"command": command, "arguments": dict(arguments)}
            connection.send_bytes(json.dumps(request).encode())
            while True:
                try:
                    message = json.loads(connection.recv_bytes())
                except (EOFError, OSError) as error:
                    raise _cut_off() from error
                if "error" in message:
                    raise CommandFailed(**message["error"])
                yield message

    @contextlib.contextmanager
    def _connected(self) -> "Iterator[Connection[Any, Any]]":
        place = Place.read(self._folder)
        try:
            connection = Client(place.address)
        except OSError as error:
            raise ServerUnreachable(f"the server of {self._folder} does not listen") from error
        with connection:
            try:
                _limit(connection, _HANDSHAKE_SECONDS)
                _prove(connection, place.key, first=False)
                _limit(connection, 0)
            except (OSError, EOFError, AuthenticationError) as error:
                raise ServerUnreachable(
                    f"the server of {self._folder} does not answer: it is stopping, or busy with "
                    "other commands"
                ) from error
            yield connection


def _messages(result: object) -> Iterator[dict[str, Any]]:
    """A command's result as messages; a generator's items come one by one."""
    if not isinstance(result, Generator):
        yield {"end": result}
        return
    with contextlib.closing(result):
        for item in result:
            yield {"item": item}
    yield {"end": None}


def _prove(connection: "Connection[Any, Any]", key: bytes, *, first: bool) -> None:
    """Have each side prove that it knows the key; the server asks first."""
    steps = [deliver_challenge, answer_challenge]
    for step in steps if first else reversed(steps):
        step(connection, key)


def _limit(connection: "Connection[Any, Any]", seconds: int) -> None:
    """End reads and writes that take longer; 0 for no limit. Pipes of Windows have none."""
    if sys.platform == "win32":
        return
    with _socket(connection) as end:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", seconds, 0))


def _shut(connection: "Connection[Any, Any]") -> None:
    """Wake a thread that reads from or writes to the connection."""
    if sys.platform == "win32":
        connection.close()
        return
    with contextlib.suppress(OSError), _socket(connection) as end:
        end.shutdown(socket.SHUT_RDWR)


def _socket(connection: "Connection[Any, Any]") -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def _record(folder: Path) -> Path:
    return folder / "control.json"


def _cut_off() -> ServerUnreachable:
    return ServerUnreachable("the server ended before it had answered: look at its log")
