"""A house for each test: a data folder with the modules of the load, and a log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import load
from tests.reliability.servers import House


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Where the tasks of the load write."""
    return tmp_path / "lines"


@pytest.fixture
def house(tmp_path: Path, lines: Path) -> Iterator[House]:
    """A data folder with the modules of the load; no server runs in it yet."""
    made = House(tmp_path / "data", tmp_path / "server.log")
    made.install(load.write_block(tmp_path / "load.json", load.modules(lines)))
    yield made
    for process in made.marked():
        process.kill()
