"""Projects and run books in building blocks."""

import json
from typing import Any

import pytest
from lxml import etree

from gateway.catalog import building_block_json, building_block_xml
from gateway.catalog.building_block import (
    BlockFolder,
    BlockModule,
    BlockProject,
    BlockRunBook,
    BuildingBlock,
)
from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_block_reading import ImportRefused
from gateway.catalog.building_blocks import Form
from gateway.catalog.catalog import DefinitionKind, DefinitionNotFound
from gateway.catalog.changes import Change
from gateway.catalog.definitions import Module, ParameterType
from gateway.catalog.projects import Project
from gateway.catalog.run_books import LinkAction, WhatKind
from gateway.catalog.sealing import Definition
from gateway.identity.vault import SECRET_MARKER
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import (
    block,
    guid,
    job,
    link,
    parameter,
    project,
    resource_members,
    run_book,
    simple,
    task,
    what,
)

NESTED = WhatKind.RUN_BOOK
SECRET = "correct horse battery staple"  # not one
MODULE = simple("A", parameter("Word"))
PROJECT = project("P", "A", folder="Projects")
INNER = run_book("Inner", job("one", what("P", WhatKind.PROJECT)), parameters=(parameter("Word"),))
OUTER = run_book("Outer", job("two", what("Inner", NESTED)), folder="Books/Big")


def document(*definitions: Definition, form: Form = Form.XML) -> bytes:
    """A block of definitions, in the order given."""
    of: dict[str, list[Any]] = {"modules": [], "projects": [], "run_books": []}
    for one in definitions:
        content = one.model_dump(mode="json")
        if isinstance(one, Module):
            of["modules"].append(BlockModule.model_validate(content))
        elif isinstance(one, Project):
            of["projects"].append(BlockProject.model_validate(content))
        else:
            of["run_books"].append(BlockRunBook.model_validate(content))
    one_block = BuildingBlock(**{member: tuple(some) for member, some in of.items()})
    write = building_block_xml.write if form is Form.XML else building_block_json.write
    return write(one_block)


def refusal(parts: Parts, *documents: bytes, **options: OnConflict) -> str:
    """What is said of documents that are refused, after which nothing is stored."""
    before = parts.exported(Form.JSON)
    with pytest.raises(ImportRefused) as refused:
        parts.bring(*documents, **options)
    assert parts.exported(Form.JSON) == before
    return str(refused.value)


@pytest.mark.parametrize("form", Form)
def test_they_come_and_go(parts: Parts, form: Form) -> None:
    # Whatever the order of the documents is.
    entries = parts.bring(
        document(OUTER, INNER, form=form), document(PROJECT, form=form), document(MODULE, form=form)
    ).entries
    assert [(entry.kind, entry.name, entry.change) for entry in entries] == [
        ("module", "A", Change.CREATED),
        ("project", "P", Change.CREATED),
        ("run_book", "Outer", Change.CREATED),
        ("run_book", "Inner", Change.CREATED),
    ]
    exported = parts.exported(form)
    assert set(parts.changes(exported)) == {Change.UNCHANGED}
    assert exported == document(MODULE, PROJECT, INNER, OUTER, form=form)


def test_only_what_differs_gets_a_version(parts: Parts) -> None:
    parts.bring(document(MODULE, PROJECT, INNER, OUTER))
    changed = PROJECT.model_copy(update={"comment": "new"})
    again = document(MODULE, changed, INNER, OUTER)
    assert "(" + str(guid("P")) + ") is there already" in refusal(parts, again)
    assert parts.changes(again, on_conflict=OnConflict.SKIP)[1] is Change.SKIPPED
    assert parts.changes(again, on_conflict=OnConflict.UPDATE) == [
        Change.UNCHANGED, Change.UPDATED, Change.UNCHANGED, Change.UNCHANGED,
    ]  # fmt: skip
    assert parts.versions() == 5


