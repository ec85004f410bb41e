"""What became of agents when: the record that explains later why an agent did or did nothing."""

from dataclasses import dataclass
from typing import Any

from storage import models
from storage.session import Session

_EVENT = models.AgentEvent

ENROLLED = "enrolled"
CAME = "came"
SECOND = "second refused"
SILENT = "fell silent"
HEARD = "was heard of again"
REVOKED = "was revoked"
REMOVED = "was removed"
LATE = "late reports refused"
RENAMED = "was renamed"
ROTATED = "has a new token"


@dataclass(frozen=True)
class AgentEvent:
    """One of them; ``at`` in epoch microseconds."""

    at: int
    kind: str
    detail: str


def record(session: Session, agent_id: int, at: int, kind: str, detail: str = "") -> None:
    """Leave a record, in the unit of work that makes it true."""
    session.execute(_EVENT.insert(agent_id=agent_id, at=at, kind=kind, detail=detail))


def sweep(session: Session, before: int, most: int) -> int:
    """Forget what was before a moment, at most so many; how many.

    They are numbered as they come, so only the first need be looked at.
    """
    first = session.rows(_EVENT.select(_EVENT.id, _EVENT.at).order_by(_EVENT.id).limit(most))
    old = [row["id"] for row in first if row["at"] < before]
    if old:
        session.execute(_EVENT.delete().where(_EVENT.id.in_(old)))
    return len(old)


def of_agent(session: Session, agent_id: int, most: int = 20) -> list[AgentEvent]:
    """The last events of an agent, the newest first."""
    query = _EVENT.select().where(_EVENT.agent_id == agent_id).order_by(_EVENT.id.desc())
    return [_event(row) for row in session.rows(query.limit(most))]


def _event(row: dict[str, Any]) -> AgentEvent:
    return AgentEvent(row["at"], row["kind"], row["detail"])
