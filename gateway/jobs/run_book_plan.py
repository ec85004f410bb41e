"""What a run book's job keeps of its run book: the jobs to be made and the values they begin with.

It is written when the job is accepted, every definition in it pinned to a version, and stands in
the ``what`` of the request. An entry of ``what`` is a dict: ``guid``, ``kind``, ``name`` and
``version`` of a definition; of a project also its ``modules``, of a run book its ``jobs``,
``parameters`` and who parameter.
"""

import functools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import names
from gateway.catalog import sealing
from gateway.catalog.catalog import Catalog, DefinitionKind, DefinitionSummary
from gateway.catalog.definitions import Condition, OnFailure, ParameterType, Subject
from gateway.catalog.policies import NOTHING, Policy
from gateway.catalog.run_books import (
    WHO_PARAMETER,
    RunBookJob,
    RunBookWhat,
    WhatKind,
    WhoSelection,
)
from gateway.catalog.sealing import SealedParameter
from gateway.catalog.trees import ModulePart, StepTree, Tree
from gateway.jobs import locks
from storage.session import Session

# The parts of a stored value: each in clear, or as the vault's reference.
VALUE_PARTS = ("value", "value_secret", "secondary", "secondary_secret")
_ON_AGENTS = frozenset({Subject.PLATFORM, Subject.FILE})

Entry = Mapping[str, Any]
Sets = Sequence[Mapping[str, Any]]
Value = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A job of a run book: what the catalog says of it, what it runs, and where that lies."""

    job: RunBookJob
    what: tuple[Entry, ...]
    tasks: int
    retries: int
    policy: dict[str, Any]
    lock: str | None
    definition_id: int | None
    folder_id: int | None

    @property
    def priority(self) -> int | None:
        """The priority that its definitions ask for."""
        found: int | None = self.policy.get("priority")
        return found


@dataclass(frozen=True)
class Plan:
    """The jobs of a run book, its values at the start, and its who parameter."""

    steps: tuple[Step, ...]
    guids: frozenset[str]
    values: tuple[Value, ...]
    who_parameter: str
    who_selection: WhoSelection


def entry(tree: Tree) -> dict[str, Any]:
    """The entry of a definition in the ``what`` of a request."""
    found: dict[str, Any] = {
        "guid": tree.summary.guid,
        "kind": tree.summary.kind,
        "name": tree.summary.name,
        "version": tree.summary.version_id,
    }
    if tree.run_book is not None:
        found |= {
            "parameters": [value(parameter) for parameter in tree.run_book.parameters],
            "who_parameter": tree.run_book.who_parameter,
            "who_selection": tree.run_book.who_selection,
            "jobs": [_step(step) for step in tree.steps],
        }
    elif tree.summary.kind is DefinitionKind.PROJECT:
        found["modules"] = [_part(part) for part in tree.modules]
    return found


def tree(catalog: Catalog, session: Session, entry: Entry) -> Tree:
    """The tree of an entry, in the versions that it has kept.

    Raises DefinitionNotFound for a version that is no longer stored.
    """
    summary = DefinitionSummary(
        id=0,
        guid=uuid.UUID(str(entry["guid"])),
        kind=DefinitionKind(entry["kind"]),
        name=entry["name"],
        folder="",
        version_id=entry["version"],
        enabled=True,
    )
    if summary.kind is DefinitionKind.RUN_BOOK:
        steps = tuple(
            StepTree(
                RunBookJob.model_validate(step["job"]),
                tuple(tree(catalog, session, what) for what in step["what"]),
            )
            for step in entry["jobs"]
        )
        return Tree(summary, run_book=catalog.run_book(session, entry["version"]), steps=steps)
    parts = entry.get("modules", (entry,))
    return Tree(summary, tuple(_kept_part(catalog, session, part) for part in parts))


def _kept_part(catalog: Catalog, session: Session, part: Entry) -> ModulePart:
    module = catalog.module(session, part["version"])
    return ModulePart(
        entry_guid=None,
        summary=DefinitionSummary(
            id=0,
            guid=uuid.UUID(str(part["guid"])),
            kind=DefinitionKind.MODULE,
            name=part["name"],
            folder="",
            version_id=part["version"],
            enabled=True,
        ),
        module=module,
        on_failure=OnFailure(part.get("on_failure", OnFailure.STOP)),
        conditions=tuple(map(Condition.model_validate, part.get("conditions", ()))),
        enabled=part.get("enabled", True),
    )


def value(parameter: SealedParameter) -> dict[str, Any]:
    """A parameter's default as a stored value, with its type."""
    found: dict[str, Any] = {"name": parameter.name, "type": int(parameter.type)}
    hidden = sealing.secret_member(parameter)
    for part, member in (("value", "default"), ("secondary", "default2")):
        if parameter.secret is not None and member == hidden:
            found[f"{part}_secret"] = str(parameter.secret)
        elif part == "value" or parameter.type is ParameterType.CREDENTIALS:
            found[part] = getattr(parameter, member)
    return found


