"""Jobs posted as the known clients post them (Dispatcher contract 2.5 to 2.7, 4; rows 2 and 4)."""

import datetime
import json
import uuid
from typing import Any

import pytest

from gateway import moments
from gateway.jobs.orders import Recurrence, RecurrenceKind, Timing
from storage import models
from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import JSON, PARAMETERS, XML, Client, House, braced


def values(house: House, job_id: str) -> dict[str, Any]:
    """The values that a job was given, as the gateway shows them."""
    job = house.client().get(f"jobs/{job_id}").json
    return {
        parameter["Name"]: parameter["Value1"]
        for one in job["Parameters"]
        for parameter in one["JobParameters"]
    }


def input_parameters(client: Client, module: uuid.UUID) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"what/modules/{module}/inputparameters").json
    return answer


def test_4_1_itm_without_parameters_sends_a_list_of_null(stored_house: House) -> None:
    module, agent = stored_house.module(), stored_house.agent()
    job = stored_house.client().post("jobs", bodies.itm(module.guid, agent.agent)).json
    assert uuid.UUID(job["JobID"])
    assert job["JobID"] == job["JobID"].upper()
    assert job["Status"]["JobInvoker"] == "InvokeUser"
    assert job["Status"]["Type"] == 0
    assert job["Description"] == "New Test Job"
    assert job["What"] == [{"ID": braced(module.guid), "Name": "Test Module", "Type": 0}]
    assert job["Who"] == [{"ID": braced(agent.agent), "Name": "PC1234", "Type": 0}]


def test_4_1_itm_with_the_set_that_it_was_given(house: House) -> None:
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    given = input_parameters(house.client(), module.guid)
    given["JobParameters"][0]["Value1"] = "vm07"
    body = bodies.itm(module.guid, agent.agent, json.dumps(given))
    job = house.client().post("jobs", body).json
    assert values(house, job["JobID"])["VMName"] == "vm07"


def test_4_2_lucd_posts_whole_objects_back(stored_house: House) -> None:
    first = stored_house.module("Install A", parameters=PARAMETERS)
    stored_house.module("Install B")
    stored_house.agent()
    client = stored_house.client()
    what, who = client.get("what/modules").json, client.get("who").json
    body = bodies.lucd(what, who, [input_parameters(client, first.guid)])
    job = client.post("jobs", body).json
    assert job["What"] == what
    assert job["Who"] == who


@pytest.mark.parametrize("value", ["vm01", None, 42, 4.5, True])
def test_4_3_vdi2_sends_values_as_its_database_has_them(house: House, value: object) -> None:
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    answer = house.client().post("jobs", bodies.vdi2(module.guid, agent.agent, value))
    shown = {None: "", True: "true"}.get(value, str(value))  # type: ignore[call-overload]
    assert values(house, answer.json["JobID"])["VMName"] == shown


@pytest.mark.parametrize("written", ["4.50", "1E5", "1" + "0" * 400, "0.10000000000000000001"])
def test_4_3_a_number_keeps_every_digit(house: House, written: str) -> None:
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    body = bodies.vdi2(module.guid, agent.agent).replace('"vm01"', written)
    answer = house.client().post("jobs", body)
    assert values(house, answer.json["JobID"])["VMName"] == written


def test_4_3_vdi2_reads_only_that_it_went_well(house: House) -> None:
    module, agent = house.module(), house.agent()
    assert house.client().post("jobs", bodies.vdi2(module.guid, agent.agent)).status == 200


def test_4_4_vdi1_sends_a_comma_too_many_and_padded_ids(stored_house: House) -> None:
    module, agent = stored_house.module(parameters=PARAMETERS), stored_house.agent()
    job = stored_house.client().post("jobs", bodies.vdi1(module.guid, agent.agent)).json
    assert job["ScheduleInParallel"] is True
    assert values(stored_house, job["JobID"])["VMName"] == "vm01"


def test_2_2_agents_may_be_named(house: House) -> None:
    module, agent = house.module(), house.agent("PC1234")
    body = bodies.itm(module.guid, agent.agent).replace(braced(agent.agent), "pc1234")
    assert house.client().post("jobs", body).json["Who"][0]["ID"] == braced(agent.agent)


def test_1_5_names_of_members_have_their_case(house: House) -> None:
    body = bodies.itm(house.module().guid, house.agent().agent).replace(
        "Description", "description"
    )
    assert house.client().post("jobs", body).json["Description"] == ""


def test_1_5_a_type_may_be_a_number_in_a_text(house: House) -> None:
    body = bodies.itm(house.module().guid, house.agent().agent).replace('"Type":0', '"Type":"0"')
    assert house.client().post("jobs", body).status == 200


SCHEDULED = "2099-06-25T14:00:00"
MILLISECONDS = 4086079200000


