"""On which agents a job of a run book runs, decided when its turn comes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway import names
from gateway.catalog.run_books import WhoReferenceKind, WhoSelection
from gateway.fleet import roster, targets, teams
from gateway.fleet.targets import TargetNotFound
from gateway.jobs.orders import WhoKind
from gateway.jobs.places import OwnersRights
from gateway.jobs.run_book_plan import Plan, Step, Value, is_run_book
from storage.session import Session

SEPARATOR = ";"
KINDS = {WhoReferenceKind.AGENT: WhoKind.AGENT, WhoReferenceKind.TEAM: WhoKind.TEAM}


_UNKNOWN = (
    TargetNotFound,
    roster.AgentNotFound,
    roster.AgentAmbiguous,
    teams.TeamNotFound,
    teams.TeamAmbiguous,
)


class NobodyFound(LookupError):
    """A job of a run book has no agent to run on; the sentence says why."""


def of_step(
    session: Session,
    plan: Plan,
    step: Step,
    asked: Sequence[Mapping[str, Any]],
    values: Mapping[str, Value],
    rights: OwnersRights,
) -> list[dict[str, Any]]:
    """The ``who`` of the request of a step's job.

    Its own agents and teams; or those that the who parameter names; or those ``asked`` for when
    the run book was scheduled. A nested run book may do without. What the who parameter names
    counts as named by who asked for the run book, by his ``rights``. Raises NobodyFound.
    """
    if step.job.who:
        return [_found(session, KINDS[one.kind], one.reference) for one in step.job.who]
    text = _who_text(plan, values) if step.job.use_run_book_who else ""
    if text:
        return [
            one for part in parts(text) for one in _named(session, plan.who_selection, part, rights)
        ]
    if not asked and not is_run_book(step.what):
        raise NobodyFound(f"the job {step.job.name!r} of the run book names no agent")
    return [dict(one) for one in asked]


def _who_text(plan: Plan, values: Mapping[str, Value]) -> str:
    return str(values.get(names.key(plan.who_parameter), {}).get("value") or "").strip()


def parts(text: str) -> Iterable[str]:
    """The names in the value of a who parameter."""
    return (part.strip() for part in text.split(SEPARATOR) if part.strip())


def _named(
    session: Session, selection: WhoSelection, text: str, rights: OwnersRights
) -> list[dict[str, Any]]:
    """The agents that a part of the who parameter's value names (Dispatcher contract 6)."""
    if selection is WhoSelection.COMPUTER_NAME:
        try:
            return [_found(session, WhoKind.AGENT, text, rights)]
        except NobodyFound as error:
            # A team will do, if there is one of that name.
            try:
                return [_found(session, WhoKind.TEAM, text, rights)]
            except NobodyFound:
                raise error from None
    agents = [
        one for one in roster.agents(session) if one.enabled and not rights.refusal(one, text)
    ]
    if selection is WhoSelection.ACTIVE_CONSOLE_USER:
        fitting = [one for one in agents if _same_user(one.facts.get("console_user", ""), text)]
    else:
        fitting = [one for one in agents if _same_user(one.last_console_user, text)]
    if not fitting:
        raise NobodyFound(f"no agent has {text!r} for its {_word(selection)} console user")
    if selection is WhoSelection.MOST_RECENT_BY_LAST_CONSOLE_USER:
        fitting = [max(fitting, key=lambda one: one.last_contact_at or 0)]
    return [targets.stored(one) for one in fitting]


def _word(selection: WhoSelection) -> str:
    return "active" if selection is WhoSelection.ACTIVE_CONSOLE_USER else "last"


def _same_user(found: str, wanted: str) -> bool:
    """Whether two logins are one; a domain counts only where both have one."""
    left, right = found.casefold(), wanted.casefold()
    if "\\" in left and "\\" in right:
        return left == right
    return left.rpartition("\\")[2] == right.rpartition("\\")[2] != ""


def _found(
    session: Session, kind: WhoKind, reference: str, rights: OwnersRights | None = None
) -> dict[str, Any]:
    try:
        if rights is not None:
            # Before anything else is told of it: it may be disabled.
            find = teams.find if kind is WhoKind.TEAM else roster.find
            refusal = rights.refusal(find(session, reference), reference)
            if refusal is not None:
                raise NobodyFound(refusal)
        return targets.stored(targets.resolve(session, kind, reference))
    except _UNKNOWN as error:
        raise NobodyFound(str(error)) from error
