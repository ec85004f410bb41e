import base64
import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gateway.catalog
from gateway.catalog import folders, references, tree_parameters, trees
from gateway.catalog.building_block import NAMESPACE
from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_block_reading import ImportRefused
from gateway.catalog.building_blocks import CatalogChanged, Form
from gateway.catalog.catalog import DefinitionKind, DefinitionNotFound
from gateway.catalog.changes import Change
from gateway.catalog.folders import FolderKind
from gateway.catalog.resources import ResourceChanges
from gateway.identity.principals import MACHINE
from gateway.identity.vault import SECRET_MARKER
from storage import models
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import (
    FILE,
    GREETING,
    block,
    module_members,
    password_module,
    resource_members,
)

DEMONSTRATION = (Path(gateway.catalog.__file__).parent / "demonstration.xml").read_bytes()
SECRET = "correct horse battery staple"  # not one
OTHER = str(uuid.UUID(int=5))


def refusal(parts: Parts, *documents: str | bytes, **options: OnConflict) -> str:
    """What is said about documents that are refused, after which nothing is stored."""
    before = parts.exported(Form.JSON)
    with pytest.raises(ImportRefused) as refused:
        parts.bring(*documents, **options)
    assert parts.exported(Form.JSON) == before
    return str(refused.value)


def names(parts: Parts, kind: DefinitionKind = DefinitionKind.MODULE) -> list[str]:
    with parts.store.reading() as session:
        found = parts.catalog.definitions(session, kind)
    return [one.name for one in found]


def fetching(resource: str) -> dict[str, Any]:
    settings = {"resource": resource, "target": "x"}
    task = {"guid": OTHER, "name": "Fetch", "type": "download_resource", "settings": settings}
    return module_members(tasks=[task])


def external(data: bytes, file: str = "block-1", **members: Any) -> dict[str, Any]:
    reference = {"file": file, "sha256": hashlib.sha256(data).hexdigest()}
    members = resource_members(**members) | {"external": reference}
    del members["content"]
    return members


def content_of(parts: Parts) -> bytes:
    with parts.store.reading() as session:
        resource = parts.resources.find(session, FILE)
    return b"".join(parts.resources.content(resource))


# The way in and out


def test_the_demonstration_is_imported_and_comes_back(parts: Parts) -> None:
    changes = parts.changes(DEMONSTRATION)
    assert set(changes) == {Change.CREATED}
    assert names(parts) == [
        "Disk report", "Failures", "Greeting", "Greeting card", "Host facts", "Host note",
        "Steps with progress", "Web request",
    ]  # fmt: skip
    assert names(parts, DefinitionKind.PROJECT) == ["Host check"]
    assert names(parts, DefinitionKind.RUN_BOOK) == ["Check and note"]
    exported = parts.exported()
    assert set(parts.changes(exported, on_conflict=OnConflict.UPDATE)) == {Change.UNCHANGED}
    assert set(parts.changes(DEMONSTRATION)) == {Change.UNCHANGED}
    assert parts.exported() == exported
    assert parts.versions() == 10


def test_the_demonstration_can_be_scheduled(sqlite_parts: Parts) -> None:
    sqlite_parts.bring(DEMONSTRATION)
    with sqlite_parts.store.reading() as session:
        kind = DefinitionKind.RUN_BOOK
        found = sqlite_parts.catalog.find_by_name(session, kind, "Check and note")
        tree = trees.tree(sqlite_parts.catalog, session, found)
    asked = [one.name for one in tree_parameters.input_parameters(tree)]
    assert asked == ["RunBookWho", "Remark"]
    assert [one.name for one in tree_parameters.output_parameters(tree)] == ["Host"]


def test_xml_and_json_are_the_same_content(parts: Parts) -> None:
    parts.bring(DEMONSTRATION)
    in_json = parts.exported(Form.JSON)
    assert json.loads(in_json)["format"] == NAMESPACE
    assert set(parts.changes(in_json)) == {Change.UNCHANGED}


POLICY = {
    "retries": 3,
    "retry_on": "failed",
    "retry_delay": 30.0,
    "retry_factor": 2.0,
    "retry_longest": 600.0,
    "timeout": 3600.0,
    "concurrency": "queue",
    "lock": "warehouse",
    "priority": 8,
}


