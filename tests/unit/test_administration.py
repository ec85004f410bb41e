"""Operations of the command line that need runs which have ended."""

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import administration
from gateway.administration import Administration
from gateway.agents.protocol import LogChunk
from gateway.catalog.building_block import NAMESPACE
from gateway.catalog.catalog import DefinitionAmbiguous, DefinitionNotFound
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import RunBook, RunBookJob, RunBookWhat
from gateway.identity.principals import MACHINE
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A gateway of the test's own."""
    built = houses.build(tmp_path, SessionLog())
    yield built
    built.gateway.stop(0)


def test_definitions_of_every_kind_are_exported_by_name(house: House) -> None:
    module = house.module("Module")
    entry = ProjectModule(guid=uuid.uuid4(), module=module.guid)
    project = Project(guid=uuid.uuid4(), name="Project", modules=(entry,))
    job = RunBookJob(guid=uuid.uuid4(), name="Job", what=(RunBookWhat(guid=module.guid),))
    run_book = RunBook(guid=uuid.uuid4(), name="Run book", jobs=(job,))
    for one in (project, run_book, run_book.model_copy(update={"guid": uuid.uuid4(), "name": "B"})):
        house.gateway.catalog.save(one, MACHINE)
    administration = Administration(house.gateway)

    def members(*references: str) -> dict[str, list[str]]:
        block = json.loads(administration.export_blocks(references, "json")["document"])
        del block["format"]
        return {name: [one["name"] for one in several] for name, several in block.items()}

    assert members("project") == {"modules": ["Module"], "projects": ["Project"]}
    assert members("RUN BOOK") == {"modules": ["Module"], "run_books": ["Run book"]}
    with pytest.raises(DefinitionNotFound, match="no module, project or run book named 'Nobody'"):
        members("Nobody")
    house.gateway.catalog.save(project.model_copy(update={"name": "B"}), MACHINE)
    with pytest.raises(DefinitionAmbiguous, match=r"the project 'B' .* and the run book 'B'"):
        members("b")


def test_an_import_tells_what_became_of_each_kind(house: House) -> None:
    document = {
        "format": NAMESPACE,
        "projects": [{"guid": str(uuid.uuid4()), "name": "P"}],
        "run_books": [{"guid": str(uuid.uuid4()), "name": "R"}],
    }
    content = base64.b64encode(json.dumps(document).encode()).decode()
    given = [{"name": "block.json", "content": content}]
    entries = Administration(house.gateway).import_blocks(given, "fail")
    told = [(entry["kind"], entry["name"], entry["change"]) for entry in entries]
    assert told == [("project", "P", "created"), ("run_book", "R", "created")]


def test_the_logs_of_a_job_share_what_may_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administration, "_ALL_LOG_BYTES", 200)
    house = houses.build(tmp_path, SessionLog())
    try:
        agent = house.agent()
        module = house.module(tasks=("First", "Second", "Silent"))
        job = house.engine.accept(house.engine.order(module.guid, agent))
        (order,) = house.gateway.reception.claim(agent, 1)
        for task, size in zip(order.tasks, (500, 7), strict=False):
            chunk = LogChunk(order.run, order.attempt, task.seq, 0, b"x" * size, truncated=False)
            house.gateway.reception.report(agent, [chunk])
        (run,) = Administration(house.gateway).job_results(str(job.guid))["runs"]
        assert [task["output"] for task in run["tasks"]] == ["x" * 100, "x" * 7, ""]
    finally:
        house.gateway.stop(0)
