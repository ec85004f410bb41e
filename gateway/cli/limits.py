"""``agent limit``, ``team limit`` and ``window``: how much agents are given, and when."""

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COLUMNS = ("name", "opens", "closes", "days", "utc", "scope", "scope_id", "definitions")
_NONE = "none"


class Limit(click.ParamType[int | None]):
    """A number of runs, or the word none."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """The number; None for none."""
        text = str(value).strip().lower()
        if text == _NONE:
            return None
        if not text.isascii() or not text.isdigit():
            self.fail(f"{value!r} is neither a number nor {_NONE!r}", param, ctx)
        return int(text)


def _limit(kind: str) -> click.Command:
    @click.command("limit")
    @click.argument("name")
    @click.argument("limit", type=Limit())
    @with_comment
    @with_settings
    def command(loaded: Loaded, name: str, limit: int | None, comment: str) -> None:
        arguments = {kind: name, "limit": limit, "comment": comment}
        with connect(loaded.settings) as session:
            found = session.call(f"{kind}_limit", arguments)
        shown = rendering.harmless(found["name"])
        click.echo(f"{shown}: {_NONE if limit is None else limit}")

    command.help = (
        f"Allow {'an agent' if kind == 'agent' else 'the agents of a team together'} so many runs "
        f"at once; {_NONE} for no limit."
    )
    return command


OF_AGENTS = _limit("agent")
OF_TEAMS = _limit("team")


@click.group()
def window() -> None:
    """Exclusive windows: hours that some definitions have for themselves."""


@window.command("create")
@click.argument("name")
@click.argument("hours", metavar="FROM-TO")
@click.option("--definition", "definitions", multiple=True, help="What may begin then.")
@click.option("--day", "days", multiple=True, type=click.Choice(_DAYS), help="Only on these.")
@click.option("--utc", is_flag=True, help="By UTC, not by the agents' clocks.")
@click.option("--agent", help="Only on this agent.")
@click.option("--team", help="Only on the agents of this team.")
@with_comment
@with_settings
def create(
    loaded: Loaded,
    name: str,
    hours: str,
    definitions: tuple[str, ...],
    days: tuple[str, ...],
    utc: bool,
    agent: str | None,
    team: str | None,
    comment: str,
) -> None:
    """Let only some definitions begin between two times of day, such as 22:00-04:00."""
    opens, dash, closes = hours.partition("-")
    if not dash:
        raise click.BadParameter(f"{hours!r} is not FROM-TO", param_hint="FROM-TO")
    arguments = {
        "name": name,
        "opens": opens,
        "closes": closes,
        "definitions": list(definitions),
        "days": [_DAYS.index(day) for day in days],
        "utc": utc,
        "agent": agent,
        "team": team,
        "comment": comment,
    }
    with connect(loaded.settings) as session:
        made = session.call("window_create", arguments)
    click.echo(f"{rendering.harmless(made['name'])}: {made['opens']}-{made['closes']}")


@window.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List the exclusive windows."""
    with connect(loaded.settings) as session:
        found = session.call("window_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, _COLUMNS)


@window.command("show")
@click.argument("name")
@as_json
@with_settings
def show(loaded: Loaded, name: str, json_wanted: bool) -> None:
    """Show an exclusive window."""
    with connect(loaded.settings) as session:
        found = session.call("window_show", {"name": name})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_members(found, (*_COLUMNS, "guid"))


@window.command("delete")
@click.argument("name")
@with_comment
@with_settings
def delete(loaded: Loaded, name: str, comment: str) -> None:
    """End an exclusive window."""
    with connect(loaded.settings) as session:
        found = session.call("window_delete", {"name": name, "comment": comment})
    click.echo(f"deleted {rendering.harmless(found['name'])}")