@pytest.mark.parametrize("form", list(Form))
def test_policies_come_back(parts: Parts, form: Form) -> None:
    module = module_members(policy=POLICY, retries=2)
    entry = {"guid": str(uuid.UUID(int=6)), "module": module["guid"]}
    what = [{"kind": "module", "guid": module["guid"]}]
    job = {"guid": str(uuid.UUID(int=7)), "name": "one", "what": what}
    project = {"guid": OTHER, "name": "P", "policy": {"timeout": 60.0}, "modules": [entry]}
    book = {"guid": str(uuid.UUID(int=8)), "name": "B", "policy": {"priority": 1}, "jobs": [job]}
    content = json.loads(block(module)) | {"projects": [project], "run_books": [book]}
    parts.bring(json.dumps(content))
    again = parts.exported(form)
    assert set(parts.changes(again)) == {Change.UNCHANGED}
    stored = json.loads(parts.exported(Form.JSON))
    (module,), (project,), (book,) = (stored[k] for k in ("modules", "projects", "run_books"))
    assert (module["policy"], module["retries"]) == (POLICY, 2)
    assert project["policy"]["timeout"] == 60
    assert book["policy"]["priority"] == 1


def test_what_was_exported_can_be_imported_elsewhere(
    sqlite_parts: Parts, make_parts: Any, tmp_path: Path
) -> None:
    from storage import opening

    sqlite_parts.bring(block(module_members(), resources=(resource_members(),)))
    document = sqlite_parts.exported()
    other = opening.open_sqlite(tmp_path / "other.sqlite3", tmp_path)
    (tmp_path / "keys.json").unlink()
    there = make_parts(other)
    there.bring(document)
    assert there.exported() == document
    other.close()


def test_a_selection_brings_the_resources_that_it_needs(parts: Parts) -> None:
    parts.bring(
        block(
            fetching("file"),
            module_members(guid=OTHER, name="Other"),
            resources=(resource_members(), resource_members(guid=OTHER[:-1] + "7", name="Else")),
        )
    )
    exported = json.loads(parts.blocks.export([GREETING], Form.JSON).document)
    assert [one["name"] for one in exported["modules"]] == ["Greeting"]
    assert [one["name"] for one in exported["resources"]] == ["File"]
    with pytest.raises(DefinitionNotFound, match=str(uuid.UUID(int=9))):
        parts.blocks.export([GREETING, uuid.UUID(int=9)])


def test_folders_are_made_and_empty_ones_kept(parts: Parts) -> None:
    listed = (
        {"kind": "module", "path": "Demo"},
        {"kind": "module", "path": "Empty/Inner"},
        {"kind": "resource", "path": "Files"},
    )
    parts.bring(block(module_members(folder="Demo/Deep"), folders=listed))
    with parts.store.reading() as session:
        paths = folders.paths(session, FolderKind.MODULE)
    assert paths == ["Demo", "Demo/Deep", "Empty", "Empty/Inner"]
    exported = json.loads(parts.exported(Form.JSON))
    assert exported["folders"] == list(listed[1:])


def test_the_spelling_of_a_folder_is_no_difference(parts: Parts) -> None:
    parts.bring(block(module_members(), resources=(resource_members(folder="Ä"),)))
    again = block(module_members(folder="DEMO"), resources=(resource_members(folder="ä"),))
    assert set(parts.changes(again)) == {Change.UNCHANGED}


# Conflicts


def test_identical_content_is_no_conflict(parts: Parts) -> None:
    one = block(module_members(), resources=(resource_members(),))
    assert parts.changes(one) == [Change.CREATED, Change.CREATED]
    for choice in OnConflict:
        assert parts.changes(one, on_conflict=choice) == [Change.UNCHANGED, Change.UNCHANGED]


def test_other_content_is_refused_skipped_or_stored(parts: Parts) -> None:
    parts.bring(block(module_members(), resources=(resource_members(),)))
    other = block(module_members(description="new"), resources=(resource_members(content="bmV3"),))
    text = refusal(parts, other)
    assert f"'Greeting' ({GREETING})" in text
    assert f"'File' ({FILE})" in text
    assert parts.changes(other, on_conflict=OnConflict.SKIP) == [Change.SKIPPED, Change.SKIPPED]
    assert content_of(parts) == b"data"
    assert parts.changes(other, on_conflict=OnConflict.UPDATE) == [Change.UPDATED, Change.UPDATED]
    assert content_of(parts) == b"new"


