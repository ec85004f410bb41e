"""Messages on their way: written in the unit of work of what they tell of.

So nothing is told of what was rolled back, and nothing that happened goes untold.
"""

import enum
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.catalog.catalog import DefinitionKind
from gateway.fleet import roster, teams
from gateway.jobs.orders import Origin
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from gateway.notifications.rules import Event, Interest, Rule, Scope, listed
from storage import models
from storage.session import Row, Session, WritingSession

_NOTIFICATION = models.Notification
_ATTEMPT = models.NotificationAttempt
_REQUEST = models.JobRequest

_ENDS = {
    JobStatus.COMPLETED: Event.SUCCESS,
    JobStatus.COMPLETED_WITH_ERRORS: Event.FAILURE,
    JobStatus.FAILED: Event.FAILURE,
    JobStatus.FAILED_HALTED: Event.FAILURE,
    JobStatus.TIMED_OUT: Event.FAILURE,
    JobStatus.CANCELED: Event.FAILURE,
}
_MOST_AGENTS = 100


class State(enum.IntEnum):
    """How a message stands; stored."""

    WAITING = 0
    SENT = 1
    GIVEN_UP = 2


class NotificationNotFound(LookupError):
    """There is no such message."""


def _nobody() -> None:
    """Nobody sends, or not yet."""


class Bell:
    """Rung when there is something to send; whoever sends listens."""

    def __init__(self) -> None:
        self.listener: Callable[[], None] = _nobody

    def ring(self) -> None:
        """There is something to send."""
        self.listener()


@dataclass(frozen=True)
class Attempt:
    """One try; ``took`` in microseconds."""

    at: int
    took: int
    ok: bool
    detail: str


@dataclass(frozen=True)
class Message:
    """A message; times in epoch microseconds."""

    id: int
    guid: uuid.UUID
    rule_id: int
    event: str
    content: dict[str, Any]
    state: State
    attempts: int
    next_at: int | None
    created_at: int


def moved(session: WritingSession, job: JobRow, before: JobStatus, at: int) -> None:
    """Tell who wants to know that a job has moved to where it stands."""
    if not session.kept(Interest).any:
        return
    if job.status is JobStatus.ACTIVE and before is JobStatus.SCHEDULED:
        tell(session, job, Event.START, at)
    elif (event := _ENDS.get(job.status)) is not None and not job.recurring:
        tell(session, job, event, at)


def tell(session: WritingSession, job: JobRow, event: Event, at: int, **more: str | int) -> None:
    """Write the messages of an event of a job, one for each rule that it fits."""
    if not session.kept(Interest).any:
        return
    rules = [one for one in listed(session) if one.enabled and event in one.events]
    if not rules:
        return
    request = session.first(_REQUEST.select().where(_REQUEST.job_id == job.id)) or {}
    who = _who(session, request)
    fitting = [one for one in rules if _fits(one, job, who)]
    if not fitting:
        return
    content = _content(job, event, request, who, at) | more
    for rule in fitting:
        enter(session, rule, event, content, at, job.id)


def enter(
    session: WritingSession,
    rule: Rule,
    event: str,
    content: dict[str, Any],
    at: int,
    job_id: int | None = None,
) -> uuid.UUID:
    """Write one message, to be sent at once; answers its GUID."""
    guid = moments.new_guid()
    session.execute(
        _NOTIFICATION.insert(
            guid=guid,
            rule_id=rule.id,
            event=event,
            job_id=job_id,
            content={**content, "id": str(guid), "rule": rule.name},
            state=State.WAITING,
            attempts=0,
            next_at=at,
            created_at=at,
        )
    )
    bell = session.kept(Bell)
    session.after_commit(bell.ring)
    return guid


def due(session: Session, now: int, most: int) -> list[Message]:
    """What is to be sent by now, the longest due first."""
    query = _NOTIFICATION.select().where(
        _NOTIFICATION.next_at.is_null(False), _NOTIFICATION.next_at <= now
    )
    return [
        _message(row) for row in session.rows(query.order_by(_NOTIFICATION.next_at).limit(most))
    ]


def earliest(session: Session) -> int | None:
    """When something is to be sent next."""
    query = _NOTIFICATION.select(_NOTIFICATION.next_at).where(_NOTIFICATION.next_at.is_null(False))
    found: int | None = session.scalar(query.order_by(_NOTIFICATION.next_at).limit(1))
    return found


def take(session: WritingSession, message: Message, until: int) -> bool:
    """Keep others from sending a message for a while; False when another is faster."""
    query = _NOTIFICATION.update(next_at=until).where(
        _NOTIFICATION.id == message.id, _NOTIFICATION.next_at == message.next_at
    )
    return bool(session.execute(query))


