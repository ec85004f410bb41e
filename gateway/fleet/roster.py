"""The agents that this installation knows."""

import functools
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from gateway import names
from storage import models, statements
from storage.remembered import Remembered
from storage.selections import Selection
from storage.session import Row, Session
from storage.statements import named

_AGENT = models.Agent
# Every order looks its agents up.
_FOUND = Remembered(_AGENT)


_LIVING = (_AGENT.tenant_id == named(_AGENT.tenant_id)) & _AGENT.deleted_at.is_null()
_BY_GUID = statements.Statement(
    lambda: _AGENT.select().where(_LIVING, _AGENT.guid == named(_AGENT.guid))
)
_ALL = statements.Statement(
    lambda: _AGENT.select().where(_LIVING).order_by(_AGENT.name_key, _AGENT.id)
)
_BY_NAME = statements.Statement(
    lambda: _AGENT.select().where(_LIVING, _AGENT.name_key == named(_AGENT.name_key))
)


_LIVING_BY_IDS = Selection(_AGENT.id, lambda: _AGENT.select().where(_AGENT.deleted_at.is_null()))


class AgentNotFound(LookupError):
    """No agent has this GUID or name."""

    @classmethod
    def of(cls, reference: str) -> Self:
        """In these words for one that somebody may not read, too."""
        return cls(f"there is no agent with the GUID or name {reference.strip()!r}")


class AgentAmbiguous(LookupError):
    """Several agents have this name."""

    @classmethod
    def of(cls, reference: str, count: int) -> Self:
        """Of so many agents."""
        return cls(f"{count} agents are called {reference.strip()!r}: name one by its GUID")


@dataclass(frozen=True)
class Agent:
    """An agent as others see it; times in epoch microseconds."""

    id: int
    guid: uuid.UUID
    name: str
    embedded: bool
    enabled: bool
    max_runs: int
    session: uuid.UUID | None
    boot_id: str
    last_contact_at: int | None
    primary_team_id: int | None
    last_console_user: str
    facts: dict[str, Any]
    run_limit: int | None = None
    instance: str = ""

    @classmethod
    def of(cls, row: Row) -> Self:
        """The agent of a row of the table."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def online(self, now: int, silence: int) -> bool:
        """Whether it was heard of within ``silence`` microseconds."""
        return self.last_contact_at is not None and now - self.last_contact_at <= silence


def agents(session: Session, tenant: int = 1) -> list[Agent]:
    """All agents, by name."""
    return [Agent.of(row) for row in session.select(_ALL, {"tenant_id": tenant})]


def find(session: Session, reference: str, tenant: int = 1) -> Agent:
    """The agent with this GUID (braces and case do not matter) or name.

    Raises AgentNotFound, AgentAmbiguous.
    """
    read = functools.partial(_find, session, reference, tenant)
    return session.recall(_FOUND, (reference, tenant), read)


def _find(session: Session, reference: str, tenant: int) -> Agent:
    guid = as_guid(reference)
    by_guid = [] if guid is None else session.select(_BY_GUID, {"tenant_id": tenant, "guid": guid})
    key = {"tenant_id": tenant, "name_key": names.key(reference)}
    found = by_guid or session.select(_BY_NAME, key)
    if not found:
        raise AgentNotFound.of(reference)
    if len(found) > 1:
        raise AgentAmbiguous.of(reference, len(found))
    return Agent.of(found[0])


def by_ids(session: Session, ids: set[int]) -> dict[int, Agent]:
    """Agents by their ids, those that were removed included: for what stands in the history."""
    if not ids:
        return {}
    query = _AGENT.select().where(_AGENT.id.in_(sorted(ids)))
    return {row["id"]: Agent.of(row) for row in session.rows(query)}


def living(session: Session, ids: Iterable[int]) -> list[Agent]:
    """Those of these agents that were not removed, by name."""
    found = _LIVING_BY_IDS.rows(session, sorted(set(ids)))
    ordered = sorted(found, key=lambda row: (row["name_key"], row["id"]))
    return [Agent.of(row) for row in ordered]


def as_guid(text: str) -> uuid.UUID | None:
    """The GUID that a text is, with or without braces, in any case; None for another text."""
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def facts_as_json(facts: object) -> dict[str, Any]:
    """What an agent said of itself, as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=list))
    return plain
