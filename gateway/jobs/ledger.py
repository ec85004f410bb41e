"""What tasks report: their results, and their output in chunks as it comes.

All for use within a unit of work; nothing is kept in memory, so any gateway may take the next
report. What is reported twice, because its sender could not know that it was stored, changes
nothing the second time.
"""

import dataclasses
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from gateway import moments
from gateway.agents.protocol import (
    LogChunk,
    RunFinished,
    RunOrder,
    TaskFinished,
    TaskOrder,
    TaskStarted,
)
from gateway.jobs.rows import RunRow
from gateway.jobs.states import JobStatus
from storage import models, statements
from storage.selections import Selection
from storage.session import Row, Session, WritingSession
from storage.statements import named

_TASK = models.TaskResult
_BLOB = models.Blob
_CHUNK = models.BlobChunk
# Readable from its first piece on; size and SHA-256 follow when the task ends.
_PUBLISHED = 1

_INSERT_TASK = statements.Insert(
    _TASK,
    _TASK.run_id,
    _TASK.attempt,
    _TASK.seq,
    _TASK.task_guid,
    _TASK.module_guid,
    _TASK.module,
    _TASK.name,
    _TASK.status,
    _TASK.exit_code,
    _TASK.detail,
    _TASK.outputs,
    _TASK.log_truncated,
    _TASK.process,
    _TASK.started_at,
    _TASK.finished_at,
)
_WRITE_TASK = statements.Update(
    _TASK,
    _TASK.status,
    _TASK.exit_code,
    _TASK.detail,
    _TASK.outputs,
    _TASK.log_id,
    _TASK.log_truncated,
    _TASK.process,
    _TASK.started_at,
    _TASK.finished_at,
    key=_TASK.id,
)
# Open ones only: a run may have many tasks, and most are over for most of its time.
_OPEN_TASKS = Selection(
    _TASK.run_id,
    lambda: _TASK.select().where(
        _TASK.status.in_((JobStatus.SCHEDULED, JobStatus.ACTIVE)),
        _TASK.seq.between(named(_TASK.seq, "first"), named(_TASK.seq, "last")),
    ),
)
_INSERT_CHUNK = statements.Insert(_CHUNK, _CHUNK.blob_id, _CHUNK.seq, _CHUNK.data, ignoring=True)
_VALUES = models.RunOutput
_INSERT_VALUES = statements.Insert(_VALUES, _VALUES.run_id, _VALUES.outputs)
# A log is read in portions: drivers hand over the whole answer of a query at once.
_PORTION = 16
_NEXT_CHUNKS = statements.Statement(
    lambda: (
        _CHUNK.select(_CHUNK.seq, _CHUNK.data)
        .where(_CHUNK.blob_id == named(_CHUNK.blob_id), _CHUNK.seq > named(_CHUNK.seq))
        .order_by(_CHUNK.seq)
        .limit(_PORTION)
    )
)


def plan_tasks(session: WritingSession, run: RunRow, order: RunOrder) -> None:
    """Write down the tasks of an attempt before it begins, so that all are known by name."""
    for task in order.tasks:
        session.gather(_INSERT_TASK, _planned(run, task))


def unplan_tasks(session: Session, run: RunRow) -> None:
    """Forget the tasks of an attempt of which none was begun: they are planned anew."""
    session.execute(_TASK.delete().where(_TASK.run_id == run.id, _TASK.attempt == run.attempt))


def keep_values(session: WritingSession, run: RunRow, report: RunFinished) -> None:
    """Store the values of parameters with which a run has ended, once."""
    outputs = [dataclasses.asdict(value) for value in report.parameters]
    session.gather(_INSERT_VALUES, {"run_id": run.id, "outputs": outputs})


@dataclasses.dataclass(slots=True)
class TaskRow:
    """A task of the present attempt of a run that has not ended."""

    id: int
    status: JobStatus
    exit_code: int | None
    detail: str
    outputs: dict[str, str]
    log_id: int | None
    log_truncated: bool
    process: dict[str, Any] | None
    started_at: int | None
    finished_at: int | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The task of a row of the table."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**values | {"status": JobStatus(row["status"])})


