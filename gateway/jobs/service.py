"""What surfaces and the command line do with jobs."""

import functools
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import peewee

from gateway import moments
from gateway.catalog.catalog import Catalog
from gateway.identity import audit
from gateway.identity.permissions import Reach
from gateway.identity.principals import Caller
from gateway.jobs import (
    aborting,
    counters,
    launching,
    ledger,
    locks,
    moves,
    narrowing,
    repeats,
    rows,
    run_books,
    schedules,
    settlement,
    views,
)
from gateway.jobs.acceptance import Acceptance, MadeJob
from gateway.jobs.clock import Clock
from gateway.jobs.orders import JobOrder, Origin
from gateway.jobs.places import Places
from gateway.jobs.repeats import AlreadyAccepted, Mark, Repeats
from gateway.jobs.rows import JobRow
from gateway.jobs.signals import Signals
from gateway.jobs.states import JobStatus, MoveRefused, Stage
from gateway.jobs.views import EventView, JobView, RunView, ShownSet
from storage import models, statements
from storage.database import Store
from storage.session import Session, WritingSession
from storage.statements import named

_JOB = models.Job
# Clients ask for a job again and again until it has ended.
_BY_GUID = statements.Statement(
    lambda: _JOB.select().where(_JOB.guid == named(_JOB.guid), _JOB.tenant_id == 1)
)
_CHILD_ORIGINS = (Origin.RUN_BOOK,)
_COUNT = peewee.fn.COUNT(_JOB.id)


class JobNotFound(LookupError):
    """No job has this id."""


