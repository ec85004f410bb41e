"""``agent``: the machines that run tasks."""

import click

from gateway.cli import machine, rendering
from gateway.cli.options import as_json, with_settings
from gateway.cli.session import connect
from gateway.cli.teams import comment
from gateway.settings import Loaded

COLUMNS = (
    *("name", "online", "enabled", "platform", "version", "primary_team", "teams"),
    *("last_contact", "guid"),
)


@click.group(cls=machine.AgentGroup)
def agent() -> None:
    """Run tasks on this machine (run, enrol); list agents and remove those that are gone."""


agent.add_command(machine.run_)
agent.add_command(machine.enrol)


@agent.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List all agents with the teams that they belong to."""
    with connect(loaded.settings) as session:
        found = session.call("agent_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, COLUMNS)


@agent.command("primary")
@click.argument("agent_", metavar="AGENT")
@click.argument("team", required=False)
@comment
@with_settings
def primary(loaded: Loaded, agent_: str, team: str | None, comment: str) -> None:
    """Give an agent another primary team; without TEAM it has none."""
    arguments = {"agent": agent_, "team": team, "comment": comment}
    with connect(loaded.settings) as session:
        changed = session.call("agent_primary", arguments)
    name = rendering.harmless(changed["name"])
    if changed["primary_team"] is None:
        click.echo(f"{name} has no primary team")
    else:
        click.echo(f"the primary team of {name} is {rendering.harmless(changed['primary_team'])}")


@agent.command("remove")
@click.argument("agent_", metavar="AGENT")
@comment
@with_settings
def remove(loaded: Loaded, agent_: str, comment: str) -> None:
    """Remove an agent that is offline; what waits for it is canceled."""
    with connect(loaded.settings) as session:
        removed = session.call("agent_remove", {"agent": agent_, "comment": comment})
    click.echo(
        f"removed {rendering.harmless(removed['name'])}, runs ended: {removed['runs_ended']}"
    )
