"""Large resources: flat memory on their way in and out, and nothing left of what broke off."""

import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.reliability.servers import House, Server, until

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SIZE = 200 * MIB
# Far less than what was sent: it went through in pieces.
GROWTH = 64 * MIB
PIECE = bytes(range(256)) * (MIB // 256)
PATH = "/Dispatcher/ResourceService/UploadResource"
JOBS = "/Dispatcher/SchedulingService/jobs?pagesize=5"
JSON = {"Accept": "application/json"}


@dataclass
class Upload:
    """An upload under way in a thread; ``go_on`` lets it pass its first half."""

    server: Server
    size: int = SIZE
    go_on: threading.Event = field(default_factory=threading.Event)
    answer: httpx.Response | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        """Wait for its end, whatever that is."""
        self.go_on.set()
        self._thread.join()

    def _run(self) -> None:
        headers = JSON | {"Filename": "large.bin", "Content-Length": str(self.size)}
        try:
            with self.server.client() as client:
                self.answer = client.post(PATH, headers=headers, content=self._pieces())
        except httpx.TransportError:
            pass  # the server was killed; ``answer`` stays None

    def _pieces(self) -> Iterator[bytes]:
        for number in range(self.size // MIB):
            if number == self.size // MIB // 2:
                self.go_on.wait()
            yield PIECE


class Growth:
    """How much the server and its supervisor have grown at most, while others are answered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = server.memory()
        self.most = 0

    def look(self) -> None:
        """Look at it now."""
        self.most = max(self.most, self._server.memory() - self._before)


def rows(house: House, table: str) -> int:
    return int(house.query(f"SELECT count(*) FROM {table}")[0][0])


def written(house: House) -> int:
    """How many pieces of contents are in the store."""
    return rows(house, "blob_chunk")


def test_a_large_resource_comes_and_goes_with_flat_memory(house: House, tmp_path: Path) -> None:
    target = tmp_path / "fetched.bin"
    block = tmp_path / "block.json"
    block.write_text(json.dumps(fetching(target)))
    with house.serving() as server, server.client() as client:
        client.get(JOBS).raise_for_status()
        growth = Growth(server)
        upload = Upload(server)
        upload.go_on.set()
        answered = 0
        while upload.answer is None:
            client.get(JOBS).raise_for_status()
            answered += 1
            growth.look()
        upload.join()
        made = upload.answer.json()
        digest = hashlib.sha256()
        for _ in range(SIZE // MIB):
            digest.update(PIECE)
        assert (made["Size"], made["Sha256"]) == (SIZE, digest.hexdigest())
        assert answered > 5
        assert growth.most < GROWTH

        assert house.command("import", str(block)).returncode == 0
        growth = Growth(server)
        assert house.command("job", "submit", "Fetch").returncode == 0
        while not house.settled():
            growth.look()
        assert target.stat().st_size == SIZE
        assert growth.most < GROWTH
    with target.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest.hexdigest()
    assert house.tracebacks() == []


def fetching(target: Path) -> dict[str, Any]:
    """A block with a module that fetches the resource."""
    task = {
        "guid": str(uuid.uuid4()),
        "name": "Fetch",
        "type": "download_resource",
        "settings": {"resource": "large.bin", "target": str(target)},
    }
    module = {"guid": str(uuid.uuid4()), "name": "Fetch", "tasks": [task]}
    return {"format": "urn:dispatcher-gateway:building-block:1", "modules": [module]}


def test_a_server_that_is_killed_midway_leaves_nothing(house: House) -> None:
    with house.serving() as server:
        receiving = Upload(server)
        # Half of it is here: the server waits for the rest.
        until("the upload is spooled", lambda: spooled(server) > SIZE // 4)
        server.kill()
        receiving.join()
    assert receiving.answer is None
    with house.serving() as server:
        assert (rows(house, "blob"), spooled(server)) == (0, 0)
        storing = Upload(server)
        storing.go_on.set()
        until("some of it is in the store", lambda: written(house) > 20)
        server.kill()
        storing.join()
    assert storing.answer is None
    assert rows(house, "blob") == 1
    with house.serving() as server:
        until("what was not published is swept", lambda: rows(house, "blob") == 0)
        assert written(house) == 0
        assert spooled(server) == 0
        again = Upload(server, 2 * MIB)
        again.join()
        assert again.answer is not None
        assert again.answer.json()["VersionNumber"] == 1
    assert list((house.data / "spool").iterdir()) == []
    assert rows(house, "resource") == 1


def spooled(server: Server) -> int:
    """The bytes of bodies that the server holds in files, which have no names."""
    total = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            if "/spool/" in str(link.readlink()):
                total += link.stat().st_size
        except FileNotFoundError:
            continue
    return total


def test_a_client_that_goes_midway_leaves_nothing(house: House) -> None:
    with house.serving() as server:
        upload = Upload(server)
        until("the upload is spooled", lambda: spooled(server) > SIZE // 4)
        with server.client() as client:
            # It has announced more than it sends before its connection is closed.
            headers = JSON | {"Filename": "cut.bin", "Content-Length": str(4 * MIB)}
            with pytest.raises(httpx.HTTPError):
                client.post(PATH, headers=headers, content=broken())
            assert client.get(JOBS).status_code == 200
        until("the cut one is gone", lambda: spooled(server) <= SIZE)
        upload.join()
        assert upload.answer is not None
        assert upload.answer.json()["Filename"] == "large.bin"
        until("nothing is spooled any more", lambda: spooled(server) == 0)
    assert (rows(house, "resource"), rows(house, "blob")) == (1, 1)


def broken() -> Iterator[bytes]:
    yield PIECE
    raise httpx.WriteError("the client goes away")
