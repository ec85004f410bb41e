from typing import Any

import pytest

from gateway.catalog import trees
from gateway.catalog.definitions import Condition, Module, OnFailure, Operator, Subject
from gateway.catalog.projects import ProjectModule
from gateway.catalog.run_books import RunBook, RunBookWhat, WhatKind
from gateway.catalog.sealing import Definition
from gateway.catalog.trees import Tree, TreeImpossible
from gateway.identity.principals import MACHINE
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import guid, job, project, run_book, simple, what


def grown(parts: Parts, one: Definition) -> Tree:
    with parts.store.reading() as session:
        return trees.tree(parts.catalog, session, parts.catalog.find(session, one.guid))


def save(parts: Parts, *definitions: Definition) -> None:
    """Store definitions as they are, whatever they refer to."""

    def work(session: Any) -> None:
        for one in definitions:
            parts.catalog.put(session, one, MACHINE)

    parts.store.unit_of_work(work)


def disabled(one: Module) -> Module:
    return one.model_copy(update={"enabled": False})


def test_a_module_is_one_part(parts: Parts) -> None:
    save(parts, simple("A"))
    found = grown(parts, simple("A"))
    (part,) = found.modules
    assert (part.entry_guid, part.module.name, part.enabled) == (None, "A", True)
    assert (found.steps, found.run_book) == ((), None)


def test_a_project_keeps_its_order_and_what_its_entries_say(parts: Parts) -> None:
    condition = Condition(subject=Subject.PLATFORM, operator=Operator.EQUALS, value="Linux")
    entries = (
        ProjectModule(guid=guid("1"), module=guid("B"), on_failure=OnFailure.CONTINUE),
        ProjectModule(guid=guid("2"), module=guid("A"), conditions=(condition,)),
        ProjectModule(guid=guid("3"), module=guid("B"), enabled=False),
        ProjectModule(guid=guid("4"), module=guid("nowhere"), enabled=False),
    )
    one = project("P").model_copy(update={"modules": entries})
    save(parts, simple("A"), simple("B"), one)
    found = grown(parts, one).modules
    assert [part.summary.name for part in found] == ["B", "A", "B"]
    assert [part.entry_guid for part in found] == [guid("1"), guid("2"), guid("3")]
    assert [part.enabled for part in found] == [True, True, False]
    assert found[0].on_failure is OnFailure.CONTINUE
    assert found[1].conditions == (condition,)


def test_a_run_book_holds_the_trees_of_what_its_jobs_run(parts: Parts) -> None:
    inner = run_book("Inner", job("x", what("P", WhatKind.PROJECT)))
    outer = run_book(
        "Outer",
        job("one", what("A"), what("P", WhatKind.PROJECT)),
        job("two", what("Inner", WhatKind.RUN_BOOK)),
        job("off", what("nowhere"), enabled=False),
    )
    save(parts, simple("A"), project("P", "A", "A"), inner, outer)
    found = grown(parts, outer)
    one, two, off = found.steps
    assert [each.summary.name for each in one.what] == ["A", "P"]
    assert len(one.what[1].modules) == 2
    assert two.what[0].run_book is not None
    assert two.what[0].steps[0].what[0].summary.name == "P"
    assert (off.job.enabled, off.what) == (False, ())


def test_a_tree_keeps_the_versions_of_its_time(parts: Parts) -> None:
    one = project("P", "A")
    save(parts, simple("A"), one)
    before = grown(parts, one)
    save(parts, simple("A").model_copy(update={"comment": "changed"}))
    after = grown(parts, one)
    assert before.modules[0].module.comment == ""
    assert after.modules[0].module.comment == "changed"
    assert before.modules[0].summary.version_id < after.modules[0].summary.version_id


