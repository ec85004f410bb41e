"""What the gateway is compared with, each behind the gateway's own front, in its own process.

``python -m tests.benchmarks.yardsticks KIND FOLDER [JOB]`` serves on a port of the system's choice,
which it prints, until its standard input is closed.
"""

import contextlib
import enum
import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import flask
import peewee

from gateway import memory, moments
from gateway.front.gate import Gate
from gateway.front.limits import Limits
from gateway.front.listeners import Listener
from gateway.front.server import Front
from gateway.settings import Settings
from storage import models, opening, statements
from storage.database import Store
from storage.session import Session


class Kind(enum.StrEnum):
    """The yardsticks that are servers."""

    FLASK = "flask"
    INSERT = "insert"
    SPYNE = "spyne"
    STORELESS = "storeless"


def bare_flask() -> flask.Flask:
    """One route that answers a line of JSON and reads nothing."""
    app = flask.Flask("bare")

    @app.route("/", methods=["GET", "POST"])
    def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


_JOB = models.Job
_VALUES: Mapping[peewee.Field, Any] = {
    _JOB.tenant_id: 1,
    _JOB.origin: 1,
    _JOB.recurring: False,
    _JOB.status: 4,
    _JOB.stage: 2,
    _JOB.reason: "",
    _JOB.priority: 5,
    _JOB.runs_open: 0,
    _JOB.created_at: 0,
}
_INSERT = statements.Insert(_JOB, _JOB.guid, *_VALUES)


def one_insert(store: Store) -> flask.Flask:
    """One route that inserts one row of the table of jobs, prepared, and waits for the commit."""
    app = flask.Flask("insert")
    fixed = {column.name: value for column, value in _VALUES.items()}
    made = itertools.count()

    @app.post("/")
    def insert() -> dict[str, int]:
        values = fixed | {"guid": moments.new_guid()}

        def work(session: Session) -> None:
            session.run(_INSERT, values)

        store.unit_of_work(work)
        return {"made": next(made)}

    return app


@contextlib.contextmanager
def application(
    kind: Kind, folder: Path, gate: Gate, job: Path | None = None
) -> Iterator[WSGIApplication]:
    """The application of a yardstick for the length of a block; Spyne's may know one job."""
    if kind is Kind.FLASK:
        yield bare_flask()
    elif kind is Kind.SPYNE:
        # Not before it is wanted: the others' memory is a figure.
        from tests.benchmarks import stock_spyne

        yield stock_spyne.application(job)
    elif kind is Kind.STORELESS:
        from tests.benchmarks import storeless

        with storeless.application(folder) as served:
            yield served
    else:
        folder.mkdir(parents=True, exist_ok=True)
        store = opening.open_sqlite(folder / "store.sqlite3", folder, gate.released)
        with contextlib.closing(store):
            yield one_insert(store)


def main() -> None:
    """Serve until told to end."""
    memory.share_heaps()
    kind, folder, *job = Kind(sys.argv[1]), *map(Path, sys.argv[2:])
    settings = Settings()
    gate = Gate(settings.decoders)
    with application(kind, folder, gate, *job) as served:
        front = Front(
            served,
            [Listener("127.0.0.1", 0)],
            Limits(),
            gate,
            threads=settings.workers.request_threads,
        )
        front.start()
        memory.settle()
        print("listening on port", front.addresses[0].port, flush=True)
        sys.stdin.read()
        front.stop(1)


if __name__ == "__main__":
    main()
