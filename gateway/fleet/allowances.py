"""What agents may be given just now: the limits of teams, and exclusive windows.

Both are rare. What there is of them is remembered, so that a claim where there is none pays
nothing; who decides holds the teams' rows meanwhile. Who belongs to these teams is worked out by
readers, once a second at most: with thousands of agents that takes longer than all else in a claim.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import peewee

from gateway.fleet import exclusive_windows, roster, teams
from gateway.fleet.exclusive_windows import ExclusiveWindow, Scope
from gateway.jobs import local_time, rows
from gateway.jobs.rows import Held
from storage import models
from storage.remembered import Remembered
from storage.session import Session, WritingSession

_TEAM = models.Team
_RUN = models.Run
_RULES = Remembered(_TEAM, models.ExclusiveWindow)
# Not by agents: these change each time that one is heard of. So a key holds for a second.
_MEMBERS = Remembered(_TEAM, models.TeamMember, models.ExclusiveWindow, most=4)

# The words of the partial index, so that the planner sees that it fits.
_HELD = peewee.SQL("status IN (1, 2)")


@dataclass(frozen=True)
class Members:
    """The agents that belong to teams in any way, by the teams' ids; ``known`` are all agents."""

    known: frozenset[int] = frozenset()
    within: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def teams_of(self, agent: int) -> frozenset[int]:
        """Those of the teams that an agent belongs to."""
        return frozenset(team for team, agents in self.within.items() if agent in agents)


@dataclass(frozen=True)
class Rules:
    """The limits of teams, by their ids, and the exclusive windows; who belongs to their teams."""

    limits: tuple[tuple[int, int], ...] = ()
    windows: tuple[ExclusiveWindow, ...] = ()
    members: Members = Members()

    @property
    def none(self) -> bool:
        """Whether there is nothing to heed."""
        return not self.limits and not self.windows

    @property
    def teams(self) -> frozenset[int]:
        """The teams whose agents they concern."""
        windows = {one.scope_id for one in self.windows if one.scope is Scope.TEAM}
        return frozenset(windows | {team for team, _ in self.limits})


def rules(session: Session) -> Rules:
    """Those that hold at present; for readers."""
    found: Rules = session.recall(_RULES, "rules", lambda: _rules(session))
    if found.none:
        return found
    key = (int(time.monotonic()), found.teams)
    members: Members = session.recall(_MEMBERS, key, lambda: _members(session, found))
    return replace(found, members=members)


def places(db: WritingSession, found: Rules, agent_id: int, wanted: int) -> int:
    """For how many more runs the limits of its teams leave an agent room."""
    if not found.limits or wanted < 1:
        return wanted
    members = _knowing(db, found, agent_id)
    mine = [(team, limit) for team, limit in found.limits if agent_id in members.within[team]]
    if db.postgres and mine:
        # Others that claim for agents of the teams wait: so the counts below stay true.
        locked = _TEAM.select(_TEAM.id).where(_TEAM.id.in_([team for team, _ in mine]))
        db.rows(locked.order_by(_TEAM.id).for_update())
    held = _held(db) if mine else {}
    room = [
        limit - sum(runs for agent, runs in held.items() if agent in members.within[team])
        for team, limit in mine
    ]
    return max(0, min([wanted, *room]))


def let_in(
    db: WritingSession, found: Rules, agent_id: int, waiting: Sequence[Held], now: int, zone: str
) -> list[Held]:
    """Those of the waiting runs that no exclusive window shuts out; the others wait for its end."""
    if not found.windows or not waiting:
        return list(waiting)
    agent = roster.by_ids(db, {agent_id})[agent_id]
    its_teams = _knowing(db, found, agent_id).teams_of(agent_id)
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


def _held(db: WritingSession) -> dict[int, int]:
    """How many runs each agent has; none that has none."""
    count = peewee.fn.COUNT(_RUN.id).alias("runs")
    found = db.rows(_RUN.select(_RUN.agent_id, count).where(_HELD).group_by(_RUN.agent_id))
    return {row["agent_id"]: row["runs"] for row in found}


def _knowing(db: WritingSession, found: Rules, agent_id: int) -> Members:
    """Who belongs to the teams; looked up anew for an agent that has just come."""
    return found.members if agent_id in found.members.known else _members(db, found)


def _members(session: Session, found: Rules) -> Members:
    wanted = found.teams
    composed = teams.composition(session)
    agents = roster.agents(session)
    within: dict[int, set[int]] = {team: set() for team in wanted}
    for agent in agents:
        for team in composed.teams_of(agent) & wanted:
            within[team].add(agent.id)
    return Members(
        frozenset(agent.id for agent in agents),
        {team: frozenset(ids) for team, ids in within.items()},
    )


def _rules(session: Session) -> Rules:
    query = _TEAM.select(_TEAM.id, _TEAM.run_limit).where(
        _TEAM.run_limit.is_null(False), _TEAM.deleted_at.is_null()
    )
    limits = tuple((row["id"], row["run_limit"]) for row in session.rows(query.order_by(_TEAM.id)))
    return Rules(limits, tuple(exclusive_windows.windows(session)))
