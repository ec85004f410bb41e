"""What definitions say of each other, checked when one is stored."""

from typing import Any

import pytest

from gateway.catalog.checks import Refused
from gateway.catalog.definitions import (
    Capture,
    CaptureKind,
    Condition,
    Evaluator,
    Evidence,
    Module,
    Operator,
    ParameterType,
    Subject,
    Verdict,
)
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import LinkAction, WhatKind
from gateway.catalog.sealing import Definition
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

NESTED = WhatKind.RUN_BOOK
ON_GONE = Condition(subject=Subject.PARAMETER, name="Gone", operator=Operator.EXISTS)
FILE_OF_GONE = Condition(subject=Subject.FILE, name="/$[Gone]", operator=Operator.EXISTS)
JUDGING_GONE = Evaluator(
    subject=Evidence.PARAMETER, name="Gone", operator=Operator.EXISTS, verdict=Verdict.FAILED
)
JUDGING_BY_GONE = Evaluator(
    subject=Evidence.OUTPUT, operator=Operator.CONTAINS, value="$[Gone]", verdict=Verdict.FAILED
)


def refusal(parts: Parts, one: Definition) -> str:
    with pytest.raises(Refused) as refused:
        parts.catalog.save(one, MACHINE)
    return str(refused.value)


@pytest.fixture
def filled(sqlite_parts: Parts) -> Parts:
    """With a module, a project of it, and a run book of that."""
    word, secret = parameter("Word"), parameter("Key", ParameterType.PASSWORD, default="x")
    login = parameter("Login", ParameterType.CREDENTIALS)
    for one in (
        simple("A", word, secret, login),
        simple("B", parameter("Other")),
        project("P", "A", "B"),
        run_book("R", job("j", what("A")), parameters=(parameter("Inner"),)),
    ):
        sqlite_parts.catalog.save(one, MACHINE)
    return sqlite_parts


def of_module(**members: Any) -> Module:
    return simple("M", **members)


@pytest.mark.parametrize(
    ("one", "place"),
    [
        (of_module(conditions=(ON_GONE,)), "conditions[0]"),
        (of_module(conditions=(FILE_OF_GONE,)), "conditions[0]"),
        (of_module(evaluators=(JUDGING_GONE,)), "evaluators[0]"),
        (of_module(evaluators=(JUDGING_BY_GONE,)), "evaluators[0]"),
        (of_module(tasks=(task(evaluators=(JUDGING_GONE,)),)), "tasks[0].evaluators[0]"),
        (
            of_module(
                tasks=(task(captures=(Capture(parameter="Gone", kind=CaptureKind.EXIT_CODE),)),)
            ),
            "tasks[0].captures[0]",
        ),
        (run_book("M", job("j", what("A"), conditions=(FILE_OF_GONE,))), "jobs[0].conditions[0]"),
        (run_book("M", job("j", what("A"), evaluators=(JUDGING_BY_GONE,))), "jobs[0].evaluators"),
        (
            Project(
                guid=guid("M"),
                name="M",
                modules=(ProjectModule(guid=guid("1"), module=guid("A"), conditions=(ON_GONE,)),),
            ),
            "modules[0].conditions[0]",
        ),
    ],
)
def test_parameters_that_nobody_has(filled: Parts, one: Definition, place: str) -> None:
    text = refusal(filled, one)
    assert text.startswith(place)
    assert "'Gone'" in text


def test_an_evaluator_of_a_job_names_a_parameter_of_the_run_book() -> None:
    with pytest.raises(ValueError, match="the job 'j' refers to the parameter 'Gone'"):
        run_book("M", job("j", what("A"), evaluators=(JUDGING_GONE,)))


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (project("M", "A", "gone"), "modules[1].module: there is no module with the GUID"),
        (project("M", "R"), "modules[0].module: there is no module"),
        (run_book("M", job("j", what("A"), what("gone"))), "jobs[0].what[1].guid: there is no mod"),
        (run_book("M", job("j", what("A", WhatKind.PROJECT))), "there is no project with"),
        (run_book("M", job("j", what("P", NESTED))), "there is no run book with"),
        (
            run_book("M", job("j", what("gone"), enabled=False)),
            "jobs[0].what[0].guid: there is no module",
        ),
    ],
)
def test_what_is_named_must_be_there(filled: Parts, one: Definition, sentence: str) -> None:
    assert sentence in refusal(filled, one)


