"""Which jobs a reach covers, as a condition of SQL: for pages, which cannot ask for each job.

Says of each job what ``Reach.covers`` says of its place (``Places.job``).
"""

import functools
import operator
from collections.abc import Iterable
from typing import Any

import peewee

from gateway.catalog import folders
from gateway.fleet import teams
from gateway.identity.permissions import Reach, Scope, ScopeKind
from storage import models
from storage.session import Session

_JOB = models.Job
_RUN = models.Run
_REQUEST = models.JobRequest
_AGENT = models.Agent
_TEAM = models.Team


def condition(session: Session, reach: Reach, tenant: int = 1) -> Any:
    """The condition under which a row of the job table is covered."""

    def within(scopes: Iterable[Scope]) -> Any:
        conditions = [_within(session, scope, reach.principal_id, tenant) for scope in scopes]
        return functools.reduce(operator.or_, conditions, _NEVER)

    granted = within(reach.granting)
    return granted & ~within(reach.denying) if reach.denying else granted


# Written as comparisons: SQLite takes no bare FALSE in all versions, PostgreSQL no bare 0.
_NEVER = peewee.Expression(peewee.Value(0), peewee.OP.EQ, peewee.Value(1))
_ALWAYS = peewee.Expression(peewee.Value(1), peewee.OP.EQ, peewee.Value(1))


def _within(session: Session, scope: Scope, principal_id: int, tenant: int) -> Any:
    """Never NULL, so that it can be negated."""
    match scope.kind:
        case ScopeKind.GLOBAL:
            return _ALWAYS
        case ScopeKind.FOLDER:
            below = sorted(folders.tree(session, tenant).below(scope.id))
            return _JOB.folder_id.is_null(False) & _JOB.folder_id.in_(below)
        case ScopeKind.TEAM:
            return _in_team(session, scope.id, tenant)
        case ScopeKind.OWN:
            return _JOB.owner_id.is_null(False) & (_JOB.owner_id == principal_id)
        case _:
            return _NEVER


def _in_team(session: Session, team_id: int, tenant: int) -> Any:
    """Runs on an agent of the team; or has no run yet, and will run on one, or on the team."""
    agents = [agent.id for agent in teams.agents_of(session, [team_id], tenant)]
    below = sorted(teams.composition(session, tenant).below([team_id]))
    runs = _RUN.select(peewee.SQL("1")).where(_RUN.job_id == _JOB.id)
    started = peewee.fn.EXISTS(runs)
    on_agents = peewee.fn.EXISTS(runs.where(_RUN.agent_id.in_(agents)))
    will = _asks_for("agent", _AGENT, agents) | _asks_for("team", _TEAM, below)
    return on_agents | (~started & will)


def _asks_for(member: str, table: type[peewee.Model], ids: list[int]) -> Any:
    """Whether an entry of Who names one of these, as ``{"agent": 12, ...}`` (``acceptance``)."""
    # No text of a client can look like this: the quotes in it are escaped.
    start = peewee.Value(f'%"{member}":').concat(table.id.cast("TEXT"))  # type: ignore[attr-defined]  # of all tables
    who = _REQUEST.who.cast("TEXT")
    named = [peewee.Expression(who, peewee.OP.ILIKE, start.concat(end)) for end in (",%", "}%")]
    query = (
        _REQUEST.select(peewee.SQL("1"))
        .join(table, on=table.id.in_(ids))  # type: ignore[attr-defined]
        .where(_REQUEST.job_id == _JOB.id, named[0] | named[1])
    )
    return peewee.fn.EXISTS(query)
