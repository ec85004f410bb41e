"""An agent within the server: it claims runs at the desk and has a child supervisor work them off.

The server itself starts no task. If the supervisor dies, what it had started is killed, its runs
are given back as lost, and another one is started; if the server dies, the supervisor kills its
tasks and goes.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.agents import channel, facts, processes, workspace
from gateway.agents.claims import Claimer
from gateway.agents.delivery import Delivery
from gateway.agents.desk import AgentDesk, AgentFacts, AgentSession
from gateway.agents.keeper import Keeper
from gateway.agents.ledger import Ledger
from gateway.agents.link import SupervisorLink
from gateway.agents.offers import Offers

# How long, at a stop, killed tasks may take to be gone and the desk to take the last reports.
_KILL_SECONDS = 10.0
_DELIVERY_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class EmbeddedSettings:
    """``name`` under which the agent registers; ``max_runs`` at once; ``folder`` for its runs.

    ``grace`` seconds lie between asking a task's processes to end and killing them; the agent says
    that it is alive every ``renew_seconds``. ``task_types`` are ``module:Class`` by names, besides
    the installed ones. ``inherit`` names environment variables of the server that tasks are given
    besides the usual ones. ``time_zone`` is the agent's where it is not the machine's.
    """

    name: str
    folder: Path
    max_runs: int = 10
    grace: float = 5.0
    renew_seconds: float = 10.0
    task_types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    inherit: tuple[str, ...] = ()
    time_zone: str | None = None

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
        )

    def facts(self) -> AgentFacts:
        """What there is to tell of the agent and its machine at present."""
        return facts.gather(self.name, self.max_runs, embedded=True, time_zone=self.time_zone)


class EmbeddedAgent:
    """Works off runs from ``start`` to ``stop``; each is called once, from one thread."""

    def __init__(self, desk: AgentDesk, settings: EmbeddedSettings) -> None:
        self._desk = desk
        self._settings = settings
        self._parts: _Parts | None = None

    @property
    def name(self) -> str:
        """The name under which it registers."""
        return self._settings.name

    @property
    def alive(self) -> bool:
        """Whether runs can be worked off just now."""
        parts = self._parts
        return parts is not None and parts.keeper.alive and parts.claimer.alive

    @property
    def supervisor_pid(self) -> int | None:
        """The process id of the child supervisor; None before the start."""
        return None if self._parts is None else self._parts.keeper.pid

    def start(self) -> AgentSession:
        """Register at the desk and begin; raises StoreUnavailable, or OSError for no supervisor."""
        settings = self._settings
        # Before anything of theirs may be tried again.
        killed = processes.sweep_agent(workspace.mark(settings.folder))
        if killed:
            _log.warning("killed %d processes that an earlier supervisor left running", killed)
        described = settings.facts()
        session = self._desk.open_session(described)
        self._parts = _Parts.assemble(self._desk, settings, session, described)
        return session

    def stop(self, grace: float) -> None:
        """Let the runs end for so many seconds, abort those that do not, and stop."""
        if self._parts is None:
            return
        self._parts.keeper.finish(grace, self._settings.grace + _KILL_SECONDS)
        self._parts.claimer.stop()
        if not self._parts.delivery.close(_DELIVERY_SECONDS):
            _log.error("the last reports are dropped: the store takes none")
        self._parts = None


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The threads of an agent at work."""

    delivery: Delivery
    keeper: Keeper
    claimer: Claimer

    @classmethod
    def assemble(
        cls,
        desk: AgentDesk,
        settings: EmbeddedSettings,
        session: AgentSession,
        described: AgentFacts,
    ) -> "_Parts":
        ledger = Ledger(settings.max_runs)
        delivery = Delivery(desk, session)
        keeper = Keeper(
            functools.partial(SupervisorLink, settings.supervisor_arguments, settings.inherit),
            ledger,
            delivery.put,
            functools.partial(_offers, desk, session, settings.max_runs),
        )
        delivery.start(refused=keeper.abort)
        keeper.start()
        claimer = Claimer(
            desk,
            session,
            ledger,
            keeper.order,
            keeper.abort,
            lambda: delivery.attempts,
            settings.renew_seconds,
            described,
            settings.facts,
        )
        return cls(delivery, keeper, claimer)


def _offers(
    desk: AgentDesk, session: AgentSession, places: int, send: Callable[[channel.Message], None]
) -> Offers:
    return Offers(desk, session, send, places)
