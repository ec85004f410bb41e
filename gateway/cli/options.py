"""Options that commands share."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway import settings
from gateway.jobs.orders import MissedRuns, OnClosed
from gateway.settings import Loaded, SettingsError
from gateway.settings.sources import FILE_VARIABLE

Function = TypeVar("Function", bound=Callable[..., Any])


def with_settings(command: Function) -> Function:
    """Give a command ``--data``, ``--config`` and ``--set``, and the loaded settings first."""

    @click.option("--data", metavar="DIR", help="The data folder.")
    @click.option(
        "--config", "settings_file", metavar="FILE", help=f"Settings file; also {FILE_VARIABLE}."
    )
    @click.option(
        "--set", "set_", metavar="NAME=VALUE", multiple=True, help="Any setting; may be repeated."
    )
    @functools.wraps(command)
    def with_loaded(
        *args: Any,
        data: str | None,
        settings_file: str | None,
        set_: tuple[str, ...],
        **options: Any,
    ) -> Any:
        given = {"data": data, **dict(map(_pair, set_))}
        for name in ("host", "port", "demo"):
            given[name] = options.pop(name, None) or given.get(name)
        return command(load(given, settings_file), *args, **options)

    return with_loaded  # type: ignore[return-value]  # click adds what the options give


def load(given: dict[str, Any], file: str | None) -> Loaded:
    """The settings with these of the command line. Raises SettingsError."""
    path = file or os.environ.get(FILE_VARIABLE)
    return settings.load(given, os.environ, Path(path) if path else None)


def as_json(command: Function) -> Function:
    """Give a command ``--json``, for scripts."""
    return click.option("--json", "json_wanted", is_flag=True, help="Answer JSON.")(command)


def with_comment(command: Function) -> Function:
    """Give a command ``--comment``, for the audit trail."""
    meaning = "Why; kept in the audit trail beside the change."
    return click.option("--comment", default="", help=meaning)(command)


def recurring(command: Function) -> Function:
    """Give a command the options of a recurrence, which go into a timing by their names."""
    for option in reversed(_RECURRENCE):
        command = option(command)
    return command


_RECURRENCE = (
    click.option("--every", metavar="SECONDS", type=click.IntRange(1), help="Run again and again."),
    click.option(
        "--cron", metavar="FIELDS", help="Run by five cron fields, or six with seconds before them."
    ),
    click.option(
        "--rrule", metavar="RULE", help="Run by a calendar rule: FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18."
    ),
    click.option("--zone", metavar="NAME", help="The time zone of --cron and --rrule."),
    click.option(
        "--starts", metavar="TIME", help="Not due before; --every and --rrule count from it."
    ),
    click.option("--ends", metavar="TIME", help="Not due after."),
    click.option(
        "--missed",
        type=click.Choice([policy.name.lower() for policy in MissedRuns]),
        help="Which due times of a downtime are made up for; the last one unless told.",
    ),
    click.option(
        "--grace",
        metavar="SECONDS",
        type=click.IntRange(1, 366 * 24 * 3600),
        help="How late a due time may be met; missed_run_grace_seconds unless told.",
    ),
    click.option("--calendar", metavar="NAME_OR_GUID", help="Of the days on which it runs."),
    click.option(
        "--on-closed",
        type=click.Choice([choice.name.lower() for choice in OnClosed]),
        help="Whether it runs on another day when the calendar is closed; skip unless told.",
    ),
)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise SettingsError(f"--set {text}: it is written --set NAME=VALUE")
    return name.strip(), value


def assignments(what: str, texts: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping. Raises click.BadParameter."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=what)
        found[name.strip()] = value
    return found
