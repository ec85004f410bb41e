"""The engine as an agent sees it: where runs are claimed, reported and given back.

The embedded agent holds an AgentDesk in process; for a remote one the same calls go over HTTP.
Every method may raise ``storage.errors.StoreUnavailable``; the agent then keeps what it has and
tries again.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from gateway.agents.protocol import Report, RunOrder
from gateway.tasks.base import ResourceContent

__all__ = [
    "Abort",
    "AgentDesk",
    "AgentFacts",
    "AgentHealth",
    "AgentSession",
    "Attempt",
    "Refusal",
    "ReportDesk",
    "ResourceContent",
    "ResourceDesk",
    "SessionOver",
    "WorkDesk",
]

Attempt = tuple[UUID, int]
"""A run, and which of its attempts."""


class SessionOver(Exception):
    """The agent's name has another session since, or the agent was removed: this one may stop."""


@dataclasses.dataclass(frozen=True, slots=True)
class AgentHealth:
    """How an agent's machine is: bytes free on the disk of its runs, bytes of memory that can be
    had, and how many threads want to run for each processor (the load of the last minute).
    """

    disk_free: int
    disk_total: int
    memory_free: int
    memory_total: int
    load: float


@dataclasses.dataclass(frozen=True, slots=True)
class AgentFacts:
    """What an agent tells about itself and its machine.

    ``capabilities`` are the interpreters found there; ``boot_id`` changes when it is started anew.
    ``time_zone`` is an IANA name, ``mac_addresses`` are six pairs of hex digits with colons,
    ``console_user`` is who is logged in at the machine itself, empty for nobody. ``health``
    changes all the time, so it is told seldom (``gateway.agents.news``).
    """

    name: str
    platform: str
    version: str
    boot_id: str
    addresses: tuple[str, ...]
    capabilities: tuple[str, ...]
    max_runs: int
    embedded: bool
    time_zone: str = ""
    mac_addresses: tuple[str, ...] = ()
    console_user: str = ""
    health: AgentHealth | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class AgentSession:
    """One agent's time at the desk: its number, its GUID, and the GUID of the session."""

    agent_id: int
    agent: UUID
    session: UUID


@dataclasses.dataclass(frozen=True, slots=True)
class Abort:
    """The order to stop a run."""

    run: UUID
    attempt: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """The desk takes no reports of this attempt (any more)."""

    run: UUID
    attempt: int
    reason: str


class ReportDesk(Protocol):
    """Where an agent tells what became of its runs."""

    def report(self, session: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        """Hand over what happened, in its order; durable when this returns.

        Reports of a refused attempt are not stored, all others are. To hand over the same again,
        after an answer that was lost, changes nothing.
        """

    def lost(self, session: AgentSession, runs: Sequence[Attempt], reason: str) -> None:
        """Tell of runs (with their attempts) that were under way and are no longer."""

    def give_back(self, session: AgentSession, runs: Sequence[Attempt]) -> None:
        """Let runs wait again that were claimed and certainly never begun."""


class ResourceDesk(Protocol):
    """Where an agent gets what its runs need."""

    def resource(self, session: AgentSession, run: UUID, reference: str) -> ResourceContent:
        """The resource with this GUID or name; LookupError with a sentence if there is none."""


class WorkDesk(ReportDesk, ResourceDesk, Protocol):
    """What is asked on behalf of runs that an agent has, however it came by them."""


class AgentDesk(WorkDesk, Protocol):
    """All that an agent in the same process may ask of the engine.

    A remote one is given its runs, and says that it is alive, by polls instead
    (``gateway.agents.poller``).
    """

    def open_session(self, agent: AgentFacts) -> AgentSession:
        """Register the agent under its name, or refresh what is known of it."""

    def tell(self, session: AgentSession, agent: AgentFacts) -> None:
        """Say what has changed at the agent's machine: who sits there, its addresses."""

    def claim(self, session: AgentSession, limit: int) -> list[RunOrder]:
        """Take up to that many due runs; they are the agent's when this returns.

        Raises SessionOver.
        """

    def aborts(self, session: AgentSession) -> list[Abort]:
        """The runs of this agent that are to be stopped; the same one may be told again."""

    def wait(self, session: AgentSession, timeout: float) -> None:
        """Wait that many seconds, less if there may be runs or aborts for the agent."""

    def renew(self, session: AgentSession, runs: Sequence[Attempt]) -> list[Refusal]:
        """Say that the agent is alive, and name all runs that it has or has yet to report of.

        Those that are refused were settled meanwhile: they are to be stopped. Runs that the desk
        gave out a while ago, and that are neither named nor begun, wait again: their order was
        lost on its way. Raises SessionOver.
        """
