"""The parts of the catalog over the store of a test, with a clock that the test sets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.catalog.blobs import Blobs
from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_blocks import BuildingBlocks, Form, ImportReport
from gateway.catalog.catalog import Catalog
from gateway.catalog.changes import Change
from gateway.catalog.resources import Resources
from gateway.identity.principals import MACHINE
from gateway.identity.vault import Vault, open_vault
from gateway.tasks.registry import TaskTypes
from storage import models
from storage.database import Store

TASK_TYPES = TaskTypes.load()


@dataclass
class Clock:
    """Moments that pass when told to."""

    moment: int = 1_000_000

    def __call__(self) -> int:
        return self.moment


@dataclass(frozen=True)
class Parts:
    """The catalog's parts over one store."""

    store: Store
    clock: Clock
    vault: Vault
    catalog: Catalog
    blobs: Blobs
    resources: Resources
    blocks: BuildingBlocks

    def bring(
        self, *documents: str | bytes, on_conflict: OnConflict = OnConflict.FAIL
    ) -> ImportReport:
        """Import documents named block-0 and so on."""
        named = [
            (f"block-{number}", document.encode() if isinstance(document, str) else document)
            for number, document in enumerate(documents)
        ]
        return self.blocks.import_blocks(named, on_conflict, MACHINE)

    def changes(self, *documents: str | bytes, **options: OnConflict) -> list[Change]:
        """What an import of documents did to each object."""
        return [entry.change for entry in self.bring(*documents, **options).entries]

    def exported(self, form: Form = Form.XML) -> bytes:
        """Everything."""
        return self.blocks.export(form=form).document

    def versions(self) -> int:
        """How many versions of definitions there are."""
        with self.store.reading() as session:
            return int(session.scalar(models.DefinitionVersion.select(_count())))


def _count() -> object:
    import peewee

    return peewee.fn.COUNT(models.DefinitionVersion.id)


MakeParts = Callable[[Store], Parts]


@pytest.fixture
def make_parts(tmp_path: Path) -> MakeParts:
    """Makes the parts over a store, with a key file of the test's own."""

    def make(store: Store) -> Parts:
        clock = Clock()
        vault = open_vault(store, tmp_path / "keys.json")
        catalog = Catalog(store, vault, clock, TASK_TYPES)
        blobs = Blobs(store, clock)
        resources = Resources(store, blobs, clock)
        blocks = BuildingBlocks(store, catalog, resources, blobs, TASK_TYPES)
        return Parts(store, clock, vault, catalog, blobs, resources, blocks)

    return make


@pytest.fixture
def parts(store: Store, make_parts: MakeParts) -> Parts:
    """The parts over a store of each kind in turn."""
    return make_parts(store)


@pytest.fixture
def sqlite_parts(sqlite_store: Store, make_parts: MakeParts) -> Parts:
    """The parts over SQLite only: for what does not depend on the database."""
    return make_parts(sqlite_store)
