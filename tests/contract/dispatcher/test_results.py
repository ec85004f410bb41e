"""The results of a job (Dispatcher contract 2.9, row 6, 7 item 9)."""

import base64

import pytest
from lxml import etree

from gateway.agents.protocol import LogChunk, TaskFinished
from gateway.jobs.states import JobStatus
from gateway.surfaces.dispatcher import results as documents
from tests.contract.dispatcher.house import Client, House, braced


def document(data: bytes) -> etree._Element:
    """Read the bytes as LUCD and ITM do: Encoding.Unicode.GetString, then an XML cast."""
    text = data.decode("utf-16-le")
    assert not text.startswith("\ufeff")
    declaration, _, rest = text.partition("?>")
    assert declaration == '<?xml version="1.0" encoding="utf-16"'
    return etree.fromstring(rest)


def results(client: Client, guid: object, query: str = "") -> etree._Element:
    numbers = client.get(f"jobs/{guid}/results{query}").json["Xml"]
    assert isinstance(numbers, list)
    return document(bytes(numbers))


def values(root: etree._Element, path: str) -> list[str]:
    found = root.xpath(path)
    assert isinstance(found, list)
    return [str(value) for value in found]


def test_2_9_utf_16_le_bytes_as_a_list_of_numbers_or_base64(stored_house: House) -> None:
    agent = stored_house.agent()
    module = stored_house.module()
    job = stored_house.engine.accept(stored_house.engine.order(module.guid, agent))
    stored_house.engine.run_all(agent)
    client = stored_house.client()
    numbers = client.get(f"jobs/{job.guid}/results").json["Xml"]
    text = client.get_xml(f"jobs/{job.guid}/results").xml.findtext("{*}Xml")
    assert text is not None
    assert base64.b64decode(text, validate=True) == bytes(numbers)
    assert numbers[:4] == [0x3C, 0, 0x3F, 0]
    assert document(bytes(numbers)).xpath("/masterjobresults/masterjobresult")


def test_2_9_the_path_that_mvdw_reads(house: House) -> None:
    agent, other = house.agent(), house.agent("other")
    module = house.module(tasks=("First", "Second"))
    job = house.engine.accept(house.engine.order(module.guid, agent, other))
    house.engine.run_all(agent)
    (order,) = house.gateway.reception.claim(other, 1)
    house.engine.finish(other, order, JobStatus.FAILED_HALTED)
    root = results(house.client(), job.guid)
    for task in module.tasks:
        guid = braced(task.guid)
        statuses = values(root, f'//task[guid/text()="{guid}"]/results/agent/result/status/text()')
        assert statuses == ["Completed", "Failed (job stopped)"]
        assert values(root, f'//task[guid/text()="{guid}"]/description/text()') == [task.name]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (JobStatus.COMPLETED, "Completed"),
        (JobStatus.FAILED, "Failed"),
        (JobStatus.FAILED_HALTED, "Failed (job stopped)"),
        (JobStatus.SKIPPED, "Skipped"),
        (JobStatus.TIMED_OUT, "Timeout"),
    ],
)
def test_2_7_statuses_are_the_words_of_the_console(
    house: House, status: JobStatus, text: str
) -> None:
    agent = house.agent()
    job = house.engine.accept(house.engine.order(house.module().guid, agent))
    (order,) = house.gateway.reception.claim(agent, 1)
    house.engine.finish(agent, order, status)
    root = results(house.client(), job.guid)
    assert values(root, "//result/status/text()") == [text]


@pytest.mark.parametrize(
    ("query", "agents", "tasks"),
    [
        ("", 1, 1),
        ("?overview=True&detailed=True", 1, 1),
        ("?Overview=True&Detailed=False", 1, 0),
        ("?overview=False&detailed=True", 0, 1),
        ("?overview=False&detailed=False", 0, 0),
    ],
)
def test_row_6_overview_and_detailed_choose_the_parts(
    house: House, query: str, agents: int, tasks: int
) -> None:
    agent = house.agent()
    job = house.engine.accept(house.engine.order(house.module().guid, agent))
    house.engine.run_all(agent)
    root = results(house.client(), job.guid, query)
    assert len(values(root, "masterjobresult/agents/agent/name/text()")) == agents
    assert len(values(root, "masterjobresult/tasks/task/guid/text()")) == tasks


def test_row_6_a_job_that_has_not_run_has_results_too(stored_house: House) -> None:
    order = stored_house.engine.order(stored_house.module().guid, stored_house.agent())
    job = stored_house.engine.accept(order)
    root = results(stored_house.client(), job.guid)
    assert values(root, "masterjobresult/status/text()") == ["Scheduled"]


def test_row_6_output_of_any_bytes_comes_out_readable(stored_house: House) -> None:
    agent = stored_house.agent()
    job = stored_house.engine.accept(stored_house.engine.order(stored_house.module().guid, agent))
    (order,) = stored_house.gateway.reception.claim(agent, 1)
    data = "ä\x00\x1b[31m\ufffe\U0001f600 <&>]]>".encode() + b"\xff\xfe"
    chunk = LogChunk(order.run, order.attempt, order.tasks[0].seq, 0, data, truncated=False)
    stored_house.gateway.reception.report(agent, [chunk])
    stored_house.engine.finish(agent, order)
    (output,) = values(results(stored_house.client(), job.guid), "//output/text()")
    assert output == "ä\ufffd\ufffd[31m\ufffd\U0001f600 <&>]]>\ufffd\ufffd"


def test_row_6_all_output_together_is_bounded_and_every_task_has_its_share(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "ALL_LOG_BYTES", 400)
    agent = house.agent()
    module = house.module(tasks=("First", "Second", "Third", "Fourth"))
    job = house.engine.accept(house.engine.order(module.guid, agent))
    (order,) = house.gateway.reception.claim(agent, 1)
    for task, size in zip(order.tasks, (5000, 100, 99, 3), strict=True):
        chunk = LogChunk(order.run, order.attempt, task.seq, 0, b"x" * size, truncated=False)
        house.gateway.reception.report(agent, [chunk])
    house.engine.finish(agent, order)
    mark = "\n[only the first 100 bytes are shown here]"
    shown = values(results(house.client(), job.guid), "//output/text()")
    assert shown == ["x" * 100 + mark, "x" * 100 + mark, "x" * 99, "xxx"]


def test_2_9_output_parameters_of_a_task_are_shown(house: House) -> None:
    agent = house.agent()
    job = house.engine.accept(house.engine.order(house.module(tasks=("A", "B")).guid, agent))
    (order,) = house.gateway.reception.claim(agent, 1)
    at = house.engine.now()
    outputs = {"Id": "42", "Odd\x00": "<&>"}
    end = TaskFinished(order.run, 1, 0, at, at, JobStatus.COMPLETED, 0, "", outputs)
    assert house.gateway.reception.report(agent, [end]) == []
    root = results(house.client(), job.guid)
    path = "//task[description='A']/results/agent/result/outputparameters/parameter"
    assert values(root, f"{path}/name/text()") == ["Id", "Odd\ufffd"]
    assert values(root, f"{path}/value/text()") == ["42", "<&>"]
    assert values(root, "//task[description='B']//outputparameters") == []
