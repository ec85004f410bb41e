"""Retention: ended jobs go when they are too old, or too many of their definition.

Nothing goes unless a rule says so. Jobs are removed in small portions, each a unit of work with a
pause after it, so that nobody who writes waits for long; a run book goes with all its jobs.
"""

import dataclasses
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from gateway import moments, names
from gateway.catalog import changes
from gateway.catalog.blobs import Blobs
from gateway.identity import audit
from gateway.identity.principals import Caller
from gateway.identity.vault import Vault
from gateway.jobs import archives, counters
from gateway.jobs.archives import Archives
from gateway.jobs.orders import Origin
from gateway.jobs.states import Stage
from storage import models
from storage.database import Store
from storage.session import Row, Session, WritingSession

_RULE = models.RetentionRule
_JOB = models.Job
_RUN = models.Run
_DEFINITION = models.Definition

_DAY = 24 * 3600 * moments.SECOND
_PORTION = 100
_PAUSE_SECONDS = 0.05
LONGEST_DAYS = 36_500
MOST_JOBS = 100_000_000

# The words of the partial index, so that the planner sees that it fits.
_HISTORY = peewee.SQL("stage = 2")


class RetentionRefused(ValueError):
    """A rule like this makes no sense; the message says why."""


@dataclass(frozen=True)
class RetentionRule:
    """For how long, in microseconds, and how many ended jobs are kept; None for all.

    Without a definition it is for all definitions that have no rule of their own.
    """

    id: int
    definition_id: int | None
    definition: str
    max_age: int | None
    max_count: int | None
    archive: bool


@dataclass(frozen=True)
class _Batch:
    """Jobs of one definition that go, the oldest first."""

    rule: RetentionRule
    definition_id: int | None
    condition: Any


