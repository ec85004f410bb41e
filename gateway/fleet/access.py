"""What operators do about agents that have enrolled, and the watch for silent ones."""

from collections.abc import Callable, Sequence

from gateway import moments, names
from gateway.fleet import events, roster
from gateway.fleet.credentials import AgentCredentials
from gateway.fleet.roster import Agent
from gateway.identity import audit
from gateway.identity.epoch import SecurityEpoch
from gateway.identity.principals import Caller
from gateway.jobs import rows, settlement
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.session import Session, WritingSession

_AGENT = models.Agent
_EVENT = models.AgentEvent
_RUN = models.Run

_LONGEST_NAME = 255
REVOKED = "the agent was revoked while the run was under way"


class AgentChangeRefused(ValueError):
    """An agent cannot be changed like this; the message says why."""


class AgentAccess:
    """``release`` has an agent's parked poll answered; ``offline_after`` is in microseconds."""

    def __init__(
        self,
        store: Store,
        epoch: SecurityEpoch,
        credentials: AgentCredentials,
        release: Callable[[int], None],
        offline_after: int,
        now: Callable[[], int] = moments.now,
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._credentials = credentials
        self._release = release
        self._offline_after = offline_after
        self._now = now

    def revoke(self, reference: str, caller: Caller, comment: str = "") -> tuple[Agent, int]:
        """Hear an agent no more: its tokens end, its session too, and its runs are lost.

        It stays in its teams, and can be removed at once. Answers how many runs it had. Raises
        AgentNotFound, AgentAmbiguous, AgentChangeRefused, CommentRefused.
        """
        audit.check_comment(comment)

        def work(session: WritingSession) -> tuple[Agent, int]:
            self._epoch.advance(session)
            agent, principal = _remote(session, reference)
            now = self._now()
            self._credentials.revoke(session, principal)
            # Without a session, and as if it had not been heard of for long.
            gone = _AGENT.update(session=None, last_contact_at=now - self._offline_after - 1)
            session.execute(gone.where(_AGENT.id == agent.id))
            lost = _lose_runs(session, agent.id, now)
            events.record(session, agent.id, now, events.REVOKED, comment)
            audit.record(
                session, caller, now, "revoke", "agent", agent.guid, agent.name,
                None, {"runs_lost": lost}, comment,
            )  # fmt: skip
            session.after_commit(lambda: self._release(agent.id))
            return agent, lost

        return self._store.unit_of_work(work)

    def rename(self, reference: str, name: str, caller: Caller, comment: str = "") -> Agent:
        """Give a remote agent another name; the machine keeps its own idea of it.

        Raises AgentNotFound, AgentAmbiguous, AgentChangeRefused, CommentRefused.
        """
        audit.check_comment(comment)
        wanted = name.strip()
        if not wanted or len(wanted) > _LONGEST_NAME or not wanted.isprintable():
            raise AgentChangeRefused(f"a name has 1 to {_LONGEST_NAME} printable characters")

        def work(session: WritingSession) -> Agent:
            # By its token an agent is remembered with its name.
            self._epoch.advance(session)
            agent, _ = _remote(session, reference)
            now = self._now()
            query = _AGENT.update(name=wanted, name_key=names.key(wanted))
            session.execute(query.where(_AGENT.id == agent.id))
            events.record(session, agent.id, now, events.RENAMED, f"{agent.name} -> {wanted}")
            audit.record(
                session, caller, now, "rename", "agent", agent.guid, wanted,
                {"name": agent.name}, {"name": wanted}, comment,
            )  # fmt: skip
            return roster.by_ids(session, {agent.id})[agent.id]

        return self._store.unit_of_work(work)

    def note_silence(self) -> int:
        """Leave a record of who has fallen silent and who was heard of again; answers how many."""
        now = self._now()
        with self._store.reading() as session:
            changed = _changed(session, now - self._offline_after)
        if changed:
            self._store.unit_of_work(lambda session: _record(session, changed, now))
        return len(changed)


def _remote(session: Session, reference: str) -> tuple[Agent, int]:
    agent = roster.find(session, reference)
    principal = session.scalar(_AGENT.select(_AGENT.principal_id).where(_AGENT.id == agent.id))
    if agent.embedded or principal is None:
        raise AgentChangeRefused(
            f"{agent.name!r} is the server's own agent: the settings switch it off and name it"
        )
    return agent, principal


def _lose_runs(session: WritingSession, agent_id: int, now: int) -> int:
    query = _RUN.select(_RUN.id, _RUN.job_id).where(
        _RUN.agent_id == agent_id, _RUN.status.in_([JobStatus.ACTIVE, JobStatus.ABORTING])
    )
    held = rows.lock_runs(session, session.rows(query))
    for one in held:
        if one.run.status in (JobStatus.ACTIVE, JobStatus.ABORTING):
            settlement.lose_run(session, one.job, one.run, now, REVOKED)
    return len(held)


def _changed(session: Session, limit: int) -> list[tuple[int, str]]:
    """The agents of which the last record says otherwise than is so now."""
    newest = _EVENT.select(_EVENT.kind).where(_EVENT.agent_id == _AGENT.id)
    newest = newest.order_by(_EVENT.id.desc()).limit(1)
    query = _AGENT.select(_AGENT.id, _AGENT.last_contact_at, newest.alias("kind")).where(
        _AGENT.deleted_at.is_null(), _AGENT.session.is_null(False)
    )
    found = []
    for row in session.rows(query):
        silent = (row["last_contact_at"] or 0) < limit
        recorded = row["kind"] == events.SILENT
        if silent is not recorded:
            found.append((row["id"], events.SILENT if silent else events.HEARD))
    return found


def _record(session: WritingSession, changed: Sequence[tuple[int, str]], now: int) -> None:
    for agent, kind in changed:
        events.record(session, agent, now, kind)
