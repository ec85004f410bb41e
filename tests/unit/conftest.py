"""What the unit tests share."""

from pathlib import Path

import pytest

from storage.database import Store
from tests import engine as engines


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> engines.Engine:
    """An engine on each database in turn."""
    return engines.make(store, tmp_path)
