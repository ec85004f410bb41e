"""``calendar``: working days, holidays and blackouts, which schedules share."""

import json
from pathlib import Path
from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import Function, as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.jobs.open_days import WEEKDAYS
from gateway.settings import Loaded

LISTED = ("name", "guid", "zone", "workdays", "schedules")
MEMBERS = (
    *("name", "guid", "zone", "workdays", "holidays", "extra_workdays", "blackouts"),
    "schedules",
)
_LARGEST_FILE = 1024 * 1024

_calendar = click.argument("calendar_", metavar="CALENDAR")


@click.group()
def calendar() -> None:
    """Make and change calendars. CALENDAR is a name or GUID."""


def _with_content(command: Function) -> Function:
    """Give a command the members of a calendar."""
    options = (
        click.option(
            "--file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="JSON with the members; what options say counts more.",
        ),
        click.option("--zone", metavar="NAME", help="By whose clock; the server's unless told."),
        click.option(
            "--workday",
            "workdays",
            multiple=True,
            type=click.Choice(WEEKDAYS),
            help="Every day unless told.",
        ),
        click.option(
            "--holiday",
            "holidays",
            metavar="DATE|MM-DD|RRULE:...",
            multiple=True,
            help="A date, a day of every year, or a calendar rule.",
        ),
        click.option(
            "--extra-workday",
            "extra_workdays",
            metavar="DATE",
            multiple=True,
            help="Open all the same.",
        ),
        click.option(
            "--blackout",
            "blackouts",
            metavar="FROM/TO",
            multiple=True,
            help="2026-12-24T12:00/2026-12-27T00:00, or daily: 22:00/06:00.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _content(options: dict[str, Any]) -> dict[str, Any]:
    """The members that file and options give; the latter are taken out of ``options``."""
    file = options.pop("file")
    content = {} if file is None else _read(file)
    for name in ("zone", "workdays", "holidays", "extra_workdays"):
        if value := options.pop(name):
            content[name] = value
    if blackouts := options.pop("blackouts"):
        content["blackouts"] = [_blackout(text) for text in blackouts]
    return content


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _LARGEST_FILE:
        raise click.BadParameter(f"{file} is larger than 1 MiB", param_hint="--file")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{file} is no JSON: {error}", param_hint="--file") from error
    if not isinstance(content, dict):
        raise click.BadParameter(f"{file} holds no JSON object", param_hint="--file")
    return content


def _blackout(text: str) -> dict[str, str]:
    begins, slash, ends = text.partition("/")
    if not slash:
        raise click.BadParameter(f"{text!r} is not FROM/TO", param_hint="--blackout")
    return {"from": begins, "to": ends}


@calendar.command()
@click.argument("name")
@_with_content
@with_comment
@as_json
@with_settings
def create(loaded: Loaded, name: str, comment: str, json_wanted: bool, **options: Any) -> None:
    """Make a calendar."""
    arguments = {"name": name, "content": _content(options), "comment": comment}
    with connect(loaded.settings) as session:
        made = session.call("calendar_create", arguments)
    _told("created", made, json_wanted)


@calendar.command()
@_calendar
@click.option("--name", help="Another name.")
@_with_content
@with_comment
@as_json
@with_settings
def change(
    loaded: Loaded,
    calendar_: str,
    name: str | None,
    comment: str,
    json_wanted: bool,
    **options: Any,
) -> None:
    """Change a calendar: what is given takes the place of what was there, the rest stays."""
    arguments = {
        "calendar": calendar_,
        "name": name,
        "content": _content(options),
        "comment": comment,
    }
    with connect(loaded.settings) as session:
        changed = session.call("calendar_change", arguments)
    _told("changed", changed, json_wanted)


@calendar.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List all calendars."""
    with connect(loaded.settings) as session:
        found = session.call("calendar_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, LISTED)


@calendar.command()
@_calendar
@as_json
@with_settings
def show(loaded: Loaded, calendar_: str, json_wanted: bool) -> None:
    """Show a calendar."""
    with connect(loaded.settings) as session:
        found = session.call("calendar_show", {"calendar": calendar_})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_members(found, MEMBERS)


@calendar.command()
@_calendar
@with_comment
@as_json
@with_settings
def delete(loaded: Loaded, calendar_: str, comment: str, json_wanted: bool) -> None:
    """Delete a calendar that no schedule uses."""
    with connect(loaded.settings) as session:
        deleted = session.call("calendar_delete", {"calendar": calendar_, "comment": comment})
    _told("deleted", deleted, json_wanted)


def _told(verb: str, found: dict[str, Any], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
    else:
        click.echo(f"{verb} {rendering.harmless(found['name'])}")
