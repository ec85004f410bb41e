"""Giving a due job to its agents: one run for each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.fleet import roster, targets
from gateway.fleet.roster import Agent
from gateway.jobs import launching, moves, rows, turns
from gateway.jobs.launching import Start, Starts
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Session, WritingSession

_AT_ONCE = Start()


@dataclass(frozen=True)
class RunPlan:
    """A run to be made."""

    agent_id: int
    tasks: int
    start: Start = _AT_ONCE


def plan(agents: Iterable[Agent], tasks: int, starts: Starts | None = None) -> list[RunPlan]:
    """A run for each agent, all at once unless told when."""
    if starts is None:
        return [RunPlan(agent.id, tasks) for agent in agents]
    return [RunPlan(agent.id, tasks, starts(agent)) for agent in agents]


def planned(session: Session, job: JobRow, now: int) -> list[RunPlan]:
    """The plan of a job that was accepted earlier and starts now."""
    request = session.first(
        models.JobRequest.select(
            models.JobRequest.who, models.JobRequest.options, models.JobRequest.timing
        ).where(models.JobRequest.job_id == job.id)
    )
    if request is None:
        return []
    options = request["options"]
    tasks, named = options.get("tasks", 0), targets.agent_ids(session, request["who"])
    starts = launching.starts(request["timing"], options.get("launch_timeout"), now)
    if starts is None:
        return [RunPlan(agent, tasks) for agent in named]
    agents = roster.by_ids(session, set(named))
    return plan([agents[agent] for agent in named], tasks, starts)


def start(session: WritingSession, job: JobRow, plans: Sequence[RunPlan], now: int) -> None:
    """Make the runs of a due job; they wait for their agents until the launch timeout."""
    insert_runs(session, job, plans, now)
    await_agents(job, plans, now)
    rows.write_job(session, job)
    if not plans:
        moves.move(
            session,
            job,
            JobStatus.FAILED,
            now,
            "clock",
            "nobody to run on: the job names no agent, or its teams have none",
        )


def await_agents(job: JobRow, plans: Sequence[RunPlan], now: int) -> None:
    """Let the row say that these runs wait; the caller writes it."""
    job.runs_open = len(plans)
    if all(item.start is _AT_ONCE for item in plans):
        job.wake_at = job.launch_by
        return
    launching.look_next(job, [item.start for item in plans], now)
    if any(item.start.after_boot is not None for item in plans):
        job.reason = launching.SOME_AFTER_BOOT


def insert_runs(session: WritingSession, job: JobRow, plans: Sequence[RunPlan], now: int) -> None:
    """Insert the runs of a job whose row says that they wait."""
    for item in plans:
        turn = turns.take(session, item.agent_id, job.definition_id)
        rows.insert_run(session, _run(job, item, turn, now))


def _run(job: JobRow, item: RunPlan, turn: int, now: int) -> dict[str, Any]:
    return {
        "guid": moments.new_guid(),
        "job_id": job.id,
        "agent_id": item.agent_id,
        "attempt": 1,
        "status": JobStatus.SCHEDULED,
        "reason": item.start.reason,
        "priority": job.priority,
        "tasks_total": item.tasks,
        "tasks_done": 0,
        "not_before": item.start.not_before,
        "launch_by": item.start.launch_by,
        "after_boot": item.start.after_boot,
        "turn": turn,
        "created_at": now,
    }
