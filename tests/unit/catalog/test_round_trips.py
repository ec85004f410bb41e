"""Whatever can be stored comes back from XML, from JSON and from the store as it was."""

import dataclasses
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway import names
from gateway.catalog import building_block_json, building_block_reading, building_block_xml, folders
from gateway.catalog.building_block import (
    BlockFolder,
    BlockModule,
    BlockParameter,
    BlockProject,
    BlockResource,
    BlockRunBook,
    BuildingBlock,
)
from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_block_reading import ImportRefused
from gateway.catalog.building_blocks import BuildingBlocks, Form
from gateway.catalog.catalog import Catalog
from gateway.catalog.changes import Change
from gateway.catalog.definitions import (
    Capture,
    CaptureKind,
    Condition,
    Evaluator,
    Evidence,
    OnFailure,
    Operator,
    ParameterType,
    Subject,
    Task,
    Verdict,
)
from gateway.catalog.projects import ProjectModule
from gateway.catalog.run_books import (
    LinkAction,
    ParameterLink,
    RunBookJob,
    RunBookWhat,
    RunBookWho,
    WhatKind,
    WhoReferenceKind,
    WhoSelection,
)
from tests.unit.catalog import anything
from tests.unit.catalog.conftest import Parts
from tests.unit.catalog.samples import GREETING, block, module_members

# What XML can carry, with a liking for what it treats in a way of its own.
CHARACTERS = st.one_of(
    st.sampled_from("\t\n\r <>&\"'] \u0085\u2028\ufeff\U0001f600%/;"),
    st.characters(
        codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"
    ),
)
TEXTS = st.text(CHARACTERS, max_size=30).filter(lambda text: "$[" not in text)
NAMES = TEXTS.filter(str.strip)
LINES = TEXTS.map(lambda text: re.sub(r"[\x00-\x1f\x7f-\x9f]", "", text)).filter(str.strip)
PARAMETER_NAMES = NAMES.filter(lambda name: "]" not in name and names.key(name) != "known")
GUIDS = st.uuids()
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.integers(10**30, 10**40)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)
SETTINGS = st.dictionaries(TEXTS, VALUES, max_size=4)


@st.composite
def parameters(draw: st.DrawFn) -> BlockParameter:
    kind = draw(st.sampled_from(ParameterType))
    allowed = tuple(draw(st.lists(TEXTS, max_size=3)))
    lists = kind in (ParameterType.LIST, ParameterType.MULTI_SELECT)
    # A password would not come back, but its marker.
    secret = kind is ParameterType.PASSWORD
    return BlockParameter(
        guid=draw(st.none() | GUIDS),
        name=draw(PARAMETER_NAMES),
        type=kind,
        description=draw(TEXTS),
        default="" if secret or lists else draw(TEXTS),
        default2="" if kind is ParameterType.CREDENTIALS else draw(TEXTS),
        allowed=allowed,
        displays=tuple(draw(TEXTS) for _ in allowed) if draw(st.booleans()) else (),
        hint=draw(TEXTS),
        ask=draw(st.booleans()),
        required=draw(st.booleans()),
    )


