"""Answers that are prepared before what they tell of is durable, and sent once it is.

A thread that waits for a commit is woken for it, takes a turn again and only then writes its
answer. Where the answer is known before, the application prepares it at once, hands the front the
outcome that it depends on, and is done; the front sends it when the outcome is there. If that is
an error, the prepared answer is dropped and the application runs once more, this time to answer
the failure: it finds it in the environ and does nothing else.

A request that is *parked* waits for something that may be long in coming, and is answered by what
came of it: the application runs once more in any case, and finds the outcome in the environ.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

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


OUTCOME = "gateway.outcome"
"""Environ key: what came of that for which the first run was parked."""


class Parked(NamedTuple):
    """What a parked request waits for. It is cancelled when nobody waits for it any more."""

    outcome: "Future[Any]"


def park(environ: Mapping[str, Any], outcome: "Future[Any]") -> bool:
    """Whether this request now waits for the outcome: its present answer, of any kind, is dropped.

    Otherwise the outcome is done; a server that cannot park waits for it here. Whoever completes it
    makes sure by ``set_running_or_notify_cancel`` that somebody still waits.
    """
    outcomes = environ.get(HELD)
    if outcomes is None or outcome.done():
        wait((outcome,))
        return False
    if outcomes:
        raise RuntimeError("an answer waits for one outcome only")
    outcomes.append(Parked(outcome))
    return True


def come(environ: Mapping[str, Any]) -> "Future[Any] | None":
    """In the second run of a request that was parked, the outcome, which is done.

    It is cancelled where the server is about to stop, and wants an answer now.
    """
    found: Future[Any] | None = environ.get(OUTCOME)
    return found


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
    if isinstance(outcomes[0], Parked):
        # The run that answers says it again.
        return

    def told(outcome: "Future[Any]") -> None:
        if _is_well(outcome):
            call()

    outcomes[0].add_done_callback(told)


def _is_well(outcome: "Future[Any]") -> bool:
    return not outcome.cancelled() and outcome.exception() is None
