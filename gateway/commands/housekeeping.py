"""Commands about housekeeping: what ran when, for how long, and what came of it."""

from typing import Any, Protocol

from gateway import moments
from gateway.commands.group import CommandGroup
from gateway.jobs import housekeeping
from gateway.jobs.clock import Clock
from gateway.jobs.housekeeping import HousekeepingRun
from storage.database import Store

Json = Any


class Parts(Protocol):
    """What these commands need of a gateway."""

    @property
    def store(self) -> Store:
        """Where everything is kept."""

    @property
    def clock(self) -> Clock:
        """What does it."""


class HousekeepingCommands(CommandGroup):
    """The command ``housekeeping``."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    def housekeeping_list(self, name: str | None = None) -> Json:
        """The last time of each kind, and when it comes next; of one name, the last times."""
        with self._gateway.store.reading() as session:
            found = (
                housekeeping.last_of_each(session)
                if name is None
                else housekeeping.latest(session, name)
            )
        coming = self._gateway.clock.coming()
        return [_shown(one, coming.get(one.name)) for one in found]


def _shown(one: HousekeepingRun, following: int | None) -> dict[str, Any]:
    took = None if one.finished_at is None else (one.finished_at - one.started_at) / moments.SECOND
    return {
        "name": one.name,
        "started": _iso(one.started_at),
        "seconds": None if took is None else round(took, 3),
        "ok": one.ok,
        "detail": one.detail,
        "next": None if following is None else _iso(following),
    }


def _iso(moment: int) -> str:
    return moments.to_datetime(moment).isoformat(timespec="seconds")
