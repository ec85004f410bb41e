"""``notification``: whom to tell of what, and what came of it."""

from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.notifications.rules import Event
from gateway.settings import Loaded

_RULES = ("name", "events", "channel", "target", "scope", "signed", "enabled", "guid")
_MESSAGES = ("created", "rule", "event", "job", "state", "attempts", "next", "guid")
_ATTEMPTS = ("at", "seconds", "ok", "detail")


@click.group()
def notification() -> None:
    """Tell people and systems what becomes of jobs."""


@notification.command("create")
@click.argument("name")
@click.option(
    "--on", "events", multiple=True, required=True, type=click.Choice([*Event]), help="Of what."
)
@click.option("--webhook", metavar="URL", help="Where to post it as JSON.")
@click.option("--mail", metavar="ADDRESSES", help="Whom to write, parted by commas.")
@click.option("--definition", help="Only of its jobs.")
@click.option("--team", help="Only of jobs on its agents.")
@click.option("--sign", is_flag=True, help="Ask for a secret that signs the webhook.")
@with_comment
@with_settings
def create(loaded: Loaded, sign: bool, **options: Any) -> None:
    """Make a rule."""
    secret = click.prompt("Secret", hide_input=True, err=True) if sign else None
    arguments = {**options, "events": list(options["events"]), "secret": secret}
    with connect(loaded.settings) as session:
        made = session.call("notification_create", arguments)
    click.echo(f"{rendering.harmless(made['name'])}: {', '.join(made['events'])}")


@notification.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List the rules."""
    with connect(loaded.settings) as session:
        found = session.call("notification_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, _RULES)


def _switch(word: str, enabled: bool) -> click.Command:
    @notification.command(word)
    @click.argument("name")
    @with_comment
    @with_settings
    def command(loaded: Loaded, name: str, comment: str) -> None:
        arguments = {"name": name, "enabled": enabled, "comment": comment}
        with connect(loaded.settings) as session:
            found = session.call("notification_enable", arguments)
        click.echo(f"{word}d {rendering.harmless(found['name'])}")

    command.help = "Have a rule count again." if enabled else "Have a rule count no more."
    return command


enable = _switch("enable", True)
disable = _switch("disable", False)


@notification.command("delete")
@click.argument("name")
@with_comment
@with_settings
def delete(loaded: Loaded, name: str, comment: str) -> None:
    """Delete a rule; what is on its way still goes."""
    with connect(loaded.settings) as session:
        found = session.call("notification_delete", {"name": name, "comment": comment})
    click.echo(f"deleted {rendering.harmless(found['name'])}")


@notification.command("test")
@click.argument("name")
@with_settings
def test(loaded: Loaded, name: str) -> None:
    """Send a message by a rule, and print its GUID; 'notification log' says what came of it."""
    with connect(loaded.settings) as session:
        click.echo(session.call("notification_test", {"name": name})["guid"])


@notification.command("log")
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--most", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
@with_settings
def log(loaded: Loaded, failed: bool, most: int, json_wanted: bool) -> None:
    """List the last messages and the attempts to deliver them."""
    with connect(loaded.settings) as session:
        found = session.call("notification_log", {"failed": failed, "most": most})
    if json_wanted:
        rendering.show_json(found)
        return
    rendering.show_table(found, _MESSAGES)
    for message in found:
        click.echo(f"\n{message['guid']}")
        rendering.show_table(message["log"], _ATTEMPTS)


@notification.command("retry")
@click.argument("message")
@with_settings
def retry(loaded: Loaded, message: str) -> None:
    """Try a message once more that was given up."""
    with connect(loaded.settings) as session:
        click.echo(session.call("notification_retry", {"message": message})["guid"])
