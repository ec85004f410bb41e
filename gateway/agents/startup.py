"""How the child supervisor is started: the one place that knows whether this program is packed."""

import sys
from collections.abc import Sequence

# The first argument by which a packed program knows that it is to be the supervisor.
SUPERVISOR = "--agent-supervisor"


def supervisor_command(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command line of a supervisor with these arguments.

    A packed program (PyInstaller) has no interpreter beside it and is called again itself; its
    ``main`` then hands over to ``gateway.agents.supervisor.main``.
    """
    if getattr(sys, "frozen", False):
        return (sys.executable, SUPERVISOR, *arguments)
    return (sys.executable, "-m", "gateway.agents.supervisor", *arguments)
