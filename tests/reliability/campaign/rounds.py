"""One round: a seed is played on a site of its own."""

import contextlib
import random
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.campaign import faults, promises, site
from tests.reliability.campaign.plan import Plan, plan
from tests.reliability.campaign.promises import Outcome
from tests.reliability.load import Crowd

_AFTERWARDS = (0.2, 0.8)


@dataclass(frozen=True)
class Round:
    """A round that was played."""

    plan: Plan
    outcome: Outcome
    seconds: float


def play(seed: str, folder: Path, data: Path) -> Round:
    """Play a seed in an empty folder, with a copy of a data folder that has the load's modules."""
    begun = time.monotonic()
    planned = plan(seed)
    with site.opened(folder, data, planned) as place:
        try:
            _harm(place)
            promises.settle(place)
            found = promises.outcome(place)
        except AssertionError as error:
            found = Outcome({}, (f"it did not come to rest: {error}",))
        if found.broken:
            _keep(place)
    return Round(planned, found, time.monotonic() - begun)


def _harm(place: site.Site) -> None:
    chance = random.Random(place.plan.load)
    place.crowd = Crowd(place.folder, chance, place.plan.clients, agents=site.AGENTS, patient=True)
    with place.crowd.working(place.server):
        for strike in place.plan.strikes:
            faults.strike(place, strike)
        time.sleep(chance.uniform(*_AFTERWARDS))


def _keep(place: site.Site) -> None:
    """Keep the store, which goes with its disk."""
    with (
        place.house.reading() as store,
        contextlib.closing(sqlite3.connect(place.folder / "store.sqlite3")) as kept,
    ):
        store.backup(kept)