CONDITIONS = st.one_of(
    st.builds(
        Condition,
        subject=st.just(Subject.PLATFORM),
        name=TEXTS,
        operator=st.sampled_from([Operator.EQUALS, Operator.CONTAINS]),
        value=TEXTS,
    ),
    st.builds(
        Condition,
        subject=st.just(Subject.FILE),
        name=NAMES,
        operator=st.sampled_from([Operator.EXISTS, Operator.NOT_EXISTS]),
        value=TEXTS,
    ),
)
EVALUATORS = st.one_of(
    st.builds(
        Evaluator,
        subject=st.sampled_from([Evidence.OUTPUT, Evidence.EXIT_CODE, Evidence.STATUS]),
        name=TEXTS,
        operator=st.sampled_from([Operator.EQUALS, Operator.LESS, Operator.CONTAINS]),
        value=TEXTS,
        verdict=st.sampled_from(Verdict),
    ),
)
CAPTURES = st.one_of(
    *(
        st.builds(
            Capture,
            parameter=st.just("Known"),
            kind=st.just(kind),
            expression=st.just(expression),
            required=st.booleans(),
        )
        for kind, expression in ((CaptureKind.JSON_PATH, "$['<&>']"), (CaptureKind.XPATH, "//a"))
    ),
    st.builds(Capture, parameter=st.just("Known"), kind=st.just(CaptureKind.EXIT_CODE)),
    st.builds(
        Capture,
        parameter=st.just("Known"),
        kind=st.just(CaptureKind.OUTPUT),
        expression=NAMES.map(re.escape),
    ),
)
TASKS = st.builds(
    Task,
    guid=GUIDS,
    name=NAMES,
    type=st.just("anything"),
    settings=SETTINGS,
    timeout=st.floats(min_value=1e-9, max_value=31_536_000),
    on_failure=st.sampled_from(OnFailure),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    captures=st.lists(CAPTURES, max_size=2).map(tuple),
    evaluators=st.lists(EVALUATORS, max_size=2).map(tuple),
    enabled=st.booleans(),
    keep_processes=st.booleans(),
    log_limit=st.none() | st.integers(0, 2**63),
)
FOLDERS = st.lists(
    TEXTS.map(lambda text: text.replace("/", "").strip()).filter(bool), max_size=3
).map("/".join)
MODULES = st.builds(
    BlockModule,
    guid=GUIDS,
    name=NAMES,
    description=TEXTS,
    folder=FOLDERS,
    comment=TEXTS,
    enabled=st.booleans(),
    parameters=st.lists(
        parameters(), max_size=3, unique_by=lambda one: folders.path_key(one.name)
    ).map(lambda some: (*some, BlockParameter(name="Known"))),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    evaluators=st.lists(EVALUATORS, max_size=2).map(tuple),
    tasks=st.lists(TASKS, max_size=2, unique_by=lambda one: one.guid).map(tuple),
    retries=st.integers(0, 100),
)
PROJECTS = st.builds(
    BlockProject,
    guid=GUIDS,
    name=NAMES,
    description=TEXTS,
    folder=FOLDERS,
    comment=TEXTS,
    enabled=st.booleans(),
    modules=st.lists(
        st.builds(
            ProjectModule,
            guid=GUIDS,
            module=GUIDS,
            enabled=st.booleans(),
            on_failure=st.sampled_from(OnFailure),
            conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
        ),
        max_size=3,
        unique_by=lambda one: one.guid,
    ).map(tuple),
)
LINKS = st.builds(
    ParameterLink,
    parameter=st.just("known"),
    target=st.just("KNOWN"),
    definition=st.none() | GUIDS,
    action=st.sampled_from(LinkAction),
)
WHATS = st.one_of(
    st.lists(
        st.builds(
            RunBookWhat,
            kind=st.sampled_from([WhatKind.MODULE, WhatKind.PROJECT]),
            guid=GUIDS,
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.builds(RunBookWhat, kind=st.just(WhatKind.RUN_BOOK), guid=GUIDS).map(lambda one: (one,)),
)
WHOS = st.builds(RunBookWho, kind=st.sampled_from(WhoReferenceKind), reference=NAMES)


@st.composite
def jobs(draw: st.DrawFn) -> RunBookJob:
    who = tuple(draw(st.lists(WHOS, max_size=2)))
    return RunBookJob(
        guid=draw(GUIDS),
        name=draw(NAMES),
        description=draw(TEXTS),
        enabled=draw(st.booleans()),
        what=draw(WHATS),
        who=who,
        use_run_book_who=not who and draw(st.booleans()),
        parallel=draw(st.booleans()),
        on_failure=draw(st.sampled_from(OnFailure)),
        conditions=tuple(draw(st.lists(CONDITIONS, max_size=2))),
        evaluators=tuple(draw(st.lists(EVALUATORS, max_size=2))),
        links=tuple(draw(st.lists(LINKS, max_size=2))),
    )


RUN_BOOKS = st.builds(
    BlockRunBook,
    guid=GUIDS,
    name=NAMES,
    description=TEXTS,
    folder=FOLDERS,
    comment=TEXTS,
    enabled=st.booleans(),
    parameters=st.lists(
        parameters(), max_size=3, unique_by=lambda one: folders.path_key(one.name)
    ).map(lambda some: (*some, BlockParameter(name="Known"))),
    who_parameter=st.just("Known"),
    who_selection=st.sampled_from(WhoSelection),
    jobs=st.lists(jobs(), max_size=2, unique_by=lambda one: one.guid).map(tuple),
)
RESOURCES = st.builds(
    BlockResource,
    guid=GUIDS,
    name=LINES,
    folder=FOLDERS,
    file_name=LINES.map(lambda name: re.sub(r"[/\\\\]|^[\\s.]+$", "-", name)),
    comment=TEXTS,
    version_name=LINES,
    parse_content=st.booleans(),
    skip_environment=st.booleans(),
    content=st.binary(max_size=100),
)
BLOCKS = st.builds(
    BuildingBlock,
    folders=st.lists(
        st.builds(
            BlockFolder,
            kind=st.sampled_from(["module", "resource", "project", "run_book", "team"]),
            path=FOLDERS.filter(bool),
        ),
        max_size=2,
    ).map(tuple),
    resources=st.lists(RESOURCES, max_size=2).map(tuple),
    modules=st.lists(MODULES, max_size=2).map(tuple),
    projects=st.lists(PROJECTS, max_size=2).map(tuple),
    run_books=st.lists(RUN_BOOKS, max_size=2).map(tuple),
)


def exactly(one: BuildingBlock) -> str:
    """Equal texts for equal content only; the order of a map's members does not count."""
    return json.dumps(one.plain(), sort_keys=True)


def read(data: bytes) -> BuildingBlock:
    (document,) = building_block_reading.read([("x", data)]).documents
    return document.block


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BLOCKS)
def test_through_xml_and_json(one: BuildingBlock) -> None:
    canonical = one.canonical()
    assert exactly(canonical.canonical()) == exactly(canonical)
    assert exactly(read(building_block_xml.write(one))) == exactly(one)
    assert exactly(read(building_block_json.write(one))) == exactly(one)
    both = building_block_json.write(read(building_block_xml.write(canonical)))
    assert both == building_block_json.write(canonical)


@pytest.fixture
def any_parts(sqlite_parts: Parts) -> Parts:
    return with_any_task(sqlite_parts)


def with_any_task(parts: Parts) -> Parts:
    catalog = Catalog(parts.store, parts.vault, parts.clock, anything.TYPES)
    blocks = BuildingBlocks(parts.store, catalog, parts.resources, parts.blobs, anything.TYPES)
    return dataclasses.replace(parts, catalog=catalog, blocks=blocks)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    module=MODULES,
    project=PROJECTS,
    run_book=RUN_BOOKS,
    resource=RESOURCES,
    form=st.sampled_from(Form),
)
def test_through_the_store(
    any_parts: Parts,
    module: BlockModule,
    project: BlockProject,
    run_book: BlockRunBook,
    resource: BlockResource,
    form: Form,
) -> None:
    # A folder and GUIDs of its own for each example, since all share one store.
    place = str(uuid.uuid4())
    of_all: list[dict[str, Any]] = [
        {"guid": uuid.uuid4(), "folder": f"{place}/{one.folder}" if one.folder else place}
        for one in (resource, module, project, run_book)
    ]
    guids = [each["guid"] for each in of_all]
    of_all[2]["modules"] = tuple(
        entry.model_copy(update={"module": guids[1]}) for entry in project.modules
    )
    of_all[3]["jobs"] = tuple(map(_running(guids[1], guids[2]), run_book.jobs))
    one = BuildingBlock(
        resources=(resource.model_copy(update=of_all[0]),),
        modules=(module.model_copy(update=of_all[1]),),
        projects=(project.model_copy(update=of_all[2]),),
        run_books=(run_book.model_copy(update=of_all[3]),),
    )
    write = building_block_xml.write if form is Form.XML else building_block_json.write
    document = write(one.canonical())
    assert any_parts.changes(document) == [Change.CREATED] * 4
    exported = any_parts.blocks.export(guids, form).document
    assert exported == document
    assert any_parts.changes(exported) == [Change.UNCHANGED] * 4


