"""``audit``: what was changed, by whom."""

import json
from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

COLUMNS = (
    *("id", "at", "principal", "address", "surface", "action", "object_kind", "object_name"),
    *("object_guid", "before", "after", "comment"),
)


@click.group()
def audit() -> None:
    """Look at the audit trail: what logins and commands have changed."""


@audit.command("list")
@click.option("--older-than", type=int, metavar="ID", help="Those before this entry.")
@click.option("--size", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
@with_settings
def list_(loaded: Loaded, older_than: int | None, size: int, json_wanted: bool) -> None:
    """List changes, the newest first.

    A job that was asked for is not among them: 'job show' tells by whom and from where.
    """
    with connect(loaded.settings) as session:
        found = session.call("audit_list", {"older_than": older_than, "size": size})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(map(_row, found), COLUMNS)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    facts = {name: _short(entry[name]) for name in ("before", "after")}
    return {**entry, **facts}


def _short(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
