"""What a client asks for: an order, in the words of the domain."""

import datetime
import enum
import uuid
from dataclasses import dataclass, field
from typing import Any

from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.policies import NOTHING, Policy


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
    # No due times: fired when an agent's machine has been started.
    EVERY_BOOT = 2
    # RRULE of RFC 5545, by the wall clock.
    CALENDAR = 3


class OnClosed(enum.IntEnum):
    """What becomes of a due time on which the schedule's calendar is closed."""

    SKIP = 0
    # To the same time of the next, or the last, day that is open then.
    NEXT = 1
    PREVIOUS = 2


class Boot(enum.IntEnum):
    """Whether a run waits for a start of its agent's machine (Dispatcher contract 6)."""

    NONE = 0
    NEXT = 1
    EVERY = 2


class OutsideWindow(enum.IntEnum):
    """What becomes of a run that could begin outside its launch window."""

    CONTINUE = 0
    WAIT = 1
    FAIL = 2


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

    ``rule`` is a count of seconds for INTERVAL, cron fields for CRON, an RRULE for CALENDAR, which
    counts from ``starts_at``; ``zone`` is an IANA name; ``grace`` in microseconds is how late a due
    time may be met and still count as met. ``calendar`` is the GUID of one that is asked after the
    rule.
    """

    kind: RecurrenceKind
    rule: str
    zone: str = "UTC"
    starts_at: int | None = None
    ends_at: int | None = None
    missed_runs: MissedRuns = MissedRuns.LAST
    grace: int | None = None
    calendar: uuid.UUID | None = None
    on_closed: OnClosed = OnClosed.SKIP


@dataclass(frozen=True)
class LaunchWindow:
    """When runs may begin: from ``opens`` until before ``closes``, minutes after midnight.

    One that closes before it opens, or at the same time, closes on the next day. ``days`` are those
    on which it opens, Monday is 0. By the agents' own clocks, unless ``utc``.
    """

    opens: int
    closes: int
    days: frozenset[int] = frozenset(range(7))
    utc: bool = False


@dataclass(frozen=True)
class Timing:
    """When to run: now, at a moment (epoch microseconds), or again and again.

    ``wall`` is the moment where each agent's own clock counts: a time without a zone, in place of
    ``scheduled_at``. With ``offline_at_next_boot`` agents that are offline when the job starts do
    it after the next start of their machines. ``window`` and ``outside`` stand in for those of the
    settings. ``local_time`` says only how the client put it.
    """

    immediate: bool = True
    scheduled_at: int | None = None
    local_time: bool = False
    wake_on_lan: bool = False
    recurrence: Recurrence | None = None
    wall: datetime.datetime | None = None
    boot: Boot = Boot.NONE
    offline_at_next_boot: bool = False
    window: LaunchWindow | None = None
    outside: OutsideWindow | None = None

    @property
    def schedule(self) -> Recurrence | None:
        """The rule by which the job recurs, None for a job that is done once."""
        if self.boot is Boot.EVERY:
            return Recurrence(RecurrenceKind.EVERY_BOOT, "")
        return self.recurrence


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
    # Without one, what the policies say.
    priority: int | None = None
    launch_timeout: int | None = None
    # What came in under names that the surface does not know; no answer shows it.
    extras: dict[str, Any] = field(default_factory=dict)
    policy: Policy = NOTHING
