"""Removing an agent for good; what it had to do is settled at once."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import peewee

from gateway import moments
from gateway.catalog import changes
from gateway.fleet import events, membership, roster
from gateway.fleet.reception import REMOVED
from gateway.fleet.roster import Agent
from gateway.identity import audit
from gateway.identity.principals import Caller
from gateway.jobs import rows, schedules, settlement
from gateway.jobs.rows import Held
from gateway.jobs.signals import Signals
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.session import Row, Session, WritingSession

_AGENT = models.Agent
_RUN = models.Run

# What a run that had not ended ends as. One that was under way is not tried again: nobody is
# there who could.
_ENDS = {
    JobStatus.DISABLED: JobStatus.CANCELED,
    JobStatus.SCHEDULED: JobStatus.CANCELED,
    JobStatus.ACTIVE: JobStatus.FAILED,
    JobStatus.ABORTING: JobStatus.ABORTED,
}

# The words of the partial indexes, so that the planner sees that they fit.
_OPEN = ("status = -1", "status = 0", "status IN (1, 2)")


class AgentOnline(ValueError):
    """An agent that is online cannot be removed."""


@dataclass(frozen=True)
class Removed:
    """An agent that was removed, and how many of its runs were ended by that."""

    agent: Agent
    runs: int


class AgentRemoval:
    """Removes agents that are offline: not heard of for ``offline_after`` microseconds."""

    def __init__(
        self,
        store: Store,
        signals: Signals,
        offline_after: int,
        now: Callable[[], int] = moments.now,
        wake_clock: Callable[[int], None] = lambda moment: None,  # noqa: ARG005
    ) -> None:
        self._store = store
        self._signals = signals
        self._wake_clock = wake_clock
        self._offline_after = offline_after
        self._now = now

    def remove(self, agent: str, caller: Caller, comment: str = "", tenant: int = 1) -> Removed:
        """Remove an agent, by GUID or name, from all teams and lists; its history stays.

        Runs that wait for it are canceled, those under way fail; jobs after every boot that name
        nobody else are canceled. A machine that says its name
        again gets a new row. Raises AgentNotFound, AgentAmbiguous, AgentOnline,
        CommentRefused.
        """
        audit.check_comment(comment)

        def work(session: WritingSession) -> Removed:
            changes.one_at_a_time(session, tenant)
            found = roster.find(session, agent, tenant)
            now = self._now()
            before = membership.facts(membership.of_agent(session, found, tenant))
            # Written first, which locks it: what it says afterwards, it says too late.
            gone = _AGENT.update(deleted_at=now, primary_team_id=None, session=None)
            session.execute(gone.where(_AGENT.id == found.id))
            self._refuse_online(roster.by_ids(session, {found.id})[found.id])
            membership.forget_agent(session, found)
            events.record(session, found.id, now, events.REMOVED, comment)
            open_runs, recurring = _open_runs(session, found), schedules.at_boot_of(session, found)
            # All at once: locks of jobs are taken in the order of their ids.
            jobs = rows.lock_jobs(session, [*(run["job_id"] for run in open_runs), *recurring])
            ended = _settle(session, rows.lock_runs(session, open_runs), now)
            deserted = [jobs[job_id] for job_id in recurring if job_id in jobs]
            schedules.end_deserted(session, deserted, now, REMOVED)
            audit.record(
                session,
                caller,
                now,
                "remove",
                "agent",
                found.guid,
                found.name,
                before,
                {"runs_ended": ended},
                comment,
                tenant,
            )
            session.after_commit(self._signals.wake)
            # Run books whose jobs have ended with it go on.
            session.after_commit(functools.partial(self._wake_clock, now))
            return Removed(found, ended)

        return self._store.unit_of_work(work)

    def is_online(self, agent: Agent) -> bool:
        """Whether an agent could not be removed now."""
        return agent.online(self._now(), self._offline_after)

    def _refuse_online(self, agent: Agent) -> None:
        if self.is_online(agent):
            minutes = self._offline_after // (60 * moments.SECOND)
            raise AgentOnline(
                f"the agent {agent.name!r} is online: stop it, and remove it when it has not been "
                f"heard of for {minutes} minutes"
            )


def _open_runs(session: Session, agent: Agent) -> list[Row]:
    query = _RUN.select(_RUN.id, _RUN.job_id)
    return [
        row
        for words in _OPEN
        for row in session.rows(query.where(_RUN.agent_id == agent.id, peewee.SQL(words)))
    ]


def _settle(session: WritingSession, held: Sequence[Held], now: int) -> int:
    """End these runs, and the jobs that have no other; how many were still open."""
    still_open = [one for one in held if one.run.status in _ENDS]
    endings = []
    for one in still_open:
        end = _ENDS[one.run.status]
        if one.run.status in (JobStatus.ACTIVE, JobStatus.ABORTING):
            settlement.end_tasks(session, one.run, now, REMOVED)
        if settlement.close_run(session, one.job, one.run, end, now, REMOVED):
            endings.append(settlement.Ending(one.job, now, REMOVED))
    settlement.finish_jobs(session, endings)
    return len(still_open)
