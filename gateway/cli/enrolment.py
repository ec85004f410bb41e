"""``agent token``, ``requests``, ``approve``, ``refuse``, ``revoke``: who may be an agent."""

import re

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TOKENS = ("label", "uses_left", "expires", "revoked", "teams", "guid")
_REQUESTS = ("name", "code", "address", "platform", "asked", "guid")


class Duration(click.ParamType[float]):
    """A length of time such as 30m, 24h or 7d, in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds; fails for anything else."""
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d{1,9})([smhd])", str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is no length of time: write it as 30m, 24h or 7d", param, ctx)
        return float(int(match[1]) * _UNITS[match[2]])


@click.group()
def token() -> None:
    """Tokens with which machines enrol as agents."""


@token.command("create")
@click.option("--uses", type=int, default=1, show_default=True, help="For how many agents.")
@click.option("--expires", type=Duration(), default="24h", show_default=True, help="After when.")
@click.option("--team", "teams", multiple=True, help="A team that they are put into.")
@click.option("--label", default="", help="For people.")
@with_comment
@as_json
@with_settings
def create(
    loaded: Loaded,
    uses: int,
    expires: float,
    teams: tuple[str, ...],
    label: str,
    comment: str,
    json_wanted: bool,
) -> None:
    """Make a token, and print it: this once."""
    arguments = {
        "uses": uses,
        "seconds": expires,
        "teams": list(teams),
        "label": label,
        "comment": comment,
    }
    with connect(loaded.settings) as session:
        made = session.call("agent_token_create", arguments)
    if json_wanted:
        rendering.show_json(made)
    else:
        click.echo(made["token"])


@token.command("list")
@as_json
@with_settings
def tokens(loaded: Loaded, json_wanted: bool) -> None:
    """List the tokens; their texts are not kept."""
    with connect(loaded.settings) as session:
        found = session.call("agent_token_list", {})
    _show(found, _TOKENS, json_wanted)


@token.command("revoke")
@click.argument("token_", metavar="TOKEN")
@with_comment
@with_settings
def revoke_token(loaded: Loaded, token_: str, comment: str) -> None:
    """Let nobody in any more with a token, by its GUID or label; who is in stays."""
    with connect(loaded.settings) as session:
        found = session.call("agent_token_revoke", {"token": token_, "comment": comment})
    click.echo(f"revoked {rendering.harmless(found['label'] or found['guid'])}")


@click.command("requests")
@as_json
@with_settings
def requests(loaded: Loaded, json_wanted: bool) -> None:
    """List the machines that ask to be let in."""
    with connect(loaded.settings) as session:
        found = session.call("agent_requests", {})
    _show(found, _REQUESTS, json_wanted)


@click.command("approve")
@click.argument("request")
@click.option("--team", "teams", multiple=True, help="A team that it is put into.")
@with_comment
@with_settings
def approve(loaded: Loaded, request: str, teams: tuple[str, ...], comment: str) -> None:
    """Let a machine in, by its name, code or GUID; compare the code with what it shows."""
    arguments = {"request": request, "teams": list(teams), "comment": comment}
    with connect(loaded.settings) as session:
        found = session.call("agent_approve", arguments)
    click.echo(f"{rendering.harmless(found['name'])} is the agent {found['guid']}")


@click.command("refuse")
@click.argument("request")
@with_comment
@with_settings
def refuse(loaded: Loaded, request: str, comment: str) -> None:
    """Let a machine not in."""
    with connect(loaded.settings) as session:
        found = session.call("agent_refuse", {"request": request, "comment": comment})
    click.echo(f"refused {rendering.harmless(found['name'])}")


@click.command("revoke")
@click.argument("agent_", metavar="AGENT")
@with_comment
@with_settings
def revoke(loaded: Loaded, agent_: str, comment: str) -> None:
    """Hear an agent no more, from now on; runs that it has are lost."""
    with connect(loaded.settings) as session:
        found = session.call("agent_revoke", {"agent": agent_, "comment": comment})
    click.echo(f"revoked {rendering.harmless(found['name'])}, runs lost: {found['runs_lost']}")


@click.command("rename")
@click.argument("agent_", metavar="AGENT")
@click.argument("name")
@with_comment
@with_settings
def rename(loaded: Loaded, agent_: str, name: str, comment: str) -> None:
    """Give an agent another name."""
    with connect(loaded.settings) as session:
        found = session.call("agent_rename", {"agent": agent_, "name": name, "comment": comment})
    click.echo(f"{found['guid']} is called {rendering.harmless(found['name'])}")


@click.command("show")
@click.argument("agent_", metavar="AGENT")
@with_settings
def show(loaded: Loaded, agent_: str) -> None:
    """Show all that is known of an agent, as JSON."""
    with connect(loaded.settings) as session:
        rendering.show_json(session.call("agent_show", {"agent": agent_}))


def _show(found: list[dict[str, object]], columns: tuple[str, ...], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, columns)


COMMANDS = (token, requests, approve, refuse, revoke, rename, show)
"""Those of the group ``agent``."""
