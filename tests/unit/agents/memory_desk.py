"""A desk without a store: what an agent asks of the engine, kept in memory."""

import collections
import dataclasses
import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from gateway.agents.desk import (
    Abort,
    AgentFacts,
    AgentSession,
    Refusal,
    ResourceContent,
    SessionOver,
)
from gateway.agents.ledger import Attempt
from gateway.agents.protocol import (
    LogChunk,
    Report,
    RunFinished,
    RunOrder,
    TaskFinished,
    TaskOrder,
    TaskStarted,
)
from gateway.catalog.definitions import Condition
from gateway.jobs.states import JobStatus

PATIENCE = 30.0


@dataclasses.dataclass
class Record:
    """All that the desk was told of one attempt of a run."""

    reports: list[Report] = dataclasses.field(default_factory=list)
    lost: str | None = None

    @property
    def end(self) -> RunFinished | None:
        ends = [report for report in self.reports if isinstance(report, RunFinished)]
        assert len(ends) <= 1
        return ends[0] if ends else None

    @property
    def status(self) -> JobStatus:
        return JobStatus.ACTIVE if self.end is None else self.end.status

    @property
    def tasks(self) -> list[TaskFinished]:
        return [report for report in self.reports if isinstance(report, TaskFinished)]

    @property
    def started(self) -> list[TaskStarted]:
        return [report for report in self.reports if isinstance(report, TaskStarted)]

    @property
    def chunks(self) -> list[LogChunk]:
        return [report for report in self.reports if isinstance(report, LogChunk)]

    def log(self, seq: int = 0) -> str:
        chunks = [chunk for chunk in self.chunks if chunk.seq == seq]
        assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
        return b"".join(chunk.data for chunk in chunks).decode()


class MemoryDesk:
    """Gives out runs and remembers reports. ``obstacle``, if set, sees all reports first."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.records: dict[Attempt, Record] = collections.defaultdict(Record)
        self.batches: list[int] = []
        self.resources: dict[str, bytes] = {}
        self.flags: dict[str, bool] = {}
        self.refused: set[Attempt] = set()
        self.obstacle: Callable[[Sequence[Report]], None] | None = None
        self.facts: AgentFacts | None = None
        self.renewals = 0
        self.told = 0
        self.named: list[Attempt] = []
        self.settled: set[Attempt] = set()
        self.over = False
        self.given_back: list[Attempt] = []
        self.keep_logs = True
        self.ended = 0
        self._waiting: collections.deque[RunOrder] = collections.deque()
        self._claimed: set[Attempt] = set()
        self._aborts: dict[Attempt, Abort] = {}
        self._calls = 0
        self._heard = 0

    # What tests do.

    def submit(self, *orders: RunOrder) -> None:
        with self.changed:
            self._waiting.extend(orders)
            self._call()

    def abort(self, order: RunOrder, reason: str = "on request") -> None:
        with self.changed:
            self._aborts[order.run, order.attempt] = Abort(order.run, order.attempt, reason)
            self._call()

    def record(self, order: RunOrder) -> Record:
        return self.records[order.run, order.attempt]

    def until(self, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, patience), "it did not come to pass"

    def finish(self, order: RunOrder, patience: float = PATIENCE) -> Record:
        """Wait for the end of a run and give what is known of it."""
        record = self.record(order)
        self.until(lambda: record.end is not None or record.lost is not None, patience)
        return record

    # What the agent does.

    def open_session(self, agent: AgentFacts) -> AgentSession:
        self.facts = agent
        return AgentSession(1, uuid.uuid4(), uuid.uuid4())

    def tell(self, session: AgentSession, agent: AgentFacts) -> None:
        with self.changed:
            self.facts = agent
            self.told += 1
            self.changed.notify_all()

    def claim(self, session: AgentSession, limit: int) -> list[RunOrder]:
        assert limit > 0
        with self.changed:
            orders = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
            self._claimed.update((order.run, order.attempt) for order in orders)
            return orders

    def report(self, session: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        if self.obstacle is not None:
            self.obstacle(reports)
        refusals = []
        with self.changed:
            self.batches.append(len(reports))
            for report in reports:
                attempt = (report.run, report.attempt)
                if attempt in self.refused:
                    refusals.append(Refusal(*attempt, "the attempt is over"))
                    continue
                self._store(report)
            self.changed.notify_all()
        return refusals

    def aborts(self, session: AgentSession) -> list[Abort]:
        with self.changed:
            return [abort for attempt, abort in self._aborts.items() if attempt in self._claimed]

    def wait(self, session: AgentSession, timeout: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self._calls > self._heard, timeout)
            self._heard = self._calls

    def renew(self, session: AgentSession, runs: Sequence[Attempt]) -> list[Refusal]:
        if self.over:
            raise SessionOver("another has the name")
        self.renewals += 1
        self.named = list(runs)
        return [Refusal(*run, "settled meanwhile") for run in runs if run in self.settled]

    def lost(self, session: AgentSession, runs: Sequence[Attempt], reason: str) -> None:
        with self.changed:
            for attempt in runs:
                assert self.records[attempt].end is None
                self.records[attempt].lost = reason
            self.changed.notify_all()

    def give_back(self, session: AgentSession, runs: Sequence[Attempt]) -> None:
        with self.changed:
            self.given_back += runs
            self.changed.notify_all()

    def resource(self, session: AgentSession, run: UUID, reference: str) -> ResourceContent:
        if reference not in self.resources:
            raise LookupError(f"There is no resource {reference!r}.")
        data = self.resources[reference]
        digest = hashlib.sha256(data).hexdigest()
        return ResourceContent(reference, len(data), digest, _chunks(data), **self.flags)

    def _call(self) -> None:
        self._calls += 1
        self.changed.notify_all()

    def _store(self, report: Report) -> None:
        if isinstance(report, LogChunk) and not self.keep_logs:
            return
        self.records[report.run, report.attempt].reports.append(report)
        if isinstance(report, RunFinished):
            self.ended += 1
            self._aborts.pop((report.run, report.attempt), None)


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 1_000_000):
        yield data[start : start + 1_000_000]


def condition(**members: object) -> Condition:
    """A condition, its subject and operator given as plain words."""
    return Condition.model_validate(members)


def order(*tasks: TaskOrder, **members: Any) -> RunOrder:
    """A run of these tasks."""
    numbered = tuple(dataclasses.replace(task, seq=seq) for seq, task in enumerate(tasks))
    values: dict[str, Any] = {
        "run": uuid.uuid4(),
        "attempt": 1,
        "job": uuid.uuid4(),
        "name": "test",
        **members,
    }
    return RunOrder(tasks=numbered, **values)


def task(kind: str, /, **members: Any) -> TaskOrder:
    """A task; what is no member of a TaskOrder is one of its settings."""
    own = {field.name for field in dataclasses.fields(TaskOrder)}
    settings = {name: members.pop(name) for name in list(members) if name not in own}
    values = {"name": kind, "settings": settings, **members}
    return TaskOrder(0, uuid.uuid4(), "module", uuid.uuid4(), type=kind, **values)


def sh(text: str, **members: Any) -> TaskOrder:
    """A task that runs a line of shell."""
    return task("command", argv=["sh", "-c", text], **members)


def eventually(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for something that tells nobody when it comes."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
