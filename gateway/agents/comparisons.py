"""How conditions and evaluators compare a text with the value that they name, on the agent."""

from collections.abc import Callable

from gateway.catalog import comparisons
from gateway.catalog.comparisons import Incomparable
from gateway.catalog.definitions import Operator
from gateway.tasks.base import TaskFailed

PRESENCE = comparisons.PRESENCE


def compare(operator: Operator, subject: str, value: str) -> bool:
    """Whether the text compares so with the value.

    Raises TaskFailed, with a sentence that tells neither, for what cannot be compared so.
    """
    return _judged(comparisons.compare, operator, subject, value)


def compare_words(operator: Operator, subject: str, value: str) -> bool:
    """The same for names of statuses and platforms."""
    return _judged(comparisons.compare_words, operator, subject, value)


def _judged(
    compared: Callable[[Operator, str, str], bool], operator: Operator, subject: str, value: str
) -> bool:
    try:
        return compared(operator, subject, value)
    except Incomparable as error:
        raise TaskFailed(f"A condition or evaluator cannot be judged: {error}.") from error
