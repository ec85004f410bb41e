"""Maintenance: times in which no run begins, on all agents or on those of a team.

What decides: ``of_agent`` where a run is claimed, ``of_server`` where a schedule fires or a run
book goes on. Both cost nothing but a look at what is remembered while there is none. What runs
goes on.
"""

import functools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import peewee

from gateway import moments
from gateway.catalog import changes
from gateway.fleet import roster, teams
from gateway.identity import audit
from gateway.identity.principals import Caller
from gateway.jobs import rows
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from storage import models, statements
from storage.database import Store
from storage.remembered import Remembered
from storage.session import Row, Session, WritingSession
from storage.statements import named

log = logging.getLogger("gateway.jobs.maintenance")

_MAINTENANCE = models.Maintenance
_RUN = models.Run
_JOB = models.Job
_SCHEDULE = models.Schedule
_OPEN = Remembered(_MAINTENANCE)

_WORD = "maintenance"
_LONGEST_REASON = 1000
_PORTION = 200
# Whoever waits for an end that is not known looks again then, should nobody have woken him.
_LOOK_AGAIN = 600 * moments.SECOND
_CLOCK = "clock"


class MaintenanceRefused(ValueError):
    """Maintenance cannot begin or end; the message says why."""


@dataclass(frozen=True)
class Period:
    """A maintenance. Moments are epoch microseconds; without a team it is the whole server's."""

    id: int
    team_id: int | None
    team: str | None
    reason: str
    begun_at: int
    begun_by: str
    until: int | None
    ended_at: int | None
    ended_by: str | None

    def on(self, at: int) -> bool:
        """Whether it is on at a moment."""
        return self.begun_at <= at < self.end

    @property
    def end(self) -> int:
        """When it ended, or ends by itself; far away if nobody knows."""
        return min(one for one in (self.until, self.ended_at, 2**62) if one is not None)

    @property
    def sentence(self) -> str:
        """What those say for whom it is in the way."""
        where = "the server" if self.team_id is None else f"the team {self.team!r}"
        begun = f"{moments.to_datetime(self.begun_at):%Y-%m-%d %H:%M:%S} UTC"
        return f"{_WORD} of {where} since {begun}" + (f": {self.reason}" if self.reason else "")


def said(reason: str) -> bool:
    """Whether a reason is one of maintenance."""
    return reason.startswith(f"{_WORD} of ")


def present(session: Session, now: int, tenant: int = 1) -> tuple[Period, ...]:
    """All that is on at this moment."""
    known = session.recall(_OPEN, tenant, functools.partial(_open_periods, session, tenant))
    return tuple(period for period in known if period.on(now))


def of_server(session: Session, now: int, tenant: int = 1) -> Period | None:
    """The maintenance of the whole server that is on; None for none."""
    return next((one for one in present(session, now, tenant) if one.team_id is None), None)


def of_agent(session: Session, agent_id: int, now: int, tenant: int = 1) -> Period | None:
    """The maintenance that keeps runs from an agent, the server's or a team's; None for none."""
    return _of_agent(session, present(session, now, tenant), agent_id, tenant)


def of_agent_at(session: Session, agent_id: int, at: int, tenant: int = 1) -> Period | None:
    """The same at any moment, also of what has ended since; by the teams of today."""
    return _of_agent(session, _at(session, at, tenant), agent_id, tenant)


def of_server_at(session: Session, at: int, tenant: int = 1) -> Period | None:
    """The maintenance of the whole server at any moment, also of what has ended since."""
    return next((one for one in _at(session, at, tenant) if one.team_id is None), None)


def _at(session: Session, at: int, tenant: int) -> tuple[Period, ...]:
    query = _named().where(_MAINTENANCE.tenant_id == tenant, _MAINTENANCE.begun_at <= at)
    begun = map(_period, session.rows(query.order_by(_MAINTENANCE.id)))
    return tuple(period for period in begun if period.on(at))


def _of_agent(
    session: Session, found: tuple[Period, ...], agent_id: int, tenant: int
) -> Period | None:
    if not found:
        return None
    if (of_all := next((one for one in found if one.team_id is None), None)) is not None:
        return of_all
    agent = roster.by_ids(session, {agent_id})[agent_id]
    own = teams.composition(session, tenant).teams_of(agent)
    return next((one for one in found if one.team_id in own), None)


def between(session: Session, first: int, last: int, tenant: int = 1) -> list[Period]:
    """The maintenance of the whole server that was on at any moment between two."""
    query = _named().where(
        _MAINTENANCE.tenant_id == tenant,
        _MAINTENANCE.team_id.is_null(),
        _MAINTENANCE.begun_at <= last,
        (_MAINTENANCE.ended_at.is_null()) | (_MAINTENANCE.ended_at > first),
    )
    found = map(_period, session.rows(query.order_by(_MAINTENANCE.id)))
    return [period for period in found if period.end > first]


