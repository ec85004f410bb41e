"""What is measured: rows of numbers, each beside what it is to be compared with."""

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import rich.box
from rich.console import Console
from rich.table import Table

T = TypeVar("T")


class BenchmarkError(Exception):
    """A measurement cannot be believed: answers were wrong, or a server did not start."""


class Unmeasurable(Exception):
    """This machine lacks what a figure needs; the message says what."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A figure. ``yardstick`` names the row that it was divided by to get ``ratio``."""

    name: str
    value: float
    unit: str
    yardstick: str | None = None
    ratio: float | None = None


@dataclasses.dataclass(frozen=True)
class Lack:
    """Rows that this machine cannot have, and why; the group's others are there."""

    name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured: ``seconds`` of load in each of ``rounds``, ``scale`` of the counts."""

    seconds: float
    rounds: int
    scale: float

    def count(self, full: int) -> int:
        """So many things, or fewer where less is to be done."""
        return max(1, round(full * self.scale))


FULL = Effort(seconds=2.0, rounds=3, scale=1.0)
QUICK = Effort(seconds=0.7, rounds=1, scale=0.1)


def in_turns(contenders: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Let all contenders have their turn in every round.

    Whatever else the machine does meanwhile then hits each of them alike.
    """
    found: dict[str, list[T]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            found[name].append(measure())
    return found


def compared(
    name: str, values: Sequence[float], unit: str, yardstick: str, others: Sequence[float]
) -> Row:
    """A row of medians; the ratio is the median of the rounds' own ratios."""
    ratio = statistics.median(a / b for a, b in zip(values, others, strict=True))
    return Row(name, statistics.median(values), unit, yardstick, ratio)


def alone(name: str, values: Sequence[float], unit: str) -> Row:
    """A row of a median, compared with nothing."""
    return Row(name, statistics.median(values), unit)


def show(console: Console, title: str, rows: Iterable[Row]) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("ratio", justify="right")
    table.add_column("to")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, _shown(row.value), row.unit, ratio, row.yardstick or "")
    console.print(table)


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
