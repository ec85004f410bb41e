"""``job``: submit jobs, look at them, and steer them."""

from typing import Any

import click

from gateway import failures
from gateway.catalog.policies import Concurrency, RetryOn
from gateway.cli import rendering, watching
from gateway.cli.options import as_json, assignments, recurring, with_settings
from gateway.cli.session import Session, connect
from gateway.jobs.orders import OutsideWindow
from gateway.settings import Loaded

LISTED = ("guid", "status", "description", "what", "who", "created_at", "finished_at", "reason")
MEMBERS = (
    *("guid", "id", "description", "status", "reason", "what", "who", "owner", "surface"),
    *(
        "possible_duplicate_of",
        "address",
        "comment",
        "created_at",
        "due_at",
        "started_at",
        "finished_at",
    ),
)
RUN = (
    *("agent", "status", "attempt", "tasks_done", "tasks_total", "reason", "not_before_at"),
    "finished_at",
)
EVENT = ("at", "before", "after", "actor", "reason")

# The statuses with which a watched job ends well.
_GOOD = frozenset({"completed", "skipped"})


@click.group()
def job() -> None:
    """Submit, list and steer jobs."""


_YEAR_SECONDS = 366 * 24 * 3600

# What says when, and what says more of a recurrence; the names are those of the options.
_RULES = ("every", "cron", "rrule")
_WHEN = ("at", *_RULES)
_OF_RECURRENCES = ("starts", "ends", "missed", "grace", "calendar", "on_closed")
_OF_STARTS = ("local_time", "after_boot", "offline_at_next_boot", "outside", "wake_on_lan")
_POLICY = (
    *("retries", "retry_on", "retry_delay", "retry_factor", "retry_longest"),
    *("timeout", "concurrency", "lock"),
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _timing(options: dict[str, Any]) -> dict[str, Any]:
    """The timing of the options, which are taken out of them."""
    taken = (*_WHEN, "zone", *_OF_RECURRENCES, *_OF_STARTS)
    given = {name: options.pop(name) for name in taken}
    timing = {name: value for name, value in given.items() if value not in (None, False)}
    timing |= _window(options)
    when = timing.keys() & _WHEN
    if len(when) > 1:
        raise click.UsageError("--at, --every, --cron and --rrule exclude each other")
    for name in _OF_RECURRENCES:
        if name in timing and not when & set(_RULES):
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} goes with --every, --cron or --rrule")
    if "on_closed" in timing and "calendar" not in timing:
        raise click.UsageError("--on-closed goes with --calendar")
    if "local_time" in timing and "at" not in timing:
        raise click.UsageError("--local-time goes with --at")
    return timing


def _window(options: dict[str, Any]) -> dict[str, Any]:
    """The launch window of the options, which are taken out of them."""
    text, days, utc = (options.pop(name) for name in ("window", "window_days", "window_utc"))
    if text is None:
        if days or utc:
            raise click.UsageError("--window-day and --window-utc go with --window")
        return {}
    opens, dash, closes = text.partition("-")
    if not dash:
        raise click.BadParameter(f"{text!r} is not FROM-TO", param_hint="--window")
    numbers = [_DAYS.index(day) for day in days]
    return {"window": {"opens": opens, "closes": closes, "days": numbers, "utc": utc}}


def _policy(options: dict[str, Any]) -> dict[str, Any]:
    """The policy of the options, which are taken out of them."""
    given = {name: options.pop(name) for name in _POLICY}
    return {name: value for name, value in given.items() if value is not None}


def _asked(name: str) -> str:
    secret: str = click.prompt(f"Secret for {name}", hide_input=True, err=True)
    return secret


