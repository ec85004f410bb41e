"""Commands about how much agents are given, and when: limits and exclusive windows."""

from collections.abc import Sequence
from typing import Any, Protocol

from gateway.commands.group import CommandGroup, machine
from gateway.fleet import exclusive_windows
from gateway.fleet.exclusive_windows import ExclusiveWindow, ExclusiveWindows, WindowRefused
from gateway.fleet.limits import RunLimits
from gateway.jobs import launch_windows
from gateway.jobs.orders import LaunchWindow
from storage.database import Store

Json = Any


class Parts(Protocol):
    """What these commands need of a gateway."""

    @property
    def store(self) -> Store:
        """Where everything is kept."""

    @property
    def run_limits(self) -> RunLimits:
        """How many runs there may be."""

    @property
    def exclusive_windows(self) -> ExclusiveWindows:
        """Hours that some have for themselves."""


class LimitCommands(CommandGroup):
    """The commands ``agent limit``, ``team limit`` and ``window``."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    def agent_limit(self, agent: str, limit: int | None, comment: str = "") -> Json:
        """Allow an agent so many runs at once."""
        found = self._gateway.run_limits.of_agent(agent, limit, machine(comment), comment)
        return {"name": found.name, "run_limit": limit}

    def team_limit(self, team: str, limit: int | None, comment: str = "") -> Json:
        """Allow the agents of a team so many runs at once, all together."""
        found = self._gateway.run_limits.of_team(team, limit, machine(comment), comment)
        return {"name": found.name, "run_limit": limit}

    def window_create(
        self,
        name: str,
        opens: str,
        closes: str,
        definitions: Sequence[str],
        days: Sequence[int] = (),
        utc: bool = False,
        agent: str | None = None,
        team: str | None = None,
        comment: str = "",
    ) -> Json:
        """Give definitions hours of their own."""
        try:
            window = LaunchWindow(
                launch_windows.minutes(opens),
                launch_windows.minutes(closes),
                frozenset(days or range(7)),
                utc,
            )
        except ValueError as error:
            raise WindowRefused(str(error)) from error
        made = self._gateway.exclusive_windows.create(
            name, window, definitions, agent, team, machine(comment), comment
        )
        return _window(made)

    def window_list(self) -> Json:
        """All exclusive windows."""
        with self._gateway.store.reading() as session:
            return [_window(one) for one in exclusive_windows.windows(session)]

    def window_show(self, name: str) -> Json:
        """One exclusive window, by its name or GUID."""
        with self._gateway.store.reading() as session:
            return _window(exclusive_windows.find(session, name))

    def window_delete(self, name: str, comment: str = "") -> Json:
        """End an exclusive window."""
        return _window(self._gateway.exclusive_windows.delete(name, machine(comment), comment))


def _window(one: ExclusiveWindow) -> dict[str, Any]:
    return {
        "name": one.name,
        "opens": launch_windows.time_of_day(one.window.opens),
        "closes": launch_windows.time_of_day(one.window.closes),
        "days": sorted(one.window.days),
        "utc": one.window.utc,
        "scope": one.scope.name.lower(),
        "scope_id": one.scope_id or None,
        "definitions": sorted(one.definitions),
        "guid": str(one.guid),
    }
