"""``python -m tests.benchmarks``: measure this machine (see README.md)."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.console import Console

from tests.benchmarks import (
    accepts,
    agents,
    figures,
    lateness,
    pages,
    parts,
    reports,
    running,
    shop,
    soap_calls,
    starting,
    uploads,
)
from tests.benchmarks.figures import Effort, Lack, Row, Unmeasurable

Measure = Callable[[shop.Shop, Effort], Iterator[Row | Lack]]

GROUPS: Mapping[str, Measure] = {
    "agents": agents.measure_idle,
    "agents-work": agents.measure_work,
    "accepts": accepts.measure,
    "soap": soap_calls.measure,
    "slow-disk": accepts.measure_slow,
    "parts": parts.measure,
    "jobs": running.measure_noop,
    "jobs-http": running.measure_over_http,
    "commands": running.measure_commands,
    "lateness": lateness.measure,
    "pages": pages.measure,
    "reports": reports.measure,
    "start": starting.measure,
    "uploads": uploads.measure,
}
_BUILD = shop.ROOT / "build"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument(
        "--only", nargs="+", choices=tuple(GROUPS), default=tuple(GROUPS), metavar="NAME",
        help=f"only these figures: {', '.join(GROUPS)}",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="seconds for each figure; rougher")
    parser.add_argument("--json", type=Path, default=_BUILD / "bench.json", metavar="FILE")
    parser.add_argument(
        "--folder", type=Path, default=_BUILD, help="where stores are made: on a real disk"
    )
    return parser.parse_args()


def measured(
    console: Console, place: shop.Shop, names: tuple[str, ...], effort: Effort
) -> list[Row]:
    """Measure groups one after the other, and print each when it is done."""
    rows: list[Row] = []
    for name in names:
        begun = time.monotonic()
        try:
            found = list(GROUPS[name](place, effort))
        except Unmeasurable as reason:
            console.print(f"{name}: not measured: {reason}", style="bold")
            continue
        for lack in found:
            if isinstance(lack, Lack):
                console.print(f"{name}: {lack.name}: not measured: {lack.reason}", style="bold")
        had = [row for row in found if isinstance(row, Row)]
        figures.show(console, f"{name} ({time.monotonic() - begun:.0f} s)", had)
        rows += had
    return rows


def main() -> int:
    """Measure what is asked for; the exit code."""
    given = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        with shop.opened(given.folder) as place:
            effort = figures.QUICK if given.quick else figures.FULL
            rows = measured(console, place, tuple(given.only), effort)
    except (figures.BenchmarkError, Unmeasurable) as error:
        console.print(f"the measurement ended: {error}", style="bold red")
        return 1
    figures.write(given.json, rows)
    console.print(f"written to {given.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