def _running(module: uuid.UUID, project: uuid.UUID) -> Callable[[RunBookJob], RunBookJob]:
    """The same job, but running things that are there."""

    def running(job: RunBookJob) -> RunBookJob:
        what = (RunBookWhat(guid=module), RunBookWhat(kind=WhatKind.PROJECT, guid=project))
        links = tuple(
            link.model_copy(update={"definition": link.definition and module}) for link in job.links
        )
        return job.model_copy(update={"what": what, "links": links})

    return running


def test_nasty_texts_through_each_database(parts: Parts) -> None:
    parts = with_any_task(parts)
    nasty = " \t\r\n<![CDATA[&amp;]]>\u0085\u2028\ufeff\U0001f600'\"\\u0000 "
    task = Task(
        guid=uuid.UUID(int=1),
        name=nasty,
        type="anything",
        settings={nasty: [nasty, {"": nasty}, 10**40, 0.1, -0.0, 1, True, None]},
    )
    parameter = BlockParameter(name="x", default=nasty, allowed=(nasty, ""), hint=nasty)
    one = BuildingBlock(
        modules=(
            BlockModule(guid=uuid.UUID(int=2), name=nasty, tasks=(task,), parameters=(parameter,)),
        )
    )
    parts.bring(building_block_xml.write(one))
    assert exactly(read(parts.exported())) == exactly(one)
    assert exactly(read(parts.exported(Form.JSON))) == exactly(one)