@pytest.mark.parametrize(
    ("definitions", "sentence"),
    [
        ([project("X", "gone")], "in the project 'X': there is no module"),
        ([disabled(simple("A")), project("X", "A")], "the module 'A' is disabled"),
        ([run_book("X", job("j", what("gone")))], "in the run book 'X', job 'j': there is no mod"),
        (
            [disabled(simple("A")), run_book("X", job("j", what("A")))],
            "in the run book 'X', job 'j': the module 'A' is disabled",
        ),
        (
            [simple("A"), run_book("X", job("j", what("A", WhatKind.PROJECT)))],
            "there is no project",
        ),
        (
            [run_book("X", job("j", what("X", WhatKind.RUN_BOOK)))],
            "cannot contain itself: X -> X$",
        ),
        (
            [
                run_book("X", job("j", what("A", WhatKind.RUN_BOOK))),
                run_book("A", job("j", what("B", WhatKind.RUN_BOOK))),
                run_book("B", job("j", what("A", WhatKind.RUN_BOOK))),
            ],
            "cannot contain itself: A -> B -> A$",
        ),
    ],
)
def test_what_cannot_be_run(
    sqlite_parts: Parts, definitions: list[Definition], sentence: str
) -> None:
    save(sqlite_parts, *definitions)
    with pytest.raises(TreeImpossible, match=sentence):
        grown(sqlite_parts, next(one for one in definitions if one.name == "X"))


def test_a_deleted_module_is_missing(sqlite_parts: Parts) -> None:
    one = run_book("X", job("j", what("A")))
    save(sqlite_parts, simple("A"))
    sqlite_parts.catalog.delete(guid("A"), MACHINE)
    save(sqlite_parts, one)
    with pytest.raises(TreeImpossible, match="there is no module with the GUID"):
        grown(sqlite_parts, one)


def chain(levels: int) -> list[RunBook]:
    """Run books each of which runs the next; the last one runs a module."""
    last = run_book(f"R{levels}", job("j", what("A")))
    return [
        run_book(f"R{number}", job("j", what(f"R{number + 1}", WhatKind.RUN_BOOK)))
        for number in range(1, levels)
    ] + [last]


def test_how_deep_run_books_may_be_nested(sqlite_parts: Parts) -> None:
    books = chain(400)
    save(sqlite_parts, simple("A"), *books)
    with pytest.raises(TreeImpossible, match="deeper than 16 levels in the run book 'R1'"):
        grown(sqlite_parts, books[0])
    books = chain(17)
    save(sqlite_parts, *books)
    assert grown(sqlite_parts, books[1]).steps
    with pytest.raises(TreeImpossible, match="deeper than 16 levels in the run book 'R1'"):
        grown(sqlite_parts, books[0])
    # The same when a lower one was met before on a shorter way.
    low, high = (RunBookWhat(kind=WhatKind.RUN_BOOK, guid=guid(name)) for name in ("R10", "R1"))
    both = run_book("Both", job("low", low), job("high", high))
    save(sqlite_parts, both)
    with pytest.raises(TreeImpossible, match="deeper than 16 levels"):
        grown(sqlite_parts, both)


def test_how_many_jobs_there_may_be(sqlite_parts: Parts) -> None:
    def times(name: str, count: int, inner: RunBookWhat) -> RunBook:
        return run_book(name, *(job(str(number), inner) for number in range(count)))

    low = times("Low", 19, what("A"))
    high = times("High", 100, what("Low", WhatKind.RUN_BOOK))
    save(sqlite_parts, simple("A"), low, high)
    assert len(grown(sqlite_parts, high).steps) == 100
    save(sqlite_parts, times("Low", 20, what("A")))
    with pytest.raises(TreeImpossible, match="has 2100 jobs in all"):
        grown(sqlite_parts, high)
    save(sqlite_parts, times("Low", 1, what("P", WhatKind.PROJECT)))
    more = times("High", 101, what("Low", WhatKind.RUN_BOOK))
    save(sqlite_parts, project("P", *["A"] * 100), more)
    with pytest.raises(TreeImpossible, match="runs 10100 modules in all"):
        grown(sqlite_parts, high)


def test_doubling_run_books_take_no_time(sqlite_parts: Parts) -> None:
    """Each runs the next twice: 2^15 of the last, which are counted and not walked."""

    def twice(number: int) -> RunBook:
        inner = what(f"T{number + 1}", WhatKind.RUN_BOOK) if number < 15 else what("A")
        return run_book(f"T{number}", job("a", inner), job("b", inner))

    save(sqlite_parts, simple("A"), *(twice(number) for number in range(1, 16)))
    with pytest.raises(TreeImpossible, match="jobs in all"):
        grown(sqlite_parts, twice(1))
    assert grown(sqlite_parts, twice(7)).steps
