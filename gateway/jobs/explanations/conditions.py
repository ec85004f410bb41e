"""What an explanation consists of."""

import enum
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from gateway import moments
from gateway.jobs.states import JobStatus


class Met(enum.Enum):
    """Whether a condition is fulfilled, at the moment that was asked about."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Condition:
    """One condition with the fact it was read from. ``since_at`` in epoch microseconds.

    ``of`` is the agent that it concerns; empty for what concerns the job as a whole.
    """

    name: str
    met: Met
    fact: str
    since_at: int | None = None
    of: str = ""


@dataclass(frozen=True)
class JobExplanation:
    """A job at a moment: how it stood, one sentence why, and all conditions in their order."""

    job: uuid.UUID
    at: int
    status: JobStatus | None
    summary: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class ScheduleExplanation:
    """A schedule at a moment. ``due_at`` is the due time that it is about, if there is one.

    ``made`` explains the job that this due time has made; ``following`` are the next due times.
    """

    schedule: uuid.UUID
    job: uuid.UUID
    rule: str
    at: int
    due_at: int | None
    summary: str
    conditions: tuple[Condition, ...]
    following: tuple[str, ...]
    made: JobExplanation | None = None


def yes(name: str, fact: str, since: int | None = None, of: str = "") -> Condition:
    """A condition that is fulfilled."""
    return Condition(name, Met.YES, fact, since, of)


def no(name: str, fact: str, since: int | None = None, of: str = "") -> Condition:
    """A condition that is not."""
    return Condition(name, Met.NO, fact, since, of)


def unknown(name: str, fact: str, of: str = "") -> Condition:
    """A condition of which nothing is stored."""
    return Condition(name, Met.UNKNOWN, fact, None, of)


def judged(
    name: str, fulfilled: bool, fact: str, since: int | None = None, of: str = ""
) -> Condition:
    """A condition that is fulfilled or not."""
    return Condition(name, Met.YES if fulfilled else Met.NO, fact, since, of)


def unmet(conditions: Iterable[Condition]) -> list[Condition]:
    """Those that are not fulfilled."""
    return [one for one in conditions if one.met is Met.NO]


def told(moment: int) -> str:
    """A moment for people, in UTC."""
    found = moments.to_datetime(moment)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC"


def words(status: JobStatus) -> str:
    """A status for people: completed with errors."""
    return status.name.lower().replace("_", " ")
