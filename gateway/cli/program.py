"""The program as a whole: its commands, and what becomes of errors that they raise."""

import contextlib
import os
import sys
from collections.abc import Sequence

import click

from gateway import failures
from gateway.cli import (
    agents,
    audit,
    building_blocks,
    calendars,
    config,
    jobs,
    logins,
    maintenance,
    resources,
    roles,
    schedules,
    serve,
    store,
    teams,
    wsdl,
)

_INTERRUPTED = 130
_BROKEN_PIPE = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def root() -> None:
    """A self-hosted gateway for automation."""


for _command in (
    *(serve.serve, store.init, logins.login, roles.role, roles.permission, audit.audit),
    *(building_blocks.import_, building_blocks.export),
    *(agents.agent, teams.team, resources.resource),
    *(schedules.schedule, calendars.calendar, maintenance.maintenance),
    *(jobs.job, config.config, wsdl.wsdl, store.doctor, store.backup, store.restore, store.key),
):
    root.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command; answers the exit code. What went wrong is one line on stderr."""
    try:
        code = root.main(list(arguments), prog_name="gateway", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _say(error.format_message(), failures.WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return _BROKEN_PIPE
    except Exception as error:
        known = failures.describe(error)
        if known is None:
            raise
        return _say(known.sentence, known.exit_code)
    return code if isinstance(code, int) else 0


def _say(sentence: str, exit_code: int) -> int:
    lines = [" ".join(line.split()) for line in sentence.splitlines()]
    with contextlib.suppress(BrokenPipeError):
        print("\n".join(f"gateway: {line}" for line in lines), file=sys.stderr)  # noqa: T201
    return exit_code


def _forget_output() -> None:
    # Whoever read the output has left; Python would complain once more when it ends.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
