"""Housekeeping that can be seen: what was done when, for how long, and what came of it.

Every time leaves a row, but for those that found nothing to do: they move the end of the last such
row of their name, so that what looks every few seconds does not fill the store.
"""

import dataclasses
import functools
import logging
import threading
from collections.abc import Callable

from gateway import moments
from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Row, Session, WritingSession

log = logging.getLogger("gateway.jobs.clock")

_RUN = models.HousekeepingRun

# How often the row of what found nothing to do is moved on.
_IDLE = 60 * moments.SECOND
_KEPT = 30 * 24 * 3600 * moments.SECOND
NOTHING = "nothing to do"


@dataclasses.dataclass(frozen=True)
class HousekeepingRun:
    """One time; ``ok`` is None while it lasts, or where it was killed. Epoch microseconds."""

    name: str
    started_at: int
    finished_at: int | None
    ok: bool | None
    detail: str


class Housekeeping:
    """Has work done, and keeps what came of it."""

    def __init__(self, store: Store, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        # The last row of each name that tells of nothing, and when it was moved on.
        self._idle: dict[str, tuple[int, int]] = {}

    def visible(self, work: Callable[[], object], name: str) -> Callable[[], None]:
        """The work, logged and kept; it raises nothing.

        What it answers is the detail: a text, or a count of what was done. None, zero and an empty
        text say that there was nothing to do.
        """
        return functools.partial(self._do, work, name)

    def _do(self, work: Callable[[], object], name: str) -> None:
        began = self._now()
        try:
            done = work()
        except StoreUnavailable as error:
            log.warning("housekeeping %s: %s", name, error)
        except Exception as error:
            log.exception("housekeeping %s failed; it is tried again at its next time", name)
            self._keep(name, began, False, f"{type(error).__name__}: see the log")
        else:
            self._keep(name, began, True, _detail(done))

    def _keep(self, name: str, began: int, ok: bool, detail: str) -> None:
        now = self._now()
        idle = ok and detail == NOTHING
        with self._lock:
            row, moved = self._idle.get(name, (0, 0))
            if not idle:
                self._idle.pop(name, None)
            elif row and 0 <= now - moved < _IDLE:
                return
        try:
            kept = self._store.unit_of_work(
                functools.partial(_write, row if idle else 0, name, began, now, ok, detail)
            )
        except StoreUnavailable as error:
            log.warning("housekeeping %s leaves no record: %s", name, error)
            return
        if idle:
            with self._lock:
                self._idle[name] = (kept, now)

    def sweep(self) -> int:
        """Forget what is long past; answers how many rows."""
        query = _RUN.delete().where(_RUN.started_at < self._now() - _KEPT)
        return int(self._store.unit_of_work(lambda session: session.execute(query)) or 0)


def latest(session: Session, name: str | None = None, most: int = 50) -> list[HousekeepingRun]:
    """The last times, the newest first: of all names, or of one."""
    query = _RUN.select().order_by(_RUN.id.desc()).limit(most)
    if name is not None:
        query = query.where(_RUN.name == name)
    return [_run(row) for row in session.rows(query)]


def last_of_each(session: Session) -> list[HousekeepingRun]:
    """The last time of each name, by name."""
    names = [row["name"] for row in session.rows(_RUN.select(_RUN.name).distinct())]
    return [one for name in sorted(names) for one in latest(session, name, 1)]


def _write(
    row: int, name: str, began: int, now: int, ok: bool, detail: str, session: WritingSession
) -> int:
    values = {"started_at": began, "finished_at": now, "ok": ok, "detail": detail[:1000]}
    if row and session.execute(_RUN.update(**values).where(_RUN.id == row)):
        return row
    return int(session.execute(_RUN.insert(name=name, **values)))


def _detail(done: object) -> str:
    if not done:
        return NOTHING
    return f"{done} done" if isinstance(done, int) and not isinstance(done, bool) else str(done)


def _run(row: Row) -> HousekeepingRun:
    return HousekeepingRun(
        row["name"], row["started_at"], row["finished_at"], row["ok"], row["detail"]
    )
