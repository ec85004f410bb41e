"""How answers are shown: as JSON for scripts, as tables and lines for people."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# A terminal obeys these; what others have written must not command it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

# Wide enough for any table: what is not read on a screen is not cut to one.
_UNLIMITED_COLUMNS = 10_000


class PipedConsole(Console):
    """A console whose reader may leave."""

    def on_broken_pipe(self) -> None:
        """Leave it to the program to end quietly."""
        raise BrokenPipeError


def console() -> PipedConsole:
    """What is shown to people, on stdout."""
    width = None if sys.stdout.isatty() else _UNLIMITED_COLUMNS
    return PipedConsole(width=width, highlight=False, markup=False, emoji=False)


def show_json(value: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table of the members that ``columns`` name."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(row.get(column))) for column in columns))
    console().print(table)


def show_members(value: Mapping[str, Any], names: Sequence[str]) -> None:
    """One line for each of these members that is not empty."""
    width = max(map(len, names))
    for name in names:
        if (text := cell(value.get(name))) != "":
            click.echo(f"{name.replace('_', ' '):{width}}  {text}")


def cell(value: Any) -> str:
    """A value as text that is safe to show."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return cell(value.get("name") or json.dumps(value, ensure_ascii=False))
    return harmless(str(value))


def harmless(text: str) -> str:
    """Text without what a terminal would obey; line ends and tabs stay."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
