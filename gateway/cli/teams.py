"""``team``: agents and teams under one name."""

import enum
from collections.abc import Iterable
from typing import Any

import click

from gateway.catalog.definitions import Operator
from gateway.cli import rendering
from gateway.cli.options import Function, as_json, with_settings
from gateway.cli.session import connect
from gateway.fleet.rules import Fact
from gateway.settings import Loaded

COLUMNS = ("name", "folder", "description", "agent_count", "team_count", "rule", "guid")
MEMBERS = ("name", "guid", "folder", "description", "rule", "agents", "teams", "by_rule")
_OPERATORS = (Operator.EQUALS, Operator.NOT_EQUALS, Operator.CONTAINS, Operator.MATCHES)
_METAVAR = "FACT OPERATOR VALUE"


@click.group()
def team() -> None:
    """Make, list and change teams."""


comment = click.option("--comment", default="", help="Kept with the change in the audit trail.")
_folder = click.option("--folder", help="The folder it lies in, such as A/B.")
_description = click.option("--description", help="What it is for.")


def _choice(words: Iterable[enum.StrEnum]) -> click.Choice[str]:
    # By their values: click would take the names of an enumeration's members.
    return click.Choice([word.value for word in words], case_sensitive=False)


def _with_rule(command: Function) -> Function:
    """Give a command ``--all`` and ``--any``, the comparisons of a rule."""
    kind = (_choice(Fact), _choice(_OPERATORS), str)
    choices = f"FACT: {', '.join(Fact)}; OPERATOR: {', '.join(_OPERATORS)}."
    for name, meaning in (
        ("any", "A comparison of the rule; one of these must hold."),
        ("all", f"A comparison of the rule; all of these must hold. {choices}"),
    ):
        command = click.option(
            f"--{name}", f"{name}_", type=kind, multiple=True, metavar=_METAVAR, help=meaning
        )(command)
    return command


def _rule(
    all_: tuple[tuple[str, str, str], ...], any_: tuple[tuple[str, str, str], ...]
) -> dict[str, Any] | None:
    if not all_ and not any_:
        return None
    names = ("fact", "operator", "value")
    return {
        kind: [dict(zip(names, one, strict=True)) for one in given]
        for kind, given in (("all", all_), ("any", any_))
    }


@team.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List all teams."""
    with connect(loaded.settings) as session:
        found = session.call("team_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, COLUMNS)


@team.command("show")
@click.argument("team_", metavar="TEAM")
@as_json
@with_settings
def show(loaded: Loaded, team_: str, json_wanted: bool) -> None:
    """Show a team, who was put into it, and who belongs to it."""
    with connect(loaded.settings) as session:
        found = session.call("team_show", {"team": team_})
    if json_wanted:
        rendering.show_json(found)
        return
    rendering.show_members(found, MEMBERS)
    click.echo()
    rendering.show_table(found["belonging"], ("name", "guid"))


@team.command("create")
@click.argument("name")
@_folder
@_description
@_with_rule
@comment
@as_json
@with_settings
def create(
    loaded: Loaded,
    name: str,
    folder: str | None,
    description: str | None,
    all_: tuple[tuple[str, str, str], ...],
    any_: tuple[tuple[str, str, str], ...],
    comment: str,
    json_wanted: bool,
) -> None:
    """Make a team; with --all or --any, agents belong to it by what they are."""
    content = {
        "name": name,
        "folder": folder or "",
        "description": description or "",
        "rule": _rule(all_, any_),
    }
    with connect(loaded.settings) as session:
        made = session.call("team_create", {"content": content, "comment": comment})
    _say("created", made, json_wanted)


@team.command("change")
@click.argument("team_", metavar="TEAM")
@click.option("--name", help="Another name.")
@_folder
@_description
@_with_rule
@click.option("--no-rule", is_flag=True, help="Take its rule away.")
@comment
@as_json
@with_settings
def change(
    loaded: Loaded,
    team_: str,
    all_: tuple[tuple[str, str, str], ...],
    any_: tuple[tuple[str, str, str], ...],
    no_rule: bool,
    comment: str,
    json_wanted: bool,
    **given: str | None,
) -> None:
    """Change a team; a new rule takes the place of the old one."""
    content: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    rule = _rule(all_, any_)
    if rule is not None and no_rule:
        raise click.UsageError("--no-rule excludes --all and --any")
    if rule is not None or no_rule:
        content["rule"] = rule
    arguments = {"team": team_, "content": content, "comment": comment}
    with connect(loaded.settings) as session:
        changed = session.call("team_change", arguments)
    _say("changed", changed, json_wanted)


@team.command("delete")
@click.argument("team_", metavar="TEAM")
@comment
@with_settings
def delete(loaded: Loaded, team_: str, comment: str) -> None:
    """Delete a team; its agents stay."""
    with connect(loaded.settings) as session:
        session.call("team_delete", {"team": team_, "comment": comment})
    click.echo(f"deleted {rendering.harmless(team_)}")


def _members(verb: str, meaning: str) -> None:
    @team.command(verb, help=meaning)
    @click.argument("team_", metavar="TEAM")
    @click.argument("agents", nargs=-1)
    @click.option("--team", "inner", multiple=True, help="A team; may be repeated.")
    @comment
    @as_json
    @with_settings
    def change_members(
        loaded: Loaded,
        team_: str,
        agents: tuple[str, ...],
        inner: tuple[str, ...],
        comment: str,
        json_wanted: bool,
    ) -> None:
        if not agents and not inner:
            raise click.UsageError("name at least one agent, or a team with --team")
        arguments = {"team": team_, "agents": agents, "inner": inner, "comment": comment}
        with connect(loaded.settings) as session:
            changed = session.call(f"team_{verb}", arguments)
        _say("changed", changed, json_wanted)


_members("add", "Put agents and teams into a team; those that are there are passed over.")
_members("remove", "Take agents and teams out of a team; those that are not there are passed over.")


def _say(done: str, found: Any, json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
    else:
        click.echo(f"{done} {rendering.harmless(found['name'])} ({found['guid']})")
