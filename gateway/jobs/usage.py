"""Which jobs ran within a period: a report of any length, read portion by portion.

Each portion is a short read of its own, so that a reader who takes his time keeps neither a
snapshot of the store nor many rows. So the report is no snapshot either: a job that ends while it
is read may be told of as active or as ended. Which jobs it holds is settled at its beginning: none
that is accepted later gets in, and however slowly it is read, it ends.
"""

import functools
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import peewee

from gateway.catalog.catalog import DefinitionKind
from gateway.identity.permissions import Reach
from gateway.jobs import narrowing, views
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus
from storage import models
from storage.database import Store
from storage.selections import Selection
from storage.session import Row, Session

_JOB = models.Job
_REQUEST = models.JobRequest
_RUN = models.Run
# Rows of one read: few enough for a report of jobs with long descriptions to stay small.
_PORTION = 256


@dataclass(frozen=True)
class Period:
    """From ``start`` on, before ``end``, in epoch microseconds; None where there is no bound."""

    start: int | None = None
    end: int | None = None


class UsedWhat(NamedTuple):
    """A definition that a job ran."""

    guid: uuid.UUID
    kind: DefinitionKind
    name: str


class JobUsage(NamedTuple):
    """A job that has started, as a whole. Times in epoch microseconds, ``agents`` how many."""

    guid: uuid.UUID
    description: str
    what: tuple[UsedWhat, ...]
    status: JobStatus
    origin: Origin
    owner: str
    agents: int
    started_at: int
    finished_at: int | None


def report(store: Store, period: Period, *reaches: Reach) -> Iterator[JobUsage]:
    """The jobs that started within a period, by their start; those that never did are left out.

    Of those only that all ``reaches`` cover. Raises StoreUnavailable while it is read.
    """
    narrowed = [reach for reach in reaches if not reach.everywhere]
    newest = _newest(store)
    after: _After | None = _After(_EARLIEST if period.start is None else period.start, 0)
    while after is not None:
        told, after = _portion(store, after, period, newest, narrowed)
        yield from told


class _After(NamedTuple):
    """Behind which job the next read goes on: its start and its id."""

    start: int
    id: int


# What a column of the store can hold.
_EARLIEST = -(2**63)


def _is_over(period: Period, row: Row) -> bool:
    return period.end is not None and bool(row["started_at"] >= period.end)


def _newest(store: Store) -> int:
    with store.reading() as session:
        return int(session.scalar(_JOB.select(peewee.fn.MAX(_JOB.id))) or 0)


def _portion(
    store: Store,
    after: _After,
    period: Period,
    newest: int,
    narrowed: Sequence[Reach],
) -> tuple[list[JobUsage], _After | None]:
    """What is told of the next jobs, and behind which one to go on, None at the end."""
    # Others get a turn at each portion, also where none of its jobs is told of.
    with store.reading(long=True) as session:
        rows = session.rows(_next(after))
        wanted = [
            row
            for row in rows
            if row["tenant_id"] == 1 and row["id"] <= newest and not _is_over(period, row)
        ]
        for reach in narrowed:
            covered = _covered(session, reach, [row["id"] for row in wanted])
            wanted = [row for row in wanted if row["id"] in covered]
        requests = {r["job_id"]: r for r in _REQUESTS.rows(session, [row["id"] for row in wanted])}
        owners = views.owners(session, {row["owner_id"] for row in wanted} - {None})
    told = [_usage(row, requests[row["id"]], owners) for row in wanted]
    if len(rows) < _PORTION or _is_over(period, rows[-1]):
        return told, None
    return told, _After(rows[-1]["started_at"], rows[-1]["id"])


def _covered(session: Session, reach: Reach, ids: Sequence[int]) -> set[int]:
    query = _JOB.select(_JOB.id).where(_JOB.id.in_(ids), narrowing.condition(session, reach))
    return {row["id"] for row in session.rows(query)}


def _next(after: _After) -> Any:
    """The next jobs by start and id.

    All other conditions are looked at here: PostgreSQL, which can only guess how many rows they
    leave, would now and then read and sort all that is left for each portion.
    """
    return (
        _JOB.select(
            _JOB.id,
            _JOB.guid,
            _JOB.tenant_id,
            _JOB.status,
            _JOB.origin,
            _JOB.owner_id,
            _JOB.started_at,
            _JOB.finished_at,
        )
        .where(
            _JOB.started_at.is_null(False),
            peewee.Tuple(_JOB.started_at, _JOB.id) > peewee.Tuple(*after),
        )
        .order_by(_JOB.started_at, _JOB.id)
        .limit(_PORTION)
    )


def _requested() -> Any:
    runs = _RUN.select(peewee.fn.COUNT(_RUN.started_at)).where(_RUN.job_id == _REQUEST.job_id)
    return _REQUEST.select(
        _REQUEST.job_id,
        _REQUEST.description,
        # As text: the same few definitions are run again and again, and read once.
        peewee.Cast(_REQUEST.what, "TEXT").alias("what"),
        peewee.Alias(runs, "agents"),
    )


_REQUESTS = Selection(_REQUEST.job_id, _requested)


def _usage(row: Row, request: Row, owners: Mapping[int, str]) -> JobUsage:
    text = request["what"]
    return JobUsage(
        guid=row["guid"],
        description=request["description"],
        what=_known_what(text) if len(text) <= _LONGEST_KNOWN else _what(text),
        status=JobStatus(row["status"]),
        origin=Origin(row["origin"]),
        owner=owners.get(row["owner_id"], ""),
        agents=request["agents"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


def _what(text: str) -> tuple[UsedWhat, ...]:
    return tuple(
        UsedWhat(uuid.UUID(one["guid"]), DefinitionKind(one["kind"]), one["name"])
        for one in json.loads(text)
    )


# Characters of what is remembered: a run book has its whole tree there.
_LONGEST_KNOWN = 2_000
_known_what = functools.lru_cache(maxsize=256)(_what)