def test_all_or_nothing_over_all_documents(parts: Parts) -> None:
    parts.bring(block(module_members()))
    fine = block(module_members(guid=OTHER, name="Fine"), resources=(resource_members(),))
    text = refusal(parts, fine, block(module_members(description="new")))
    assert "block-1" in text
    assert names(parts) == ["Greeting"]


def test_names_may_be_swapped(parts: Parts) -> None:
    parts.bring(block(module_members(), module_members(guid=OTHER, name="Other")))
    swapped = block(module_members(name="Other"), module_members(guid=OTHER))
    assert parts.changes(swapped, on_conflict=OnConflict.UPDATE) == [Change.UPDATED] * 2


def test_a_taken_name_is_refused(parts: Parts) -> None:
    parts.bring(block(module_members(), resources=(resource_members(),)))
    other = block(
        module_members(guid=OTHER, folder="DEMO", name="GREETING"),
        resources=(resource_members(guid=OTHER[:-1] + "6"),),
    )
    text = refusal(parts, other)
    assert "another module 'GREETING' in the folder 'Demo'" in text
    assert "another resource 'File' at the top" in text


def test_a_deleted_module_comes_back(parts: Parts) -> None:
    parts.bring(block(module_members()))
    parts.catalog.delete(GREETING, MACHINE)
    assert parts.changes(block(module_members())) == [Change.CREATED]
    assert names(parts) == ["Greeting"]


def test_a_guid_of_another_kind_is_refused(parts: Parts) -> None:
    parts.bring(block(module_members()))
    table = models.Definition
    parts.store.unit_of_work(
        lambda session: session.execute(table.update(kind=DefinitionKind.PROJECT))
    )
    with pytest.raises(ImportRefused, match="belongs to the project"):
        parts.bring(block(module_members()), on_conflict=OnConflict.UPDATE)


def test_imports_at_once_take_turns(parts: Parts) -> None:
    many = [module_members(guid=str(uuid.UUID(int=n)), name=f"M{n}") for n in range(1, 9)]
    documents = [
        block(*many, resources=(resource_members(),)),
        block(*reversed(many), resources=(resource_members(),)),
    ] * 3
    with ThreadPoolExecutor(len(documents)) as threads:
        done = list(
            threads.map(lambda one: parts.changes(one, on_conflict=OnConflict.FAIL), documents)
        )
    assert sorted(changes.count(Change.CREATED) for changes in done) == [0, 0, 0, 0, 0, 9]
    assert parts.versions() == 8


# Secrets


@pytest.mark.parametrize(("kind", "member"), [("password", "default"), ("credentials", "default2")])
@pytest.mark.parametrize("form", list(Form))
def test_secrets_are_exported_as_markers(parts: Parts, kind: str, member: str, form: Form) -> None:
    parts.bring(password_module(SECRET, kind, member))
    exported = parts.exported(form)
    assert SECRET.encode() not in exported
    assert SECRET_MARKER.encode() in exported
    for choice in OnConflict:
        assert parts.changes(exported, on_conflict=choice) == [Change.UNCHANGED]
    assert parts.changes(password_module(SECRET, kind, member)) == [Change.UNCHANGED]
    changed = password_module("another", kind, member)
    assert parts.changes(changed, on_conflict=OnConflict.UPDATE) == [Change.UPDATED]


def test_a_marker_needs_a_stored_secret(parts: Parts) -> None:
    text = refusal(parts, password_module(SECRET_MARKER))
    assert "$.modules[0].parameters[1].default" in text
    assert "'Key'" in text
    parts.bring(password_module(""))
    assert "'Key'" in refusal(parts, password_module(SECRET_MARKER), on_conflict=OnConflict.UPDATE)
    skipped = parts.changes(password_module(SECRET_MARKER), on_conflict=OnConflict.SKIP)
    assert skipped == [Change.SKIPPED]


def test_no_problem_tells_a_secret(parts: Parts) -> None:
    wrong = json.loads(password_module(SECRET))
    wrong["modules"][0]["parameters"][1]["default2"] = {"not": SECRET}
    wrong["modules"][0]["parameters"][1]["ask"] = SECRET
    wrong["modules"][0]["retries"] = "x"
    text = refusal(parts, json.dumps(wrong))
    assert "ask" in text
    assert SECRET not in text
    parts.bring(password_module("first"))
    assert SECRET not in refusal(parts, password_module(SECRET))


# Content beside the block