def test_a_run_book_that_contains_itself(filled: Parts) -> None:
    own = run_book("M", job("j", what("M", NESTED)))
    assert "jobs[0].what[0]: a run book cannot contain itself: M -> M" in refusal(filled, own)
    filled.catalog.save(run_book("S", job("j", what("R", NESTED))), MACHINE)
    filled.catalog.save(run_book("T", job("j", what("S", NESTED))), MACHINE)
    around = run_book("R", job("i", what("A")), job("j", what("T", NESTED)))
    text = refusal(filled, around)
    assert text == "jobs[1].what[0]: a run book cannot contain itself: R -> T -> S -> R"


SECRET = parameter("Secret", ParameterType.PASSWORD)


@pytest.mark.parametrize(
    ("whats", "tied", "sentence"),
    [
        ([what("A")], link("Mine", "Gone"), "'Gone', which 'A' does not have"),
        ([what("A"), what("B")], link("Mine", "Gone"), "which 'A' or 'B' does not have"),
        ([what("A"), what("B")], link("Mine", "Word", definition=guid("B")), "'B' does not have"),
        ([what("P", WhatKind.PROJECT)], link("Mine", "Gone"), "which 'A' or 'B' does not"),
        ([what("R", NESTED)], link("Mine", "Word"), "which 'R' does not have"),
        (
            [what("B")],
            link("Mine", "Other", definition=guid("A")),
            "no module or run book that the job 'j' runs",
        ),
        (
            [what("P", WhatKind.PROJECT)],
            link("Mine", "Word", definition=guid("P")),
            "no module or run book that the job 'j' runs",
        ),
        ([what("A")], link("Mine", "key", LinkAction.GET), "gets a value from 'Key', which is"),
        ([what("A")], link("Mine", "Key", LinkAction.BOTH), "gets a value from 'Key'"),
        ([what("A")], link("Mine", "Login", LinkAction.GET), "gets a value from 'Login'"),
        (
            [what("P", WhatKind.PROJECT)],
            link("Mine", "Key", LinkAction.GET),
            "gets a value from 'Key'",
        ),
        ([what("A")], link("Secret", "Word"), "would show the secret parameter 'Secret'"),
        ([what("A")], link("Secret", "Login"), "would show the secret parameter 'Secret'"),
    ],
)
def test_links_that_do_not_fit(filled: Parts, whats: Any, tied: Any, sentence: str) -> None:
    one = run_book("M", job("j", *whats, links=(tied,)), parameters=(parameter("Mine"), SECRET))
    text = refusal(filled, one)
    assert text.startswith("jobs[0].links[0]")
    assert sentence in text


@pytest.mark.parametrize(
    ("whats", "tied"),
    [
        ([what("A")], link("mine", "WORD", LinkAction.BOTH)),
        ([what("A"), what("B")], link("Mine", "Word")),
        ([what("P", WhatKind.PROJECT)], link("Mine", "Other", definition=guid("B"))),
        ([what("R", NESTED)], link("Mine", "Inner", LinkAction.BOTH, guid("R"))),
        ([what("A")], link("Mine", "Key")),
        ([what("A")], link("Secret", "Key")),
    ],
)
def test_links_that_fit(filled: Parts, whats: Any, tied: Any) -> None:
    own = (parameter("Mine"), SECRET)
    saved = filled.catalog.save(
        run_book("M", job("j", *whats, links=(tied,)), parameters=own), MACHINE
    )
    with filled.store.reading() as session:
        found = filled.catalog.run_book(session, saved.definition.version_id)
    assert found.jobs[0].links == (tied,)
