from typing import Any

import pytest

from gateway.catalog import tree_parameters, trees
from gateway.catalog.definitions import (
    Capture,
    CaptureKind,
    Condition,
    Evaluator,
    Evidence,
    Module,
    Operator,
    Parameter,
    ParameterType,
    Subject,
    Verdict,
)
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import (
    LinkAction,
    ParameterLink,
    RunBook,
    RunBookJob,
    WhatKind,
)
from gateway.catalog.sealing import Definition
from gateway.catalog.trees import Tree
from gateway.identity.principals import MACHINE
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import (
    guid,
    job,
    link,
    parameter,
    project,
    run_book,
    simple,
    task,
    what,
)


def grown(parts: Parts, *definitions: Definition) -> Tree:
    """The tree of the last of some definitions, which are stored in their order."""
    for one in definitions:
        parts.catalog.save(one, MACHINE)
    with parts.store.reading() as session:
        return trees.tree(parts.catalog, session, parts.catalog.find(session, definitions[-1].guid))


def asked(tree: Tree) -> list[str]:
    return [one.name for one in tree_parameters.input_parameters(tree)]


def told(tree: Tree) -> list[str]:
    return [one.name for one in tree_parameters.output_parameters(tree)]


def on(name: str) -> Condition:
    return Condition(subject=Subject.PARAMETER, name=name, operator=Operator.EXISTS)


def judging(name: str) -> Evaluator:
    return Evaluator(
        subject=Evidence.PARAMETER, name=name, operator=Operator.EXISTS, verdict=Verdict.FAILED
    )


def setting(name: str, **members: Any) -> Module:
    """A module that sets one parameter, captures another and reads a third."""
    tasks = (
        task("Set", type="set_parameter", settings={"name": "set", "value": "x"}),
        task(
            "Capture",
            settings={"argv": ["$[read]"]},
            captures=(Capture(parameter="CAPTURED", kind=CaptureKind.EXIT_CODE),),
        ),
    )
    declared = tuple(parameter(each) for each in ("Read", "Set", "Captured", "Idle"))
    return simple(name, *declared, tasks=tasks, **members)


def test_of_a_module(sqlite_parts: Parts) -> None:
    found = grown(sqlite_parts, setting("A"))
    assert asked(found) == ["Read"]
    assert told(found) == ["Set", "Captured"]
    declared = [one.name for one in tree_parameters.declared_parameters(found)]
    assert declared == ["Read", "Set", "Captured", "Idle"]


def test_conditions_and_evaluators_use_parameters(sqlite_parts: Parts) -> None:
    names = ["In module", "Judged", "In task", "Idle", "In value"]
    only = task(evaluators=(judging("in task"),))
    value = Condition(subject=Subject.PLATFORM, operator=Operator.EQUALS, value="$[In value]")
    one = simple(
        "A",
        *map(parameter, names),
        tasks=(only,),
        conditions=(on("IN MODULE"), value),
        evaluators=(judging("judged"),),
    )
    assert asked(grown(sqlite_parts, one)) == ["In module", "Judged", "In task", "In value"]


def test_what_a_disabled_task_sets_does_not_come_out(sqlite_parts: Parts) -> None:
    one = setting("A")
    off = tuple(each.model_copy(update={"enabled": False}) for each in one.tasks)
    assert told(grown(sqlite_parts, one.model_copy(update={"tasks": off}))) == []


def test_of_a_project(sqlite_parts: Parts) -> None:
    first = simple("A", parameter("Word", hint="first"), parameter("Quiet", ask=False))
    second = simple("B", parameter("WORD", hint="second"), parameter("Quiet"))
    entries = (
        ProjectModule(guid=guid("1"), module=guid("A")),
        ProjectModule(guid=guid("2"), module=guid("B")),
        ProjectModule(guid=guid("3"), module=guid("C"), enabled=False),
        ProjectModule(guid=guid("4"), module=guid("D"), conditions=(on("gate"),)),
    )
    off, gated = simple("C", parameter("Off")), setting("D", parameters=setting("D").parameters)
    gated = gated.model_copy(update={"parameters": (*gated.parameters, parameter("Gate"))})
    one = Project(guid=guid("P"), name="P", modules=entries)
    found = grown(sqlite_parts, first, second, off, gated, one)
    assert asked(found) == ["Word", "Quiet", "Read", "Gate"]
    assert tree_parameters.input_parameters(found)[0].hint == "first"
    assert told(found) == ["Set", "Captured"]


BOOK = tuple(map(parameter, ["One", "Two", "Three", "RunBookWho"]))


def book(*jobs: RunBookJob, parameters: tuple[Parameter, ...] = BOOK) -> RunBook:
    return run_book("R", *jobs, parameters=parameters)


