"""How conditions and evaluators compare a text with the value that they name."""

from gateway.catalog import patterns
from gateway.catalog.definitions import Operator
from gateway.tasks.base import TaskFailed

PRESENCE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})


def compare(operator: Operator, subject: str, value: str) -> bool:
    """Whether the text compares so with the value.

    Raises TaskFailed, with a sentence that tells neither, for what cannot be compared so.
    """
    match operator:
        case Operator.EQUALS:
            return subject == value
        case Operator.NOT_EQUALS:
            return subject != value
        case Operator.CONTAINS:
            return value in subject
        case Operator.MATCHES:
            return _matches(value, subject)
        case Operator.LESS:
            return _number(subject) < _number(value)
        case _:
            return _number(subject) > _number(value)


def compare_words(operator: Operator, subject: str, value: str) -> bool:
    """The same for names of statuses and platforms.

    "Timed Out", "TimedOut" and "timed_out" are one; a pattern keeps its characters.
    """
    if operator is Operator.MATCHES:
        return compare(operator, _folded(subject), f"(?i){value}")
    return compare(operator, _folded(subject), _folded(value))


def _folded(word: str) -> str:
    return word.casefold().replace("_", "").replace(" ", "")


def _matches(pattern: str, subject: str) -> bool:
    try:
        return patterns.matches(pattern, subject)
    except patterns.PatternError as error:
        raise TaskFailed(f"A condition or evaluator cannot be judged: {error}.") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        # The text is not told: it may be a secret.
        raise TaskFailed("A condition or evaluator compares numbers, but one is none.") from error
