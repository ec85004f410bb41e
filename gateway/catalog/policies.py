"""Policies: what a definition, or an order, says about how its jobs are run.

Every member may be left open. What an order says wins over what its definition says, member by
member; what neither says is as it always was.
"""

import enum
from typing import Annotated

from pydantic import Field

from gateway.catalog.shapes import MAX_TIMEOUT, Shape

LONGEST_DELAY = 7 * 24 * 3600.0


class RetryOn(enum.StrEnum):
    """After what a run is tried again."""

    LOST = "lost"
    FAILED = "failed"
    BOTH = "both"


class Concurrency(enum.StrEnum):
    """What a job does while another has its lock."""

    ALLOW = "allow"
    QUEUE = "queue"
    SKIP = "skip"
    REPLACE = "replace"


Delay = Annotated[float, Field(ge=0, le=LONGEST_DELAY, allow_inf_nan=False)]


class Policy(Shape):
    """How jobs are run. Times are in seconds.

    ``retries`` further attempts are made, the first after ``retry_delay``, each later one after
    ``retry_factor`` times as long, but not longer than ``retry_longest``. ``timeout`` is for a
    whole run, or a whole run book. A ``lock`` is shared by all that name it; without a name it is
    the definition's own.
    """

    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    retry_on: RetryOn | None = None
    retry_delay: Delay | None = None
    retry_factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] | None = None
    retry_longest: Delay | None = None
    timeout: Annotated[float, Field(gt=0, le=MAX_TIMEOUT, allow_inf_nan=False)] | None = None
    concurrency: Concurrency | None = None
    lock: Annotated[str, Field(max_length=255)] | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None

    @property
    def said(self) -> dict[str, object]:
        """The members that say something, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)

    def over(self, other: "Policy") -> "Policy":
        """What this one says, and for what it leaves open what the other says."""
        # As good as always one of them says nothing, and this is asked for each job.
        if other == NOTHING:
            return self
        if self == NOTHING:
            return other
        return Policy.model_validate({**other.said, **self.said})

    def tries_again(self, *, lost: bool) -> bool:
        """Whether a run is tried again that was lost, or that has failed."""
        wanted = RetryOn.LOST if lost else RetryOn.FAILED
        return (self.retry_on or RetryOn.BOTH) in (wanted, RetryOn.BOTH)

    def pause(self, attempt: int) -> float:
        """Seconds before the attempt after this one, which counts from 1."""
        longest = LONGEST_DELAY if self.retry_longest is None else self.retry_longest
        delay = self.retry_delay or 0.0
        # A factor to a high power is more than a float holds.
        grown = (self.retry_factor or 1.0) ** min(attempt - 1, 100)
        return min(delay * grown, longest)


NOTHING = Policy()
"""A policy that says nothing."""
