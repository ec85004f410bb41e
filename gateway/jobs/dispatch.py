"""Giving a due job to its agents: one run for each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.agents import targets
from gateway.agents.roster import Agent
from gateway.jobs import moves, rows
from gateway.jobs.rows import JobRow
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Session, WritingSession


@dataclass(frozen=True)
class RunPlan:
    """A run to be made."""

    agent_id: int
    tasks: int


def plan(agents: Iterable[Agent], tasks: int) -> list[RunPlan]:
    """A run for each agent."""
    return [RunPlan(agent.id, tasks) for agent in agents]


def planned(session: Session, job: JobRow) -> list[RunPlan]:
    """The plan of a job that was accepted earlier."""
    request = session.first(
        models.JobRequest.select(models.JobRequest.who, models.JobRequest.options).where(
            models.JobRequest.job_id == job.id
        )
    )
    if request is None:
        return []
    tasks = request["options"].get("tasks", 0)
    return [RunPlan(agent, tasks) for agent in targets.agent_ids(session, request["who"])]


def start(session: WritingSession, job: JobRow, plans: Sequence[RunPlan], now: int) -> None:
    """Make the runs of a due job; they wait for their agents until the launch timeout."""
    insert_runs(session, job, plans, now)
    await_agents(job, plans)
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


def await_agents(job: JobRow, plans: Sequence[RunPlan]) -> None:
    """Let the row say that these runs wait; the caller writes it."""
    job.runs_open = len(plans)
    job.wake_at = job.launch_by


def insert_runs(session: WritingSession, job: JobRow, plans: Sequence[RunPlan], now: int) -> None:
    """Insert the runs of a job whose row says that they wait."""
    for item in plans:
        rows.insert_run(session, _run(job, item, now))


def _run(job: JobRow, item: RunPlan, now: int) -> dict[str, Any]:
    return {
        "guid": moments.new_guid(),
        "job_id": job.id,
        "agent_id": item.agent_id,
        "attempt": 1,
        "status": JobStatus.SCHEDULED,
        "reason": "",
        "priority": job.priority,
        "tasks_total": item.tasks,
        "tasks_done": 0,
        "not_before": None,
        "launch_by": None,
        "after_boot": None,
        "created_at": now,
    }