class Retention:
    """Keeps and applies the rules; each change of one is audited."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        blobs: Blobs,
        kept: Archives,
        now: Callable[[], int] = moments.now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._vault = vault
        self._blobs = blobs
        self._archives = kept
        self._now = now
        self._pause = pause

    def set(
        self,
        definition: str | None,
        days: float | None,
        count: int | None,
        *,
        archive: bool,
        caller: Caller,
        comment: str = "",
    ) -> RetentionRule:
        """Make the rule of a definition (GUID or name), or that of all others.

        Raises RetentionRefused, CommentRefused.
        """
        audit.check_comment(comment)
        if days is None and count is None:
            raise RetentionRefused("say for how many days, or how many jobs, are kept")
        if days is not None and not 0 <= days <= LONGEST_DAYS:
            raise RetentionRefused(f"jobs are kept for 0 to {LONGEST_DAYS} days")
        if count is not None and not 0 <= count <= MOST_JOBS:
            raise RetentionRefused(f"0 to {MOST_JOBS} jobs are kept")
        age = None if days is None else int(days * _DAY)

        def work(session: WritingSession) -> RetentionRule:
            changes.one_at_a_time(session, 1)
            found = None if definition is None else _definition(session, definition)
            values = {"max_age": age, "max_count": count, "archive": archive}
            before = _rule_of(session, found)
            if before is None:
                session.execute(_RULE.insert(tenant_id=1, definition_id=found, **values))
            else:
                session.execute(_RULE.update(**values).where(_RULE.id == before.id))
            after = _rule_of(session, found)
            if after is None:
                raise LookupError("a rule that was stored is not there")
            audit.record(
                session, caller, self._now(), "set", "retention rule", None, after.definition,
                None if before is None else _facts(before), _facts(after), comment,
            )  # fmt: skip
            return after

        return self._store.unit_of_work(work)

    def remove(self, definition: str | None, caller: Caller, comment: str = "") -> None:
        """Drop the rule of a definition, or that of all others.

        Raises RetentionRefused, CommentRefused.
        """
        audit.check_comment(comment)

        def work(session: WritingSession) -> None:
            changes.one_at_a_time(session, 1)
            found = None if definition is None else _definition(session, definition)
            rule = _rule_of(session, found)
            if rule is None:
                raise RetentionRefused("there is no such rule")
            session.execute(_RULE.delete().where(_RULE.id == rule.id))
            audit.record(
                session, caller, self._now(), "remove", "retention rule", None, rule.definition,
                _facts(rule), None, comment,
            )  # fmt: skip

        self._store.unit_of_work(work)

    def rules(self) -> list[RetentionRule]:
        """All rules; that for all others first."""
        with self._store.reading() as session:
            return rules(session)

    def run(self, *, dry: bool = False) -> int:
        """Remove what the rules let go; answers how many jobs. ``dry`` only counts them.

        Jobs of run books count with theirs. Raises StoreUnavailable, OSError (for an archive).
        """
        with self._store.reading() as session:
            batches = list(_batches(session, self._now()))
            if dry:
                return sum(_size(session, batch) for batch in batches)
        return sum(self._remove_all(batch) for batch in batches)

    def _remove_all(self, batch: _Batch) -> int:
        removed = 0
        while found := self._portion(batch):
            if batch.rule.archive:
                self._write_down(batch, found)
            removed += self._store.unit_of_work(lambda session: self._remove(session, found))
            self._pause(_PAUSE_SECONDS)
        return removed

    def _portion(self, batch: _Batch) -> list[Row]:
        """Jobs that go, each before the jobs below it."""
        with self._store.reading() as session:
            query = _JOB.select().where(batch.condition).order_by(_JOB.id).limit(_PORTION)
            found = session.rows(query)
            above = [row["id"] for row in found]
            while above:
                below = session.rows(
                    _JOB.select().where(_JOB.parent_id.in_(above), _JOB.origin == Origin.RUN_BOOK)
                )
                found += below
                above = [row["id"] for row in below]
        return found

    def _write_down(self, batch: _Batch, found: Sequence[Row]) -> None:
        day = moments.to_datetime(self._now()).date()
        with self._store.reading() as session:
            name = _name(session, batch.definition_id) or "others"
            self._archives.write(name, day, (archives.job(session, row) for row in found))

    def _remove(self, session: WritingSession, found: Sequence[Row]) -> int:
        """Remove jobs with all that is theirs, but for those that others have removed."""
        ids = [row["id"] for row in found]
        locked = _JOB.select(_JOB.id).where(_JOB.id.in_(ids), _HISTORY).order_by(_JOB.id)
        present = {
            row["id"] for row in session.rows(locked.for_update() if session.postgres else locked)
        }
        gone = [row for row in found if row["id"] in present]
        ids = [row["id"] for row in gone]
        if not ids:
            return 0
        self._remove_runs(session, ids)
        request = models.JobRequest
        for row in session.rows(request.select(request.parameters).where(request.job_id.in_(ids))):
            for guid in archives.secrets_of(row["parameters"] or ()):
                self._vault.drop(session, guid)
        firing = models.ScheduleFiring
        session.execute(firing.update(job_id=None).where(firing.job_id.in_(ids)))
        for model in (
            models.JobAcceptance,
            models.JobEvent,
            models.JobOutput,
            models.JobRequest,
        ):
            session.execute(model.delete().where(model.job_id.in_(ids)))
        session.execute(_JOB.delete().where(_JOB.id.in_(ids)))
        for row in gone:
            counters.add(
                session,
                row["tenant_id"],
                Stage.HISTORY,
                Origin(row["origin"]),
                bool(row["recurring"]),
                row["folder_id"],
                -1,
            )
        return len(ids)

    def _remove_runs(self, session: WritingSession, job_ids: Sequence[int]) -> None:
        runs = [
            row["id"] for row in session.rows(_RUN.select(_RUN.id).where(_RUN.job_id.in_(job_ids)))
        ]
        if not runs:
            return
        task = models.TaskResult
        logs = session.rows(
            task.select(task.log_id).where(task.run_id.in_(runs), task.log_id.is_null(False))
        )
        session.execute(task.delete().where(task.run_id.in_(runs)))
        for log in logs:
            # Its chunks are swept, a few at a time.
            self._blobs.discard(session, log["log_id"])
        output = models.RunOutput
        session.execute(output.delete().where(output.run_id.in_(runs)))
        session.execute(_RUN.delete().where(_RUN.id.in_(runs)))


def rules(session: Session) -> list[RetentionRule]:
    """All rules; that for all others first."""
    found = [_rule(session, row) for row in session.rows(_RULE.select().order_by(_RULE.id))]
    return sorted(found, key=lambda one: (one.definition_id is not None, one.definition))


def _batches(session: Session, now: int) -> Iterator[_Batch]:
    """What goes, definition by definition."""
    present = rules(session)
    own = {one.definition_id: one for one in present if one.definition_id is not None}
    others = next((one for one in present if one.definition_id is None), None)
    for definition_id, rule in own.items():
        yield from _of_definition(session, rule, definition_id, now)
    if others is None:
        return
    query = _JOB.select(_JOB.definition_id).where(_ended()).distinct()
    for row in session.rows(query):
        if row["definition_id"] not in own:
            yield from _of_definition(session, others, row["definition_id"], now)


def _of_definition(
    session: Session, rule: RetentionRule, definition_id: int | None, now: int
) -> Iterator[_Batch]:
    mine = (
        _JOB.definition_id.is_null()
        if definition_id is None
        else _JOB.definition_id == definition_id
    )
    ended = _ended() & mine
    goes: list[Any] = []
    if rule.max_age is not None:
        goes.append(_JOB.finished_at < now - rule.max_age)
    if rule.max_count is not None:
        newest = _JOB.select(_JOB.id).where(ended).order_by(_JOB.id.desc())
        last = session.scalar(newest.offset(rule.max_count).limit(1))
        if last is not None:
            goes.append(_JOB.id <= last)
    for condition in goes:
        yield _Batch(rule, definition_id, ended & condition)


def _ended() -> Any:
    """Jobs that have ended, but for those that belong to others and what recurs itself."""
    return _HISTORY & (_JOB.origin != Origin.RUN_BOOK) & ~_JOB.recurring


def _size(session: Session, batch: _Batch) -> int:
    query = _JOB.select(peewee.fn.COUNT(_JOB.id)).where(batch.condition)
    return int(session.scalar(query) or 0)


def _definition(session: Session, reference: str) -> int:
    """The id of a definition, also of one that was deleted: it may have jobs still."""
    try:
        condition = _DEFINITION.guid == uuid.UUID(reference.strip())
    except ValueError:
        condition = _DEFINITION.name_key == names.key(reference)
    found = session.rows(_DEFINITION.select(_DEFINITION.id).where(condition))
    if len(found) != 1:
        problem = "there is no" if not found else f"{len(found)} are called so, not one"
        raise RetentionRefused(f"{problem} definition {reference.strip()!r}")
    return int(found[0]["id"])


def _rule_of(session: Session, definition_id: int | None) -> RetentionRule | None:
    mine = (
        _RULE.definition_id.is_null()
        if definition_id is None
        else _RULE.definition_id == definition_id
    )
    row = session.first(_RULE.select().where(mine))
    return None if row is None else _rule(session, row)


def _rule(session: Session, row: Row) -> RetentionRule:
    return RetentionRule(
        row["id"],
        row["definition_id"],
        _name(session, row["definition_id"]),
        row["max_age"],
        row["max_count"],
        bool(row["archive"]),
    )


def _name(session: Session, definition_id: int | None) -> str:
    if definition_id is None:
        return ""
    query = _DEFINITION.select(_DEFINITION.name).where(_DEFINITION.id == definition_id)
    return str(session.scalar(query) or definition_id)


def _facts(rule: RetentionRule) -> dict[str, Any]:
    facts = dataclasses.asdict(rule)
    return {name: facts[name] for name in ("max_age", "max_count", "archive")}
