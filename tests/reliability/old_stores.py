"""Stores as earlier versions of the program have written them, kept as SQL with their keys.

``python -m tests.reliability.old_stores`` writes the one of the newest schema: once, when that
schema is released. From then on its migration and its store are left alone.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from storage import schema
from tests.reliability import load
from tests.reliability.servers import House, until

FOLDER = Path(__file__).with_name("stores")


def numbers() -> list[int]:
    """The schemas of which there is a store."""
    return sorted(int(path.name) for path in FOLDER.iterdir() if path.is_dir())


def restore(number: int, house: House) -> None:
    """Make the data folder of a house from the store of a schema."""
    house.data.mkdir(mode=0o700)
    house.scratch.mkdir()
    shutil.copy(_place(number) / "keys.json", house.data)
    text = (_place(number) / "store.sql").read_text("utf-8")
    with contextlib.closing(sqlite3.connect(house.store)) as connection:
        connection.execute("PRAGMA auto_vacuum = incremental")
        connection.execute("PRAGMA journal_mode = wal")
        connection.executescript(text)


def write(number: int, house: House) -> None:
    """Keep the store of a house, in which no server runs, as that of a schema."""
    place = _place(number)
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(house.data / "keys.json", place)
    with house.reading() as connection:
        lines = "\n".join(connection.iterdump())
    (place / "store.sql").write_text(lines + "\n", "utf-8")


def _place(number: int) -> Path:
    return FOLDER / f"{number:04}"


def _main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house = House(folder / "data", folder / "log")
        house.install(load.write_block(folder / "block.json", load.modules()))
        with house.serving() as server, server.client() as client:
            for kind in load.Kind:
                load.post(client, kind.guid).raise_for_status()
            until("all jobs end", house.settled)
            server.stop()
        write(schema.newest(), house)


if __name__ == "__main__":
    _main()
