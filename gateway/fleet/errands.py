"""For which of the waiting agents there is something to do.

Mostly one or two are asked about, with statements that are compiled; once a second all of them, of
whom few have anything.
"""

from collections.abc import Collection, Iterable
from typing import Any

import peewee

from gateway.agents.desk import Abort, AgentSession
from gateway.jobs.states import JobStatus
from storage import models, statements
from storage.session import Row, Session
from storage.statements import named

# Of more than so many agents it is asked who has anything at all.
_FEW = 8
_PORTION = 500

_RUN = models.Run
_AGENT = models.Agent


def _aborting() -> Any:
    return _RUN.select(_RUN.agent_id, _RUN.session, _RUN.guid, _RUN.attempt, _RUN.reason).where(
        peewee.SQL("status IN (1, 2)"), _RUN.status == JobStatus.ABORTING
    )


def _ready(now: Any) -> Any:
    """A waiting run of the agent that may begin."""
    return peewee.fn.EXISTS(
        _RUN.select(peewee.Value(1)).where(
            peewee.SQL("t2.status = 0"),
            _RUN.agent_id == _AGENT.id,
            _RUN.not_before.is_null() | (_RUN.not_before <= now),
            _RUN.after_boot.is_null() | (_RUN.after_boot != _AGENT.boot_id),
        )
    )


_ABORTS_OF_ONE = statements.Statement(
    lambda: _aborting().where(_RUN.agent_id == named(_RUN.agent_id))
)
_ONE_WITH_WORK = statements.Statement(
    lambda: _AGENT.select(_AGENT.id).where(
        _AGENT.id == named(_AGENT.id), _ready(named(_RUN.not_before, "now"))
    )
)


def aborts(session: Session, agents: Collection[AgentSession]) -> dict[int, tuple[Abort, ...]]:
    """The runs of these agents' sessions that are to be stopped, by agent."""
    sessions = {agent.agent_id: agent.session for agent in agents}
    found: dict[int, tuple[Abort, ...]] = {}
    for row in _abort_rows(session, sessions):
        agent = row["agent_id"]
        if agent in sessions and row["session"] == sessions[agent]:
            abort = Abort(row["guid"], row["attempt"], row["reason"])
            found[agent] = (*found.get(agent, ()), abort)
    return found


def _abort_rows(session: Session, agents: Collection[int]) -> Iterable[Row]:
    if len(agents) > _FEW:
        return session.rows(_aborting())
    return [row for agent in agents for row in session.select(_ABORTS_OF_ONE, {"agent_id": agent})]


def with_work(session: Session, agents: Collection[int], now: int) -> list[int]:
    """Those of these agents that have a run which may begin, ``now`` in epoch microseconds."""
    # To name thousands costs more than to ask who has anything at all.
    wanted = agents if len(agents) <= _FEW else with_waiting(session) & set(agents)
    if len(wanted) <= _FEW:
        found = (session.select(_ONE_WITH_WORK, {"id": one, "now": now}) for one in wanted)
        return [row["id"] for rows in found for row in rows]
    ordered = sorted(wanted)
    portions = (ordered[at : at + _PORTION] for at in range(0, len(ordered), _PORTION))
    queries = (
        _AGENT.select(_AGENT.id).where(_AGENT.id.in_(some), _ready(now)) for some in portions
    )
    return [row["id"] for query in queries for row in session.rows(query)]


def with_waiting(session: Session) -> set[int]:
    """All agents that have waiting runs: a step through the index for each, however many runs."""
    first = _RUN.select(peewee.fn.MIN(_RUN.agent_id).alias("agent")).where(peewee.SQL("status = 0"))
    steps = first.cte("steps", recursive=True, columns=("agent",))
    run = _RUN.alias("further")
    following = run.select(peewee.fn.MIN(run.agent_id)).where(
        peewee.SQL("further.status = 0"), run.agent_id > steps.c.agent
    )
    more = peewee.Select((steps,), (following,)).where(steps.c.agent.is_null(False))
    walk = steps.union_all(more)
    query = walk.select_from(walk.c.agent).where(walk.c.agent.is_null(False))
    return {row["agent"] for row in session.rows(query)}
