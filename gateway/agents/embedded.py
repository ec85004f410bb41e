"""An agent within the server: it claims runs at the desk and has a child supervisor work them off.

The server itself starts no task. If the supervisor dies, what it had started is killed, its runs
are given back as lost, and another one is started; if the server dies, the supervisor kills its
tasks and goes.
"""

import dataclasses
import functools

from gateway.agents.claims import Claimer
from gateway.agents.desk import AgentDesk, AgentFacts, AgentSession
from gateway.agents.news import News
from gateway.agents.workshop import WorkSettings, Workshop


@dataclasses.dataclass(frozen=True)
class EmbeddedSettings(WorkSettings):
    """The settings of an agent in the server's own process."""


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
        return parts is not None and parts.workshop.keeper.alive and parts.claimer.alive

    @property
    def supervisor_pid(self) -> int | None:
        """The process id of the child supervisor; None before the start."""
        return None if self._parts is None else self._parts.workshop.keeper.pid

    def start(self) -> AgentSession:
        """Register at the desk and begin.

        Raises StoreUnavailable, UserRefused, or OSError for no supervisor.
        """
        self._settings.make_ready()
        described = self._settings.facts(embedded=True)
        session = self._desk.open_session(described)
        self._parts = _Parts.assemble(self._desk, self._settings, session, described)
        return session

    def stop(self, grace: float) -> None:
        """Let the runs end for so many seconds, abort those that do not, and stop."""
        if self._parts is None:
            return
        self._parts.workshop.finish(grace)
        self._parts.claimer.stop()
        self._parts.workshop.close()
        self._parts = None


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The threads of an agent at work."""

    workshop: Workshop
    claimer: Claimer

    @classmethod
    def assemble(
        cls,
        desk: AgentDesk,
        settings: EmbeddedSettings,
        session: AgentSession,
        described: AgentFacts,
    ) -> "_Parts":
        workshop = Workshop.open(desk, session, settings)
        keeper, delivery = workshop.keeper, workshop.delivery
        claimer = Claimer(
            desk,
            session,
            workshop.ledger,
            keeper.order,
            keeper.abort,
            lambda: delivery.attempts,
            settings.renew_seconds,
            News(described, functools.partial(settings.facts, embedded=True)),
        )
        return cls(workshop, claimer)