@pytest.mark.parametrize(
    "written",
    [
        f"\\/Date({MILLISECONDS})\\/",
        f"/Date({MILLISECONDS})/",
        f"\\/Date({MILLISECONDS}+0200)\\/",
        f"{SCHEDULED}Z",
        f"{SCHEDULED}.0000000Z",
        "2099-06-25T16:00:00+02:00",
        SCHEDULED,
    ],
)
def test_1_5_dates_are_read_in_every_form(house: House, written: str) -> None:
    body = (
        bodies.itm(house.module().guid, house.agent().agent)
        .replace("\\/Date(1435238400000)\\/", written)
        .replace('"Immediate":"true","IsLocalTime":"true"', '"Immediate":"false"')
    )
    job = house.client().post("jobs", body).json
    assert job["When"]["ScheduledDateTime"] == f"/Date({MILLISECONDS}+0000)/"
    assert job["When"]["Immediate"] is False
    assert house.gateway.jobs.get(uuid.UUID(job["JobID"])).due_at == MILLISECONDS * 1000


def test_2_6_with_immediate_the_date_means_nothing(house: House) -> None:
    job = house.client().post("jobs", bodies.itm(house.module().guid, house.agent().agent)).json
    due = house.gateway.jobs.get(uuid.UUID(job["JobID"])).due_at
    assert due is not None
    assert abs(due - moments.now()) < 600 * moments.SECOND


def test_7_6_dates_go_out_with_their_slashes_escaped(house: House) -> None:
    answer = house.client().post("jobs", bodies.itm(house.module().guid, house.agent().agent))
    assert b'"StartDateTime":"\\/Date(' in answer.body
    assert b'"/Date(' not in answer.body