@job.command()
@click.argument("definition", metavar="NAME_OR_GUID")
@click.option("--agent", "agents", multiple=True, help="Name or GUID; this machine's otherwise.")
@click.option("-p", "--parameter", "pairs", metavar="NAME=VALUE", multiple=True)
@click.option("--secret", "secrets", metavar="NAME", multiple=True, help="A password to ask for.")
@click.option("--at", metavar="TIME", help="When to run: 2030-12-31T23:59, local or with offset.")
@recurring
@click.option("--local-time", is_flag=True, help="--at is meant by each agent's own clock.")
@click.option(
    "--after-boot",
    type=click.Choice(["next", "every"]),
    help="After the next start of each agent's machine, or after every one.",
)
@click.option(
    "--offline-at-next-boot",
    is_flag=True,
    help="Agents that are offline do it after the next start of their machines.",
)
@click.option(
    "--launch-timeout",
    metavar="MINUTES",
    type=click.IntRange(1, _YEAR_SECONDS // 6),
    help="When an agent that has not begun is given up; launch_timeout_seconds unless told.",
)
@click.option("--window", metavar="FROM-TO", help="When runs may begin: 22:00-06:00.")
@click.option(
    "--window-day", "window_days", multiple=True, type=click.Choice(_DAYS), help="Only on these."
)
@click.option("--window-utc", is_flag=True, help="--window is UTC, not by the agents' clocks.")
@click.option(
    "--outside",
    type=click.Choice([outside.name.lower() for outside in OutsideWindow]),
    help="What a run does outside the launch window.",
)
@click.option("--wake-on-lan", is_flag=True, help="Wake the machines of agents that are offline.")
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--priority", type=click.IntRange(0, 9), help="Its definition's unless told, or else 5."
)
@click.option("--retries", type=click.IntRange(0, 100), help="Further attempts.")
@click.option(
    "--retry-on",
    type=click.Choice([one.value for one in RetryOn]),
    help="After what; both unless told.",
)
@click.option("--retry-delay", type=float, metavar="SECONDS", help="Before the second attempt.")
@click.option("--retry-factor", type=float, help="How much longer each pause is than the last.")
@click.option("--retry-longest", type=float, metavar="SECONDS", help="The longest pause.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For each run, or a run book.")
@click.option(
    "--concurrency",
    type=click.Choice([one.value for one in Concurrency]),
    help="What it does while another job has its lock.",
)
@click.option("--lock", metavar="NAME", help="The lock; its definition's own unless told.")
@click.option("--hold", "on_hold", is_flag=True, help="Do not start it before 'job resume'.")
@click.option("--idempotency-key", metavar="KEY", help="The same key again makes no second job.")
@click.option("--watch", "watched", is_flag=True, help="Show what happens until it ends.")
@as_json
@with_settings
def submit(
    loaded: Loaded,
    definition: str,
    agents: tuple[str, ...],
    pairs: tuple[str, ...],
    secrets: tuple[str, ...],
    watched: bool,
    json_wanted: bool,
    **options: Any,
) -> int:
    """Submit a job of a module."""
    order = {
        "definition": definition,
        "agents": agents,
        "values": assignments("--parameter", pairs),
        "secrets": {name: _asked(name) for name in secrets},
        "timing": _timing(options),
        "policy": _policy(options),
        **options,
    }
    with connect(loaded.settings) as session:
        accepted = session.call("job_submit", order)
        if watched:
            return _watch(session, accepted["guid"], json_wanted)
    if json_wanted:
        rendering.show_json(accepted)
    else:
        click.echo(f"accepted {accepted['guid']}")
    return 0


@job.command("list")
@click.option("--stage", type=click.Choice(["scheduled", "active", "history"]))
@click.option("--page", type=click.IntRange(1, 1_000_000_000), default=1, show_default=True)
@click.option("--size", type=click.IntRange(1, 1000), default=25, show_default=True)
@as_json
@with_settings
def list_(loaded: Loaded, stage: str | None, page: int, size: int, json_wanted: bool) -> None:
    """List jobs, the newest first."""
    with connect(loaded.settings) as session:
        found = session.call("job_list", {"stage": stage, "page": page, "size": size})
    if json_wanted:
        rendering.show_json(found)
        return
    if not found["total"]:
        click.echo("no jobs")
        return
    rendering.show_table(found["jobs"], LISTED)
    click.echo(f"page {found['page']} of {found['pages']}, {found['total']} jobs")