@pytest.mark.parametrize(
    ("links", "inputs", "outputs"),
    [
        ([], [], []),
        ([link("one", "READ")], ["One"], []),
        ([link("One", "Read", LinkAction.BOTH)], ["One"], ["One"]),
        ([link("One", "Read", LinkAction.GET)], [], ["One"]),
        ([link("One", "Read", LinkAction.NONE)], [], []),
        # One that no task of the target uses.
        ([link("One", "Idle")], [], []),
        ([link("One", "Read", definition=guid("A"))], ["One"], []),
        ([link("Two", "Read", definition=guid("A")), link("One", "Read")], ["One", "Two"], []),
        # The module within the project.
        ([link("Two", "Word", definition=guid("B"))], ["Two"], []),
    ],
)
def test_what_links_tie_to_used_parameters(
    sqlite_parts: Parts, links: list[ParameterLink], inputs: list[str], outputs: list[str]
) -> None:
    inner = (setting("A"), simple("B", parameter("Word")), project("P", "B", "A"))
    whats = (what("A"), what("P", WhatKind.PROJECT))
    found = grown(sqlite_parts, *inner, book(job("j", *whats, links=tuple(links))))
    assert (asked(found), told(found)) == (inputs, outputs)


def test_jobs_use_parameters_otherwise(sqlite_parts: Parts) -> None:
    gate = job("a", what("A"), conditions=(on("one"),), evaluators=(judging("TWO"),))
    who = job("b", what("A"), use_run_book_who=True)
    found = grown(sqlite_parts, setting("A"), book(gate, who))
    assert asked(found) == ["One", "Two", "RunBookWho"]


def test_a_disabled_job_uses_and_gets_nothing(sqlite_parts: Parts) -> None:
    tied = (link("Two", "Read", LinkAction.BOTH),)
    off = job("a", what("A"), conditions=(on("one"),), use_run_book_who=True, links=tied)
    found = grown(sqlite_parts, setting("A"), book(off.model_copy(update={"enabled": False})))
    assert (asked(found), told(found)) == ([], [])


def test_what_is_not_asked_for_is_not_asked_for(sqlite_parts: Parts) -> None:
    quiet = (parameter("One", ask=False), parameter("Two"))
    tied = job("j", what("A"), links=(link("One", "Read"), link("Two", "Read")))
    assert asked(grown(sqlite_parts, setting("A"), book(tied, parameters=quiet))) == ["Two"]


def test_through_a_run_book_within(sqlite_parts: Parts) -> None:
    """What the inner one uses counts, whether it would ask for it or not."""
    inner = run_book(
        "Inner",
        job("j", what("A"), links=(link("Used", "Read"), link("Idle", "Idle"))),
        parameters=(parameter("Used", ask=False), parameter("Idle")),
    )
    links = (link("One", "used"), link("Two", "Idle"), link("Three", "Idle", LinkAction.GET))
    nested = job("k", what("Inner", WhatKind.RUN_BOOK), links=links)
    found = grown(sqlite_parts, setting("A"), inner, book(nested))
    assert (asked(found), told(found)) == (["One"], ["Three"])


def test_what_may_stand_in_a_resource_is_used(sqlite_parts: Parts) -> None:
    """Parameters are put into the content of some resources; what stands there is not looked at."""
    settings: dict[str, Any] = {"resource": "Template", "target": "x"}
    fetch = task("Fetch", type="download_resource", settings=settings)
    silent = parameter("Silent", ask=False)
    one = simple("A", parameter("Word"), silent, tasks=(fetch,))
    tied = job("j", what("A"), links=(link("One", "Word"),))
    found = grown(sqlite_parts, one, book(tied))
    keys: tree_parameters.Keys = frozenset({"template"})
    assert [each.name for each in tree_parameters.input_parameters(found, keys)] == ["One"]
    alone = grown(sqlite_parts, one)
    assert [each.name for each in tree_parameters.input_parameters(alone, keys)] == ["Word"]
    assert asked(alone) == []
    for says, keyed, expected in ((True, frozenset(), ["Word"]), (False, keys, [])):
        told = fetch.model_copy(update={"settings": settings | {"parse": says}})
        tree = grown(sqlite_parts, one.model_copy(update={"tasks": (told,)}))
        assert [each.name for each in tree_parameters.input_parameters(tree, keyed)] == expected
    off = one.model_copy(update={"tasks": (fetch.model_copy(update={"enabled": False}),)})
    assert tree_parameters.input_parameters(grown(sqlite_parts, off), keys) == ()


def test_credentials_are_used_by_their_parts(sqlite_parts: Parts) -> None:
    login = parameter("Login", ParameterType.CREDENTIALS)
    one = simple("A", login, tasks=(task(settings={"argv": ["$[login.user]"]}),))
    tied = job("j", what("A"), links=(link("Login", "Login"),))
    assert asked(grown(sqlite_parts, one, book(tied, parameters=(login,)))) == ["Login"]
