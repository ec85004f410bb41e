"""Health: whether the process lives (``/healthz``) and whether it can work (``/readyz``)."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import peewee

from storage.database import Store
from storage.errors import StoreError

log = logging.getLogger("gateway.observability.health")

# The clock looks every few seconds, however far away the next due job is. A store that is slow for
# a minute or two does not yet mean that it has stopped.
CLOCK_SILENCE_SECONDS = 150.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``detail`` says what is wrong, or what was seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Health:
    """All that was looked at."""

    checks: tuple[Check, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.ok for check in self.checks)

    @property
    def http_status(self) -> int:
        """200, or 503 when something is wrong."""
        return 200 if self.ok else 503

    def as_json(self) -> dict[str, Any]:
        """``{"status": "ok"|"failing", "checks": {name: {"ok", "detail"}}}``."""
        return {
            "status": "ok" if self.ok else "failing",
            "checks": {
                check.name: {"ok": check.ok, "detail": check.detail} for check in self.checks
            },
        }


def alive() -> Health:
    """That this is answered is the whole check: a supervisor restarts what does not answer."""
    return Health()


def ready(
    store: Store,
    clock_silence: Callable[[], float | None],
    low_disk_bytes: int,
    more: Iterable[Callable[[], Check]] = (),
) -> Health:
    """Look at store, clock and disk, and at what ``more`` looks at.

    ``clock_silence`` answers the seconds since the scheduler's clock last ticked, None when it is
    not running.
    """
    checks = [check_store(store), check_clock(clock_silence()), check_disk(store, low_disk_bytes)]
    return Health((*checks, *(look() for look in more)))


def check_store(store: Store) -> Check:
    """Whether the store answers a query."""
    try:
        problems = store.check(full=False)
    except (StoreError, peewee.PeeweeException, OSError):
        # The sentence may hold an address; who may ask for health needs no login.
        log.warning("the store cannot be read", exc_info=True)
        return Check("store", False, "the store cannot be read: the log says why")
    return Check("store", not problems, "; ".join(problems) or "readable")


def check_clock(silence: float | None) -> Check:
    """Whether the scheduler's clock still ticks."""
    if silence is None:
        return Check("clock", False, "the clock is not running: due jobs do not start")
    if silence > CLOCK_SILENCE_SECONDS:
        return Check("clock", False, f"the clock has been silent for {silence:.0f} seconds")
    return Check("clock", True, "ticking")


def check_disk(store: Store, low_disk_bytes: int) -> Check:
    """Whether there is room for new jobs."""
    try:
        free = store.free_bytes()
    except OSError as error:
        return Check("disk", False, f"the free space cannot be found out: {error.strerror}")
    if free is None:
        return Check("disk", True, "the database server's own matter")
    if free < low_disk_bytes:
        return Check(
            "disk",
            False,
            f"{free} bytes free, less than the {low_disk_bytes} of low_disk_bytes: no new jobs",
        )
    return Check("disk", True, f"{free} bytes free")
