"""How many runs operators allow an agent, or the agents of a team together."""

from collections.abc import Callable
from typing import TypeVar

import peewee

from gateway import moments
from gateway.catalog import changes
from gateway.fleet import roster, teams
from gateway.identity import audit
from gateway.identity.principals import Caller
from gateway.jobs.signals import Signals
from storage import models
from storage.database import Store
from storage.session import WritingSession

MOST = 100_000

F = TypeVar("F", roster.Agent, teams.Team)


class LimitRefused(ValueError):
    """No such limit can be set; the message says why."""


class RunLimits:
    """Sets limits; each change is audited. None is no limit."""

    def __init__(
        self, store: Store, signals: Signals, now: Callable[[], int] = moments.now
    ) -> None:
        self._store = store
        self._signals = signals
        self._now = now

    def of_agent(
        self, agent: str, limit: int | None, caller: Caller, comment: str = ""
    ) -> roster.Agent:
        """How many runs an agent has at once, whatever it says that it could.

        Raises LimitRefused, AgentNotFound, AgentAmbiguous, CommentRefused.
        """

        def find(session: WritingSession) -> tuple[roster.Agent, int | None]:
            found = roster.find(session, agent)
            return found, found.run_limit

        return self._set("agent", models.Agent, find, limit, caller, comment)

    def of_team(
        self, team: str, limit: int | None, caller: Caller, comment: str = ""
    ) -> teams.Team:
        """How many runs the agents of a team have at once, all together.

        Raises LimitRefused, TeamNotFound, TeamAmbiguous, CommentRefused.
        """

        def find(session: WritingSession) -> tuple[teams.Team, int | None]:
            found = teams.find(session, team)
            query = models.Team.select(models.Team.run_limit).where(models.Team.id == found.id)
            return found, session.scalar(query)

        return self._set("team", models.Team, find, limit, caller, comment)

    def _set(
        self,
        kind: str,
        model: type[peewee.Model],
        find: Callable[[WritingSession], tuple[F, int | None]],
        limit: int | None,
        caller: Caller,
        comment: str,
    ) -> F:
        audit.check_comment(comment)
        if limit is not None and not 0 <= limit <= MOST:
            raise LimitRefused(f"a limit is a number from 0 to {MOST}, or none")

        def work(session: WritingSession) -> F:
            changes.one_at_a_time(session, 1)
            found, before = find(session)
            session.execute(model.update(run_limit=limit).where(model.id == found.id))  # type: ignore[attr-defined]
            audit.record(
                session, caller, self._now(), "limit", kind, found.guid, found.name,
                {"run_limit": before}, {"run_limit": limit}, comment,
            )  # fmt: skip
            session.after_commit(self._signals.wake)
            return found

        return self._store.unit_of_work(work)
