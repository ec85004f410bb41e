"""What agents may be given just now: the limits of teams, and exclusive windows.

Both are rare. What there is of them is remembered, so that a claim where there is none pays
nothing; who decides holds the teams' rows meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import peewee

from gateway.fleet import exclusive_windows, roster, teams
from gateway.fleet.exclusive_windows import ExclusiveWindow
from gateway.jobs import local_time, rows
from gateway.jobs.rows import Held
from storage import models
from storage.remembered import Remembered
from storage.session import Session, WritingSession

_TEAM = models.Team
_RUN = models.Run
_RULES = Remembered(_TEAM, models.ExclusiveWindow)

# The words of the partial index, so that the planner sees that it fits.
_HELD = peewee.SQL("status IN (1, 2)")


@dataclass(frozen=True)
class Rules:
    """The limits of teams, by their ids, and the exclusive windows."""

    limits: tuple[tuple[int, int], ...] = ()
    windows: tuple[ExclusiveWindow, ...] = ()

    @property
    def none(self) -> bool:
        """Whether there is nothing to heed."""
        return not self.limits and not self.windows


def rules(session: Session) -> Rules:
    """Those that hold at present."""
    return session.recall(_RULES, "rules", lambda: _rules(session))


def places(db: WritingSession, found: Rules, agent_id: int, wanted: int) -> int:
    """For how many more runs the limits of its teams leave an agent room."""
    if not found.limits or wanted < 1:
        return wanted
    composed = teams.composition(db)
    agents = {one.id: one for one in roster.agents(db)}
    if agent_id not in agents:
        return wanted
    mine = composed.teams_of(agents[agent_id])
    for team, limit in found.limits:
        if team not in mine:
            continue
        if db.postgres:
            # Others that claim for agents of the team wait: so the count below stays true.
            db.rows(_TEAM.select(_TEAM.id).where(_TEAM.id == team).for_update())
        within = [one.id for one in agents.values() if team in composed.teams_of(one)]
        held = db.scalar(
            _RUN.select(peewee.fn.COUNT(_RUN.id)).where(_HELD, _RUN.agent_id.in_(within))
        )
        wanted = min(wanted, limit - int(held or 0))
    return max(0, wanted)


def let_in(
    db: WritingSession, found: Rules, agent_id: int, waiting: Sequence[Held], now: int, zone: str
) -> list[Held]:
    """Those of the waiting runs that no exclusive window shuts out; the others wait for its end."""
    if not found.windows:
        return list(waiting)
    agent = roster.by_ids(db, {agent_id})[agent_id]
    its_teams = teams.composition(db).teams_of(agent)
    clock = local_time.zone_of(agent.facts, zone)
    allowed = []
    for held in waiting:
        own = exclusive_windows.definitions_of(db, held.job)
        shut = exclusive_windows.shutting_out(found.windows, own, agent_id, its_teams, now, clock)
        if shut is None:
            allowed.append(held)
            continue
        window, closes = shut
        held.run.not_before, held.run.reason = closes, window.reason
        rows.write_run(db, held.run)
        job = held.job
        job.wake_at = min(job.wake_at or closes, closes)
        rows.write_job(db, job)
    return allowed


def _rules(session: Session) -> Rules:
    query = _TEAM.select(_TEAM.id, _TEAM.run_limit).where(
        _TEAM.run_limit.is_null(False), _TEAM.deleted_at.is_null()
    )
    limits = tuple((row["id"], row["run_limit"]) for row in session.rows(query.order_by(_TEAM.id)))
    return Rules(limits, tuple(exclusive_windows.windows(session)))
