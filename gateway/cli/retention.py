"""``retention``: how long ended jobs are kept."""

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

_COLUMNS = ("definition", "days", "count", "archive")
_definition = click.option("--definition", help="Its name or GUID; without it, of all others.")


@click.group()
def retention() -> None:
    """Say how long ended jobs are kept; for ever unless told."""


@retention.command("set")
@_definition
@click.option("--keep-days", "days", type=float, help="For how many days after their end.")
@click.option("--keep-count", "count", type=int, help="How many of a definition, the newest.")
@click.option("--archive", is_flag=True, help="Write them to an archive before they go.")
@with_comment
@with_settings
def set_(
    loaded: Loaded,
    definition: str | None,
    days: float | None,
    count: int | None,
    archive: bool,
    comment: str,
) -> None:
    """Make, or change, the rule of a definition or of all others."""
    arguments = {
        "definition": definition,
        "days": days,
        "count": count,
        "archive": archive,
        "comment": comment,
    }
    with connect(loaded.settings) as session:
        made = session.call("retention_set", arguments)
    click.echo(f"set for {rendering.harmless(made['definition'])}")


@retention.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List the rules."""
    with connect(loaded.settings) as session:
        found = session.call("retention_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, _COLUMNS)


@retention.command("remove")
@_definition
@with_comment
@with_settings
def remove(loaded: Loaded, definition: str | None, comment: str) -> None:
    """Drop a rule: nothing goes by it any more."""
    with connect(loaded.settings) as session:
        session.call("retention_remove", {"definition": definition, "comment": comment})
    click.echo("removed")


@retention.command("run")
@click.option("--dry-run", "dry", is_flag=True, help="Only count what would go.")
@with_settings
def run(loaded: Loaded, dry: bool) -> None:
    """Remove what the rules let go, now; the server does it every hour."""
    with connect(loaded.settings) as session:
        found = session.call("retention_run", {"dry": dry})
    click.echo(f"{'would go' if dry else 'gone'}: {found['jobs']} jobs")