CONTROL = [chr(code) for code in range(32) if chr(code) not in "\t\n\r"] + list(
    "\ud800\udfff\ufffe\uffff"
)


@pytest.mark.parametrize("character", CONTROL)
def test_what_xml_cannot_carry_is_refused(sqlite_parts: Parts, character: str) -> None:
    with pytest.raises(ImportRefused, match=f"U\\+{ord(character):04X}"):
        sqlite_parts.bring(block(module_members(description=f"a{character}b")))


COMPOSED = {
    "projects": [
        {
            "guid": str(uuid.UUID(int=1)),
            "name": "P",
            "modules": [{"guid": str(uuid.UUID(int=2)), "module": str(GREETING)}],
        }
    ],
    "run_books": [
        {
            "guid": str(uuid.UUID(int=3)),
            "name": "R",
            "parameters": [{"name": "Say"}],
            "jobs": [
                {
                    "guid": str(uuid.UUID(int=4)),
                    "name": "J",
                    "what": [{"guid": str(GREETING)}],
                    "who": [{"kind": "team", "reference": "All"}],
                    "links": [{"parameter": "Say", "target": "Word", "action": "both"}],
                }
            ],
        }
    ],
}
SEED = building_block_xml.write(
    read(json.dumps(json.loads(block(module_members())) | COMPOSED).encode())
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.integers(0, len(SEED)),
    length=st.integers(0, 40),
    between=st.binary(max_size=10) | st.sampled_from([b"<", b'"', b"]]>", b"&#0;", b"\xff"]),
)
@example(start=0, length=len(SEED), between=b"")
def test_damaged_xml_is_refused_or_read(
    sqlite_parts: Parts, start: int, length: int, between: bytes
) -> None:
    damaged = SEED[:start] + between + SEED[start + length :]
    assert set(problems(sqlite_parts, damaged)) == {"block-0"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "format",
                    "modules",
                    "resources",
                    "folders",
                    "guid",
                    "name",
                    "tasks",
                    "parameters",
                    "projects",
                    "run_books",
                    "jobs",
                    "links",
                    "what",
                    "who",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    members=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("modules", "resources", "projects", "run_books"), JSON_VALUES),
    )
)
def test_any_json_is_refused_or_read(sqlite_parts: Parts, members: dict[str, Any]) -> None:
    members = json.loads(block()) | members
    assert set(problems(sqlite_parts, json.dumps(members))) == {"block-0"}


def problems(parts: Parts, document: str | bytes) -> list[str]:
    """The documents that problems are told of, or that were imported."""
    try:
        parts.bring(document, on_conflict=OnConflict.UPDATE)
    except ImportRefused as refused:
        return [problem.document for problem in refused.problems]
    return ["block-0"]
