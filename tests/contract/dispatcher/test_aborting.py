"""Aborting a job as LUCD does (Dispatcher contract 4.5, row 5)."""

import json

import pytest

from gateway.jobs.states import JobStatus
from storage import models
from tests.contract.dispatcher.house import JSON, XML, House


def test_4_5_lucd_sends_the_whole_status_back_with_type_2(stored_house: House) -> None:
    house = stored_house
    agent = house.agent()
    job = house.engine.accept(house.engine.order(house.module().guid, agent))
    house.gateway.reception.claim(agent, 1)
    client = house.client()
    status = client.get(f"jobs/{job.guid}").json["Status"]
    assert status["Type"] == 1
    status["Type"] = 2
    body = json.dumps(status).replace("/Date(", "\\/Date(").replace(")/", ")\\/")
    answer = client.put(f"jobs/{client.get('jobs').json['Items'][0]['JobID']}", body)
    assert answer.json["Type"] == 2
    assert [abort.attempt for abort in house.gateway.reception.aborts(agent)] == [1]


def test_row_5_a_job_that_waits_is_aborted_at_once(house: House) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    assert house.client().put(f"jobs/{job.guid}", '{"Type":2}').json["Type"] == 3
    assert house.gateway.jobs.get(job.guid).status is JobStatus.ABORTED


def test_row_5_in_xml_the_status_is_a_name(house: House) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    body = "<JobStatus><Type>Aborting</Type></JobStatus>"
    root = house.client().put(f"jobs/{job.guid}", body, XML).xml
    assert root.findtext("{*}Type") == "Aborted"
    assert root.findtext("{*}Reason") == "aborted by admin"


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_7_5_the_status_that_get_gives_put_takes_back_and_changes_nothing(
    stored_house: House, content_type: str
) -> None:
    order = stored_house.engine.order(stored_house.module().guid, stored_house.agent())
    job = stored_house.engine.accept(order)
    client = stored_house.client()
    before = client.get(f"jobs/{job.guid}").json["Status"]
    if content_type == JSON:
        body = json.dumps(before).encode()
    else:
        shown = client.get_xml(f"jobs/{job.guid}").body
        body = shown[shown.index(b"<Status>") : shown.index(b"</Status>") + len(b"</Status>")]
    assert client.put(f"jobs/{job.guid}", body, content_type).status == 200
    assert client.get(f"jobs/{job.guid}").json["Status"] == before


def test_row_5_what_is_over_stays_as_it_is(house: House) -> None:
    agent = house.agent()
    job = house.engine.accept(house.engine.order(house.module().guid, agent))
    house.engine.run_all(agent)
    assert house.client().put(f"jobs/{job.guid}", '{"Type":2}').json["Type"] == 4


@pytest.mark.parametrize("number", [-2, -1, 1, 3, 4, 5, 9, 11])
def test_row_5_no_other_status_can_be_set(house: House, number: int) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    answer = house.client().put(f"jobs/{job.guid}", json.dumps({"Type": number}))
    answer.refused(400, "JobStatus.Type")
    assert house.gateway.jobs.get(job.guid).status is JobStatus.SCHEDULED


def test_row_5_an_abort_is_audited(house: House) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    house.client().put(f"jobs/{job.guid}", '{"Type":2}')
    with house.gateway.store.reading() as session:
        (row,) = session.rows(
            models.AuditEntry.select().where(models.AuditEntry.action == "job.abort")
        )
    assert (row["object_guid"], row["after"]) == (job.guid, {"status": "ABORTED"})


def test_7_5_a_status_that_the_job_has_left_behind_changes_nothing(house: House) -> None:
    """What a client read while the job still ran, and sends back unchanged when it has ended."""
    agent = house.agent()
    job = house.engine.accept(house.engine.order(house.module().guid, agent))
    client = house.client()
    waiting = client.get(f"jobs/{job.guid}").json["Status"]
    house.gateway.reception.claim(agent, 1)
    active = client.get(f"jobs/{job.guid}").json["Status"]
    assert client.put(f"jobs/{job.guid}", json.dumps(waiting)).json["Type"] == 1
    assert client.put(f"jobs/{job.guid}", '{"Type":2}').json["Type"] == 2
    for status in (waiting, active):
        assert client.put(f"jobs/{job.guid}", json.dumps(status)).json["Type"] == 2
    client.put(f"jobs/{job.guid}", '{"Type":4}').refused(400, "only Aborting")
