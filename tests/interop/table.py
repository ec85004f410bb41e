"""The table of stacks and steps, as ``make interop`` prints it."""

import dataclasses
import io
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.interop.steps import STEPS

PASS, LIMIT, FAILED, ABSENT = "pass", "limit", "FAILED", "-"


@dataclasses.dataclass
class Cells:
    """What came of each cell, by the client's title with its version and by step."""

    found: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def note(self, client: str, step: str, what: str, reason: str = "") -> None:
        """Remember a cell; the reason is that of a limit, or of a stack that is not there."""
        self.found.setdefault(client, {})[step] = what
        if reason:
            self.reasons[f"{client}, {step}"] = reason

    def shown(self) -> str:
        """The table, a row for each step, and the reasons below it."""
        grid = Table(box=None, pad_edge=False)
        for title in ("client", *map(_short, STEPS)):
            grid.add_column(title, no_wrap=True)
        for client, cells in self.found.items():
            grid.add_row(client, *(_mark(cells, step) for step in STEPS))
        out = io.StringIO()
        console = Console(file=out, width=200)
        console.print(grid)
        console.print(f"ok {PASS}   L {LIMIT} of the client (below)   X {FAILED}   - not tried")
        for place, reason in self.reasons.items():
            console.print(f"{place}: {reason}")
        return out.getvalue()


_MARKS = {PASS: "ok", LIMIT: "L", FAILED: "X"}


def _mark(cells: Mapping[str, str], step: str) -> str:
    return _MARKS.get(cells.get(step, ABSENT), "-")


def _short(step: str) -> str:
    return "\n".join(step[at : at + 6] for at in range(0, len(step), 6))