def test_content_may_stand_in_a_file(parts: Parts) -> None:
    data = b"<xml>a content that looks like a document</xml>"
    one = block(resources=(external(data),))
    parts.bring(one, data)
    assert content_of(parts) == data
    assert parts.changes(one) == [Change.UNCHANGED]


def test_a_content_file_may_itself_be_a_block(parts: Parts) -> None:
    inner = block(module_members()).encode()
    parts.bring(block(resources=(external(inner),)), inner)
    assert content_of(parts) == inner
    assert names(parts) == []


def test_a_missing_or_wrong_content_file_is_refused(parts: Parts) -> None:
    one = block(resources=(external(b"data"),))
    assert "'block-1' with the content of the resource 'File' was not given" in refusal(parts, one)
    assert "SHA-256" in refusal(parts, one, b"other")


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x.dll", "..", "a\nb"])
def test_a_file_is_named_as_in_an_upload(parts: Parts, name: str) -> None:
    text = refusal(parts, block(resources=(resource_members(file_name=name),)))
    assert "block-0 ($.resources[0].file_name): " in text
    parts.bring(block(resources=(resource_members(),)))


def test_a_file_that_belongs_to_nothing_is_refused(parts: Parts) -> None:
    text = refusal(parts, block(resources=(resource_members(),)), b"GIF89a")
    assert "block-1: this is neither a building block" in text


def test_large_contents_are_exported_beside_the_block(parts: Parts) -> None:
    data = bytes(3_000_000)
    parts.bring(block(resources=(external(data),)), data)
    exported = parts.blocks.export(inline_bytes=1_000_000)
    (file,) = exported.files
    assert file.blob.size == len(data)
    assert len(exported.document) < 1000
    content = b"".join(parts.blobs.read(file.blob.id))
    report = parts.blocks.import_blocks(
        [("x.xml", exported.document), (file.name, content)], OnConflict.FAIL, MACHINE
    )
    assert report.counts() == {Change.UNCHANGED: 1}


def test_contents_of_a_refused_import_are_swept(parts: Parts) -> None:
    """Its content was written by then: the name turns out to be taken in the transaction."""
    parts.bring(block(resources=(resource_members(),)))
    refusal(parts, block(resources=(resource_members(guid=OTHER, content="bmV3"),)))
    parts.clock.moment += 1
    assert parts.blobs.sweep(older_than=parts.clock.moment) == 1
    assert content_of(parts) == b"data"


def test_an_import_that_changes_nothing_writes_no_content(parts: Parts) -> None:
    one = block(resources=(resource_members(),))
    parts.bring(one)
    parts.bring(one)
    parts.clock.moment += 1
    assert parts.blobs.sweep(older_than=parts.clock.moment) == 0


def test_a_resource_that_changes_during_the_import_undoes_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = block(resources=(resource_members(),))
    parts.bring(first)
    work = parts.store.unit_of_work

    def interrupted(function: Any) -> Any:
        monkeypatch.undo()
        parts.resources.edit(FILE, ResourceChanges(), [b"meanwhile"], MACHINE)
        return work(function)

    monkeypatch.setattr(parts.store, "unit_of_work", interrupted)
    with pytest.raises(CatalogChanged, match="'File'"):
        parts.bring(first, on_conflict=OnConflict.UPDATE)
    assert content_of(parts) == b"meanwhile"


# What is wrong, and where


def test_several_problems_are_told_together(parts: Parts) -> None:
    first = module_members(parameters=[{"name": "Other"}])
    second = module_members(guid=OTHER, name="Second")
    second["tasks"] = [{**second["tasks"][0], "type": "nonsense"}]
    text = refusal(parts, block(first), block(second, fetching("Nothing") | {"name": "Third"}))
    lines = text.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("block-0 ($.modules[0].tasks[0].settings.argv)")
    assert "'Word'" in lines[0]
    assert lines[1].startswith("block-1 ($.modules[0].tasks[0].type)")
    assert "'nonsense'" in lines[1]
    assert "command" in lines[1]
    assert "same GUID as 'Greeting' in block-0" in lines[2]
    assert lines[3].startswith("block-1 ($.modules[1].tasks[0].settings.resource)")
    assert "'Nothing'" in lines[3]


def without(members: dict[str, Any], *names_: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names_}


def with_task(**members: Any) -> str:
    task = module_members()["tasks"][0]
    return block(module_members(tasks=[task | members]))