def test_a_selection_brings_what_it_refers_to(parts: Parts) -> None:
    fetch = task(type="download_resource", settings={"resource": "File", "target": "x"})
    module = MODULE.model_copy(
        update={"tasks": (*MODULE.tasks, fetch.model_copy(update={"guid": guid("f")}))}
    )
    parts.bring(
        document(module, simple("Else"), PROJECT, INNER, OUTER),
        block(resources=(resource_members(),)).encode(),
    )

    def chosen(name: str) -> dict[str, list[str]]:
        found = json.loads(parts.blocks.export([guid(name)], Form.JSON).document)
        del found["format"]
        return {member: [one["name"] for one in some] for member, some in found.items()}

    whole = {"resources": ["File"], "modules": ["A"], "projects": ["P"]}
    assert chosen("P") == whole
    assert chosen("Outer") == whole | {"run_books": ["Inner", "Outer"]}
    assert chosen("Else") == {"modules": ["Else"]}
    with pytest.raises(DefinitionNotFound, match="no definition or resource"):
        parts.blocks.export([guid("nobody")])


def test_folders_of_every_kind(parts: Parts) -> None:
    kinds = ["module", "resource", "project", "run_book", "team"]
    empty = tuple(BlockFolder(kind=kind, path="Empty/Below") for kind in kinds)
    parts.bring(building_block_xml.write(BuildingBlock(folders=empty)))
    parts.bring(document(MODULE, PROJECT, INNER, OUTER))
    exported = json.loads(parts.exported(Form.JSON))["folders"]
    assert sorted(one["kind"] for one in exported) == sorted(kinds)
    assert {one["path"] for one in exported} == {"Empty/Below"}


def test_secrets_of_run_books_are_markers(parts: Parts) -> None:
    def with_secret(value: str) -> bytes:
        secrets = (
            parameter("Key", ParameterType.PASSWORD, default=value),
            parameter("Login", ParameterType.CREDENTIALS, default="me", default2=value),
        )
        return document(INNER.model_copy(update={"parameters": secrets}), MODULE, PROJECT)

    text = refusal(parts, with_secret(SECRET_MARKER))
    assert "'Key': write the password itself" in text
    assert "line " in text
    parts.bring(with_secret(SECRET))
    for form in Form:
        assert SECRET.encode() not in parts.exported(form)
        assert SECRET_MARKER.encode() in parts.exported(form)
        assert set(parts.changes(parts.exported(form))) == {Change.UNCHANGED}
    assert parts.changes(with_secret(SECRET)) == [Change.UNCHANGED] * 3


@pytest.mark.parametrize(
    ("definitions", "place", "sentence"),
    [
        ([PROJECT], "projects[0].modules[0].module", "there is no module with the GUID"),
        ([INNER], "run_books[0].jobs[0].what[0].guid", "there is no project with the GUID"),
        ([OUTER], "run_books[0].jobs[0].what[0].guid", "there is no run book with the GUID"),
        (
            [
                MODULE,
                run_book(
                    "R",
                    job("j", what("A"), links=(link("W", "Gone"),)),
                    parameters=(parameter("W"),),
                ),
            ],
            "run_books[0].jobs[0].links[0].target",
            "the parameter 'Gone', which 'A' does not have",
        ),
        (
            [
                run_book("R", job("j", what("S", NESTED))),
                run_book("S", job("j", what("R", NESTED))),
            ],
            "run_books[0].jobs[0].what[0]",
            "a run book cannot contain itself: R -> S -> R",
        ),
        ([run_book("R", job("j", what("R", NESTED)))], "what[0]", "R -> R"),
        ([MODULE, PROJECT, PROJECT], "projects[1]", "has the same GUID"),
        (
            [MODULE, PROJECT, project("p", "A", folder="PROJECTS")],
            "projects[1]",
            "same name in the same folder",
        ),
    ],
)
@pytest.mark.parametrize("form", Form)
def test_what_does_not_fit_is_refused_by_name(
    sqlite_parts: Parts, definitions: list[Definition], place: str, sentence: str, form: Form
) -> None:
    text = refusal(sqlite_parts, document(*definitions, form=form))
    assert text.startswith("block-0")
    assert place in text
    assert sentence in text
    assert ("line " in text) is (form is Form.XML)


