"""Names and forms of members in answers (Dispatcher contract 2, 7 items 3 to 6), and the way back.

PowerShell reads names in any case, but what it posts back has the case that it was given.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.house import JSON, PARAMETERS, XML, House, checked

WHAT = {"ID", "Type", "Name"}
PARAMETER = {"Name", "Type", "Description", "Value1", "Value2", "Value3", "Hint", "Selection"}
PARAMETER_SET = {
    *("Identifier", "Type", "TaskContainerGuid", "TaskContainerName"),
    *("JobGuid", "JobName", "JobParameters"),
}
JOB = {
    *("JobID", "Description", "When", "What", "Who", "Parameters", "Status"),
    "ScheduleInParallel",
}
WHEN = {"ScheduledDateTime", "Immediate", "IsLocalTime", "UseWakeOnLAN"}
STATUS = {"Type", "StartDateTime", "StopDateTime", "JobInvoker", "JobInvokerInfo"}


def finished(house: House) -> str:
    """A job that has run; answers its path."""
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    job = house.client().post("jobs", bodies.vdi2(module.guid, agent.agent)).json
    house.engine.run_all(agent)
    return f"jobs/{job['JobID']}"


def test_7_4_names_of_members_have_the_contracts_case(stored_house: House) -> None:
    client = stored_house.client()
    path = finished(stored_house)
    job = client.get(path).json
    assert set(job) == JOB
    assert set(job["When"]) == WHEN
    assert set(job["Status"]) == STATUS
    assert [set(item) for item in job["What"]] == [WHAT]
    assert [set(item) for item in job["Who"]] == [WHAT]
    (given,) = job["Parameters"]
    assert set(given) == PARAMETER_SET
    assert [set(item) for item in given["JobParameters"]] == [PARAMETER] * len(PARAMETERS)
    page = client.get("jobs").json
    assert set(page) == {"Items", "CurrentPage", "PageCount"}
    assert [set(item) for item in page["Items"]] == [JOB]
    assert set(client.get(f"{path}/results").json) == {"Xml"}
    assert [set(item) for item in client.get("what/modules").json] == [WHAT]
    assert [set(item) for item in client.get("who").json] == [WHAT]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield path, value


def test_7_5_enumerations_are_numbers_in_json_and_names_in_xml(house: House) -> None:
    path = finished(house)
    numbers = [
        value for where, value in leaves(house.client().get(path).json) if where.endswith(".Type")
    ]
    assert numbers
    assert all(type(value) is int for value in numbers)
    found = house.client().get_xml(path).xml.iterfind(".//{*}Type")
    names = [element.text or "" for element in found]
    assert len(names) == len(numbers)
    assert all(name.isalpha() for name in names)


def test_1_5_booleans_and_dates_go_out_in_the_forms_of_each_dialect(house: House) -> None:
    path = finished(house)
    shown = house.client().get(path)
    when = shown.json["When"]
    assert [type(when[name]) for name in sorted(WHEN)] == [bool, bool, str, bool]
    assert shown.body.count(b'"\\/Date(') == 3
    root = house.client().get_xml(path).xml
    assert root.findtext("{*}When/{*}Immediate") in ("true", "false")
    for name in ("StartDateTime", "StopDateTime"):
        assert (root.findtext(f"{{*}}Status/{{*}}{name}") or "").endswith("Z")


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_7_5_a_whole_job_is_taken_by_put_too_and_changes_nothing(
    stored_house: House, content_type: str
) -> None:
    """A job is no status: that the two have the address in common must do no harm."""
    path = finished(stored_house)
    client = stored_house.client()
    shown = client.get(path, content_type)
    assert client.put(path, shown.body, content_type).status == 200
    assert client.get(path, content_type).body == shown.body
    assert stored_house.stored() == 1


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_7_5_the_status_of_a_job_that_is_over_is_taken_back(
    stored_house: House, content_type: str
) -> None:
    path = finished(stored_house)
    client = stored_house.client()
    answer = client.put(path, '{"Type":2}').json
    assert answer["Type"] == 4
    shown = client.send("PUT", path, '{"Type":2}', JSON, Accept=content_type)
    assert client.put(path, shown.body, content_type).status == 200


def test_7_5_items_of_lists_are_taken_back_in_xml_as_they_were_given(house: House) -> None:
    """What LUCD does with JSON (4.2): whole objects, from every list, unchanged."""
    module = house.module(parameters=PARAMETERS)
    house.agent()
    client = house.client()

    def inside(path: str) -> str:
        document = client.get_xml(path).body.decode()
        return document[document.index(">", document.index("<ArrayOf")) + 1 : document.rindex("<")]

    parameters = client.get_xml(f"what/modules/{module.guid}/inputparameters").body.decode()
    given = parameters.partition("?>")[2]
    body = (
        f"<Job><What>{inside('what/modules')}</What><Who>{inside('who')}</Who>"
        f"<Parameters>{given}</Parameters></Job>"
    )
    answer = client.post("jobs", body, XML)
    assert answer.xml.findtext("{*}What/{*}JobWhat/{*}Name") == module.name
    shown = client.get_xml(f"jobs/{answer.xml.findtext('{*}JobID')}").xml
    (again,) = shown.iterfind("{*}Parameters/{*}ParameterSet")
    assert [item.text for item in again.iterfind(".//{*}Value1")] == [
        item.text for item in checked(parameters.encode()).iterfind(".//{*}Value1")
    ]


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_7_5_a_name_with_control_characters_is_readable_and_can_be_sent_back(
    house: House, content_type: str
) -> None:
    """Names of machines come from machines: no answer may be a document that cannot be read."""
    module, agent = house.module(), house.agent("odd\x01\x1b\ufffe name")
    client = house.client()
    job = client.post("jobs", bodies.itm(module.guid, agent.agent)).json
    assert job["Who"][0]["Name"] == "odd\ufffd\ufffd\ufffd name"
    shown = client.get(f"jobs/{job['JobID']}", content_type)
    assert client.post("jobs", shown.body, content_type).status == 200
    assert client.get("who", content_type).status == 200


def test_1_5_unknown_members_and_null_anywhere_do_no_harm(house: House) -> None:
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    body = json.loads(bodies.vdi2(module.guid, agent.agent))
    for holder in (
        *(body, body["When"], body["What"][0], body["Who"][0], body["Parameters"][0]),
        body["Parameters"][0]["JobParameters"][0],
    ):
        holder |= {"__type": "X:#Y", "id": None, "extras": [{}], "members": {"a": 1}, "": 0}
    for name in ("JobID", "Status", "ScheduleInParallel"):
        body[name] = None
    body["When"]["ScheduledDateTime"] = None
    body["Who"] += [None]
    body["Parameters"] = [None, *body["Parameters"], None]
    answer = house.client().post("jobs", json.dumps(body))
    assert answer.json["Description"] == "IA - Order for user"
