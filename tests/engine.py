"""An engine on a real store, with a clock that the test moves; no agent, no HTTP."""

import dataclasses
import uuid
from pathlib import Path

from gateway import moments
from gateway.agents.desk import AgentFacts, AgentSession
from gateway.agents.protocol import FinalValue, RunFinished, RunOrder, TaskFinished, TaskStarted
from gateway.catalog.blobs import Blobs
from gateway.catalog.catalog import Catalog
from gateway.catalog.definitions import Module, Parameter, Task
from gateway.catalog.resources import Resources
from gateway.fleet.orders import OrderMaker
from gateway.fleet.reception import Reception
from gateway.identity import vault as vaults
from gateway.identity.principals import MACHINE, Caller
from gateway.jobs.acceptance import Acceptance
from gateway.jobs.clock import Clock
from gateway.jobs.orders import GivenParameters, JobOrder, Timing, What, Who
from gateway.jobs.parameters import ParameterReader
from gateway.jobs.repeats import Repeats
from gateway.jobs.service import Jobs
from gateway.jobs.signals import Signals
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from gateway.tasks.registry import TaskTypes
from storage.database import Store

MINUTE = 60 * moments.SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LAUNCH_TIMEOUT = 24 * HOUR
LEASE = MINUTE
# A Monday at noon, UTC.
BEGINNING = 1_767_614_400 * moments.SECOND


class MovableClock:
    """The present moment, moved by the test."""

    def __init__(self) -> None:
        self.moment = BEGINNING

    def __call__(self) -> int:
        return self.moment

    def advance(self, microseconds: int) -> None:
        self.moment += microseconds


@dataclasses.dataclass
class Engine:
    """The parts of the engine, and short ways to use them."""

    store: Store
    now: MovableClock
    catalog: Catalog
    jobs: Jobs
    clock: Clock
    reception: Reception
    signals: Signals
    caller: Caller = MACHINE

    def module(
        self,
        *,
        name: str = "",
        tasks: int = 1,
        retries: int = 0,
        parameters: tuple[Parameter, ...] = (),
    ) -> uuid.UUID:
        """Store a module of tasks that run ``true``."""
        module = Module(
            guid=uuid.uuid4(),
            name=name or f"Module {uuid.uuid4()}",
            retries=retries,
            parameters=parameters,
            tasks=tuple(
                Task(
                    guid=uuid.uuid4(), name=f"task {i}", type="command", settings={"argv": ["true"]}
                )
                for i in range(tasks)
            ),
        )
        self.catalog.save(module, MACHINE)
        return module.guid

    def agent(
        self, name: str = "agent", max_runs: int = 10, *, embedded: bool = True
    ) -> AgentSession:
        """Let an agent open a session."""
        facts = AgentFacts(name, "linux", "1", "boot", (), ("sh",), max_runs, embedded=embedded)
        return self.reception.open_session(facts)

    def order(
        self,
        module: uuid.UUID,
        *agents: AgentSession,
        timing: Timing | None = None,
        parameters: tuple[GivenParameters, ...] = (),
        on_hold: bool = False,
        priority: int = 5,
    ) -> JobOrder:
        """An order for a module on agents."""
        return JobOrder(
            what=(What(module),),
            who=tuple(Who(str(agent.agent)) for agent in agents),
            timing=timing or Timing(),
            parameters=parameters,
            on_hold=on_hold,
            priority=priority,
        )

    def accept(self, order: JobOrder) -> JobView:
        """Accept an order."""
        return self.jobs.accept(order, self.caller)

    def finish(
        self,
        session: AgentSession,
        order: RunOrder,
        status: JobStatus = JobStatus.COMPLETED,
        values: tuple[FinalValue, ...] = (),
    ) -> None:
        """Report a claimed run as the agent would: every task begun and ended, then the run.

        ``values`` are those of its parameters in the end.
        """
        at = self.now()
        reports: list[TaskStarted | TaskFinished | RunFinished] = []
        for task in order.tasks:
            reports.append(TaskStarted(order.run, order.attempt, task.seq, at))
            reports.append(TaskFinished(order.run, order.attempt, task.seq, at, at, status))
        reports.append(RunFinished(order.run, order.attempt, at, status, parameters=values))
        assert self.reception.report(session, reports) == []

    def run_all(self, session: AgentSession) -> int:
        """Claim and finish all that waits for an agent; answers how many runs."""
        done = 0
        while orders := self.reception.claim(session, 10):
            for order in orders:
                self.finish(session, order)
            done += len(orders)
        return done


def make(store: Store, folder: Path, clock_of: Engine | None = None) -> Engine:
    """An engine on a store; ``folder`` is for its keys.

    A second engine on the same place goes by the clock of the first.
    """
    now = MovableClock() if clock_of is None else clock_of.now
    vault = vaults.open_vault(store, folder / "keys.json")
    catalog = Catalog(store, vault, now, TaskTypes.load())
    signals = Signals()
    clock = Clock(store, MINUTE, signals.wake, now)
    orders = OrderMaker(catalog, ParameterReader(vault), 1024 * 1024)
    resources = Resources(store, Blobs(store, now), now)
    acceptance = Acceptance(catalog, vault, LAUNCH_TIMEOUT)
    return Engine(
        store=store,
        now=now,
        catalog=catalog,
        jobs=Jobs(
            store,
            catalog,
            acceptance,
            clock,
            signals,
            Repeats(store, vault.keyring, DAY),
            0,
            now,
        ),
        clock=clock,
        reception=Reception(
            store, orders, resources, signals, LEASE, now, lambda: now() / moments.SECOND
        ),
        signals=signals,
    )
