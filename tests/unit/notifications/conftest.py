"""An engine whose jobs are told of, and a server that webhooks reach."""

import dataclasses
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.identity import vault as vaults
from gateway.identity.vault import Vault
from gateway.notifications.rules import Rules
from tests import engine as engines
from tests.conftest import StorePlace
from tests.engine import Engine

PATIENCE = 20.0


@dataclasses.dataclass
class House:
    """An engine, its vault, and the rules."""

    engine: Engine
    vault: Vault
    rules: Rules


def _house(place: StorePlace, folder: Path) -> Iterator[House]:
    store = place.open()
    engine = engines.make(store, folder)
    vault = vaults.open_vault(store, folder / "keys.json")
    yield House(engine, vault, Rules(store, vault, engine.now))
    store.close()


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """On SQLite, but for the tests that ask for both databases."""
    both = "store_place" in request.fixturenames
    yield from _house(request.getfixturevalue("store_place" if both else "sqlite_place"), tmp_path)


@dataclasses.dataclass
class Hook:
    """Takes what is posted; answers what ``statuses`` say, the last again and again."""

    statuses: list[int] = dataclasses.field(default_factory=lambda: [200])
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    delay: float = 0.0
    taken: list[tuple[dict[str, str], bytes]] = dataclasses.field(default_factory=list)
    url: str = ""

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.taken]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(made.delay)
            made.taken.append((dict(self.headers), body))
            status = made.statuses.pop(0) if len(made.statuses) > 1 else made.statuses[0]
            self.send_response(status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)