def secret(stored: Value) -> bool:
    """Whether a stored value is one that is never shown or compared."""
    return ParameterType(stored.get("type", ParameterType.TEXT)).secret


def is_run_book(what: Iterable[Entry]) -> bool:
    """Whether the job of these entries is worked off by jobs of its own."""
    return any(one["kind"] == DefinitionKind.RUN_BOOK for one in what)


def plan(what: Sequence[Entry], parameters: Sets, *, in_parallel: bool = False) -> Plan:
    """The plan of a job with a run book in its ``what``, ``parameters`` being what was given.

    Several definitions, a run book among them, are worked off each as a job: one after the other,
    or ``in_parallel``.
    """
    if len(what) > 1:
        steps = tuple(_alone(one, in_parallel) for one in what)
        return Plan(steps, frozenset(), (), WHO_PARAMETER, WhoSelection.COMPUTER_NAME)
    (book,) = what
    given = {
        names.key(one["name"]): one
        for chosen in parameters
        if chosen.get("step") is None and chosen["definition"] in (None, str(book["guid"]))
        for one in chosen["values"]
    }
    return Plan(
        tuple(_read_step(one) for one in book["jobs"]),
        frozenset({str(book["guid"])}),
        tuple(_given(one, given.get(names.key(one["name"]))) for one in book["parameters"]),
        book["who_parameter"],
        WhoSelection(book["who_selection"]),
    )


def sets_for(plan: Plan, step: Step, given: Sets, values: Mapping[str, Value]) -> list[Any]:
    """The parameter sets of a step's own job: what its links bring, then what was given for it.

    ``values`` are the present ones of the run book, by key. What was given for the step counts
    before what a link brings.
    """
    own = {str(one.job.guid) for one in plan.steps}
    # What is meant for a run book within is not for what that one runs.
    within = str(step.what[0]["guid"]) if is_run_book(step.what) else None
    linked = [
        {
            "definition": within if link.definition is None else str(link.definition),
            "values": [_linked(link.target, values[names.key(link.parameter)])],
        }
        for link in step.job.links
        if link.action.sets and names.key(link.parameter) in values
    ]
    passed = [
        one
        for one in given
        if one.get("step") not in own
        and not (one.get("step") is None and one["definition"] in plan.guids)
    ]
    meant = [{**one, "step": None} for one in given if one.get("step") == str(step.job.guid)]
    return [*passed, *linked, *meant]


def conditions_on_agents(step: Step) -> list[dict[str, Any]]:
    """The conditions of a step that only its agents can judge, as JSON."""
    return [
        condition.model_dump(mode="json")
        for condition in step.job.conditions
        if condition.subject in _ON_AGENTS
    ]


def conditions_here(step: Step) -> list[Any]:
    """The conditions of a step that are judged when its turn comes."""
    return [one for one in step.job.conditions if one.subject not in _ON_AGENTS]


def evaluators(step: Step) -> list[dict[str, Any]]:
    """The evaluators of a step, as JSON for its agents, who know its modules' parameters.

    One on a parameter of the run book looks at what a link would get for it.
    """
    gets = {names.key(link.parameter): link.target for link in step.job.links if link.action.gets}
    return [
        one.model_copy(update={"name": gets.get(names.key(one.name), one.name)}).model_dump(
            mode="json"
        )
        for one in step.job.evaluators
    ]


