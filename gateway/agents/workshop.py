"""What every agent works with, embedded or not: a ledger, a supervisor that is kept, a delivery."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.agents import channel, facts, processes, workspace
from gateway.agents.delivery import Delivery, Item
from gateway.agents.desk import AgentFacts, AgentSession, WorkDesk
from gateway.agents.keeper import Keeper
from gateway.agents.ledger import Ledger
from gateway.agents.link import SupervisorLink
from gateway.agents.offers import Offers
from gateway.agents.users import TaskUser

# How long, at a stop, killed tasks may take to be gone and the desk to take the last reports.
_KILL_SECONDS = 10.0
_DELIVERY_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class WorkSettings:
    """``name`` under which the agent registers; ``max_runs`` at once; ``folder`` for its runs.

    ``grace`` seconds lie between asking a task's processes to end and killing them; the agent says
    that it is alive every ``renew_seconds``. ``task_types`` are ``module:Class`` by names, besides
    the installed ones. ``inherit`` names environment variables of the agent that tasks are given
    besides the usual ones. ``time_zone`` is the agent's where it is not the machine's. Tasks run
    as ``user``, None for the agent's own.
    """

    name: str
    folder: Path
    max_runs: int = 10
    grace: float = 5.0
    renew_seconds: float = 10.0
    task_types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    inherit: tuple[str, ...] = ()
    time_zone: str | None = None
    user: TaskUser | None = None

    @property
    def supervisor_arguments(self) -> tuple[str, ...]:
        """The command line that hands these settings to a supervisor."""
        types = (f"--task-type={name}={kind}" for name, kind in self.task_types.items())
        return (
            f"--folder={self.folder}",
            f"--max-runs={self.max_runs}",
            f"--grace={self.grace}",
            *types,
            *(f"--inherit={name}" for name in self.inherit),
            *((f"--user={self.user.name}",) if self.user and self.user.other else ()),
        )

    def facts(self, *, embedded: bool) -> AgentFacts:
        """What there is to tell of the agent and its machine at present."""
        return facts.gather(
            self.name,
            self.max_runs,
            embedded=embedded,
            time_zone=self.time_zone,
            folder=self.folder,
        )

    def make_ready(self) -> None:
        """Kill what an earlier start left behind, and see to the folder of runs.

        To be done before a run may be tried again. Raises OSError, UserRefused.
        """
        killed = processes.sweep_agent(workspace.mark(self.folder))
        if killed:
            _log.warning("killed %d processes that an earlier supervisor left running", killed)
        if self.user is not None and self.user.other:
            self.user.own(self.folder)
            self.user.check(self.folder)
        else:
            workspace.Workspace(self.folder).prepare()


@dataclasses.dataclass(frozen=True)
class Workshop:
    """The parts of an agent at work in one session."""

    ledger: Ledger
    delivery: Delivery
    keeper: Keeper
    task_grace: float

    @classmethod
    def open(
        cls,
        desk: WorkDesk,
        session: AgentSession,
        settings: WorkSettings,
        treated: Callable[[Sequence[Item]], Sequence[Item]] = lambda items: items,
    ) -> "Workshop":
        """Start a supervisor; ``treated`` is done with all that the desk is told.

        Raises OSError if no supervisor can be started.
        """
        ledger = Ledger(settings.max_runs)
        delivery = Delivery(desk, session)
        keeper = Keeper(
            functools.partial(
                SupervisorLink, settings.supervisor_arguments, settings.inherit, settings.user
            ),
            ledger,
            lambda items: delivery.put(treated(items)),
            functools.partial(_offers, desk, session, settings.max_runs),
        )
        delivery.start(refused=keeper.abort)
        keeper.start()
        return cls(ledger, delivery, keeper, settings.grace)

    def finish(self, grace: float) -> None:
        """Let the runs end for so many seconds, and abort those that do not."""
        self.keeper.finish(grace, self.task_grace + _KILL_SECONDS)

    def close(self) -> None:
        """Hand over the last reports."""
        if not self.delivery.close(_DELIVERY_SECONDS):
            _log.error("the last reports are dropped: they cannot be handed over")

    def cut_off(self) -> None:
        """Kill all that runs, at once; nothing is told of it any more."""
        self.delivery.give_up()
        self.keeper.cut_off()
        self.delivery.close(0)


def _offers(
    desk: WorkDesk, session: AgentSession, places: int, send: Callable[[channel.Message], None]
) -> Offers:
    return Offers(desk, session, send, places)
