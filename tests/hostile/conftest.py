"""A house for the hostile messages of a module."""

from collections.abc import Iterator

import pytest

from tests.hostile import house
from tests.hostile.house import Target


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One house for all messages: what one of them leaves behind meets those after it."""
    with house.furnished(tmp_path_factory.mktemp("house")) as furnished:
        yield furnished