def with_parameter(**members: Any) -> str:
    return block(module_members(parameters=[{"name": "Word"}, {"name": "More", **members}]))


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        ("", "", "neither a building block"),
        ("[]", "", "neither a building block"),
        ("{}", "", "format"),
        ('{"format": "other"}', "", "format"),
        ('{"format":', "line 1", "not JSON"),
        ('{\n"a": 1,\n"a": 2}', "", "'a' twice"),
        ('{"a": NaN}', "", "NaN"),
        ('{"a": 1e999}', "", "too large"),
        ('{"a": ' + "9" * 5000 + "}", "", "integer"),
        (b'{"a": "\xff"}', "", "UTF-8"),
        ('{"a": ' + "[" * 100_000, "", "nested"),
        (block(without(module_members(), "guid")), "$.modules[0].guid", "'guid' is missing"),
        (block(module_members(guid="x")), "$.modules[0].guid", "UUID"),
        (block(module_members(colour="x")), "$.modules[0].colour", "'colour' is not known"),
        (block(module_members(name=" ")), "$.modules[0].name", "blank"),
        (block(module_members(folder="/A")), "$.modules[0].folder", "empty name"),
        (block(module_members(folder="A\x00")), "$.modules[0].folder", "U+0000"),
        (block(module_members(comment="\ud800")), "$.modules[0].comment", "U+D800"),
        (block(module_members(), module_members()), "$.modules[1]", "same GUID"),
        (
            block(module_members(), module_members(guid=OTHER, name="greeting", folder="DEMO")),
            "$.modules[1]",
            "same name in the same folder",
        ),
        (with_task(timeout=0), "$.modules[0].tasks[0].timeout", "greater than 0"),
        (with_task(on_failure="x"), "$.modules[0].tasks[0].on_failure", "'stop' or 'continue'"),
        (with_task(settings={}), "$.modules[0].tasks[0].settings.argv", "argv"),
        (with_task(settings={"argv": "ls"}), "$.modules[0].tasks[0].settings.argv", "argv"),
        (with_task(settings={"argv": ["\x1b"]}), "tasks[0].settings.argv[0]", "U+001B"),
        (with_task(settings={"a\x01": 1}), "tasks[0].settings", "U+0001"),
        (
            with_task(conditions=[{"subject": "parameter", "name": "x", "operator": "exists"}]),
            "$.modules[0].tasks[0].conditions[0]",
            "parameter 'x'",
        ),
        (with_parameter(type="colour"), "parameters[1].type", "multi_line"),
        (with_parameter(type="list", default="x", allowed=["a"]), "parameters[1]", "'x'"),
        (with_parameter(name="word"), "$.modules[0]", "two parameters"),
        (block(resources=(resource_members(content="?"),)), "resources[0].content", "Base64"),
        (block(resources=(resource_members(content=5),)), "resources[0].content", "Base64"),
        (block(resources=(without(resource_members(), "content"),)), "resources[0]", "either"),
        (block(folders=({"kind": "x", "path": "A"},)), "folders[0].kind", "one of module"),
    ],
)  # fmt: skip
def test_problems_in_json_name_the_path(
    sqlite_parts: Parts, document: str | bytes, place: str, words: str
) -> None:
    text = refusal(sqlite_parts, document)
    assert text.startswith("block-0")
    assert place in text
    assert words in text


def xml(inner: str) -> str:
    return f'<building-block xmlns="{NAMESPACE}">\n{inner}\n</building-block>'


def xml_module(inner: str, attributes: str = "") -> str:
    return xml(f'<module guid="{GREETING}" name="Greeting" {attributes}>\n{inner}\n</module>')


