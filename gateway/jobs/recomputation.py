"""Due times computed anew, in portions: after a calendar was changed, or the data of time zones.

Of both a fact of the store keeps note, so that a server that was killed meanwhile goes on with it.
"""

import functools
import importlib.metadata
import logging
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import peewee

from gateway import moments
from gateway.identity import store_facts
from gateway.jobs import calendars, rows, schedules
from gateway.jobs.orders import RecurrenceKind
from storage import models
from storage.database import Store
from storage.session import Session, WritingSession

log = logging.getLogger("gateway.jobs.recomputation")

_SCHEDULE = models.Schedule
_FACT = models.StoreFact
_ZONE_DATA = "zone_data"
_PORTION = 200


class Recomputation:
    """Recomputes schedules. ``wake_clock`` has the clock look at jobs by a moment."""

    def __init__(
        self,
        store: Store,
        wake_clock: Callable[[int], None],
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._wake_clock = wake_clock
        self._now = now

    def after_changes(self) -> int:
        """Deal with all calendars that were changed; answers how many schedules were looked at."""
        facts = _FACT.select(_FACT.name, _FACT.value).where(
            _FACT.name.startswith(calendars.CHANGED)
        )
        with self._store.reading() as session:
            found = [(row["name"], row["value"]) for row in session.rows(facts)]
        looked_at = 0
        for name, value in found:
            number = int(name.removeprefix(calendars.CHANGED))
            looked_at += self._recompute(_SCHEDULE.calendar_id == number)
            # Unless it was changed again meanwhile.
            done = _FACT.delete().where(_FACT.name == name, _FACT.value == value)
            self._store.unit_of_work(functools.partial(_execute, done))
        return looked_at

    def at_start(self, version: str | None = None) -> int:
        """What an earlier process left, and what new zone data change; answers how many.

        ``version`` is that of the zone data.
        """
        looked_at = self.after_changes()
        present = version or zone_data_version()
        with self._store.reading() as session:
            known = store_facts.read(session, _ZONE_DATA)
        if known == present:
            return looked_at
        if known is not None:
            log.info("zone data are %s now, were %s: due times are computed anew", present, known)
            local = [RecurrenceKind.CRON, RecurrenceKind.CALENDAR]
            by_zone = _SCHEDULE.kind.in_(local) | _SCHEDULE.calendar_id.is_null(False)
            looked_at += self._recompute(by_zone)
        self._store.unit_of_work(lambda session: store_facts.write(session, _ZONE_DATA, present))
        return looked_at

    def _recompute(self, wanted: peewee.Expression) -> int:
        last = looked_at = 0
        while True:
            query = _SCHEDULE.select(_SCHEDULE.id, _SCHEDULE.job_id).where(
                wanted, _SCHEDULE.id > last, _SCHEDULE.enabled, _SCHEDULE.next_due_at.is_null(False)
            )
            with self._store.reading() as session:
                found = session.rows(query.order_by(_SCHEDULE.id).limit(_PORTION))
            if not found:
                break
            last = found[-1]["id"]
            looked_at += len(found)
            job_ids = [row["job_id"] for row in found]
            now = self._now()
            self._store.unit_of_work(functools.partial(_portion, job_ids, now))
        self._wake_clock(self._now())
        return looked_at


def _portion(job_ids: list[int], now: int, session: WritingSession) -> None:
    for job in rows.lock_jobs(session, job_ids).values():
        schedules.recompute(session, job, now)


def _execute(query: peewee.Query, session: Session) -> None:
    session.execute(query)


def zone_data_version() -> str:
    """Which zone data the program uses: those of the system, or else of the package."""
    for folder in map(Path, zoneinfo.TZPATH):
        if not (folder / "UTC").exists():
            continue
        try:
            with (folder / "tzdata.zi").open(encoding="ascii") as file:
                return f"system {file.readline().removeprefix('# version').strip()}"
        except (OSError, ValueError):
            # What is there says no version: whoever updates it writes it anew.
            return f"system of {(folder / 'UTC').stat().st_mtime_ns}"
    return f"package {importlib.metadata.version('tzdata')}"
