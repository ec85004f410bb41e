"""``housekeeping``: what the server does by itself."""

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

_COLUMNS = ("name", "started", "seconds", "ok", "detail", "next")


@click.group()
def housekeeping() -> None:
    """See what the server does by itself."""


@housekeeping.command("list")
@click.option("--name", help="All that is kept of this one, the newest first.")
@as_json
@with_settings
def list_(loaded: Loaded, name: str | None, json_wanted: bool) -> None:
    """List what ran when, for how long, what came of it, and when it comes next."""
    with connect(loaded.settings) as session:
        found = session.call("housekeeping_list", {"name": name})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, _COLUMNS)
