"""``init``, ``doctor``, ``backup``, ``restore`` and ``key``: the store and its keys."""

from pathlib import Path

import click

from gateway import failures, restoring
from gateway.cli import rendering
from gateway.cli.options import as_json, with_settings
from gateway.cli.session import connect
from gateway.datafolder import DataFolder
from gateway.settings import Loaded
from storage import opening
from storage.database import closing


@click.command()
@click.option("--no-login", is_flag=True, help="Without logins: only clients on this machine.")
@with_settings
def init(loaded: Loaded, no_login: bool) -> None:
    """Prepare a data folder: the store, its keys, and the login admin."""
    given = loaded.settings.admin_password
    password = given.get_secret_value() if given else None
    with connect(loaded.settings, create=True) as session:
        done = session.call("initialise", {"no_login": no_login, "password": password})
    click.echo(f"the gateway in {loaded.settings.data} is ready")
    if done["generated_password"]:
        click.echo(f"login admin, password {done['generated_password']}")


@click.command()
@as_json
@with_settings
def doctor(loaded: Loaded, json_wanted: bool) -> int:
    """Read the whole store and look at all around it; exit code 1 if anything is wrong."""
    with connect(loaded.settings) as session:
        findings = session.call("doctor", {})
    if json_wanted:
        rendering.show_json(findings)
    else:
        rendering.show_table(findings, ("name", "ok", "detail"))
    return 0 if all(finding["ok"] for finding in findings) else failures.FAILED


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_settings
def backup(loaded: Loaded, file: Path) -> None:
    """Write a copy of the store into FILE, also while the server runs.

    The keys are not in it: keep keys.json of the data folder too, in another place.
    """
    with connect(loaded.settings) as session:
        done = session.call("backup", {"target": str(file.absolute())})
    click.echo(f"wrote {done['file']}, {done['bytes']} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@with_settings
def restore(loaded: Loaded, file: Path | None) -> None:
    """Put the copy in FILE in the place of the store; the server must be stopped.

    With PostgreSQL, restore the database with its own tools first; then, without FILE, this begins
    another life of it: agents' reports from before are refused, and unsettled jobs are marked.
    """
    url = loaded.settings.database_url
    if (file is None) != (url is not None):
        raise click.UsageError(
            "FILE is missing"
            if url is None
            else "the store is a PostgreSQL database: restore it "
            "with pg_restore, and then use this command without FILE"
        )
    folder = DataFolder(loaded.settings.data)
    folder.create()
    with folder.hold():
        if file is not None:
            kept = restoring.restore(folder, file)
            click.echo(f"restored {file}" + (f"; the former store is {kept}" if kept else ""))
        elif url is not None:
            with closing(opening.open_postgres(url.get_secret_value())) as store:
                marked = restoring.begin_anew(folder, store)
            click.echo(f"the restored database begins anew; jobs marked: {marked}")


@click.group()
def key() -> None:
    """The keys that seal secrets."""


@key.command()
@with_settings
def rotate(loaded: Loaded) -> None:
    """Make a new key, seal every secret with it, and forget the old one."""
    with connect(loaded.settings) as session:
        done = session.call("key_rotate", {})
    click.echo(f"{done['secrets']} secrets are sealed with a new key")