class TaskBook:
    """The open tasks that some reports are about: read at once, changed here, written at once.

    What is reported of a task that has ended, or that nobody knows, is not taken in.
    """

    def __init__(
        self, session: WritingSession, runs: Iterable[RunRow], seqs: Sequence[int]
    ) -> None:
        self._session = session
        self._tasks = _open_tasks(session, list(runs), seqs)
        self._changed: dict[int, TaskRow] = {}

    def start(self, run: RunRow, report: TaskStarted) -> None:
        """A task has begun."""
        task = self._tasks.get((run.id, report.seq))
        if task is None or task.status is not JobStatus.SCHEDULED:
            return
        task.status = JobStatus.ACTIVE
        task.started_at = report.at
        task.process = None if report.process is None else dataclasses.asdict(report.process)
        self._changed[task.id] = task

    def add_output(self, run: RunRow, chunk: LogChunk) -> None:
        """Store a piece of output."""
        task = self._tasks.get((run.id, chunk.seq))
        if task is None:
            return
        if task.log_id is None:
            task.log_id = _new_log(self._session)
            self._changed[task.id] = task
        values = {"blob_id": task.log_id, "seq": chunk.index, "data": chunk.data}
        self._session.gather(_INSERT_CHUNK, values)
        if chunk.truncated:
            task.log_truncated = True
            self._changed[task.id] = task

    def finish(self, run: RunRow, report: TaskFinished) -> bool:
        """A task is over, or was skipped; its log is sealed. Whether that is news."""
        task = self._tasks.pop((run.id, report.seq), None)
        if task is None:
            return False
        task.status = report.status
        task.exit_code = report.exit_code
        task.detail = report.detail
        task.outputs = report.outputs
        task.started_at = report.started_at
        task.finished_at = report.at
        self._changed[task.id] = task
        if task.log_id is not None:
            seal(self._session, task.log_id)
        return True

    def write(self) -> None:
        """Write back what has changed so far."""
        for task in self._changed.values():
            self._session.gather(_WRITE_TASK, task)
        self._changed.clear()


def _open_tasks(
    session: Session, runs: Sequence[RunRow], seqs: Sequence[int]
) -> dict[tuple[int, int], TaskRow]:
    if not seqs:
        return {}
    attempts = {run.id: run.attempt for run in runs}
    found = _OPEN_TASKS.rows(session, list(attempts), first=min(seqs), last=max(seqs))
    return {
        (row["run_id"], row["seq"]): TaskRow.of(row)
        for row in found
        if row["attempt"] == attempts[row["run_id"]]
    }


def seal(session: Session, log_id: int) -> None:
    """Give a log its final size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    for data in _chunks(session, log_id, -1):
        digest.update(data)
        size += len(data)
    session.execute(
        _BLOB.update(state=_PUBLISHED, size=size, sha256=digest.hexdigest()).where(
            _BLOB.id == log_id
        )
    )


def seal_logs(session: Session, run: RunRow) -> None:
    """Seal the logs of an attempt that are still open: nothing more is written to them."""
    query = (
        _TASK.select(_TASK.log_id)
        .join(_BLOB, on=(_BLOB.id == _TASK.log_id))
        .where(_TASK.run_id == run.id, _TASK.attempt == run.attempt, _BLOB.sha256.is_null())
    )
    for row in session.rows(query):
        seal(session, row["log_id"])


@dataclasses.dataclass(frozen=True)
class Output:
    """A piece of output: which task of which run, where in its log, the bytes."""

    run: uuid.UUID
    agent_id: int
    task: str
    seq: int
    index: int
    data: bytes


def output(
    session: Session, job_id: int, seen: dict[tuple[uuid.UUID, int], int]
) -> Iterator[Output]:
    """The output of a job's present attempts that is not ``seen`` yet.

    ``seen`` maps (run, task) to the index of the last piece seen, and is brought up to date.
    """
    run_model = models.Run
    query = (
        _TASK.select(run_model.guid, run_model.agent_id, _TASK.seq, _TASK.name, _TASK.log_id)
        .join(
            run_model,
            on=(run_model.id == _TASK.run_id) & (run_model.attempt == _TASK.attempt),
        )
        .where(run_model.job_id == job_id, _TASK.log_id.is_null(False))
        .order_by(run_model.id, _TASK.seq)
    )
    for row in session.rows(query):
        key = (row["guid"], row["seq"])
        index = seen.get(key, -1)
        for data in _chunks(session, row["log_id"], index):
            index += 1
            seen[key] = index
            yield Output(row["guid"], row["agent_id"], row["name"], row["seq"], index, data)


def log_bytes(session: Session, log_id: int, most: int) -> bytes:
    """The beginning of a log, ``most`` bytes of it."""
    collected = bytearray()
    for data in _chunks(session, log_id, -1):
        collected += data
        if len(collected) >= most:
            break
    return bytes(collected[:most])


def _planned(run: RunRow, task: TaskOrder) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "attempt": run.attempt,
        "seq": task.seq,
        "task_guid": task.guid,
        "module_guid": task.module_guid,
        "module": task.module,
        "name": task.name,
        "status": JobStatus.SCHEDULED,
        "exit_code": None,
        "detail": "",
        "outputs": {},
        "log_truncated": False,
        "process": None,
        "started_at": None,
        "finished_at": None,
    }


def _new_log(session: Session) -> int:
    return int(
        session.execute(
            _BLOB.insert(
                guid=moments.new_guid(),
                tenant_id=1,
                state=_PUBLISHED,
                size=0,
                sha256=None,
                created_at=moments.now(),
            )
        )
    )


def _chunks(session: Session, log_id: int, after: int) -> Iterator[bytes]:
    while chunks := session.select(_NEXT_CHUNKS, {"blob_id": log_id, "seq": after}):
        for row in chunks:
            yield bytes(row["data"])
        if len(chunks) < _PORTION:
            return
        after = chunks[-1]["seq"]
