"""Why a schedule made a job at a moment, or made none."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import moments
from gateway.jobs import dues, recurrence, schedules
from gateway.jobs.dues import Due
from gateway.jobs.explanations import history, jobs
from gateway.jobs.explanations.conditions import (
    Condition,
    ScheduleExplanation,
    judged,
    no,
    told,
    unknown,
    unmet,
    yes,
)
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.orders import MissedRuns, Recurrence, RecurrenceKind
from gateway.jobs.rows import JobRow
from gateway.jobs.schedules import Outcome, StoredSchedule
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Row, Session

_JOB = models.Job
_FIRING = models.ScheduleFiring
_RUN = models.HousekeepingRun
_FOLLOWING = 5
_DAY = 24 * 3600 * moments.SECOND
_MADE_UP_FOR = {
    MissedRuns.ALL: "all due times of a downtime are made up for",
    MissedRuns.LAST: "of the due times of a downtime the last is made up for",
    MissedRuns.NONE: "no due time of a downtime is made up for",
}
_RULES = {
    RecurrenceKind.INTERVAL: "every {} s",
    RecurrenceKind.CRON: "cron {}",
    RecurrenceKind.CALENDAR: "RRULE {}",
    RecurrenceKind.EVERY_BOOT: "at every start of a machine",
}
_OF_WALL_CLOCKS = frozenset({RecurrenceKind.CRON, RecurrenceKind.CALENDAR})


@dataclass(frozen=True)
class _Scene:
    """``due`` is the due time that is looked at; ``exact`` says that it is the moment itself."""

    session: Session
    job: JobRow
    guid: str
    stored: StoredSchedule
    calendar: str | None
    at: int
    now: int
    grace: int
    due: int | None
    exact: bool
    firing: Row | None

    @property
    def rule(self) -> Recurrence:
        """The schedule's rule."""
        return self.stored.recurrence


def explain(
    session: Session, job: JobRow, windows: WindowPolicy, grace: int, at: int, now: int
) -> ScheduleExplanation:
    """The schedule of a recurring job at a moment; ``grace`` is that of the settings.

    A moment that is no due time is explained by the last due time before it.
    """
    stored = schedules.of_job(session, job)
    (row,) = session.rows(models.Schedule.select().where(models.Schedule.id == stored.id))
    firing, exact = _firing(session, stored, at)
    due = _due_time(stored, firing, exact, at)
    scene = _Scene(
        session,
        job,
        str(row["guid"]),
        stored,
        _calendar(session, row["calendar_id"]),
        at,
        now,
        grace,
        due,
        exact,
        firing,
    )
    found = tuple(_conditions(scene))
    made = _made(session, firing)
    return ScheduleExplanation(
        schedule=row["guid"],
        job=job.guid,
        rule=_words(stored.recurrence),
        at=at,
        due_at=due,
        summary=_summary(scene, found),
        conditions=found,
        following=tuple(map(_shown, _next_dues(scene))),
        made=None if made is None else jobs.explain(session, made, windows, max(at, now), now),
    )


def _words(rule: Recurrence) -> str:
    text = _RULES.get(rule.kind, "{}").format(rule.rule)
    return f"{text} in {rule.zone}" if rule.kind in _OF_WALL_CLOCKS else text


def _firing(session: Session, stored: StoredSchedule, at: int) -> tuple[Row | None, bool]:
    """What is recorded of the last due time up to a moment, and whether that is it."""
    second = at // moments.SECOND * moments.SECOND
    query = _FIRING.select().where(
        _FIRING.schedule_id == stored.id, _FIRING.due_at < second + moments.SECOND
    )
    found = session.first(query.order_by(_FIRING.due_at.desc()))
    if found is not None and found["due_at"] >= second:
        return found, True
    if _within(stored, second) is not None:
        return None, True
    return found, False


def _within(stored: StoredSchedule, second: int) -> Due | None:
    """The due time within a second."""
    due = dues.following(stored.recurrence, stored.days, second - 1)
    return due if due is not None and due.at < second + moments.SECOND else None


