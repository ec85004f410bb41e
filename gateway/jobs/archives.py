"""Archives: jobs as they were, written down before retention removes them.

A file for each day and definition, JSON lines in gzip: each line is a job with all that is part of
it. A portion is one member of the gzip file, and is on disk before anything is removed; after a
crash in between it may stand there twice.
"""

import base64
import datetime
import gzip
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway import moments
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Row, Session

_SECRET = "_secret"  # noqa: S105  (the end of a member's name)
_MASK = "********"
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


class Archives:
    """Writes into one folder, which it makes when it is first used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, day: datetime.date, lines: Iterable[dict[str, Any]]) -> Path:
        """Append jobs to the file of a definition and day; durable when this returns. OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{day:%Y-%m-%d}-{_UNFIT.sub('-', name)[:100]}.jsonl.gz"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as raw:
            with gzip.GzipFile(fileobj=raw, mode="ab") as packed:
                for line in lines:
                    packed.write(json.dumps(line, default=_plain).encode("ascii") + b"\n")
            raw.flush()
            os.fsync(raw.fileno())
        _keep_name(self._folder)
        return file


def read(file: Path) -> Iterator[dict[str, Any]]:
    """The jobs of an archive, in the order in which they were written."""
    with gzip.open(file, "rt", encoding="ascii") as lines:
        for line in lines:
            yield json.loads(line)


def job(session: Session, row: Row) -> dict[str, Any]:
    """A job with its request, events, runs and their tasks; secrets masked, logs in Base64."""
    job_id = row["id"]
    request = models.JobRequest
    asked = session.first(request.select().where(request.job_id == job_id))
    runs = session.rows(
        models.Run.select().where(models.Run.job_id == job_id).order_by(models.Run.id)
    )
    events = models.JobEvent
    return {
        **_shown(row),
        "request": None if asked is None else _masked(_shown(asked)),
        "events": [
            _shown(one)
            for one in session.rows(
                events.select().where(events.job_id == job_id).order_by(events.id)
            )
        ],
        "outputs": _outputs(session, models.JobOutput, models.JobOutput.job_id, job_id),
        "runs": [_run(session, run) for run in runs],
    }


def _run(session: Session, row: Row) -> dict[str, Any]:
    task = models.TaskResult
    tasks = session.rows(task.select().where(task.run_id == row["id"]).order_by(task.id))
    return {
        **_shown(row),
        "outputs": _outputs(session, models.RunOutput, models.RunOutput.run_id, row["id"]),
        "tasks": [_task(session, one) for one in tasks],
    }


def _task(session: Session, row: Row) -> dict[str, Any]:
    shown = _shown(row)
    if row["log_id"] is None:
        return shown
    chunk = models.BlobChunk
    query = chunk.select(chunk.data).where(chunk.blob_id == row["log_id"]).order_by(chunk.seq)
    data = b"".join(bytes(one["data"]) for one in session.rows(query))
    return shown | {"log": base64.b64encode(data).decode("ascii")}


def _outputs(session: Session, model: Any, key: Any, value: int) -> Any:
    row = session.first(model.select().where(key == value))
    return None if row is None else row["outputs"]


def _shown(row: Row) -> dict[str, Any]:
    """A row with its status in words and its times as people read them, beside what they were."""
    shown = dict(row)
    for name, value in row.items():
        if name in ("status", "before", "after") and value is not None:
            shown[name] = JobStatus(value).name
        elif name.endswith("_at") or name == "at":
            shown[name] = None if value is None else moments.to_datetime(value).isoformat()
    return shown


def _masked(request: dict[str, Any]) -> dict[str, Any]:
    """Without the references to secrets, which are removed with the job."""
    sets = [
        {**one, "values": [_mask(value) for value in one.get("values", ())]}
        for one in request.get("parameters") or ()
    ]
    return {**request, "parameters": sets}


def _mask(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removesuffix(_SECRET): _MASK if name.endswith(_SECRET) else one
        for name, one in value.items()
    }


def secrets_of(parameters: Sequence[dict[str, Any]]) -> list[uuid.UUID]:
    """The secrets that a request refers to, by their GUIDs."""
    return [
        uuid.UUID(str(one))
        for given in parameters
        for value in given.get("values", ())
        for name, one in value.items()
        if name.endswith(_SECRET)
    ]


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no form in an archive")


def _keep_name(folder: Path) -> None:
    """Make the name of a new file durable, too, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
