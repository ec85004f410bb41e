"""``maintenance``: times in which no run begins."""

from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

LISTED = ("team", "on", "begun_at", "begun_by", "until_at", "ended_at", "ended_by", "reason")

_team = click.option("--team", metavar="NAME_OR_GUID", help="Only on its agents, nested ones too.")


@click.group()
def maintenance() -> None:
    """Let no run begin, anywhere or on the agents of a team; what runs goes on."""


@maintenance.command()
@_team
@click.option("--until", metavar="TIME", help="Ends by itself then: 2030-12-31T23:59.")
@click.option("--reason", default="", help="Shown with all that waits.")
@with_comment
@as_json
@with_settings
def begin(loaded: Loaded, json_wanted: bool, **options: Any) -> None:
    """Begin a maintenance."""
    with connect(loaded.settings) as session:
        begun = session.call("maintenance_begin", options)
    _told("begun", begun, json_wanted)


@maintenance.command()
@_team
@with_comment
@as_json
@with_settings
def end(loaded: Loaded, json_wanted: bool, **options: Any) -> None:
    """End a maintenance; all that has waited is woken."""
    with connect(loaded.settings) as session:
        ended = session.call("maintenance_end", options)
    _told("ended", ended, json_wanted)


@maintenance.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List the last ones, the newest first."""
    with connect(loaded.settings) as session:
        found = session.call("maintenance_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, LISTED)


def _told(verb: str, found: dict[str, Any], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
        return
    where = "the server" if found["team"] is None else rendering.harmless(found["team"])
    click.echo(f"maintenance of {where} has {verb}")