@job.command()
@click.argument("job_id", metavar="JOB")
@as_json
@with_settings
def show(loaded: Loaded, job_id: str, json_wanted: bool) -> None:
    """Show a job, its runs and its history."""
    with connect(loaded.settings) as session:
        found = session.call("job_show", {"job": job_id})
    if json_wanted:
        rendering.show_json(found)
        return
    rendering.show_members(found, MEMBERS)
    click.echo()
    rendering.show_table(found["runs"], RUN)
    click.echo()
    rendering.show_table(found["events"], EVENT)


@job.command()
@click.argument("job_id", metavar="JOB")
@as_json
@with_settings
def results(loaded: Loaded, job_id: str, json_wanted: bool) -> None:
    """Show what a job's tasks did, with the beginning of their output."""
    with connect(loaded.settings) as session:
        found = session.call("job_results", {"job": job_id})
    if json_wanted:
        rendering.show_json(found)
        return
    rendering.show_members(found, ("guid", "status", "reason"))
    for run in found["runs"]:
        click.echo(f"\n{rendering.cell(run['agent'])}: {run['status']}")
        for task in run["tasks"]:
            _show_task(task)


def _show_task(task: dict[str, Any]) -> None:
    code = "" if task["exit_code"] is None else f", exit code {task['exit_code']}"
    detail = f": {task['detail']}" if task["detail"] else ""
    click.echo(rendering.harmless(f"  {task['name']}: {task['status']}{code}{detail}"))
    for line in rendering.harmless(task["output"]).splitlines():
        click.echo(f"    {line}")


@job.command()
@click.argument("job_id", metavar="JOB")
@as_json
@with_settings
def watch(loaded: Loaded, job_id: str, json_wanted: bool) -> int:
    """Follow a job until its end: output and progress. Exit code 1 if it does not end well."""
    with connect(loaded.settings) as session:
        return _watch(session, job_id, json_wanted)


def _watch(session: Session, job_id: str, json_wanted: bool) -> int:
    items = session.stream("job_watch", {"job": job_id})
    show = watching.show_json_lines if json_wanted else watching.show
    status = show(items)
    return 0 if status in _GOOD else failures.FAILED


def _steering(verb: str, meaning: str) -> None:
    @job.command(verb, help=meaning)
    @click.argument("job_id", metavar="JOB")
    @click.option("--reason", default="", help="Why; kept in the history.")
    @as_json
    @with_settings
    def steer(loaded: Loaded, job_id: str, reason: str, json_wanted: bool) -> None:
        with connect(loaded.settings) as session:
            now = session.call(f"job_{verb}", {"job": job_id, "reason": reason})
        _show_status(now, json_wanted)


def _show_status(job: dict[str, Any], json_wanted: bool) -> None:
    if json_wanted:
        rendering.show_json(job)
    else:
        click.echo(f"{job['guid']} {job['status']}")


_steering("abort", "Stop a job; its processes are ended.")
_steering("hold", "Keep a job from starting.")
_steering("resume", "Let a held job go on.")


@job.command()
@click.argument("job_id", metavar="JOB")
@click.option("--idempotency-key", metavar="KEY", help="The same key again makes no second job.")
@as_json
@with_settings
def rerun(loaded: Loaded, job_id: str, idempotency_key: str | None, json_wanted: bool) -> None:
    """Submit the same again, to run now."""
    arguments = {"job": job_id, "idempotency_key": idempotency_key}
    with connect(loaded.settings) as session:
        now = session.call("job_rerun", arguments)
    _show_status(now, json_wanted)
