"""``job explain`` and ``schedule explain``: why something ran, waits or did not run."""

from collections.abc import Mapping
from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

_CONDITIONS = ("of", "name", "met", "fact", "since_at")
_TIME = "The moment: 2030-12-31T23:59, local or with offset; now unless told."


@click.command("explain")
@click.argument("job_id", metavar="JOB")
@click.option("--at", metavar="TIME", help=_TIME)
@as_json
@with_settings
def explain_job(loaded: Loaded, job_id: str, at: str | None, json_wanted: bool) -> None:
    """Tell why a job ran, waits or did not run, condition by condition."""
    with connect(loaded.settings) as session:
        found = session.call("job_explain", {"job": job_id, "at": at})
    if json_wanted:
        rendering.show_json(found)
    else:
        _show(found)


@click.command("explain")
@click.argument("schedule_id", metavar="SCHEDULE_OR_JOB")
@click.option("--at", metavar="TIME", help=_TIME)
@as_json
@with_settings
def explain_schedule(loaded: Loaded, schedule_id: str, at: str | None, json_wanted: bool) -> None:
    """Tell why a schedule made a job or not, condition by condition."""
    with connect(loaded.settings) as session:
        found = session.call("schedule_explain", {"schedule": schedule_id, "at": at})
    if json_wanted:
        rendering.show_json(found)
        return
    _show(found)
    for moment in found["following"]:
        click.echo(f"next due  {moment}")
    if found["made"] is not None:
        click.echo(f"\nthe job that it made, {found['made']['job']}:")
        _show(found["made"])


def _show(found: Mapping[str, Any]) -> None:
    click.echo(rendering.harmless(found["summary"]))
    click.echo()
    rendering.show_table(found["conditions"], _CONDITIONS)
