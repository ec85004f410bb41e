"""A house for each test: a data folder with the modules of the tests, and a log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import load, rascals
from tests.reliability.servers import House, slay


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the modules of the tests, to be copied."""
    folder = tmp_path_factory.mktemp("furnished")
    house = House(folder / "data", folder / "log")
    house.install(load.write_block(folder / "block.json", [*load.modules(), *rascals.modules()]))
    return house.data


@pytest.fixture
def house(tmp_path: Path, furnished: Path) -> Iterator[House]:
    """A data folder of the test's own; no server runs in it yet."""
    made = House(tmp_path / "data", tmp_path / "server.log")
    made.furnish(furnished)
    yield made
    slay(made.marked())
