"""A process that upgrades a store, to be killed: store, backups, migrations are its arguments."""

import sys
from pathlib import Path

from storage import opening


def main() -> None:
    """Upgrade, and say so."""
    store, backups, migrations = map(Path, sys.argv[1:])
    opening.open_sqlite(store, backups, migrations=migrations).close()
    print("upgraded", flush=True)


if __name__ == "__main__":
    main()
