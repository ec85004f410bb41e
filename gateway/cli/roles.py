"""``role`` and ``permission``: what logins may do, and why."""

from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, assignments, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

_CHECK = ("role", "scope", "says", "counts")
_NO = 1


@click.group()
def role() -> None:
    """Make, list and change roles; logins get them with 'login bind'."""


@role.command("list")
@as_json
@with_settings
def list_(loaded: Loaded, json_wanted: bool) -> None:
    """List all roles with what they say about each node."""
    with connect(loaded.settings) as session:
        found = session.call("role_list", {})
    if json_wanted:
        rendering.show_json(found)
        return
    rows = [{**one, "permissions": _said(one)} for one in found]
    rendering.show_table(rows, ("name", "built_in", "permissions"))


@role.command("show")
@click.argument("name")
@as_json
@with_settings
def show(loaded: Loaded, name: str, json_wanted: bool) -> None:
    """Show a role and who has it."""
    with connect(loaded.settings) as session:
        found = session.call("role_show", {"name": name})
    _show(found, json_wanted)


@role.command("create")
@click.argument("name")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    metavar="NODE=ACCESS",
    help="As of 'role grant'; repeatable.",
)
@with_comment
@as_json
@with_settings
def create(
    loaded: Loaded, name: str, grants: tuple[str, ...], comment: str, json_wanted: bool
) -> None:
    """Make a role."""
    permissions = assignments("--grant", grants)
    with connect(loaded.settings) as session:
        arguments = {"name": name, "permissions": permissions, "comment": comment}
        made = session.call("role_create", arguments)
    _show(made, json_wanted)


@role.command("grant")
@click.argument("name")
@click.argument("node")
@click.argument("access", type=click.Choice(["unset", "read", "modify", "deny"]))
@with_comment
@as_json
@with_settings
def grant(
    loaded: Loaded, name: str, node: str, access: str, comment: str, json_wanted: bool
) -> None:
    """Have a role say something about a NODE; '*' is every node that it does not name.

    A deny wins over what other roles say; unset says nothing, whatever is said of '*'.
    """
    with connect(loaded.settings) as session:
        arguments = {"name": name, "node": node, "access": access, "comment": comment}
        changed = session.call("role_grant", arguments)
    _show(changed, json_wanted)


@role.command("delete")
@click.argument("name")
@with_comment
@with_settings
def delete(loaded: Loaded, name: str, comment: str) -> None:
    """Delete a role that no login has."""
    with connect(loaded.settings) as session:
        session.call("role_delete", {"name": name, "comment": comment})
    click.echo(f"deleted {rendering.harmless(name)}")


@click.group()
def permission() -> None:
    """Find out who may do what."""


@permission.command("explain")
@click.argument("login")
@click.argument("operation")
@click.argument("objects", nargs=-1, metavar="[OBJECT]...")
@as_json
@with_settings
def explain(
    loaded: Loaded, login: str, operation: str, objects: tuple[str, ...], json_wanted: bool
) -> int:
    """Tell which role lets a LOGIN do an OPERATION, or keeps it from it.

    OPERATION is one of the Web API, such as ScheduleJob or "POST jobs". OBJECT is a module,
    project, run book, agent, team or resource by GUID or name, or a job by its id; several for a
    job of a module on an agent. The exit code is 1 if it may not.
    """
    with connect(loaded.settings) as session:
        arguments = {"login": login, "operation": operation, "objects": objects}
        told = session.call("permission_explain", arguments)
    if json_wanted:
        rendering.show_json(told)
    else:
        _tell(told)
    return 0 if told["allowed"] else _NO


def _tell(told: dict[str, Any]) -> None:
    click.echo(rendering.harmless(f"{told['operation']}: {told['login']} {told['verdict']}"))
    for check in told["checks"]:
        about = f" of {check['object']}" if check["object"] else ""
        answer = "yes" if check["allowed"] else "no"
        by = f", by {', '.join(check['roles'])}" if check["roles"] else ""
        heading = f"{check['access']} {check['node']}{about}: {answer}, {check['reason']}{by}"
        click.echo(f"\n{rendering.harmless(heading)}")
        if check["bindings"]:
            rendering.show_table(check["bindings"], _CHECK)
        else:
            click.echo("the login has no role, or is disabled")


def _said(found: dict[str, Any]) -> str:
    return ", ".join(f"{node} {access}" for node, access in found["permissions"].items())


def _show(found: dict[str, Any], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
    else:
        shown = {**found, "permissions": _said(found)}
        rendering.show_members(shown, ("name", "built_in", "permissions", "logins"))
