"""What a client asks for: an order, in the words of the domain."""

import enum
import uuid
from dataclasses import dataclass, field
from typing import Any

from gateway.catalog.catalog import DefinitionKind


class OrderRefused(Exception):
    """An order cannot be accepted as it is; ``path`` names the member at fault, ``What[0].ID``."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}")
        self.path = path
        self.sentence = sentence


class Origin(enum.IntEnum):
    """What made a job. Numbers as in the old datastore (Dispatcher contract 2.7)."""

    USER = 1
    RECURRING_SCHEDULE = 2
    NEW_AGENT = 7
    BOOT = 8
    RUN_BOOK = 9


class WhoKind(enum.IntEnum):
    """What a reference in Who names (Dispatcher contract 2.2)."""

    AGENT = 0
    TEAM = 1


class MissedRuns(enum.IntEnum):
    """What becomes of due times that passed while nobody could act on them."""

    ALL = 0
    LAST = 1
    NONE = 2


class RecurrenceKind(enum.IntEnum):
    """How a recurrence's rule is read."""

    INTERVAL = 0
    CRON = 1


@dataclass(frozen=True)
class What:
    """A definition to run; the GUID counts, the name is for people."""

    guid: uuid.UUID
    kind: DefinitionKind = DefinitionKind.MODULE
    name: str = ""


@dataclass(frozen=True)
class Who:
    """An agent or team to run on, by GUID (as text) or by name."""

    reference: str
    kind: WhoKind = WhoKind.AGENT
    name: str = ""


@dataclass(frozen=True)
class GivenValue:
    """A parameter's value as the client gave it; ``secondary`` is a credential's password."""

    name: str
    value: str | None = None
    secondary: str | None = None


@dataclass(frozen=True)
class GivenParameters:
    """Values for one definition of the order; without a GUID, for every definition.

    ``step`` is the job of a run book that runs the definition; without one, every job is meant.
    """

    definition: uuid.UUID | None
    values: tuple[GivenValue, ...]
    step: uuid.UUID | None = None


@dataclass(frozen=True)
class Recurrence:
    """When a job recurs.

    ``rule`` is a count of seconds for INTERVAL, five cron fields for CRON; ``zone`` is an IANA
    name; ``grace`` in microseconds is how late a due time may be met and still count as met.
    """

    kind: RecurrenceKind
    rule: str
    zone: str = "UTC"
    starts_at: int | None = None
    ends_at: int | None = None
    missed_runs: MissedRuns = MissedRuns.LAST
    grace: int | None = None


@dataclass(frozen=True)
class Timing:
    """When to run: now, at a moment (epoch microseconds), or again and again."""

    immediate: bool = True
    scheduled_at: int | None = None
    local_time: bool = False
    wake_on_lan: bool = False
    recurrence: Recurrence | None = None


@dataclass(frozen=True)
class JobOrder:
    """A request to run definitions on agents."""

    what: tuple[What, ...]
    who: tuple[Who, ...]
    timing: Timing = Timing()
    description: str = ""
    parameters: tuple[GivenParameters, ...] = ()
    in_parallel: bool = False
    on_hold: bool = False
    priority: int = 5
    launch_timeout: int | None = None
    # What came in under names that the surface does not know; no answer shows it.
    extras: dict[str, Any] = field(default_factory=dict)