def test_7_7_the_date_quirk_as_lucd_makes_up_for_it(build: Build) -> None:
    """The vendor takes UTC for local time: dates come out earlier by the server's offset."""
    house = build(dispatcher={"date_zone": "Etc/GMT-2"})
    body = bodies.itm(house.module().guid, house.agent().agent)
    start = house.client().post("jobs", body).json["Status"]["StartDateTime"]
    assert start.endswith("+0200)/")
    sent = int(start.removeprefix("/Date(").removesuffix("+0200)/"))
    assert abs(sent + 2 * 3_600_000 - moments.now() // 1000) < 600_000


XML_JOB = """<?xml version="1.0" encoding="utf-8"?>
<{root}{space}>
  <Description>From XML</Description>
  <When><Immediate>true</Immediate><IsLocalTime>true</IsLocalTime></When>
  <What><JobWhat><ID> {{{module}}} </ID><Name>x</Name><Type>Module</Type></JobWhat></What>
  <Who><JobWho><ID>{agent}</ID><Type>Agent</Type></JobWho></Who>
  <Parameters i:nil="true" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"/>
  <outsideLaunchWindow>LaunchWindowFailJob</outsideLaunchWindow>
</{root}>"""


@pytest.mark.parametrize(
    ("root", "space"),
    [
        ("Job", ""),
        ("Job", ' xmlns="urn:dispatcher-gateway:scheduling:1"'),
        ("MasterJob", ' xmlns="http://schemas.datacontract.org/2004/07/RES.AM"'),
    ],
)
def test_4_6_xml_is_read_by_local_name_in_any_order(house: House, root: str, space: str) -> None:
    body = XML_JOB.format(
        root=root, space=space, module=house.module().guid, agent=house.agent().agent
    )
    answer = house.client().post("jobs", body, XML).xml
    assert answer.findtext("{*}Description") == "From XML"
    assert answer.findtext("{*}Status/{*}Type") == "Scheduled"
    assert answer.findtext("{*}What/{*}JobWhat/{*}Type") == "Module"


def test_1_5_dates_in_xml_are_iso_8601(house: House) -> None:
    order = house.engine.order(house.module().guid, house.agent())
    job = house.engine.accept(order)
    text = house.client().get_xml(f"jobs/{job.guid}").xml.findtext("{*}Status/{*}StartDateTime")
    assert text is not None
    assert text.endswith("Z")
    assert datetime.datetime.fromisoformat(text).tzinfo is not None


def test_row_4_a_job_is_shown_with_its_parameters(stored_house: House) -> None:
    module, agent = stored_house.module(parameters=PARAMETERS), stored_house.agent()
    client = stored_house.client()
    created = client.post("jobs", bodies.vdi2(module.guid, agent.agent, "vm09")).json
    shown = client.get(f"jobs/{created['JobID']}").json
    (found,) = shown.pop("Parameters")
    assert found["TaskContainerGuid"] == braced(module.guid)
    assert {p["Name"]: p["Value1"] for p in found["JobParameters"]} == {
        "VMName": "vm09",
        "Size": "S",
        "Roles": "web;db",
        "Note": "one\ntwo",
        "Account": "svc",
        "Password": "********",
    }
    created.pop("Parameters")
    assert shown == created


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_7_5_what_get_gives_post_takes_back_unchanged(
    stored_house: House, content_type: str
) -> None:
    module, agent = stored_house.module(parameters=PARAMETERS), stored_house.agent()
    client = stored_house.client()
    first = client.post("jobs", bodies.vdi2(module.guid, agent.agent, 'vm <&> "ä\r\n ')).json
    shown = client.get(f"jobs/{first['JobID']}", content_type)
    again = client.post("jobs", shown.body, content_type)
    assert again.status == 200, again.text
    listed = client.get("jobs").json["Items"]
    assert len(listed) == 2
    second = client.get(f"jobs/{listed[0]['JobID']}").json
    former = client.get(f"jobs/{first['JobID']}").json
    assert second["JobID"] != former["JobID"]
    for member in ("Description", "What", "Who", "Parameters", "ScheduleInParallel"):
        assert second[member] == former[member]
    # The marker in place of the secrets kept the module's own.
    (stored,) = sealed(stored_house, uuid.UUID(second["JobID"]))
    assert "********" not in json.dumps(stored)


def sealed(house: House, guid: uuid.UUID) -> list[Any]:
    """What is stored of a job's values."""
    with house.gateway.store.reading() as session:
        job_id = house.gateway.jobs.get(guid).id
        row = session.first(models.JobRequest.select().where(models.JobRequest.job_id == job_id))
    assert row is not None
    found: list[Any] = row["parameters"]
    return found


@pytest.mark.parametrize("zone", ["UTC", "Europe/Amsterdam", "America/New_York"])
@pytest.mark.parametrize("content_type", [JSON, XML])
def test_7_5_a_scheduled_job_keeps_its_time_through_the_round(
    build: Build, content_type: str, zone: str
) -> None:
    """The date quirk (7, item 7) is undone when its suffix comes back."""
    house = build(dispatcher={"date_zone": zone})
    body = (
        bodies.itm(house.module().guid, house.agent().agent)
        .replace("1435238400000", str(MILLISECONDS))
        .replace('"Immediate":"true"', '"Immediate":"false"')
    )
    client = house.client()
    first = client.post("jobs", body).json
    shown = client.get(f"jobs/{first['JobID']}", content_type)
    assert client.post("jobs", shown.body, content_type).status == 200
    jobs = [uuid.UUID(job["JobID"]) for job in client.get("jobs").json["Items"]]
    assert [house.gateway.jobs.get(job).due_at for job in jobs] == [MILLISECONDS * 1000] * 2


def test_2_7_a_job_inside_a_run_book_says_so(house: House) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    house.adopt(job)
    shown = house.client().get(f"jobs/{job.guid}").json
    assert shown["Status"]["JobInvoker"] == "InvokeRunBook"


def test_7_12_success_is_200_and_the_job_is_durable(stored_house: House) -> None:
    module, agent = stored_house.module(), stored_house.agent()
    answer = stored_house.client().post("jobs", bodies.itm(module.guid, agent.agent))
    assert answer.status == 200
    assert stored_house.stored() == 1
    assert stored_house.engine.run_all(agent) == 1
    shown = stored_house.client().get(f"jobs/{answer.json['JobID']}").json
    assert shown["Status"]["Type"] == 4
    assert shown["Status"]["StopDateTime"].startswith("/Date(")


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York", "UTC"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "1970-01-01T00:00:00"]
)
def test_2_6_a_date_at_the_end_of_time_is_refused_and_spoils_no_list(
    build: Build, zone: str, moment: str
) -> None:
    """.NET's DateTime.MinValue, with the server's zone to be added or taken off."""
    house = build(time_zone=zone)
    client = house.client()
    when = {"Immediate": False, "ScheduledDateTime": moment}
    body = {
        "When": when,
        "What": [{"ID": str(house.module().guid), "Type": 0}],
        "Who": [{"ID": str(house.agent().agent), "Type": 0}],
    }
    client.post("jobs", json.dumps(body)).refused(400)
    body["When"] = {"Immediate": True, "ScheduledDateTime": moment}
    assert client.post("jobs", json.dumps(body)).status == 200
    assert len(client.get("jobs", Content_Type=JSON).json["Items"]) == 1


@pytest.mark.parametrize("media", [JSON, XML])
def test_7_5_a_recurring_job_whose_schedule_has_ended_can_be_sent_back(
    house: House, media: str
) -> None:
    rule = Recurrence(RecurrenceKind.INTERVAL, "60", ends_at=moments.now() + 60 * moments.SECOND)
    timing = Timing(recurrence=rule)
    order = house.engine.order(house.module().guid, house.agent(), timing=timing)
    job = house.engine.accept(order)
    table = models.Job
    ended = table.update(due_at=None, wake_at=None).where(table.guid == job.guid)
    house.gateway.store.unit_of_work(lambda session: session.execute(ended))
    client = house.client()
    shown = client.get(f"jobs/{job.guid}", content_type=media)
    assert client.post("jobs", shown.text, media).status == 200
    assert house.stored() == 2
