"""A house behind the real front, and raw HTTP to it."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.cli import serve
from gateway.front.listeners import Listener
from gateway.front.server import Front
from tests.contract.dispatcher.house import BASE, Answer, House


@contextlib.contextmanager
def serving(house: House) -> Iterator["Place"]:
    """Serve the house's application on a port of the system's choice."""
    settings = house.gateway.settings
    front = Front(
        house.app,
        [Listener("127.0.0.1", 0)],
        serve.limits(settings),
        house.gateway.gate,
        threads=settings.workers.request_threads,
        trusted_proxies=settings.trusted_proxies,
        spool_folder=house.gateway.folder.spool,
    )
    front.start()
    try:
        yield Place(house, front.addresses[0].port)
    finally:
        front.stop(5)


@dataclass(frozen=True)
class Place:
    """Where a house is served."""

    house: House
    port: int

    @property
    def url(self) -> str:
        """The address of the service."""
        return f"http://127.0.0.1:{self.port}{BASE}"

    @contextlib.contextmanager
    def connected(self) -> Iterator["Wire"]:
        """A connection of its own."""
        self.house.log.requests += 1
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection,
            connection.makefile("rb") as file,
        ):
            yield Wire(connection, file)

    def exchange(self, data: bytes) -> Answer:
        """Send bytes and read one answer."""
        with self.connected() as wire:
            wire.send(data)
            return wire.answer()


class Wire:
    """Bytes to and from the server."""

    def __init__(self, connection: socket.socket, file: BinaryIO) -> None:
        self._connection = connection
        self._file = file

    def send(self, data: bytes) -> None:
        """Send bytes at once."""
        self._connection.sendall(data)

    def answer(self) -> Answer:
        """Read one answer that states its length."""
        read = self._file
        status = read.readline().split()
        headers: dict[str, str] = {}
        while (line := read.readline().strip()) and line:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name] = value.strip()
        length = int(headers.get("Content-Length", 0))
        return Answer(int(status[1]), headers, read.read(length))


def head(method: str, path: str, **headers: str) -> bytes:
    """The head of a request; header names with underscores for hyphens."""
    lines = [f"{method} {BASE}/{path} HTTP/1.1", "Host: gateway.test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
