"""Whether a task's conditions hold just before it would run."""

import dataclasses
import platform
from pathlib import Path

from gateway.agents.parameters import RunParameters
from gateway.catalog import patterns
from gateway.catalog.definitions import Condition, Operator, Subject
from gateway.jobs.states import JobStatus
from gateway.tasks import placeholders
from gateway.tasks.base import TaskFailed

_PRESENCE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What conditions look at. Relative paths are meant from ``folder``.

    ``previous`` is the status of the task before, None for the first one.
    """

    parameters: RunParameters
    previous: JobStatus | None
    folder: Path


def first_met(conditions: tuple[Condition, ...], circumstances: Circumstances) -> Condition | None:
    """The first condition that holds, with its placeholders filled; None if none does.

    Raises TaskFailed for a condition that cannot be judged.
    """
    for condition in conditions:
        filled = _filled(condition, circumstances.parameters)
        if _holds(filled, circumstances):
            return filled
    return None


def describe(condition: Condition) -> str:
    """The condition in words, for the detail of a skipped task."""
    subject = f"{condition.subject.replace('_', ' ')} {condition.name}".strip()
    comparison = condition.operator.replace("_", " ")
    if condition.operator in _PRESENCE:
        return f"{subject} {comparison}"
    return f"{subject} {comparison} {condition.value!r}"


def _filled(condition: Condition, parameters: RunParameters) -> Condition:
    name = condition.name
    if condition.subject is Subject.FILE:
        name = placeholders.fill(name, parameters.get)
    value = placeholders.fill(condition.value, parameters.get)
    return condition.model_copy(update={"name": name, "value": value})


def _holds(condition: Condition, circumstances: Circumstances) -> bool:
    if condition.operator in _PRESENCE:
        exists = _exists(condition, circumstances)
        return exists is (condition.operator is Operator.EXISTS)
    subject = _subject(condition, circumstances)
    if condition.subject is Subject.PARAMETER:
        return _compare(condition.operator, subject, condition.value)
    return _compare(condition.operator, _folded(subject), _folded_value(condition))


def _exists(condition: Condition, circumstances: Circumstances) -> bool:
    if condition.subject is Subject.FILE:
        return (circumstances.folder / condition.name).exists()
    parameters = circumstances.parameters
    return parameters.known(condition.name) and parameters.get(condition.name) != ""


def _subject(condition: Condition, circumstances: Circumstances) -> str:
    if condition.subject is Subject.PARAMETER:
        return circumstances.parameters.get(condition.name)
    if condition.subject is Subject.PLATFORM:
        return platform.system()
    previous = circumstances.previous
    return "" if previous is None else previous.name


def _folded(word: str) -> str:
    return word.casefold().replace("_", "").replace(" ", "")


def _folded_value(condition: Condition) -> str:
    # "Timed Out", "TimedOut" and "timed_out" are one status; a pattern keeps its characters.
    if condition.operator is Operator.MATCHES:
        return f"(?i){condition.value}"
    return _folded(condition.value)


def _compare(operator: Operator, subject: str, value: str) -> bool:
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


def _matches(pattern: str, subject: str) -> bool:
    try:
        return patterns.matches(pattern, subject)
    except patterns.PatternError as error:
        raise TaskFailed(f"A condition cannot be judged: {error}.") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        # The text is not told: it may be a secret.
        raise TaskFailed("A condition compares numbers, but one of the two is none.") from error