def xml_task(inner: str, attributes: str = 'type="command"') -> str:
    return xml_module(f'<task guid="{OTHER}" name="Say" {attributes}>\n{inner}\n</task>')


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        ("<", "block-0", "XML"),
        ("<other/>", "block-0", "root must be building-block"),
        ("<building-block/>", "block-0", NAMESPACE),
        ("<!DOCTYPE building-block><building-block/>", "block-0", "DOCTYPE"),
        (xml("<module/>"), "line 2", "'guid' is required"),
        (xml("\n<what/>"), "line 3", "what"),
        (xml_module("", 'retries="-1"'), "line 2", "retries"),
        (xml_module("", f'retries="{"9" * 5000}"'), "line 2", "integer"),
        (xml_module("<task/>"), "line 3", "'type' is required"),
        (xml_task("", 'type="nonsense"'), "line 3", "nonsense"),
        (xml_task("", 'type="command" timeout="0"'), "line 3", "greater than 0"),
        (xml_task("", 'type="command" timeout="INF"'), "line 3", "timeout"),
        (xml_task("<settings>\n</settings>"), "line 4", "argv"),
        (
            xml_task('<settings>\n<list name="argv">\n<text>$[X]</text></list></settings>'),
            "line 5",
            "'X'",
        ),
        (
            xml_task('<settings>\n<text name="a"/>\n<text name="a"/></settings>'),
            "line 6",
            "'a' stands here twice",
        ),
        (xml_task('<settings><number name="a">1e999</number></settings>'), "line 4", "too large"),
        (xml_task('<settings><number name="a">01</number></settings>'), "line 4", "01"),
        (
            xml_task(f'<settings><number name="a">{"9" * 5000}</number></settings>'),
            "line 4",
            "digits",
        ),
    ],
)  # fmt: skip
def test_problems_in_xml_name_the_line(
    sqlite_parts: Parts, document: str, place: str, words: str
) -> None:
    text = refusal(sqlite_parts, document)
    assert text.startswith("block-0")
    assert place in text
    assert words in text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_xml_may_come_in_other_encodings(sqlite_parts: Parts, encoding: str) -> None:
    document = xml_module("<comment>Größe</comment>").encode(encoding)
    assert sqlite_parts.changes(document) == [Change.CREATED]
    exported = json.loads(sqlite_parts.exported(Form.JSON))
    assert exported["modules"][0]["comment"] == "Größe"


def test_no_more_is_told_than_can_be_read(sqlite_parts: Parts) -> None:
    many = json.dumps(json.loads(block()) | {"modules": [{}] * 200})
    text = refusal(sqlite_parts, many)
    assert len(text.splitlines()) == 101
    assert text.endswith("and 300 more problems")


def test_the_examples_of_the_documentation_are_one_valid_block(sqlite_parts: Parts) -> None:
    page = (Path(__file__).parents[3] / "docs" / "building-blocks.md").read_text("utf-8")

    def examples(form: str) -> tuple[str, str]:
        _, module, composed = page.split(f"```{form}\n")
        return module.partition("```")[0], composed.partition("```")[0]

    (in_xml, composed_in_xml), (in_json, composed_in_json) = examples("xml"), examples("json")
    secret = ("********", "open sesame")
    assert sqlite_parts.changes(in_xml.replace(*secret)) == [Change.CREATED]
    assert sqlite_parts.changes(in_xml) == [Change.UNCHANGED]
    assert sqlite_parts.changes(in_json) == [Change.UNCHANGED]
    assert sqlite_parts.changes(composed_in_xml) == [Change.CREATED] * 2
    assert sqlite_parts.changes(composed_in_json) == [Change.UNCHANGED] * 2


def test_two_files_of_one_name_are_refused(sqlite_parts: Parts) -> None:
    with pytest.raises(ImportRefused, match="two files"):
        sqlite_parts.blocks.import_blocks(
            [("x", block(module_members()).encode()), ("x", block().encode())],
            OnConflict.FAIL,
            MACHINE,
        )


def test_the_same_reference_by_guid_or_name(parts: Parts) -> None:
    parts.bring(block(resources=(resource_members(),)))
    for reference in ("FILE", str(FILE), f"{{{FILE}}}".upper()):
        parts.bring(block(fetching(reference)), on_conflict=OnConflict.UPDATE)
    again = {"name": "Again", "guid": OTHER, "folder": "Elsewhere"}
    parts.bring(block(resources=(resource_members(name="File", guid=OTHER, folder="B"),)))
    text = refusal(parts, block(fetching("File") | again), on_conflict=OnConflict.UPDATE)
    assert "give the GUID" in text


def test_the_demonstration_asks_for_what_its_tasks_use(parts: Parts) -> None:
    parts.bring(DEMONSTRATION)
    with parts.store.reading() as session:
        found = parts.catalog.find_by_name(session, DefinitionKind.MODULE, "Greeting")
        greeting = parts.catalog.module(session, found.version_id)
    asked = [one.name for one in references.input_parameters(greeting)]
    assert asked == ["Name", "Language", "Secret"]
    assert base64.b64encode(b"open sesame") not in parts.exported()
    assert b"open sesame" not in parts.exported()