def look_again(period: Period, now: int) -> int:
    """When something that the maintenance holds up is looked at again, unless it is woken."""
    return min(period.end, now + _LOOK_AGAIN)


def hold_up(session: WritingSession, job: JobRow, period: Period, now: int) -> None:
    """Have a locked job, which is due, wait for the end of the maintenance."""
    job.wake_at = look_again(period, now)
    if job.status is JobStatus.SCHEDULED:
        job.reason = period.sentence
    rows.write_job(session, job)


def tell_waiting(session: WritingSession, agent_id: int, period: Period) -> None:
    """Have runs that wait for an agent, and their jobs, say what they wait for."""
    query = _RUN.select(_RUN.id, _RUN.job_id).where(
        _RUN.agent_id == agent_id, _RUN.status == JobStatus.SCHEDULED, _RUN.reason == ""
    )
    for held in rows.lock_runs(session, session.rows(query.order_by(_RUN.id).limit(_PORTION))):
        if held.run.status is not JobStatus.SCHEDULED:
            continue
        held.run.reason = period.sentence
        rows.write_run(session, held.run)
        if held.job.status is JobStatus.SCHEDULED and not held.job.reason:
            held.job.reason = period.sentence
            rows.write_job(session, held.job)


class Maintenances:
    """Begins and ends maintenance; each change is audited.

    ``wake_agents`` has all agents ask for runs, ``wake_clock`` the clock look at jobs by a moment.
    """

    def __init__(
        self,
        store: Store,
        wake_agents: Callable[[], None],
        wake_clock: Callable[[int], None],
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._wake_agents = wake_agents
        self._wake_clock = wake_clock
        self._now = now

    def begin(
        self, team: str | None, until: int | None, reason: str, caller: Caller, tenant: int = 1
    ) -> Period:
        """Begin one, of a team (GUID or name) or of the server.

        Raises MaintenanceRefused, TeamNotFound, TeamAmbiguous, CommentRefused.
        """
        audit.check_comment(caller.comment)
        if len(reason) > _LONGEST_REASON or not reason.isprintable():
            raise MaintenanceRefused(f"Reason: is one line of at most {_LONGEST_REASON} characters")

        def work(session: Session) -> Period:
            changes.one_at_a_time(session, tenant)
            now = self._now()
            if until is not None and until <= now:
                raise MaintenanceRefused("Until: is not after the present moment")
            team_id = None if team is None else teams.find(session, team, tenant).id
            for one in _open_periods(session, tenant):
                if one.team_id == team_id and one.on(now):
                    raise MaintenanceRefused(f"there is {one.sentence}; end it first")
            made = session.execute(
                _MAINTENANCE.insert(
                    tenant_id=tenant,
                    team_id=team_id,
                    reason=reason,
                    begun_at=now,
                    begun_by=caller.name or caller.surface,
                    until=until,
                )
            )
            period = _find(session, made)
            _record(session, caller, now, "begin", period, tenant)
            return period

        return self._store.unit_of_work(work)

    def end(self, team: str | None, caller: Caller, tenant: int = 1) -> Period:
        """End the one of a team (GUID or name) or of the server; all that waited is woken.

        Raises MaintenanceRefused, TeamNotFound, TeamAmbiguous, CommentRefused.
        """
        audit.check_comment(caller.comment)

        def work(session: Session) -> Period:
            changes.one_at_a_time(session, tenant)
            now = self._now()
            team_id = None if team is None else teams.find(session, team, tenant).id
            found = [one for one in _open_periods(session, tenant) if one.team_id == team_id]
            on = [one for one in found if one.on(now)]
            if not on:
                where = "the server" if team is None else f"the team {team!r}"
                raise MaintenanceRefused(f"there is no maintenance of {where}")
            _close(session, on[0], now, caller.name or caller.surface)
            period = _find(session, on[0].id)
            _record(session, caller, now, "end", period, tenant)
            return period

        ended = self._store.unit_of_work(work)
        self._wake(self._now())
        return ended

    def listed(self, tenant: int = 1, most: int = 100) -> list[Period]:
        """The last ones, the newest first."""
        query = _named().where(_MAINTENANCE.tenant_id == tenant)
        with self._store.reading() as session:
            found = session.rows(query.order_by(_MAINTENANCE.id.desc()).limit(most))
        return [_period(row) for row in found]

    def expire(self) -> None:
        """Take note of those that have ended by themselves. Housekeeping."""
        now = self._now()
        with self._store.reading() as session:
            query = _named().where(_MAINTENANCE.ended_at.is_null(), _MAINTENANCE.until <= now)
            over = [_period(row) for row in session.rows(query)]
        if not over:
            return
        for period in over:
            self._store.unit_of_work(functools.partial(_over, period=period, now=now))
            log.info("%s has ended", period.sentence)
        self._wake(now)

    def _wake(self, now: int) -> None:
        """Wake all that maintenance has held up, in portions. Done again it does no harm."""
        self._each(_scheduled_jobs(now), lambda db, found: _wake_jobs(db, found, now))
        self._each(_waiting_parts(), lambda db, found: _wake_jobs(db, found, now))
        self._each(_told_runs(), _clear)
        self._wake_clock(now)
        self._wake_agents()

    def _each(self, query: Any, work: Callable[[WritingSession, list[Row]], None]) -> None:
        """Do the work for the rows of a query, which have an ascending ``id``."""
        last = 0
        while True:
            with self._store.reading() as session:
                found = session.rows(query(last).limit(_PORTION))
            if not found:
                return
            last = found[-1]["id"]
            self._store.unit_of_work(functools.partial(_done, work, found))


def _scheduled_jobs(now: int) -> Callable[[int], Any]:
    """Jobs whose schedules have a due time that is over."""
    return lambda last: (
        _JOB.select(_JOB.id)
        .join(_SCHEDULE, on=(_SCHEDULE.job_id == _JOB.id))
        .where(_JOB.id > last, _SCHEDULE.enabled, _SCHEDULE.next_due_at <= now)
        .order_by(_JOB.id)
    )


def _waiting_parts() -> Callable[[int], Any]:
    """Jobs of run books that were not begun."""
    return lambda last: (
        _JOB.select(_JOB.id)
        .where(
            _JOB.id > last,
            _JOB.status == JobStatus.SCHEDULED,
            _JOB.wake_at.is_null(False),
            _JOB.due_at.is_null(),
            _JOB.reason.startswith(f"{_WORD} of "),
        )
        .order_by(_JOB.id)
    )


def _told_runs() -> Callable[[int], Any]:
    """Runs that say that they wait for the end of a maintenance."""
    return lambda last: (
        _RUN.select(_RUN.id, _RUN.job_id)
        .where(
            _RUN.id > last,
            _RUN.status == JobStatus.SCHEDULED,
            _RUN.reason.startswith(f"{_WORD} of "),
        )
        .order_by(_RUN.id)
    )


def _done(
    work: Callable[[WritingSession, list[Row]], None], found: list[Row], session: WritingSession
) -> None:
    work(session, found)


def _wake_jobs(session: WritingSession, found: Iterable[Row], now: int) -> None:
    for job in rows.lock_jobs(session, [row["id"] for row in found]).values():
        if job.status is JobStatus.SCHEDULED and job.wake_at is not None:
            job.wake_at = min(job.wake_at, now)
            rows.write_job(session, job)


def _clear(session: WritingSession, found: Iterable[Row]) -> None:
    for held in rows.lock_runs(session, found):
        if held.run.status is JobStatus.SCHEDULED and said(held.run.reason):
            held.run.reason = ""
            rows.write_run(session, held.run)
        if held.job.status is JobStatus.SCHEDULED and said(held.job.reason):
            held.job.reason = ""
            rows.write_job(session, held.job)


def _named() -> Any:
    team = models.Team
    return _MAINTENANCE.select(_MAINTENANCE, team.name.alias("team")).join(
        team, peewee.JOIN.LEFT_OUTER, on=(team.id == _MAINTENANCE.team_id)
    )


# Each claim of an agent asks.
_OPEN_PERIODS = statements.Statement(
    lambda: (
        _named()
        .where(
            _MAINTENANCE.tenant_id == named(_MAINTENANCE.tenant_id),
            _MAINTENANCE.ended_at.is_null(),
        )
        .order_by(_MAINTENANCE.id)
    )
)


def _open_periods(session: Session, tenant: int) -> tuple[Period, ...]:
    return tuple(map(_period, session.select(_OPEN_PERIODS, {"tenant_id": tenant})))


def _find(session: Session, period_id: int) -> Period:
    (row,) = session.rows(_named().where(_MAINTENANCE.id == period_id))
    return _period(row)


def _close(session: Session, period: Period, at: int, by: str) -> None:
    query = _MAINTENANCE.update(ended_at=at, ended_by=by)
    session.execute(query.where(_MAINTENANCE.id == period.id, _MAINTENANCE.ended_at.is_null()))


def _over(session: Session, period: Period, now: int) -> None:
    _close(session, period, period.until or now, _CLOCK)


def _period(row: Row) -> Period:
    return Period(
        id=row["id"],
        team_id=row["team_id"],
        team=row["team"],
        reason=row["reason"],
        begun_at=row["begun_at"],
        begun_by=row["begun_by"],
        until=row["until"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
    )


def _record(
    session: Session, caller: Caller, now: int, action: str, period: Period, tenant: int
) -> None:
    about = {"team": period.team, "reason": period.reason, "until": period.until}
    before, after = (about, None) if action == "end" else (None, about)
    name = period.team or "server"
    audit.record(
        session, caller, now, action, "maintenance", None, name, before, after, tenant=tenant
    )
