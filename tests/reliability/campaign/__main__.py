"""``python -m tests.reliability.campaign``: play rounds, or ``--seed`` one again."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from tests.reliability import load
from tests.reliability.campaign import table
from tests.reliability.campaign.plan import seeds
from tests.reliability.campaign.rounds import play
from tests.reliability.servers import House


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.campaign")
    parser.add_argument("--rounds", type=int, default=8, help="how many (8: each fault first once)")
    parser.add_argument("--seed", action="append", help="play this one; may be given again")
    parser.add_argument("--master", type=int, help="the seed of the seeds")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the logs of broken rounds")
    return parser.parse_args()


def furnished(folder: Path) -> Path:
    """A data folder with the modules of the load, to be copied."""
    folder.mkdir()
    house = House(folder / "data", folder / "log")
    house.install(load.write_block(folder / "block.json", load.modules()))
    return house.data


def _played(console: Console, chosen: Iterable[str], keep: Path | None) -> bool:
    """Play seeds one after the other and print each; whether all promises were kept."""
    broken = False
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        folder = Path(name)
        data = furnished(folder / "furnished")
        for number, seed in enumerate(chosen):
            own = folder / f"round-{number}"
            own.mkdir()
            done = play(seed, own, data)
            console.print(table.line(done), highlight=False)
            if done.outcome.broken:
                broken = True
                console.print(table.broken(done), style="bold red", highlight=False)
                if keep is not None:
                    shutil.copytree(own, keep / seed, ignore=shutil.ignore_patterns("disk"))
            shutil.rmtree(own)
    return not broken


def main() -> int:
    """Play what is asked for; the exit code."""
    given = _arguments()
    # Asked to end, it takes its disks and networks away first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    master = random.SystemRandom().randrange(10**6) if given.master is None else given.master
    console = Console(width=None if sys.stdout.isatty() else 160)
    if not given.seed:
        console.print(f"the same again: --master {master} --rounds {given.rounds}")
    console.print(table.HEAD, highlight=False)
    return 0 if _played(console, given.seed or seeds(given.rounds, master), given.keep) else 1


if __name__ == "__main__":
    sys.exit(main())
