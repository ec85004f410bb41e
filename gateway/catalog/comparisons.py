"""How two texts are compared, for the conditions, evaluators and rules of the catalog."""

from collections.abc import Callable, Mapping

from gateway.catalog import patterns
from gateway.catalog.definitions import Operator

PRESENCE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})
"""The operators that need no value."""

_PLAIN: Mapping[Operator, Callable[[str, str], bool]] = {
    Operator.EQUALS: lambda subject, value: subject == value,
    Operator.NOT_EQUALS: lambda subject, value: subject != value,
    Operator.CONTAINS: lambda subject, value: value in subject,
    Operator.EXISTS: lambda subject, _value: subject != "",
    Operator.NOT_EXISTS: lambda subject, _value: subject == "",
}


class Incomparable(ValueError):
    """Two values cannot be compared so; the sentence repeats neither: they may be secret."""


def compare(operator: Operator, subject: str, value: str) -> bool:
    """Whether the comparison holds. EXISTS and NOT_EXISTS ask whether there is any text.

    Raises Incomparable.
    """
    if operator is Operator.MATCHES:
        return _matches(value, subject)
    if operator in (Operator.LESS, Operator.GREATER):
        less = operator is Operator.LESS
        left, right = _number(subject), _number(value)
        return left < right if less else left > right
    return _PLAIN[operator](subject, value)


def compare_words(operator: Operator, subject: str, value: str) -> bool:
    """As ``compare``, for names of statuses and the like: "TimedOut" and "timed_out" are one."""
    if operator is Operator.MATCHES:
        # A pattern keeps its characters.
        return compare(operator, folded(subject), f"(?i){value}")
    return compare(operator, folded(subject), folded(value))


def folded(word: str) -> str:
    """A word without case, blanks and underscores."""
    return word.casefold().replace("_", "").replace(" ", "")


def _matches(pattern: str, subject: str) -> bool:
    try:
        return patterns.matches(pattern, subject)
    except patterns.PatternError as error:
        raise Incomparable(str(error)) from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Incomparable("numbers are compared, but one is none") from error
