"""How an agent's processes are started: the one place that knows whether this program is packed."""

import sys
from collections.abc import Sequence

# The first argument by which a packed program knows that it is to be the supervisor.
SUPERVISOR = "--agent-supervisor"

# Of the command group ``agent``, what runs on an agent's machine; the others speak to the server's
# store. Without one of either, options alone mean ``run``.
AGENT_COMMANDS = ("run", "enrol")
HELP = ("-h", "--help")
# What gives such a command its options; GATEWAY_AGENT_NAME does that for a server's own agent, too.
AGENT_VARIABLES = frozenset(
    f"GATEWAY_AGENT_{name}"
    for name in (
        *("SERVER", "TOKEN", "TOKEN_FILE", "FOLDER", "CA", "PIN", "CERTIFICATE", "KEY"),
        *("MAX_RUNS", "TIME_ZONE", "LOG_LEVEL", "LOG_FORMAT", "INHERIT", "RUN_AS"),
        *("CACHE_BYTES", "TOKEN_DAYS", "DRAIN_SECONDS", "TASK_TYPE"),
    )
)


def is_agent(arguments: Sequence[str]) -> bool:
    """Whether the arguments of this program make it a remote agent."""
    group, first = (*arguments, "", "")[:2]
    return group == "agent" and (first in AGENT_COMMANDS or is_run(first))


def is_run(first: str) -> bool:
    """Whether ``agent`` with this as its first argument is ``agent run``."""
    return first.startswith("-") and first not in HELP


def supervisor_command(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command line of a supervisor with these arguments.

    A packed program (PyInstaller) has no interpreter beside it and is called again itself; its
    ``main`` then hands over to ``gateway.agents.supervisor.main``.
    """
    if getattr(sys, "frozen", False):
        return (sys.executable, SUPERVISOR, *arguments)
    return (sys.executable, "-m", "gateway.agents.supervisor", *arguments)
