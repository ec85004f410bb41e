"""``resource``: files that tasks use, in versions."""

import base64
from pathlib import Path
from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import connect
from gateway.control import CommandFailed
from gateway.settings import Loaded

COLUMNS = ("name", "folder", "file_name", "version", "version_name", "size", "created_at", "guid")
VERSION_COLUMNS = (
    *("number", "version_name", "file_name", "size", "sha256", "created_at", "created_by"),
    "comment",
)


@click.group()
def resource() -> None:
    """Upload, list and delete files that tasks use."""


@resource.command("list")
@as_json
@with_settings
def listed(loaded: Loaded, json_wanted: bool) -> None:
    """List all resources."""
    with connect(loaded.settings) as session:
        found = session.call("resource_list", {})
    _show(found, COLUMNS, json_wanted)


@resource.command()
@click.argument("reference", metavar="GUID_OR_NAME")
@as_json
@with_settings
def versions(loaded: Loaded, reference: str, json_wanted: bool) -> None:
    """List the versions of a resource, the newest first."""
    with connect(loaded.settings) as session:
        found = session.call("resource_versions", {"resource": reference})
    _show(found, VERSION_COLUMNS, json_wanted)


@resource.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--edit", metavar="GUID_OR_NAME", help="Edit this one instead of making a new one.")
@click.option("--name", help="Its name; that of the file when left out.")
@click.option("--folder", help="The path of its folder, such as A/B.")
@click.option("--description", help="What it is.")
@click.option("--version-name", help="What the version is called; 1.0.0 when left out.")
@click.option(
    "--parse-content/--no-parse-content",
    default=None,
    help="Whether parameters in the content are replaced when a task fetches it.",
)
@click.option(
    "--skip-environment/--no-skip-environment",
    default=None,
    help="Whether environment variables in the content are left alone.",
)
@with_comment
@as_json
@with_settings
def upload(
    loaded: Loaded, file: Path | None, edit: str | None, json_wanted: bool, **given: Any
) -> None:
    """Store FILE as a new resource, or edit one; what is not said stays as it is.

    The server reads the file, so it must lie on its machine.
    """
    arguments = {name: value for name, value in given.items() if value is not None}
    if file is not None:
        arguments |= {"file": str(file.absolute()), "file_name": file.name}
    with connect(loaded.settings) as session:
        done = session.call("resource_upload", {"resource": edit, **arguments})
    if json_wanted:
        rendering.show_json(done)
    else:
        click.echo(f"stored {rendering.harmless(done['name'])}, version {done['version']}")
        click.echo(done["guid"])


@resource.command()
@click.argument("reference", metavar="GUID_OR_NAME")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--number", type=int, help="Which version; the current one when left out.")
@with_settings
def download(loaded: Loaded, reference: str, file: Path, number: int | None) -> None:
    """Write the content of a version of a resource into FILE."""
    with connect(loaded.settings) as session:
        found = session.call("resource_versions", {"resource": reference})
        wanted = [each for each in found if number in (None, each["number"])]
        if not wanted:
            raise CommandFailed("no_version", f"there is no version {number}: see the versions")
        with file.open("wb") as to:
            for piece in session.stream("blob", {"blob": wanted[0]["blob"]["id"]}):
                to.write(base64.b64decode(piece))
    click.echo(f"wrote {file}, {wanted[0]['size']} bytes")


@resource.command()
@click.argument("reference", metavar="GUID_OR_NAME")
@with_comment
@with_settings
def delete(loaded: Loaded, reference: str, comment: str) -> None:
    """Delete a resource that no module and no job uses; its history stays."""
    with connect(loaded.settings) as session:
        done = session.call("resource_delete", {"resource": reference, "comment": comment})
    click.echo(f"deleted {rendering.harmless(done['name'])}")


def _show(found: list[dict[str, Any]], columns: tuple[str, ...], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, columns)