class StoreNearlyFull(Exception):
    """New jobs are refused while the disk has too little room left to run them safely."""


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list holds; stage None means all, as does a reach that is None."""

    stage: Stage | None = None
    run_book_jobs: bool = True
    recurring_jobs: bool = True
    reach: Reach | None = None


@dataclass(frozen=True)
class JobPage:
    """A page of jobs, the newest first. ``pages`` is how many pages there are in all."""

    jobs: tuple[JobView, ...]
    page: int
    pages: int
    total: int


_FREE_SPACE_SECONDS = 0.5


class FreeSpace:
    """The disk's free bytes, asked for twice a second at most: the guard needs no more."""

    def __init__(self, store: Store, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._elapsed = elapsed
        self._asked_at = float("-inf")
        self._bytes: int | None = None

    def bytes(self) -> int | None:
        """Free bytes; None where that cannot be known."""
        now = self._elapsed()
        if now >= self._asked_at + _FREE_SPACE_SECONDS:
            self._bytes = self._store.free_bytes()
            self._asked_at = now
        return self._bytes


class Jobs:
    """Accept, look at, and steer jobs. ``least_free`` bytes of disk are kept for running ones.

    ``dispatched`` is told the id of a job whose runs may begin now, once that is durable.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        acceptance: Acceptance,
        clock: Clock,
        signals: Signals,
        repeated: Repeats,
        least_free: int = 0,
        now: Callable[[], int] = moments.now,
        accepted: Callable[[str], None] = lambda surface: None,  # noqa: ARG005  # unobserved
        dispatched: Callable[[int], None] = lambda job_id: None,  # noqa: ARG005  # nobody sleeps
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._acceptance = acceptance
        self._clock = clock
        self._signals = signals
        self._repeats = repeated
        self._free_space = FreeSpace(store)
        self._least_free = least_free
        self._now = now
        self._accepted = accepted
        self._dispatched = dispatched

    def accept(self, order: JobOrder, caller: Caller, key: str | None = None) -> JobView:
        """Take an order; the job is durable when this returns.

        The same ``key`` of the same caller answers the job that it has made before, as it was.
        Without one, an equal order within a minute is marked as a possible duplicate.

        Raises OrderRefused, StoreNearlyFull, StoreUnavailable, repeats.KeyRefused, KeyReused.
        """
        if key is None:
            made = self._marked(order, caller)
            try:
                self._store.unit_of_work(functools.partial(self._insert, made))
            except Exception:
                made.mark.failed()
                raise
            return self._acceptance.view(made)
        digest = self._repeats.of_order(order, caller)
        return self._once(
            repeats.check_key(key),
            digest,
            caller,
            lambda: self._make(order, caller, key, Mark(digest, keyed=True)),
        )

    def accept_soon(self, order: JobOrder, caller: Caller) -> tuple[JobView, "Future[None]"]:
        """Take an order, for a caller who answers it only once the future is done without error.

        The view has no number yet.

        Raises OrderRefused, StoreNearlyFull; the future has StoreUnavailable.
        """
        made = self._marked(order, caller)
        view = self._acceptance.view(made)
        stored = self._store.soon(functools.partial(self._insert, made))
        if made.mark.seen is not None:
            made.mark.seen.depends_on(stored)
        return view, stored

    def _marked(self, order: JobOrder, caller: Caller) -> MadeJob:
        made = self._made(order, caller)
        digest = self._repeats.of_order(order, caller)
        return made.marked(self._repeats.mark(digest, made.job.guid, made.now))

    def _make(self, order: JobOrder, caller: Caller, key: str, mark: Mark) -> JobView:
        made = self._made(order, caller).marked(mark)

        def work(session: WritingSession) -> None:
            self._insert(made, session)
            self._repeats.keep(session, caller, key, made.job.id, made.now)

        self._store.unit_of_work(work)
        return self._acceptance.view(made)

    def _once(self, key: str, digest: str, caller: Caller, make: Callable[[], JobView]) -> JobView:
        """The job that the key has made before, else the one that is made now."""

        def first() -> JobView | None:
            with self._store.reading() as session:
                found = self._repeats.first(session, caller, key, digest, self._now())
                return None if found is None else views.as_accepted(session, found)

        if (known := first()) is not None:
            return known
        try:
            return make()
        except AlreadyAccepted:
            faster = first()
            if faster is None:
                raise
            return faster

    def _made(self, order: JobOrder, caller: Caller) -> MadeJob:
        self._check_room()
        now = self._now()
        with self._store.reading() as session:
            resolved = self._acceptance.resolve(session, order, now)
        return self._acceptance.made(resolved, caller, now)

    def _insert(self, made: MadeJob, session: WritingSession) -> None:
        self._acceptance.insert(session, made)
        session.after_commit(functools.partial(self._announce, made))

    def _announce(self, made: MadeJob) -> None:
        """Let everybody know of a job that is durable now."""
        if made.mark.seen is not None:
            made.mark.seen.is_durable()
        self._signals.wake({plan.agent_id for plan in made.plans})
        self._accepted(made.caller.surface)
        if made.job.wake_at is not None:
            self._clock.wake_by(made.job.wake_at)
        if made.plans and made.resolved.order.timing.wake_on_lan:
            self._dispatched(made.job.id)

    def get(self, guid: uuid.UUID, reach: Reach | None = None) -> JobView:
        """A job by its id. Raises JobNotFound, also for one that the reach does not cover."""
        with self._store.reading() as session:
            view = self._get(session, guid)
            if reach is None or reach.everywhere or reach.covers(Places(session).job(view)):
                return view
        raise _not_found(guid)

    def get_with_values(
        self, guid: uuid.UUID, reach: Reach | None = None
    ) -> tuple[JobView, list[ShownSet]]:
        """A job as ``get`` answers it, and its parameters as ``values`` does."""
        with self._store.reading() as session:
            found = views.with_values(session, self._catalog, guid)
            if found is not None:
                view, values = found
                if reach is None or reach.everywhere or reach.covers(Places(session).job(view)):
                    return view, values
        raise _not_found(guid)

    def page(self, wanted: JobFilter, page: int, size: int) -> JobPage:
        """A page of jobs, the newest first; ``page`` counts from 1 and may lie beyond the end.

        The counters tell how many there are, at once. For a reach that does not cover everything
        they are counted, which takes the longer the more jobs there are in its scopes.
        """
        with self._store.reading(long=True) as session:
            conditions = _conditions(wanted)
            if wanted.reach is None or wanted.reach.everywhere:
                total = sum(c.jobs for c in counters.counts(session) if _counts(wanted, c))
            else:
                conditions.append(narrowing.condition(session, wanted.reach))
                total = session.scalar(_JOB.select(_COUNT).where(*conditions))
            query = _JOB.select().where(*conditions).order_by(_JOB.id.desc())
            found = session.rows(query.paginate(page, size))
            jobs = tuple(views.jobs(session, found))
        return JobPage(jobs, page, -(-total // size), total)

    def children(self, guid: uuid.UUID) -> list[JobView]:
        """The jobs of a run book that has begun, in their order; none of another job.

        Raises JobNotFound.
        """
        with self._store.reading(long=True) as session:
            job = self._get(session, guid)
            query = _JOB.select().where(_JOB.parent_id == job.id, _JOB.origin == Origin.RUN_BOOK)
            return views.jobs(session, session.rows(query.order_by(_JOB.seq)))

    def outputs(self, guid: uuid.UUID) -> dict[str, str]:
        """The present values of what a run book's links get, by name. Raises JobNotFound."""
        with self._store.reading() as session:
            return run_books.outputs(session, self._get(session, guid).id)

    def runs(self, guid: uuid.UUID, *, tasks: bool = False) -> list[RunView]:
        """The runs of a job. Raises JobNotFound."""
        with self._store.reading(long=True) as session:
            return views.runs(session, self._get(session, guid).id, tasks=tasks)

    def events(self, guid: uuid.UUID) -> list[EventView]:
        """The history of a job. Raises JobNotFound."""
        with self._store.reading(long=True) as session:
            return views.events(session, self._get(session, guid).id)

    def values(self, view: JobView) -> list[ShownSet]:
        """The parameters of all that a job runs, with the values that were given."""
        with self._store.reading() as session:
            return views.values(session, self._catalog, view)

    def output(
        self, guid: uuid.UUID, seen: dict[tuple[uuid.UUID, int], int] | None = None
    ) -> Iterator[ledger.Output]:
        """The output of a job's tasks that is not ``seen`` yet. Raises JobNotFound."""
        with self._store.reading() as session:
            job = self._get(session, guid)
            yield from ledger.output(session, job.id, {} if seen is None else seen)

    def log(self, log_id: int, most: int) -> bytes:
        """The beginning of a task's log."""
        with self._store.reading() as session:
            return ledger.log_bytes(session, log_id, most)

    def counts(self) -> list[counters.Count]:
        """How many jobs stand in which stage."""
        with self._store.reading() as session:
            return counters.counts(session)

    def abort(self, guid: uuid.UUID, caller: Caller, reason: str = "") -> JobView:
        """Stop a job, and all jobs of a run book; one that is over stays as it is.

        Raises JobNotFound.
        """
        view = self._steer(guid, caller, "abort", reason, _abort)
        self._clock.wake_by(self._now())
        return view

    def hold(self, guid: uuid.UUID, caller: Caller, reason: str = "") -> JobView:
        """Keep a job from starting. Raises JobNotFound, MoveRefused once it has started."""
        return self._steer(guid, caller, "hold", reason, _hold)

    def resume(self, guid: uuid.UUID, caller: Caller, reason: str = "") -> JobView:
        """Let a held job go on. Raises JobNotFound, MoveRefused if it is not held."""
        view = self._steer(guid, caller, "resume", reason, _resume)
        self._clock.wake_by(self._now())
        self._dispatched(view.id)
        return view

    def rerun(self, guid: uuid.UUID, caller: Caller, key: str | None = None) -> JobView:
        """Accept the same again, to run now, with the same versions and values.

        ``key`` as with ``accept``; without one a second wish within a minute is marked.

        Raises JobNotFound, StoreNearlyFull, repeats.KeyRefused, KeyReused.
        """
        digest = self._repeats.of_rerun(guid, caller)
        if key is None:
            return self._rerun(guid, caller, None, Mark(digest))
        mark = Mark(digest, keyed=True)
        return self._once(
            repeats.check_key(key), digest, caller, lambda: self._rerun(guid, caller, key, mark)
        )

    def _rerun(self, guid: uuid.UUID, caller: Caller, key: str | None, mark: Mark) -> JobView:
        self._check_room()
        now, made = self._now(), moments.new_guid()
        if key is None:
            mark = self._repeats.mark(mark.digest, made, now)

        def copy(session: WritingSession) -> None:
            job = rows.lock_job_by_guid(session, guid)
            if job is None:
                raise _not_found(guid)
            again = self._acceptance.again(session, job, caller, now, mark, made)
            if key is not None:
                self._repeats.keep(session, caller, key, again.id, now)
            session.after_commit(self._signals.wake)
            session.after_commit(lambda: self._dispatched(again.id))

        try:
            self._store.unit_of_work(copy)
        except Exception:
            mark.failed()
            raise
        return self.get(made)

    def _steer(
        self,
        guid: uuid.UUID,
        caller: Caller,
        action: str,
        reason: str,
        act: Callable[[WritingSession, JobRow, int, str, str], None],
    ) -> JobView:
        def work(session: WritingSession) -> None:
            now = self._now()
            job = rows.lock_job_by_guid(session, guid)
            if job is None:
                raise _not_found(guid)
            before = job.status
            act(session, job, now, caller.name or caller.surface, reason)
            if job.status is not before:
                audit.record(
                    session,
                    caller,
                    now,
                    f"job.{action}",
                    "job",
                    job.guid,
                    "",
                    before={"status": before.name},
                    after={"status": job.status.name},
                    comment=reason,
                )
            session.after_commit(self._signals.wake)

        self._store.unit_of_work(work)
        return self.get(guid)

    @staticmethod
    def _get(session: Session, guid: uuid.UUID) -> JobView:
        found = session.select(_BY_GUID, {"guid": guid})
        if not found:
            raise _not_found(guid)
        return views.jobs(session, found)[0]

    def _check_room(self) -> None:
        free = self._free_space.bytes()
        if free is not None and free < self._least_free:
            raise StoreNearlyFull(
                f"the disk of the store has {free // 2**20} MiB left; new jobs are accepted again "
                f"when there are {self._least_free // 2**20} MiB"
            )


def _abort(session: WritingSession, job: JobRow, now: int, actor: str, reason: str) -> None:
    aborting.abort(session, job, now, actor, reason or f"aborted by {actor}")


def _hold(session: WritingSession, job: JobRow, now: int, actor: str, reason: str) -> None:
    moves.move(session, job, JobStatus.DISABLED, now, actor, reason)
    if job.recurring:
        schedules.set_enabled(session, job, False, now)
        return
    if not job.runs_open:
        # It may just have been handed its lock, which others wait for.
        locks.release(session, job, now)
    job.wake_at = None
    rows.write_job(session, job)
    for run in settlement.open_runs(session, job):
        if run.status is JobStatus.SCHEDULED:
            run.status = JobStatus.DISABLED
            rows.write_run(session, run)


def _resume(session: WritingSession, job: JobRow, now: int, actor: str, reason: str) -> None:
    if job.status is not JobStatus.DISABLED:
        raise MoveRefused(job.status, JobStatus.SCHEDULED)
    moves.move(session, job, JobStatus.SCHEDULED, now, actor, reason)
    if job.recurring:
        schedules.set_enabled(session, job, True, now)
        return
    if run_books.awaits_turn(job):
        # Whether its turn has come meanwhile is for its run book to say.
        job.wake_at = moments.AT_ONCE
        rows.write_job(session, job)
        return
    due = job.due_at or now
    # The time on hold does not count against the launch timeout.
    job.launch_by = _extended(job.launch_by, due, now)
    job.wake_at = due if due > now else moments.AT_ONCE
    if job.runs_open:
        for run in settlement.open_runs(session, job):
            if run.status is JobStatus.DISABLED:
                run.status = JobStatus.SCHEDULED
                run.launch_by = _extended(run.launch_by, run.not_before or due, now)
                rows.write_run(session, run)
        launching.look_next(job, settlement.waiting_runs(session, job), now)
    rows.write_job(session, job)


def _extended(launch_by: int | None, start: int, now: int) -> int | None:
    """The end of a launch timeout of which nothing has passed since its start."""
    return None if launch_by is None else max(launch_by, now + launch_by - start)


def _counts(wanted: JobFilter, count: counters.Count) -> bool:
    return (
        (wanted.stage is None or count.stage is wanted.stage)
        and (wanted.run_book_jobs or count.origin not in _CHILD_ORIGINS)
        and (wanted.recurring_jobs or not count.recurring)
    )


def _conditions(wanted: JobFilter) -> list[peewee.Expression]:
    if wanted.stage is not None:
        conditions = [_JOB.tenant_id == 1, _JOB.stage == wanted.stage]
    else:
        # Written so that no index by tenant is used: it would have all jobs sorted for one page,
        # while a walk down the ids meets the newest first.
        conditions = [(_JOB.tenant_id + 0) == 1]
    if not wanted.run_book_jobs:
        conditions.append(_JOB.origin.not_in(_CHILD_ORIGINS))
    if not wanted.recurring_jobs:
        conditions.append(_JOB.recurring == False)  # noqa: E712  # SQL, not Python
    return conditions


def _not_found(guid: uuid.UUID) -> JobNotFound:
    return JobNotFound(f"there is no job {guid}")
