"""Takes values for parameters from what a task has left."""

import queue
import re
import threading
from collections.abc import Callable, Iterator

from gateway.agents.evidence import Evidence
from gateway.agents.parameters import PartParameters
from gateway.catalog import patterns, queries
from gateway.catalog.definitions import Capture, CaptureKind
from gateway.tasks.base import Cancellation, Kept, StopReason, TaskFailed

# However long the task itself might still take.
MAX_SECONDS = 30.0
# Characters of one value.
MAX_VALUE = 64 * 1024
# What no text of a store, a program or a message can hold: nulls, and halves of surrogate pairs.
_UNFIT = re.compile("[\x00\ud800-\udfff]")


class _NothingFound(Exception):
    """A capture finds nothing; the message says why, as the end of a sentence."""


def apply(
    captures: tuple[Capture, ...],
    evidence: Evidence,
    parameters: PartParameters,
    cancellation: Cancellation,
) -> Iterator[tuple[str, str]]:
    """Set the parameters; gives each that was set, with its value as it may be shown.

    Raises TaskFailed where a required value is not found and for one that cannot be taken,
    Cancelled when the task is told to stop, or its timeout comes, meanwhile.
    """
    for capture in captures:
        try:
            value = _found(capture, evidence, cancellation)
        except _NothingFound as nothing:
            if capture.required:
                raise TaskFailed(f"No value for {capture.parameter!r}: {nothing}.") from nothing
            continue
        value = _UNFIT.sub("\ufffd", value)
        if len(value) > MAX_VALUE:
            raise TaskFailed(
                f"The value found for {capture.parameter!r} has more than {MAX_VALUE} characters."
            )
        yield capture.parameter, parameters.set(capture.parameter, value)


def _found(capture: Capture, evidence: Evidence, cancellation: Cancellation) -> str:
    if capture.kind is CaptureKind.EXIT_CODE:
        if evidence.exit_code is None:
            raise _NothingFound("no program has ended with an exit code")
        return str(evidence.exit_code)
    return _apart(lambda watch: _searched(capture, evidence, watch), cancellation)


def _searched(capture: Capture, evidence: Evidence, watch: Cancellation) -> str:
    expression = capture.expression
    try:
        match capture.kind:
            case CaptureKind.OUTPUT:
                text = evidence.output.data.decode("utf-8", "replace")
                value = patterns.last_found(expression, text, watch.check)
            case CaptureKind.JSON_PATH:
                value = queries.by_json_path(expression, _document(evidence))
            case _:
                value = queries.by_xpath(expression, _document(evidence))
    except patterns.PatternError as error:
        raise TaskFailed(f"{capture.parameter!r} cannot be captured: {error}.") from error
    except queries.QueryError as error:
        raise _NothingFound(f"in {_where(capture, evidence)}: {error}") from error
    if value is None:
        raise _NothingFound(f"{expression!r} finds nothing in {_where(capture, evidence)}")
    return value


def _document(evidence: Evidence) -> bytes:
    document: Kept = evidence.document
    if not document.whole:
        raise queries.QueryError("only a part of it was kept, since it is too long")
    return document.data


def _where(capture: Capture, evidence: Evidence) -> str:
    by_pattern = capture.kind is CaptureKind.OUTPUT
    return "the output" if by_pattern or evidence.answer is None else "the answer"


def _apart(search: Callable[[Cancellation], str], cancellation: Cancellation) -> str:
    """Search in a thread of its own, which is left to itself when there is no time any more.

    A question may take years that the task has not, and nothing can end a thread.
    """
    cancellation.check()
    watch = Cancellation(MAX_SECONDS)
    results: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(search(watch))
        except BaseException as error:  # noqa: BLE001  (it is raised again where it belongs)
            results.put(error)

    threading.Thread(target=run, name="capture", daemon=True).start()
    with cancellation.calling(lambda: results.put(None)):
        found = _awaited(results, cancellation)
    if found is None:
        watch.cancel(StopReason.ABORTED)
        cancellation.check()
        raise TaskFailed(f"A capture was given up after {MAX_SECONDS:g} seconds.")
    if isinstance(found, BaseException):
        raise found
    return found


def _awaited(
    results: "queue.SimpleQueue[str | BaseException | None]", cancellation: Cancellation
) -> str | BaseException | None:
    remaining = cancellation.remaining
    patience = MAX_SECONDS if remaining is None else min(remaining, MAX_SECONDS)
    try:
        return results.get(timeout=patience)
    except queue.Empty:
        return None
