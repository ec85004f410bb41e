"""The clock: APScheduler wakes the engine at the earliest moment at which a job needs it.

Jobs hold their next moment in an indexed column. The scheduler holds one wake-up, whatever the
number of jobs, and the housekeeping.
"""

import datetime
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import peewee
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gateway import moments
from gateway.jobs import aborting, beginning, locks, moves, rows, run_books, schedules, settlement
from gateway.jobs.housekeeping import Housekeeping
from gateway.jobs.orders import Origin
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from gateway.notifications import outbox
from gateway.notifications.rules import Event
from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Row, WritingSession

log = logging.getLogger("gateway.jobs.clock")

_JOB = models.Job
_PORTION = 200
# The wake-up is exact; this is for what others wrote, a second gateway on the same store, and for
# a machine whose clock was set back.
_AT_LEAST_EVERY_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_PUT_OFF = 60 * moments.SECOND
_WAKE = "wake"
# A step back that no correction of a good clock makes.
_JUMP = 2 * moments.SECOND


class _Every(IntervalTrigger):  # type: ignore[misc]  # the library has no types
    """At an interval; times that have passed meanwhile are one.

    APScheduler lists all of them, from the moment aimed at to the present one, before it makes one
    of them: for a job that was due years ago millions, and as many when a machine gets the right
    time after it has started.
    """

    def get_next_fire_time(
        self, previous_fire_time: datetime.datetime | None, now: datetime.datetime
    ) -> datetime.datetime | None:
        """The next time, which is not past where there was one before."""
        found: datetime.datetime | None = super().get_next_fire_time(previous_fire_time, now)
        if previous_fire_time is not None and found is not None and found <= now:
            return now + datetime.timedelta(seconds=self.interval_length)
        return found


def _every(seconds: float) -> _Every:
    return _Every(seconds=seconds, timezone=datetime.UTC)


