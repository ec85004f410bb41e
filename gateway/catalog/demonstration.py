"""Demonstration content: a building block that comes with the program."""

from pathlib import Path

from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_blocks import BuildingBlocks
from gateway.identity.principals import MACHINE

BLOCK = Path(__file__).with_name("demonstration.xml")


def install(blocks: BuildingBlocks) -> None:
    """Import the demonstration; what is there already, changed or not, stays as it is."""
    blocks.import_blocks([(BLOCK.name, BLOCK.read_bytes())], OnConflict.SKIP, MACHINE)
