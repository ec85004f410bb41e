"""By which token an agent is known, how it gets another one, and how it loses it."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.fleet import events
from gateway.identity import tokens
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.principals import CredentialKind, PrincipalKind
from storage import models
from storage.database import Store
from storage.session import Session, WritingSession

_CREDENTIAL = models.Credential
_PRINCIPAL = models.Principal
_AGENT = models.Agent

# How a token stands among those of its agent.
PRESENT, NEXT = "present", "next"

_REMEMBERED = 20_000


@dataclass(frozen=True)
class KnownAgent:
    """The agent that a token belongs to."""

    id: int
    guid: uuid.UUID
    name: str
    principal_id: int


@dataclass(frozen=True)
class _Found:
    agent: KnownAgent
    credential: int
    label: str


class AgentCredentials:
    """Verifies and issues the tokens of agents. What was right is remembered for one epoch."""

    def __init__(
        self, store: Store, epoch: SecurityEpoch, now: Callable[[], int] = moments.now
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, KnownAgent] = {}
        self._known_in = -1

    def authenticate(self, token: str) -> KnownAgent | None:
        """Whose token it is; None for one that is wrong, over or revoked.

        The first use of a new token ends the one before. Raises StoreUnavailable.
        """
        epoch = self._epoch.current()
        key = tokens.verifier(token)
        with self._lock:
            remembered = self._known.get(key) if self._known_in == epoch else None
        if remembered is not None:
            return remembered
        guid = tokens.guid_of(token)
        if guid is None:
            return None
        with self._store.reading() as session:
            found = _find(session, guid, token)
        if found is None:
            return None
        if found.label == NEXT:
            self._store.unit_of_work(lambda session: self._take_over(session, found))
            return found.agent
        self._remember(key, epoch, found.agent)
        return found.agent

    def rotate(self, agent: KnownAgent) -> str:
        """A new token for the agent; the present one ends when this is first used."""
        guid = moments.new_guid()
        token = tokens.new(guid)

        def work(session: WritingSession) -> None:
            self._epoch.advance(session)
            # One that was never used, since its answer was lost, counts no more.
            self._end(session, agent.principal_id, NEXT)
            insert(session, agent.principal_id, guid, token, NEXT, self._now())
            events.record(session, agent.id, self._now(), events.ROTATED)

        self._store.unit_of_work(work)
        return token

    def revoke(self, session: WritingSession, principal_id: int) -> None:
        """End all tokens of an agent; the unit of work has begun a new epoch."""
        self._end(session, principal_id, PRESENT)
        self._end(session, principal_id, NEXT)

    def _take_over(self, session: WritingSession, found: _Found) -> None:
        self._epoch.advance(session)
        self._end(session, found.agent.principal_id, PRESENT)
        session.execute(
            _CREDENTIAL.update(label=PRESENT).where(
                _CREDENTIAL.id == found.credential, _CREDENTIAL.revoked_at.is_null()
            )
        )

    def _end(self, session: WritingSession, principal_id: int, label: str) -> None:
        session.execute(
            _CREDENTIAL.update(revoked_at=self._now()).where(
                _CREDENTIAL.principal_id == principal_id,
                _CREDENTIAL.kind == CredentialKind.TOKEN,
                _CREDENTIAL.label == label,
                _CREDENTIAL.revoked_at.is_null(),
            )
        )

    def _remember(self, key: str, epoch: int, agent: KnownAgent) -> None:
        with self._lock:
            if epoch > self._known_in or len(self._known) >= _REMEMBERED:
                self._known.clear()
                self._known_in = max(epoch, self._known_in)
            if epoch == self._known_in:
                self._known[key] = agent


def insert(
    session: WritingSession, principal_id: int, guid: uuid.UUID, token: str, label: str, now: int
) -> None:
    """Store a new token of a principal."""
    session.execute(
        _CREDENTIAL.insert(
            guid=guid,
            principal_id=principal_id,
            kind=CredentialKind.TOKEN,
            verifier=tokens.verifier(token),
            secret_id=None,
            label=label,
            created_at=now,
        )
    )


def _find(session: Session, guid: uuid.UUID, token: str) -> _Found | None:
    query = (
        _CREDENTIAL.select(
            _CREDENTIAL.id.alias("credential"),
            _CREDENTIAL.verifier,
            _CREDENTIAL.label,
            _AGENT.id,
            _AGENT.guid,
            _AGENT.name,
            _AGENT.principal_id,
        )
        .join(_PRINCIPAL, on=(_PRINCIPAL.id == _CREDENTIAL.principal_id))
        .join(_AGENT, on=(_AGENT.principal_id == _PRINCIPAL.id))
        .where(
            _CREDENTIAL.guid == guid,
            _CREDENTIAL.kind == CredentialKind.TOKEN,
            _CREDENTIAL.revoked_at.is_null(),
            _PRINCIPAL.kind == PrincipalKind.AGENT,
            _PRINCIPAL.deleted_at.is_null(),
            ~_PRINCIPAL.disabled,
            _AGENT.deleted_at.is_null(),
        )
    )
    row = session.first(query)
    if row is None or not tokens.matches(row["verifier"], token):
        return None
    return _Found(_known(row), row["credential"], row["label"])


def _known(row: Mapping[str, Any]) -> KnownAgent:
    return KnownAgent(row["id"], row["guid"], row["name"], row["principal_id"])