class Clock:
    """Starts what is due. ``grace`` in microseconds is the default for recurring jobs.

    ``dispatched`` is told the id of each job that was dealt with, once that is durable.
    """

    def __init__(
        self,
        store: Store,
        grace: int,
        wake_agents: Callable[[], None],
        now: Callable[[], int] = moments.now,
        claimed: Callable[[float], None] = lambda lateness: None,  # noqa: ARG005  # unobserved
        dispatched: Callable[[int], None] = lambda job_id: None,  # noqa: ARG005  # nobody sleeps
    ) -> None:
        self._store = store
        self._grace = grace
        self._wake_agents = wake_agents
        self._now = now
        self._claimed = claimed
        self._dispatched = dispatched
        self._housekeeping = Housekeeping(store, now)
        self._scheduler = BackgroundScheduler(
            timezone=datetime.UTC,
            executors={"default": {"type": "threadpool", "max_workers": 4}},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        # The scheduler's wake-up does no more than set this: one that comes while jobs are dealt
        # with is then never lost.
        self._due_now = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._once: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._target = 0
        self._stopping = False
        self._last_tick = 0
        self._latest = 0

    def start(self) -> None:
        """Begin; what has become due meanwhile is dealt with at once."""
        self._last_tick = self._latest = self._now()
        self._target = self._next_wake()
        # One may come before the scheduler has noticed that the one before is over.
        self._scheduler.add_job(
            self._wake, _every(_AT_LEAST_EVERY_SECONDS), id=_WAKE, max_instances=4
        )
        self._scheduler.start()
        for thread in self._once:
            thread.start()
        self._due_now.set()
        self._thread.start()

    def stop(self) -> None:
        """End; what is being dealt with is finished first."""
        with self._lock:
            self._stopping = True
        self._due_now.set()
        for thread in (self._thread, *self._once):
            if thread.is_alive():
                thread.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def every(self, seconds: float, work: Callable[[], object], name: str) -> None:
        """Have housekeeping done at an interval; a failure is logged, and it goes on."""
        self._scheduler.add_job(self._housekeeping.visible(work, name), _every(seconds), id=name)

    def once(self, work: Callable[[], object], name: str) -> None:
        """Have housekeeping done once, as soon as the clock runs; a failure is logged.

        By a thread of its own: APScheduler fails where it is stopped just as it takes leave of a
        job that has no further time.
        """
        visible = self._housekeeping.visible(work, name)
        self._once.append(threading.Thread(target=visible, name=name, daemon=True))

    def coming(self) -> dict[str, int]:
        """When each kind of housekeeping comes next, in epoch microseconds."""
        return {
            job.id: moments.from_datetime(job.next_run_time)
            for job in self._scheduler.get_jobs()
            if job.id != _WAKE and getattr(job, "next_run_time", None) is not None
        }

    def wake_by(self, moment: int) -> None:
        """Make sure that the clock looks at the jobs at this moment. Cheap when it does anyway."""
        with self._lock:
            if self._stopping or not self._scheduler.running or self._target <= moment:
                return
            self._target = moment
            self._scheduler.modify_job(_WAKE, next_run_time=moments.to_datetime(moment))

    @property
    def housekeeping(self) -> Housekeeping:
        """What keeps what came of it."""
        return self._housekeeping

    def silence(self) -> float | None:
        """Seconds since the last tick; None when the clock is not running."""
        if not self._scheduler.running:
            return None
        return (self._now() - self._last_tick) / moments.SECOND

    @property
    def scheduled(self) -> int:
        """How many jobs APScheduler holds: the wake-up and the housekeeping."""
        return len(self._scheduler.get_jobs())

    def tick(self) -> int:
        """Deal with every job whose moment has come; answers how many."""
        dealt_with = 0
        while not self._stopping and (due := self._due()):
            # Each in a unit of work of its own: a job that cannot be dealt with holds up no other.
            units = [(one.job_id, self._store.submit(self._dealing(one))) for one in due]
            failed = [job_id for job_id, unit in units if not self._done(job_id, unit)]
            dealt_with += len(due) - len(failed)
            if failed:
                self._put_off(failed)
            self._last_tick = self._now()
        return dealt_with

    def _wake(self) -> None:
        """What APScheduler calls: at the moment aimed at, else every few seconds."""
        with self._lock:
            self._target = self._next_wake()
        self._due_now.set()

    def _next_wake(self) -> int:
        return self._now() + int(_AT_LEAST_EVERY_SECONDS * moments.SECOND)

    def _run(self) -> None:
        pause = _AT_LEAST_EVERY_SECONDS
        while True:
            self._due_now.wait(pause)
            self._due_now.clear()
            if self._stopping:
                return
            self._heed_jumps()
            pause = _AT_LEAST_EVERY_SECONDS if self._turn() else _RETRY_SECONDS

    def _heed_jumps(self) -> None:
        """Have APScheduler look at the wall clock again, by which it sleeps.

        Where that was set back, the housekeeping would rest until it is as late as it was.
        """
        now = self._now()
        if now < self._latest - _JUMP:
            log.warning("the machine's clock was set back: housekeeping is done now")
            for job in self._scheduler.get_jobs():
                job.modify(next_run_time=moments.to_datetime(now))
        self._latest = now
        self._scheduler.wakeup()

    def _turn(self) -> bool:
        """Deal with what is due and aim at what comes next; whether that went well."""
        try:
            self.tick()
            earliest = self._earliest()
        except StoreUnavailable as error:
            log.warning("the clock cannot reach the store, and tries again: %s", error)
            return False
        except Exception:
            log.exception("the clock met an error, and goes on")
            return False
        self._last_tick = self._now()
        if earliest is not None:
            self.wake_by(earliest)
        return True

    def _earliest(self) -> int | None:
        with self._store.reading() as session:
            found: int | None = session.scalar(
                _JOB.select(peewee.fn.MIN(_JOB.wake_at)).where(_JOB.wake_at.is_null(False))
            )
        return found

    def _due(self) -> list["_Due"]:
        query = (
            _JOB.select(
                _JOB.id, _JOB.parent_id, _JOB.origin, _JOB.status, _JOB.due_at, _JOB.lock_name
            )
            .where(_JOB.wake_at <= self._now())
            .order_by(_JOB.wake_at)
            .limit(_PORTION)
        )
        with self._store.reading() as session:
            return [
                _Due(row["id"], _run_book(row), row["lock_name"] is not None)
                for row in session.rows(query)
            ]

    def _dealing(self, due: "_Due") -> Callable[[WritingSession], None]:
        now = self._now()
        run_book = due.run_book
        if run_book is not None:
            return lambda session: self._take_note(session, run_book, now)

        def deal(session: WritingSession) -> None:
            concerned = self._concerned(session, due)
            job = concerned[due.job_id]
            if job.origin is Origin.RUN_BOOK and job.status.finished:
                # It has ended since it was looked at: its run book takes note at the next look.
                return
            # Another gateway may have been faster.
            if job.wake_at is not None and job.wake_at <= now:
                lateness = (now - (job.wake_at or now)) / moments.SECOND
                self._deal_with(session, job, concerned, now)
                session.after_commit(self._wake_agents)
                session.after_commit(lambda: self._claimed(lateness))
                session.after_commit(lambda: self._dispatched(due.job_id))

        return deal

    def _take_note(self, session: WritingSession, run_book: int, now: int) -> None:
        run_books.take_note(session, run_book, now)
        session.after_commit(self._wake_agents)
        session.after_commit(lambda: self._dispatched(run_book))

    @staticmethod
    def _done(job_id: int, unit: "Future[None]") -> bool:
        try:
            unit.result()
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("job %s could not be dealt with; it is tried again later", job_id)
            return False
        return True

    def _put_off(self, job_ids: list[int]) -> None:
        now = self._now()
        # Only those that are still due: one that was held or ended meanwhile must not wake again.
        query = _JOB.update(wake_at=now + _PUT_OFF).where(_JOB.id.in_(job_ids), _JOB.wake_at <= now)
        self._store.unit_of_work(lambda session: session.execute(query))

    @staticmethod
    def _concerned(session: WritingSession, due: "_Due") -> dict[int, JobRow]:
        """The job, locked, and with it all that its lock concerns, by their ids."""
        wanted = locks.concerned(session, due.job_id) if due.lock else [due.job_id]
        return rows.lock_jobs(session, wanted)

    def _deal_with(
        self, session: WritingSession, job: JobRow, concerned: Mapping[int, JobRow], now: int
    ) -> None:
        if job.status is JobStatus.DISABLED or job.status.finished:
            job.wake_at = None
            rows.write_job(session, job)
        elif job.recurring:
            schedules.fire(session, job, now, self._grace)
        elif job.stop_by is not None and now >= job.stop_by:
            aborting.time_out(session, job, now)
        elif job.status is not JobStatus.SCHEDULED or job.runs_open > 0:
            settlement.look_after_waiting(session, job, now)
        elif job.launch_by is not None and now >= job.launch_by:
            moves.move(session, job, JobStatus.CANCELED, now, "clock", settlement.TOO_LATE)
        else:
            self._note_lateness(session, job, now)
            beginning.begin_locked(session, job, concerned, now)

    def _note_lateness(self, session: WritingSession, job: JobRow, now: int) -> None:
        """A job that starts later than its grace says so: it was missed, and is made up for."""
        late = now - (job.due_at or now)
        if late > self._grace:
            moves.note(session, job, now, "clock", f"started {late // moments.SECOND} s late")
            outbox.tell(session, job, Event.LATE, now, late_seconds=late // moments.SECOND)


@dataclass(frozen=True)
class _Due:
    """A job whose moment has come; for one that concerns its run book, the number of that.

    ``lock`` says whether it needs a lock to begin.
    """

    job_id: int
    run_book: int | None
    lock: bool

    @classmethod
    def of(cls, row: Row) -> "_Due":
        """Of a row of the table."""
        return cls(row["id"], _run_book(row), row["lock_name"] is not None)


def _run_book(row: Row) -> int | None:
    waits = JobStatus(row["status"]).finished or row["due_at"] is None
    found: int | None = row["parent_id"]
    return found if waits and row["origin"] == Origin.RUN_BOOK else None