def settle(
    session: WritingSession,
    message: Message,
    attempt: Attempt,
    state: State,
    next_at: int | None,
) -> None:
    """Keep what came of an attempt, and when the next one comes."""
    session.execute(
        _ATTEMPT.insert(
            notification_id=message.id,
            at=attempt.at,
            took=attempt.took,
            ok=attempt.ok,
            detail=attempt.detail[:1000],
        )
    )
    finished = None if state is State.WAITING else attempt.at + attempt.took
    session.execute(
        _NOTIFICATION.update(
            state=state, attempts=message.attempts + 1, next_at=next_at, finished_at=finished
        ).where(_NOTIFICATION.id == message.id)
    )


def latest(session: Session, most: int, *, failed: bool = False) -> list[Message]:
    """The last messages, the newest first; only those that were given up, if so wanted."""
    query = _NOTIFICATION.select().order_by(_NOTIFICATION.id.desc()).limit(most)
    if failed:
        query = query.where(_NOTIFICATION.state == State.GIVEN_UP)
    return [_message(row) for row in session.rows(query)]


def attempts(session: Session, message_id: int) -> list[Attempt]:
    """All tries of a message, in their order."""
    query = _ATTEMPT.select().where(_ATTEMPT.notification_id == message_id).order_by(_ATTEMPT.id)
    return [
        Attempt(row["at"], row["took"], bool(row["ok"]), row["detail"])
        for row in session.rows(query)
    ]


def again(session: WritingSession, guid: uuid.UUID, now: int) -> None:
    """Try a message once more that was given up. Raises NotificationNotFound."""
    query = _NOTIFICATION.update(state=State.WAITING, next_at=now, finished_at=None).where(
        _NOTIFICATION.guid == guid, _NOTIFICATION.state == State.GIVEN_UP
    )
    if not session.execute(query):
        raise NotificationNotFound(f"no message {guid} was given up")
    bell = session.kept(Bell)
    session.after_commit(bell.ring)


def sweep(session: WritingSession, before: int, most: int) -> int:
    """Forget messages that ended before a moment; how many, at most so many."""
    query = _NOTIFICATION.select(_NOTIFICATION.id).where(
        _NOTIFICATION.state != State.WAITING, _NOTIFICATION.finished_at < before
    )
    ids = [row["id"] for row in session.rows(query.limit(most))]
    if ids:
        session.execute(_ATTEMPT.delete().where(_ATTEMPT.notification_id.in_(ids)))
        session.execute(_NOTIFICATION.delete().where(_NOTIFICATION.id.in_(ids)))
    return len(ids)


@dataclass(frozen=True)
class _Who:
    """The agents that a job names, or that its teams have, and all teams concerned."""

    agents: tuple[str, ...]
    teams: frozenset[int]


def _who(session: Session, request: Row) -> _Who:
    listed_who: Iterable[dict[str, Any]] = request.get("who") or ()
    agents = {one["agent"] for one in listed_who if one.get("agent")}
    named = {one["team"] for one in listed_who if one.get("team")}
    composed = teams.composition(session)
    found = {one.id: one for one in roster.living(session, agents)}
    found |= {one.id: one for one in teams.agents_of(session, named)}
    above = composed.above(named) | named
    for one in found.values():
        above |= composed.teams_of(one)
    shown = tuple(sorted(one.name for one in found.values()))
    return _Who(shown[:_MOST_AGENTS], frozenset(above))


def _fits(rule: Rule, job: JobRow, who: _Who) -> bool:
    if rule.scope is Scope.DEFINITION:
        return job.definition_id == rule.scope_id
    if rule.scope is Scope.TEAM:
        return rule.scope_id in who.teams
    # Of a run book all is told by the run book itself.
    return job.origin is not Origin.RUN_BOOK


def _content(job: JobRow, event: Event, request: Row, who: _Who, at: int) -> dict[str, Any]:
    what = (request.get("what") or [{}])[0]
    kind = what.get("kind")
    return {
        "event": str(event),
        "at": _iso(at),
        "job": {
            "guid": str(job.guid),
            "id": job.id,
            "description": request.get("description", ""),
            "status": job.status.name,
            "reason": job.reason,
            "origin": job.origin.name.lower(),
            "priority": job.priority,
            "due": _iso(job.due_at),
            "created": _iso(job.created_at),
            "started": _iso(job.started_at),
            "finished": _iso(job.finished_at),
        },
        "definition": {
            "guid": None if what.get("guid") is None else str(what["guid"]),
            "name": what.get("name", ""),
            "kind": None if kind is None else DefinitionKind(kind).word,
        },
        "agents": list(who.agents),
    }


def _iso(moment: int | None) -> str | None:
    return None if moment is None else moments.to_datetime(moment).isoformat()


def _message(row: Row) -> Message:
    return Message(
        row["id"],
        row["guid"],
        row["rule_id"],
        row["event"],
        row["content"],
        State(row["state"]),
        row["attempts"],
        row["next_at"],
        row["created_at"],
    )
