"""Answers that are prepared before what they tell of is durable, and sent once it is.

A thread that waits for a commit is woken for it, takes a turn again and only then writes its
answer. Where the answer is known before, the application prepares it at once, hands the front the
outcome that it depends on, and is done; the front sends it when the outcome is there. If that is
an error, the prepared answer is dropped and the application runs once more, this time to answer
the failure: it finds it in the environ and does nothing else.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

HELD = "gateway.held"
"""Environ key: a list for the outcome that the answer depends on; absent where none is held."""

FAILURE = "gateway.failure"
"""Environ key: the error with which an outcome of the first run came."""


def hold(environ: Mapping[str, Any], outcome: "Future[Any]") -> None:
    """Have the answer held until this outcome is there.

    Waits for it under a server that cannot. Raises its error where that is known at once.
    """
    outcomes = environ.get(HELD)
    if outcomes is None or outcome.done():
        outcome.result()
    elif outcomes:
        raise RuntimeError("an answer is held for one outcome only")
    else:
        outcomes.append(outcome)


def failure(environ: Mapping[str, Any]) -> Exception | None:
    """What this request failed with when it was run before."""
    error: Exception | None = environ.get(FAILURE)
    return error


def when_answered(environ: Mapping[str, Any], call: Callable[[], None]) -> None:
    """Call once the outcome is there and well; at once where the answer is not held."""
    outcomes = environ.get(HELD)
    if not outcomes:
        call()
        return

    def come(outcome: "Future[Any]") -> None:
        if _is_well(outcome):
            call()

    outcomes[0].add_done_callback(come)


def _is_well(outcome: "Future[Any]") -> bool:
    return not outcome.cancelled() and outcome.exception() is None
