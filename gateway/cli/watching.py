"""Following a job: a log with progress below it on a terminal, plain lines elsewhere."""

import json
import sys
from collections.abc import Iterable
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from gateway.cli import rendering


def show(items: Iterable[dict[str, Any]]) -> str:
    """Show the items of a watch as they come; answers the job's last status."""
    if sys.stdout.isatty():
        return _show_live(items)
    return _show_lines(items)


def show_json_lines(items: Iterable[dict[str, Any]]) -> str:
    """Each item as a line of JSON; answers the job's last status."""
    status = ""
    for item in items:
        status = item["job"]["status"] if "job" in item else status
        click.echo(json.dumps(item, ensure_ascii=False))
    return status


class _Lines:
    """Puts pieces of output together to lines, for each task of each run by itself."""

    def __init__(self) -> None:
        self._rest: dict[tuple[str, str], str] = {}

    def add(self, item: dict[str, Any]) -> list[str]:
        """The lines that are complete now."""
        place = (item["run"], item["task"])
        *lines, rest = (self._rest.get(place, "") + item["output"]).split("\n")
        self._rest[place] = rest
        return [self._line(item["task"], line) for line in lines]

    def rest(self) -> list[str]:
        """What was written without an end of line."""
        left = [self._line(task, text) for (_, task), text in self._rest.items() if text]
        self._rest.clear()
        return left

    @staticmethod
    def _line(task: str, text: str) -> str:
        return rendering.harmless(f"{task} | {text.removesuffix(chr(13))}")


def _show_lines(items: Iterable[dict[str, Any]]) -> str:
    lines, status = _Lines(), ""
    for item in items:
        if "output" in item:
            _echo(lines.add(item))
        else:
            status = item["job"]["status"]
            _echo([*_flushed(lines, item), _state(item)])
    _echo(lines.rest())
    return status


def _show_live(items: Iterable[dict[str, Any]]) -> str:
    lines, status = _Lines(), ""
    columns = (
        *(TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=rendering.console()) as progress:
        bar = progress.add_task("waiting", total=None)
        for item in items:
            if "output" in item:
                _print(progress, lines.add(item))
                continue
            status = item["job"]["status"]
            _print(progress, _flushed(lines, item))
            total = item["total"] or None
            progress.update(bar, description=_words(item), completed=item["done"], total=total)
        _print(progress, lines.rest())
    return status


def _flushed(lines: _Lines, item: dict[str, Any]) -> list[str]:
    return lines.rest() if item["job"]["finished_at"] else []


def _state(item: dict[str, Any]) -> str:
    return f"{_words(item)}, {item['done']} of {item['total']} tasks"


def _words(item: dict[str, Any]) -> str:
    job = item["job"]
    reason = f" ({job['reason']})" if job["reason"] else ""
    return rendering.harmless(f"{job['status'].replace('_', ' ')}{reason}")


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _print(progress: Progress, lines: Iterable[str]) -> None:
    for line in lines:
        progress.console.print(Text(line))
