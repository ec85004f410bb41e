"""The program as a whole: its commands, and what becomes of errors that they raise."""

from collections.abc import Sequence

import click

from gateway import failures
from gateway.cli import (
    agents,
    audit,
    building_blocks,
    calendars,
    config,
    ending,
    enrolment,
    explaining,
    housekeeping,
    jobs,
    limits,
    logins,
    maintenance,
    notifications,
    resources,
    retention,
    roles,
    schedules,
    serve,
    store,
    teams,
    wsdl,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def root() -> None:
    """A self-hosted gateway for automation."""


for _command in (*enrolment.COMMANDS, limits.OF_AGENTS):
    agents.agent.add_command(_command)
jobs.job.add_command(explaining.explain_job)
schedules.schedule.add_command(explaining.explain_schedule)
teams.team.add_command(limits.OF_TEAMS)
for _command in (
    *(serve.serve, store.init, logins.login, roles.role, roles.permission, audit.audit),
    *(building_blocks.import_, building_blocks.export),
    *(
        agents.agent,
        limits.window,
        housekeeping.housekeeping,
        notifications.notification,
        retention.retention,
    ),
    *(teams.team, resources.resource),
    *(schedules.schedule, calendars.calendar, maintenance.maintenance),
    *(jobs.job, config.config, wsdl.wsdl, store.doctor, store.backup, store.restore, store.key),
):
    root.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command; answers the exit code. What went wrong is one line on stderr."""
    return ending.run(root, arguments, failures.describe)
