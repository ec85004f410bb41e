"""``login``: who may use the gateway."""

import secrets
import sys

import click

from gateway.cli import rendering
from gateway.cli.options import Function, as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

COLUMNS = ("name", "description", "roles", "narrowed", "disabled", "has_password", "created_at")


@click.group()
def login() -> None:
    """Add, list and change logins."""


def _password(from_stdin: bool, generate: bool) -> tuple[str, bool]:
    """The password, and whether it was generated and is to be shown."""
    if generate:
        return secrets.token_urlsafe(20), True
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask for a password: use --password-stdin")
    return click.prompt("Password", hide_input=True, confirmation_prompt=True), False


_from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
_generate = click.option("--generate", is_flag=True, help="Make up a password and print it.")


@login.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="A role by name; may be repeated.")
@click.option("--description", default="", help="Who or what this is.")
@_from_stdin
@_generate
@with_comment
@with_settings
def add(
    loaded: Loaded,
    name: str,
    roles: tuple[str, ...],
    description: str,
    password_stdin: bool,
    generate: bool,
    comment: str,
) -> None:
    """Add a login."""
    with connect(loaded.settings) as session:
        password, shown = _password(password_stdin, generate)
        arguments = {"roles": roles, "description": description, "password": password}
        session.call("login_add", {"name": name, "comment": comment, **arguments})
    click.echo(f"added {rendering.harmless(name)}")
    if shown:
        click.echo(f"password: {password}")


@login.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List all logins."""
    with connect(loaded.settings) as session:
        found = session.call("login_list", {})
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, COLUMNS)


@login.command("passwd")
@click.argument("name")
@_from_stdin
@_generate
@with_comment
@with_settings
def passwd(loaded: Loaded, name: str, password_stdin: bool, generate: bool, comment: str) -> None:
    """Give a login another password; works on this machine without the old one."""
    with connect(loaded.settings) as session:
        password, shown = _password(password_stdin, generate)
        session.call("login_passwd", {"name": name, "password": password, "comment": comment})
    click.echo(f"changed the password of {rendering.harmless(name)}")
    if shown:
        click.echo(f"password: {password}")


@login.command("soap-secret")
@click.argument("name")
@click.option("--secret-stdin", is_flag=True, help="Read the secret from stdin.")
@click.option("--remove", is_flag=True, help="Take the secret; digests are refused from then on.")
@with_comment
@with_settings
def soap_secret(loaded: Loaded, name: str, secret_stdin: bool, remove: bool, comment: str) -> None:
    """Give a login a secret for digests in SOAP messages (WS-Security PasswordDigest).

    It is made up and printed unless it is read from stdin. The login's password stays as it is.
    """
    if secret_stdin and remove:
        raise click.UsageError("--secret-stdin gives a secret and --remove takes it: choose one")
    secret = sys.stdin.readline().rstrip("\r\n") if secret_stdin else None
    with connect(loaded.settings) as session:
        arguments = {"name": name, "secret": secret, "remove": remove, "comment": comment}
        made = session.call("login_soap_secret", arguments)["secret"]
    done = "took the SOAP secret of" if remove else "gave a SOAP secret to"
    click.echo(f"{done} {rendering.harmless(name)}")
    if made is not None:
        click.echo(f"SOAP secret: {made}")


def _simple(verb: str, done: str, meaning: str) -> None:
    @login.command(verb, help=meaning)
    @click.argument("name")
    @with_comment
    @with_settings
    def change(loaded: Loaded, name: str, comment: str) -> None:
        with connect(loaded.settings) as session:
            session.call(f"login_{verb}", {"name": name, "comment": comment})
        click.echo(f"{done} {rendering.harmless(name)}")


_simple("disable", "disabled", "Keep a login from being used, for the time being.")
_simple("enable", "enabled", "Let a disabled login be used again.")
_simple("remove", "removed", "Remove a login; what it did stays in the history.")


def _scoped(command: Function) -> Function:
    """Give a command the options that name a scope."""
    for option in (
        click.option("--own", is_flag=True, help="Only for what is the login's own: its jobs."),
        click.option("--team", help="Only within a team, by GUID or name."),
        click.option(
            "--folder", metavar="KIND:PATH", help="Only within a folder, such as module:A/B."
        ),
    ):
        command = option(command)
    return command


def _scope(folder: str | None, team: str | None, own: bool) -> dict[str, str]:
    given = {"folder": folder, "team": team, "own": "yes" if own else None}
    scope = {name: text for name, text in given.items() if text is not None}
    if len(scope) > 1:
        raise click.UsageError("name one scope: --folder, --team or --own")
    return scope


@login.command("bind")
@click.argument("name")
@click.argument("role")
@_scoped
@with_comment
@with_settings
def bind(
    loaded: Loaded,
    name: str,
    role: str,
    folder: str | None,
    team: str | None,
    own: bool,
    comment: str,
) -> None:
    """Let a login have a role, everywhere or within a scope."""
    with connect(loaded.settings) as session:
        arguments = {"name": name, "role": role, "scope": _scope(folder, team, own)}
        done = session.call("login_bind", {**arguments, "comment": comment})
    said = "has" if done["new"] else "had already"
    click.echo(rendering.harmless(f"{name} {said} the role {role} {done['where']}"))


@login.command("unbind")
@click.argument("name")
@click.argument("role")
@_scoped
@with_comment
@with_settings
def unbind(
    loaded: Loaded,
    name: str,
    role: str,
    folder: str | None,
    team: str | None,
    own: bool,
    comment: str,
) -> None:
    """Take a role from a login, in just the scope in which it was bound."""
    with connect(loaded.settings) as session:
        arguments = {"name": name, "role": role, "scope": _scope(folder, team, own)}
        done = session.call("login_unbind", {**arguments, "comment": comment})
    click.echo(rendering.harmless(f"{name} has no longer the role {role} {done['where']}"))
