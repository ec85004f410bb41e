"""What tasks report: their results, and their output in chunks as it comes.

All for use within a unit of work; nothing is kept in memory, so any gateway may take the next
report. What is reported twice, because its sender could not know that it was stored, changes
nothing the second time.
"""

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from gateway import moments
from gateway.agents.protocol import LogChunk, RunOrder, TaskFinished, TaskOrder, TaskStarted
from gateway.jobs.rows import RunRow
from gateway.jobs.states import JobStatus
from storage import models, statements
from storage.session import Session
from storage.statements import named

_TASK = models.TaskResult
_BLOB = models.Blob
_CHUNK = models.BlobChunk
# Readable from its first piece on; size and SHA-256 follow when the task ends.
_PUBLISHED = 1

_INSERT_TASK = statements.insert(
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
_THIS_TASK = (
    (_TASK.run_id == named(_TASK.run_id))
    & (_TASK.attempt == named(_TASK.attempt))
    & (_TASK.seq == named(_TASK.seq))
)
_START_TASK = statements.Statement(
    lambda: _TASK.update(
        {
            _TASK.status: named(_TASK.status, "new_status"),
            _TASK.started_at: named(_TASK.started_at),
            _TASK.process: named(_TASK.process),
        }
    ).where(_THIS_TASK, _TASK.status == JobStatus.SCHEDULED)
)
_FINISH_TASK = statements.Statement(
    lambda: _TASK.update(
        {
            _TASK.status: named(_TASK.status, "new_status"),
            _TASK.exit_code: named(_TASK.exit_code),
            _TASK.detail: named(_TASK.detail),
            _TASK.outputs: named(_TASK.outputs),
            _TASK.started_at: named(_TASK.started_at),
            _TASK.finished_at: named(_TASK.finished_at),
        }
    ).where(_THIS_TASK, _TASK.status.in_((JobStatus.SCHEDULED, JobStatus.ACTIVE)))
)
_FIND_TASK = statements.Statement(lambda: _TASK.select(_TASK.id, _TASK.log_id).where(_THIS_TASK))
_INSERT_CHUNK = statements.Statement(
    lambda: _CHUNK.insert(
        {column: named(column) for column in (_CHUNK.blob_id, _CHUNK.seq, _CHUNK.data)}
    ).on_conflict_ignore()
)
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


def plan_tasks(session: Session, run: RunRow, order: RunOrder) -> None:
    """Write down the tasks of an attempt before it begins, so that all are known by name."""
    for task in order.tasks:
        session.run(_INSERT_TASK, _planned(run, task))


def unplan_tasks(session: Session, run: RunRow) -> None:
    """Forget the tasks of an attempt of which none was begun: they are planned anew."""
    session.execute(_TASK.delete().where(_TASK.run_id == run.id, _TASK.attempt == run.attempt))


def start_task(session: Session, run: RunRow, report: TaskStarted) -> None:
    """A task has begun."""
    process = None if report.process is None else dataclasses.asdict(report.process)
    session.run(
        _START_TASK,
        _key(run, report.seq)
        | {"new_status": JobStatus.ACTIVE, "started_at": report.at, "process": process},
    )


def finish_task(session: Session, run: RunRow, report: TaskFinished) -> bool:
    """A task is over, or was skipped; its log is sealed. Whether that is news."""
    changed = session.run(
        _FINISH_TASK,
        _key(run, report.seq)
        | {
            "new_status": report.status,
            "exit_code": report.exit_code,
            "detail": report.detail,
            "outputs": report.outputs,
            "started_at": report.started_at,
            "finished_at": report.at,
        },
    )
    if changed.rowcount == 0:
        return False
    _, log_id = _find(session, run, report.seq)
    if log_id is not None:
        seal(session, log_id)
    return True


def add_output(session: Session, run: RunRow, chunk: LogChunk) -> None:
    """Store a piece of output."""
    task_id, log_id = _find(session, run, chunk.seq)
    if task_id is None:
        return
    if log_id is None:
        log_id = _new_log(session)
        session.execute(_TASK.update(log_id=log_id).where(_TASK.id == task_id))
    session.run(_INSERT_CHUNK, {"blob_id": log_id, "seq": chunk.index, "data": chunk.data})
    if chunk.truncated:
        session.execute(_TASK.update(log_truncated=True).where(_TASK.id == task_id))


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


def _key(run: RunRow, seq: int) -> dict[str, Any]:
    return {"run_id": run.id, "attempt": run.attempt, "seq": seq}


def _find(session: Session, run: RunRow, seq: int) -> tuple[int | None, int | None]:
    """The ids of a task's result and of its log."""
    found = session.run(_FIND_TASK, _key(run, seq)).fetchone()
    return (None, None) if found is None else (found[0], found[1])


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
