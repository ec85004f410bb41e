"""A gateway in this process that is asked as its HTTP front would, and what it has stored."""

import contextlib
import dataclasses
import hashlib
import io
import itertools
import logging
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.catalog.definitions import Module, Task
from gateway.front import body as bodies
from gateway.front import bridge
from gateway.identity.principals import MACHINE
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import PARAMETERS, House
from tests.hostile.messages import MODULE, Login, Message


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a message got, and what it cost: seconds of all threads of this process.

    ``logged`` is what was logged of failures meanwhile.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    logged: tuple[str, ...]


class Target:
    """The house, and a log of its failures."""

    def __init__(self, house: House, log: SessionLog, file: Path) -> None:
        self.house = house
        self._log = log
        self._file = file
        self._clients = itertools.count()

    def ask(self, message: Message) -> Answer:
        """Send a message; each comes from an address of its own, so that none has to wait."""
        variables = self._variables(message)
        before, started = len(self._log.failures), time.process_time()
        call = bridge.Call(self.house.app, variables, self.house.gateway.gate)
        reply = call.start()
        assert isinstance(reply, bridge.Reply), reply
        blocks = [reply.block]
        if not reply.complete:
            blocks += iter(call.next_block, None)
            call.close()
        seconds = time.process_time() - started
        logged = tuple(self._log.failures[before:])
        status = int(reply.status.split(" ")[0])
        return Answer(status, dict(reply.headers), b"".join(blocks), seconds, logged)

    def _variables(self, message: Message) -> dict[str, object]:
        number = next(self._clients)
        headers = [("Host", "gateway.test"), *message.headers]
        headers += [("Content-Length", str(len(message.body)))]
        scope = {
            "method": "POST",
            "raw_path": f"{message.service.path}/soap".encode(),
            "query_string": b"",
            "http_version": "1.1",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
            ],
        }
        client = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        peer = bridge.Peer(client, 1, "127.0.0.1", 80, False, None, False, None)
        variables = bridge.environ(scope, peer, bridge.new_request_id())
        return variables | {
            "wsgi.input": io.BytesIO(message.body),
            bodies.RECEIVED: len(message.body),
        }

    def stored(self) -> dict[str, str]:
        """A digest of each table of the store."""
        with contextlib.closing(sqlite3.connect(self._file)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name: _digest(connection, name) for (name,) in names.fetchall()}


def _digest(connection: sqlite3.Connection, table: str) -> str:
    rows = sorted(map(repr, connection.execute(f'SELECT * FROM "{table}"')))
    return f"{len(rows)} {hashlib.sha256(chr(10).join(rows).encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def furnished(folder: Path, **settings: object) -> Iterator[Target]:
    """A house with an administrator, one who may only read, a module, an agent and a team."""
    log = SessionLog()
    house = houses.build(folder, log, **settings)
    name, password = Login.READER.value or ("", "")
    house.gateway.logins.add(name, password, ["Readers"], MACHINE)
    house.gateway.catalog.save(_module(), MACHINE)
    house.agent("Agent in this house")
    house.team("Team in this house", "Agent in this house")
    logging.getLogger().addHandler(log)
    try:
        yield Target(house, log, folder / "gateway.sqlite3")
    finally:
        logging.getLogger().removeHandler(log)
        house.gateway.stop(0)


def _module() -> Module:
    arguments = [f"$[{parameter.name}]" for parameter in PARAMETERS]
    settings = {"argv": ["echo", *arguments]}
    task = Task(guid=uuid.uuid4(), name="Task", type="command", settings=settings)
    return Module(guid=MODULE, name="Module in this house", parameters=PARAMETERS, tasks=(task,))