def returned(step: Step, outputs: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What the get links of a step take from the last values of its job: (parameter, value).

    ``outputs`` are dicts with ``module`` (the GUID of who has the parameter), ``name``, ``value``
    and ``changed``; of several of that name one that was changed counts, the last of them.
    """
    listed = list(outputs)
    for link in step.job.links:
        if not link.action.gets:
            continue
        fitting = [
            one
            for one in listed
            if names.key(one["name"]) == names.key(link.target)
            and (link.definition is None or one["module"] == str(link.definition))
        ]
        chosen = [one for one in fitting if one["changed"]] or fitting
        if chosen:
            yield link.parameter, chosen[-1]["value"]


def _linked(target: str, present: Value) -> dict[str, Any]:
    return {"name": target, **{part: present[part] for part in VALUE_PARTS if part in present}}


def _given(default: Value, given: Value | None) -> Value:
    """A parameter's first value: each half as it was given, or else as the run book has it."""
    if given is None:
        return default
    found = dict(default)
    for half in ("value", "secondary"):
        parts = {part: given[part] for part in (half, f"{half}_secret") if part in given}
        if parts:
            found.pop(half, None)
            found.pop(f"{half}_secret", None)
            found |= parts
    return found


def _part(part: ModulePart) -> dict[str, Any]:
    return {
        "guid": part.summary.guid,
        "name": part.summary.name,
        "version": part.summary.version_id,
        "enabled": part.enabled,
        "on_failure": part.on_failure,
        "conditions": [condition.model_dump(mode="json") for condition in part.conditions],
    }


def _step(step: StepTree) -> dict[str, Any]:
    return {
        "job": step.job.model_dump(mode="json"),
        "what": [entry(tree) for tree in step.what],
        **step_facts(step.what),
    }


def step_facts(what: Sequence[Tree]) -> dict[str, Any]:
    """What the row of a step's job needs to know of what it runs."""
    first = what[0].summary if what else None
    return {
        "tasks": sum(task_count(tree) for tree in what),
        "retries": max((retries(tree) for tree in what), default=0),
        "policy": policy(what).said,
        "lock": _own_lock(what),
        "definition": None if first is None else first.id,
        "folder": None if first is None else first.folder_id,
    }


def policy(what: Sequence[Tree]) -> Policy:
    """What the definitions of a job say about how it is run; the first to say something counts."""
    return functools.reduce(lambda found, tree: found.over(tree.policy), what, NOTHING)


def lock(what: Sequence[Tree], wanted: Policy) -> str | None:
    """The lock that a job of these definitions needs, by the policy that counts for it."""
    if not what:
        return None
    return locks.key(wanted.concurrency, wanted.lock, what[0].summary.guid)


@dataclass(frozen=True)
class Knot:
    """A job of a run book that would wait for a lock which the run book itself has."""

    job: str
    lock: str


def knot(what: Sequence[Tree], lock: str | None) -> Knot | None:
    """The first such job of what is ordered, whose job has this lock; None if there is none."""
    kept = frozenset() if lock is None else frozenset({lock})
    if len(what) == 1:
        return _knot(what[0], kept)
    # Each is a job of its own, below the one that was ordered.
    parts = ((tree.summary.name, (tree,)) for tree in what)
    return next((found for one in parts if (found := _knot_at(*one, kept))), None)


def _knot(tree: Tree, kept: frozenset[str]) -> Knot | None:
    parts = ((step.job.name, step.what) for step in tree.steps if step.job.enabled)
    return next((found for one in parts if (found := _knot_at(*one, kept))), None)


def _knot_at(name: str, what: Sequence[Tree], kept: frozenset[str]) -> Knot | None:
    own = _own_lock(what)
    if own is not None and own in kept:
        return Knot(name, locks.shown(own))
    below = kept if own is None else kept | {own}
    return next((found for tree in what if (found := _knot(tree, below))), None)


def _own_lock(what: Sequence[Tree]) -> str | None:
    return lock(what, policy(what))


def task_count(tree: Tree) -> int:
    """How many tasks a run of this definition has; none for a run book, which has no runs."""
    return sum(len(part.module.tasks) for part in tree.modules if part.enabled)


def retries(tree: Tree) -> int:
    """How many further attempts a lost run of this definition is given."""
    return max((part.module.retries for part in tree.modules), default=0)


def _read_step(stored: Mapping[str, Any]) -> Step:
    return Step(
        RunBookJob.model_validate(stored["job"]),
        tuple(stored["what"]),
        stored["tasks"],
        stored["retries"],
        stored.get("policy") or {},
        stored.get("lock"),
        stored["definition"],
        stored["folder"],
    )


_KINDS = {
    DefinitionKind.MODULE: WhatKind.MODULE,
    DefinitionKind.PROJECT: WhatKind.PROJECT,
    DefinitionKind.RUN_BOOK: WhatKind.RUN_BOOK,
}


def _alone(one: Entry, in_parallel: bool) -> Step:
    """A definition that was ordered besides a run book, as a job of its own."""
    guid = uuid.UUID(str(one["guid"]))
    job = RunBookJob(
        guid=guid,
        name=one["name"],
        what=(RunBookWhat(kind=_KINDS[DefinitionKind(one["kind"])], guid=guid),),
        parallel=in_parallel,
        on_failure=OnFailure.CONTINUE,
    )
    return Step(
        job,
        (one,),
        one["tasks"],
        one["retries"],
        one.get("policy") or {},
        one.get("lock"),
        one["definition"],
        one["folder"],
    )
