"""``schedule``: when jobs recur, what comes, and what became of what came."""

from typing import Any

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, recurring, with_comment, with_settings
from gateway.cli.session import connect
from gateway.settings import Loaded

LISTED = (
    *("guid", "job", "description", "kind", "rule", "zone", "calendar", "enabled", "next_due_at"),
    "reason",
)
MEMBERS = (
    *("guid", "job", "description", "kind", "rule", "zone", "calendar", "on_closed"),
    *("missed_runs", "starts_at", "ends_at", "enabled", "status", "reason", "next_due_at"),
)
EVENT = ("at", "before", "after", "actor", "reason")
DUE = ("at", "local", "runs", "reason")
FIRING = ("due_at", "outcome", "job", "at", "reason")

_count = click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True)
_schedule = click.argument("schedule_", metavar="SCHEDULE")


@click.group()
def schedule() -> None:
    """Look at schedules, turn them off and on. SCHEDULE is its GUID or that of its job."""


@schedule.command("list")
@click.option("--size", type=click.IntRange(1, 10_000), default=1000, show_default=True)
@as_json
@with_settings
def list_(loaded: Loaded, size: int, json_wanted: bool) -> None:
    """List the schedules of jobs that have not ended, the newest first."""
    with connect(loaded.settings) as session:
        found = session.call("schedule_list", {"size": size})
    _show(found, LISTED, json_wanted)


@schedule.command()
@_schedule
@as_json
@with_settings
def show(loaded: Loaded, schedule_: str, json_wanted: bool) -> None:
    """Show a schedule and what happened to it."""
    with connect(loaded.settings) as session:
        found = session.call("schedule_show", {"schedule": schedule_})
    if json_wanted:
        rendering.show_json(found)
        return
    rendering.show_members(found, MEMBERS)
    click.echo()
    rendering.show_table(found["events"], EVENT)


@schedule.command()
@_schedule
@_count
@as_json
@with_settings
def forecast(loaded: Loaded, schedule_: str, count: int, json_wanted: bool) -> None:
    """Show the next times that it runs, and what is closed before."""
    with connect(loaded.settings) as session:
        found = session.call("schedule_forecast", {"schedule": schedule_, "count": count})
    _show(found, DUE, json_wanted)


@schedule.command()
@recurring
@_count
@as_json
@with_settings
def preview(loaded: Loaded, count: int, json_wanted: bool, **options: Any) -> None:
    """Show when a rule would run; nothing is stored."""
    timing = {name: value for name, value in options.items() if value is not None}
    if len(timing.keys() & {"every", "cron", "rrule"}) != 1:
        raise click.UsageError("name one rule: --every, --cron or --rrule")
    with connect(loaded.settings) as session:
        found = session.call("schedule_preview", {"timing": timing, "count": count})
    _show(found, DUE, json_wanted)


@schedule.command()
@_schedule
@click.option("--size", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", metavar="TIME", help="Only due times before this one.")
@as_json
@with_settings
def history(
    loaded: Loaded, schedule_: str, size: int, before: str | None, json_wanted: bool
) -> None:
    """Show what became of its last due times: ran, missed, closed, maintenance."""
    arguments = {"schedule": schedule_, "size": size, "before": before}
    with connect(loaded.settings) as session:
        found = session.call("schedule_history", arguments)
    _show(found, FIRING, json_wanted)


def _turning(verb: str, meaning: str) -> None:
    @schedule.command(verb, help=meaning)
    @_schedule
    @with_comment
    @as_json
    @with_settings
    def turn(loaded: Loaded, schedule_: str, comment: str, json_wanted: bool) -> None:
        arguments = {"schedule": schedule_, "comment": comment}
        with connect(loaded.settings) as session:
            now = session.call(f"schedule_{verb}", arguments)
        if json_wanted:
            rendering.show_json(now)
        else:
            click.echo(f"{now['guid']} {'enabled' if now['enabled'] else 'disabled'}")


_turning("enable", "Turn a schedule on again; what was due meanwhile is not owed.")
_turning("disable", "Turn a schedule off.")


def _show(found: list[dict[str, Any]], columns: tuple[str, ...], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(found)
    else:
        rendering.show_table(found, columns)
