"""The command line: ``python app.py ...`` and the console script ``gateway``."""

import sys
from collections.abc import Sequence

from gateway.agents import startup


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == [startup.SUPERVISOR]:
        # A packed program is its own supervisor (see gateway.agents.startup).
        from gateway.agents import supervisor  # noqa: PLC0415  # so that it starts quickly

        supervisor.main(given[1:])
        return
    if startup.is_agent(given):
        from gateway.cli import machine  # noqa: PLC0415  # an agent loads no part of a server

        sys.exit(machine.run(given))
    from gateway.cli import program  # noqa: PLC0415  # so that importing the package stays cheap

    sys.exit(program.run(given))