def _due_time(stored: StoredSchedule, firing: Row | None, exact: bool, at: int) -> int | None:
    if firing is not None:
        found: int = firing["due_at"]
        return found
    due = _within(stored, at // moments.SECOND * moments.SECOND) if exact else None
    return None if due is None else due.at


def _calendar(session: Session, calendar_id: int | None) -> str | None:
    if calendar_id is None:
        return None
    table = models.Calendar
    found: str | None = session.scalar(table.select(table.name).where(table.id == calendar_id))
    return found


def _next_dues(scene: _Scene) -> list[Due]:
    past = history.until(scene.session, scene.job.id, scene.now)
    if past.status is not JobStatus.SCHEDULED:
        return []
    return dues.forecast(scene.rule, scene.stored.days, scene.at, _FOLLOWING)


def _shown(due: Due) -> str:
    return told(due.at) if due.closed is None else f"{told(due.at)}, does not run: {due.closed}"


def _conditions(scene: _Scene) -> Iterator[Condition]:
    yield _there(scene)
    yield _due(scene)
    yield from _clock_change(scene)
    yield _enabled(scene)
    yield from _bounds(scene)
    yield from _closed(scene)
    yield _maintained(scene)
    yield from _recorded(scene)
    yield _policy(scene)


def _there(scene: _Scene) -> Condition:
    made = scene.job.created_at
    return judged("schedule there", made <= scene.at, f"it was made at {told(made)}", made)


def _due(scene: _Scene) -> Condition:
    rule = _words(scene.rule)
    if scene.rule.kind is RecurrenceKind.EVERY_BOOT:
        if scene.firing is None:
            return no("due time", "no machine of its agents had been started since it was made")
        return yes("due time", scene.firing["reason"], scene.firing["due_at"])
    if scene.exact:
        return yes("due time", f"{told(scene.due or scene.at)} is one of {rule}")
    following = dues.following(scene.rule, scene.stored.days, scene.at)
    then = "there is none after it" if following is None else f"the next is {told(following.at)}"
    before = "none was recorded before" if scene.due is None else f"the last was {told(scene.due)}"
    return no("due time", f"{told(scene.at)} is none of {rule}: {before}, {then}")


def _clock_change(scene: _Scene) -> Iterator[Condition]:
    """A day on which the clocks of its zone change."""
    if scene.rule.kind not in _OF_WALL_CLOCKS:
        return
    zone = recurrence.zone(scene.rule.zone)
    around = [moments.to_datetime(scene.at + step).astimezone(zone) for step in (-_DAY, _DAY)]
    if around[0].utcoffset() != around[1].utcoffset():
        hours = _hours(around[1]) - _hours(around[0])
        fact = (
            f"the clocks of {scene.rule.zone} change by {hours:+g} h within a day of it: a time "
            "that is skipped is met right after the change, one that is repeated is met once"
        )
        yield yes("clock change", fact)


def _hours(moment: datetime.datetime) -> float:
    offset = moment.utcoffset()
    return 0.0 if offset is None else offset.total_seconds() / 3600


def _enabled(scene: _Scene) -> Condition:
    past = history.until(scene.session, scene.job.id, scene.due or scene.at)
    if past.status is None:
        return unknown("enabled", "it did not exist then")
    last = past.last
    since = None if last is None else last.at
    if past.status is JobStatus.SCHEDULED:
        return yes("enabled", "it was enabled", since)
    reason = f": {last.reason}" if last is not None and last.reason else ""
    by = "" if last is None else f" by {last.actor}"
    state = "put on hold" if past.status is JobStatus.DISABLED else "ended"
    return no("enabled", f"it was {state}{by}{reason}", since)


def _bounds(scene: _Scene) -> Iterator[Condition]:
    rule, at = scene.rule, scene.due or scene.at
    if rule.starts_at is not None:
        fact = f"it begins at {told(rule.starts_at)}"
        yield judged("begun", at >= rule.starts_at, fact)
    if rule.ends_at is not None:
        fact = f"it ends at {told(rule.ends_at)}"
        yield judged("not over", at <= rule.ends_at, fact)


def _closed(scene: _Scene) -> Iterator[Condition]:
    """What its calendar says of the due time: as recorded, else as it is today."""
    if scene.calendar is None or not scene.exact:
        return
    name = f"the calendar {scene.calendar!r}"
    if scene.firing is not None:
        closed = scene.firing["outcome"] == Outcome.CLOSED
        reason = scene.firing["reason"] if closed else "was open"
        yield judged("calendar open", not closed, f"{name}: {reason}", scene.firing["at"])
        return
    due = _within(scene.stored, scene.at // moments.SECOND * moments.SECOND)
    if due is not None:
        yield judged("calendar open", due.runs, f"{name}: {due.closed or 'is open'}")


def _maintained(scene: _Scene) -> Condition:
    at = scene.at if scene.due is None else scene.due
    return jobs.server_maintenance(scene.session, at, scene.job.tenant_id)


def _recorded(scene: _Scene) -> Iterator[Condition]:
    firing = scene.firing
    if firing is None:
        if scene.exact and scene.due is not None:
            late = scene.due <= scene.now
            fact = "nothing is recorded of it" if late else "it is still to come"
            yield no("record of the due time", fact)
        return
    reason = f": {firing['reason']}" if firing["reason"] else ""
    ran = firing["outcome"] == Outcome.RAN
    outcome = Outcome(firing["outcome"]).name.lower()
    yield judged("ran", ran, f"{outcome}{reason}", firing["at"])
    grace = scene.grace if scene.rule.grace is None else scene.rule.grace
    late = firing["at"] - firing["due_at"]
    if late > grace and firing["outcome"] in (Outcome.RAN, Outcome.MISSED):
        yield no("server there in time", _absence(scene, firing), firing["at"])


def _absence(scene: _Scene, firing: Row) -> str:
    """Why nobody looked at a due time: what the server's own records tell of that time."""
    seen = scene.session.scalar(
        _RUN.select(_RUN.id).where(
            _RUN.started_at >= firing["due_at"], _RUN.started_at < firing["at"]
        )
    )
    late = (firing["at"] - firing["due_at"]) // moments.SECOND
    why = "it was busy, or its clock jumped" if seen is not None else "it was not running"
    return f"it was looked at {late} s late, at {told(firing['at'])}: {why}"


def _policy(scene: _Scene) -> Condition:
    rule = scene.rule
    grace = (scene.grace if rule.grace is None else rule.grace) // moments.SECOND
    return yes("policy", f"up to {grace} s late is in time; {_MADE_UP_FOR[rule.missed_runs]}")


def _made(session: Session, firing: Row | None) -> JobRow | None:
    if firing is None or firing["job_id"] is None:
        return None
    row = session.first(_JOB.select().where(_JOB.id == firing["job_id"]))
    return None if row is None else JobRow.of(row)


def _summary(scene: _Scene, found: tuple[Condition, ...]) -> str:
    reasons = [one for one in unmet(found) if one.name != "due time"]
    about = "" if scene.due is None else f" of {told(scene.due)}"
    firing = scene.firing
    if firing is not None:
        outcome = Outcome(firing["outcome"])
        ran = "ran" if outcome is Outcome.RAN else f"did not run ({outcome.name.lower()})"
        why = "; ".join(one.fact for one in reasons if one.name != "ran") or firing["reason"]
        before = "" if scene.exact else f"{told(scene.at)} is no due time; the last one, "
        about = about.removeprefix(" of ")
        sentence = f"{before}{about}, {ran}" if before else f"The due time of {about} {ran}"
        return f"{sentence}: {why}." if why else f"{sentence}."
    if reasons:
        yet = " yet" if scene.due is not None and scene.due > scene.now else ""
        return f"It made no job{yet} ({reasons[0].name}): {reasons[0].fact}."
    due = next(one for one in found if one.name == "due time")
    return f"It made no job: {due.fact}."
