"""Counts of jobs by stage, kept in the transaction of every move.

Each page of jobs must say how many pages there are, and a count over a million rows is no page.
"""

import itertools
import random
import threading
from dataclasses import dataclass

import peewee

from gateway.jobs.orders import Origin
from gateway.jobs.states import Stage
from storage import models, statements
from storage.session import Session, WritingSession
from storage.statements import named

_COUNTER = models.JobCounter
_SLOTS = 64


class _Slot(threading.local):
    """A slot for each thread: on PostgreSQL a counter's row is locked until its commit is on disk,
    and threads that share a row would commit one after the other.
    """

    _given = itertools.count(random.randrange(_SLOTS))  # noqa: S311  # spreads load, hides nothing

    def __init__(self) -> None:
        self.number = next(self._given) % _SLOTS


_slot = _Slot()

_ADD = statements.Insert(
    _COUNTER,
    _COUNTER.tenant_id,
    _COUNTER.stage,
    _COUNTER.origin,
    _COUNTER.recurring,
    _COUNTER.folder_id,
    _COUNTER.slot,
    _COUNTER.jobs,
    adding=_COUNTER.jobs,
)
_KEYS = (_COUNTER.stage, _COUNTER.origin, _COUNTER.recurring, _COUNTER.folder_id)
_TOTALS = statements.Statement(
    lambda: (
        _COUNTER.select(*_KEYS, peewee.fn.SUM(_COUNTER.jobs).alias("total"))
        .where(_COUNTER.tenant_id == named(_COUNTER.tenant_id))
        .group_by(*_KEYS)
    )
)


@dataclass(frozen=True)
class Count:
    """How many jobs of one kind stand in one stage."""

    stage: Stage
    origin: Origin
    recurring: bool
    folder_id: int
    jobs: int


def add(
    session: WritingSession,
    tenant: int,
    stage: Stage,
    origin: Origin,
    recurring: bool,
    folder_id: int | None,
    jobs: int,
) -> None:
    """Count ``jobs`` more (or fewer) in a stage; written once for a whole transaction."""
    session.add_up(
        _ADD,
        (
            tenant,
            stage,
            origin,
            recurring,
            folder_id or 0,
            _slot.number if session.postgres else 0,
        ),
        jobs,
    )


def counts(session: Session, tenant: int = 1) -> list[Count]:
    """All counts of a tenant."""
    return [
        Count(
            Stage(row["stage"]),
            Origin(row["origin"]),
            bool(row["recurring"]),
            row["folder_id"],
            int(row["total"]),
        )
        for row in session.select(_TOTALS, {"tenant_id": tenant})
    ]
