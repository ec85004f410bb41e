"""What the conditions of a run, a module or a task say just before it would begin."""

import dataclasses
import platform
from collections.abc import Callable
from pathlib import Path

from gateway.agents.comparisons import PRESENCE, compare, compare_words
from gateway.agents.parameters import PartParameters
from gateway.catalog.definitions import Condition, Effect, Operator, Subject
from gateway.jobs.states import JobStatus
from gateway.tasks import placeholders


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What conditions look at. Relative paths are meant from ``folder``, made when it is needed.

    ``previous`` is the status of the task or module before, None for the first one.
    """

    parameters: PartParameters
    previous: JobStatus | None
    folder: Callable[[], Path]


@dataclasses.dataclass(frozen=True)
class Ruling:
    """Why something is not begun: it is skipped, or has ``failed``. ``reason`` is half a sentence,
    such as "since file stop exists".
    """

    failed: bool
    reason: str


def ruling(conditions: tuple[Condition, ...], circumstances: Circumstances) -> Ruling | None:
    """What the first condition that decides says; None lets what has them begin.

    One to SKIP or FAIL decides if it holds, one to EXECUTE if it does not: so all of these must
    hold. Raises TaskFailed for a condition that cannot be judged.
    """
    for condition in conditions:
        filled = _filled(condition, circumstances.parameters)
        executes = condition.effect is Effect.EXECUTE
        if _holds(filled, circumstances) is not executes:
            reason = f"since {describe(filled)}" + (" does not hold" if executes else "")
            return Ruling(condition.effect is Effect.FAIL, reason)
    return None


def describe(condition: Condition) -> str:
    """The condition in words, for the detail of a skipped task."""
    subject = f"{condition.subject.replace('_', ' ')} {condition.name}".strip()
    comparison = condition.operator.replace("_", " ")
    if condition.operator in PRESENCE:
        return f"{subject} {comparison}"
    return f"{subject} {comparison} {condition.value!r}"


def _filled(condition: Condition, parameters: PartParameters) -> Condition:
    name = condition.name
    if condition.subject is Subject.FILE:
        name = placeholders.fill(name, parameters.get)
    value = placeholders.fill(condition.value, parameters.get)
    return condition.model_copy(update={"name": name, "value": value})


def _holds(condition: Condition, circumstances: Circumstances) -> bool:
    if condition.operator in PRESENCE:
        return _exists(condition, circumstances) is (condition.operator is Operator.EXISTS)
    if condition.subject is Subject.PARAMETER:
        subject = circumstances.parameters.get(condition.name)
        return compare(condition.operator, subject, condition.value)
    return compare_words(condition.operator, _word(condition, circumstances), condition.value)


def _exists(condition: Condition, circumstances: Circumstances) -> bool:
    if condition.subject is Subject.FILE:
        return (circumstances.folder() / condition.name).exists()
    return circumstances.parameters.present(condition.name)


def _word(condition: Condition, circumstances: Circumstances) -> str:
    if condition.subject is Subject.PLATFORM:
        return platform.system()
    previous = circumstances.previous
    return "" if previous is None else previous.name
