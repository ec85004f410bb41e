"""What evaluators make of the end of a task, a module or a run."""

from gateway.agents.comparisons import PRESENCE, compare, compare_words
from gateway.agents.evidence import Evidence
from gateway.agents.outcomes import OF_VERDICT
from gateway.agents.parameters import PartParameters
from gateway.catalog.definitions import Evaluator, Operator
from gateway.catalog.definitions import Evidence as Subject
from gateway.jobs.states import JobStatus
from gateway.tasks import placeholders
from gateway.tasks.base import Kept


def deciding(
    evaluators: tuple[Evaluator, ...], evidence: Evidence, parameters: PartParameters
) -> Evaluator | None:
    """The first that holds, with its placeholders filled; None if none does.

    One that looks at what is not there (the exit code of a task without a program) does not hold.
    Raises TaskFailed for one that cannot be judged.
    """
    for evaluator in evaluators:
        value = placeholders.fill(evaluator.value, parameters.get)
        filled = evaluator.model_copy(update={"value": value})
        if _holds(filled, evidence, parameters):
            return filled
    return None


def status(evaluator: Evaluator) -> JobStatus:
    """The status that it decides for."""
    return OF_VERDICT[evaluator.verdict]


def describe(evaluator: Evaluator) -> str:
    """The sentence that says what was decided, and why."""
    subject = f"{evaluator.subject.replace('_', ' ')} {evaluator.name}".strip()
    comparison = evaluator.operator.replace("_", " ")
    value = "" if evaluator.operator in PRESENCE else f" {evaluator.value!r}"
    verdict = evaluator.verdict.replace("_", " ").capitalize()
    return f"{verdict}, since {subject} {comparison}{value}."


def _holds(evaluator: Evaluator, evidence: Evidence, parameters: PartParameters) -> bool:
    if evaluator.operator in PRESENCE:
        present = parameters.present(evaluator.name)
        return present is (evaluator.operator is Operator.EXISTS)
    if evaluator.subject is Subject.STATUS:
        return compare_words(evaluator.operator, evidence.status.name, evaluator.value)
    subject = _subject(evaluator, evidence, parameters)
    return subject is not None and compare(evaluator.operator, subject, evaluator.value)


def _subject(evaluator: Evaluator, evidence: Evidence, parameters: PartParameters) -> str | None:
    match evaluator.subject:
        case Subject.PARAMETER:
            return parameters.get(evaluator.name)
        case Subject.EXIT_CODE:
            return None if evidence.exit_code is None else str(evidence.exit_code)
        case Subject.ANSWER:
            return None if evidence.answer is None else _text(evidence.answer)
        case _:
            return _text(evidence.output)


def _text(kept: Kept) -> str:
    # "echo yes" is meant to equal "yes".
    return kept.data.decode("utf-8", "replace").rstrip("\r\n")