def test_a_circle_through_what_is_stored_already(sqlite_parts: Parts) -> None:
    sqlite_parts.bring(document(MODULE, PROJECT, INNER, OUTER))
    around = INNER.model_copy(update={"jobs": (job("back", what("Outer", NESTED)),)})
    text = refusal(sqlite_parts, document(around), on_conflict=OnConflict.UPDATE)
    assert "a run book cannot contain itself: Inner -> Outer -> Inner" in text


def test_what_is_kept_counts_and_not_what_was_brought(sqlite_parts: Parts) -> None:
    """With skip, a run book is tied to the module that stays."""
    sqlite_parts.bring(document(MODULE))
    other = simple("A", parameter("Other"))
    tied = job("j", what("A"), links=(link("W", "Other"),))
    book = run_book("R", tied, parameters=(parameter("W"),))
    text = refusal(sqlite_parts, document(other, book), on_conflict=OnConflict.SKIP)
    assert "'Other', which 'A' does not have" in text
    sqlite_parts.bring(document(other, book), on_conflict=OnConflict.UPDATE)


def test_a_secret_is_not_got_back(sqlite_parts: Parts) -> None:
    key = parameter("Key", ParameterType.PASSWORD)
    tied = job("j", what("A"), links=(link("K", "Key", LinkAction.GET),))
    book = run_book("R", tied, parameters=(key.model_copy(update={"name": "K"}),))
    text = refusal(sqlite_parts, document(simple("A", key), book))
    assert "gets a value from 'Key', which is secret" in text


def test_the_guid_of_another_kind(sqlite_parts: Parts) -> None:
    sqlite_parts.bring(document(MODULE))
    wrong = document(project("Else", "A", guid=guid("A")))
    assert "belongs to the module 'A': give the project another one" in refusal(
        sqlite_parts, wrong, on_conflict=OnConflict.UPDATE
    )


def test_names_may_be_swapped(parts: Parts) -> None:
    parts.bring(document(MODULE, PROJECT, project("Q", "A", folder="Projects")))
    swapped = (
        PROJECT.model_copy(update={"name": "Q"}),
        project("Q", "A", folder="Projects").model_copy(update={"name": "P"}),
    )
    parts.bring(document(*swapped), on_conflict=OnConflict.UPDATE)
    taken = document(project("Other", "A", folder="Projects").model_copy(update={"name": "q"}))
    assert "there is another project 'q' in the folder 'Projects'" in refusal(parts, taken)
    with parts.store.reading() as session:
        found = parts.catalog.find_by_name(session, DefinitionKind.PROJECT, "P")
    assert found.guid == guid("Q")


@pytest.mark.parametrize(
    "member",
    [
        "<project guid='G' name='x'><module guid='G'/></project>",
        "<run-book guid='G' name='x'><job guid='G' name='j'/></run-book>",
        "<run-book guid='G' name='x' who-selection='nobody'/>",
        "<run-book guid='G' name='x'><job guid='G' name='j'><who reference='' /></job></run-book>",
        "<project guid='G' name='x'><module guid='G' module='G' on-failure='x'/></project>",
    ],
)
def test_the_schema_refuses(sqlite_parts: Parts, member: str) -> None:
    root = "<building-block xmlns='urn:dispatcher-gateway:building-block:1'>\n"
    text = refusal(
        sqlite_parts, f"{root}{member.replace('G', str(guid('x')))}</building-block>".encode()
    )
    assert text.startswith("block-0, line 2")


def test_every_member_is_in_the_schema() -> None:
    """An XML document with every member of a project and a run book is valid."""
    schema = etree.XMLSchema(etree.parse(building_block_xml.SCHEMA))
    for one in (PROJECT, INNER, OUTER):
        assert schema.validate(etree.fromstring(document(one)))
