"""Refusals: which status, in which form, and that nothing stays behind (Dispatcher contract 1.6).

Statuses for unknown ids and missing rights are our choice (Dispatcher contract 9).
"""

import json
import uuid
from typing import Any

import pytest

from storage import models
from storage.errors import StoreUnavailable
from tests.contract.conftest import Provoked
from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import JSON, PARAMETERS, XML, House

ID = "5cf59e5a-343c-4d85-a83c-8b18e4731040"


@pytest.mark.parametrize("path", ["nothing", "jobs/a/b/c", f"jobs/{ID}/nothing", "what", "soap/x"])
def test_1_6_an_unknown_address_is_404_with_a_page(house: House, path: str) -> None:
    house.client().get(path).refused(404)
    house.client(None).get(path).refused(404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "jobs", {"GET", "POST"}),
        ("DELETE", "jobs", {"GET", "POST"}),
        ("POST", f"jobs/{ID}", {"GET", "PUT"}),
        ("DELETE", f"jobs/{ID}", {"GET", "PUT"}),
        ("POST", "what/modules", {"GET"}),
        ("POST", "who", {"GET"}),
        ("POST", "help", {"GET"}),
        ("PUT", "soap", {"GET", "POST"}),
        ("PATCH", f"jobs/{ID}/results", {"GET"}),
    ],
)
def test_1_6_a_wrong_verb_is_405_with_a_page(
    house: House, method: str, path: str, allowed: set[str]
) -> None:
    answer = house.client().send(method, path, "{}", JSON)
    answer.refused(405)
    assert set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed


def broken(house: House) -> dict[str, tuple[str | bytes, str, str]]:
    """Bodies that cannot be a job, by what is wrong: body, Content-Type, a word of the answer."""
    module, agent = house.module().guid, house.agent().agent
    good = bodies.itm(module, agent)
    kind = '"Type":0,"Name":"Test Module"'
    return {
        "empty": ("", JSON, "empty"),
        "empty XML": ("", XML, "XML"),
        "cut": (good[:-40], JSON, "line 1"),
        "not JSON": ("<Job/>", JSON, "not JSON"),
        "not XML": (good, XML, "XML"),
        "two commas": (good.replace('"Who"', ',"Who"'), JSON, "not JSON"),
        "NaN": (good.replace('"Type":0', '"Type":NaN', 1), JSON, "NaN"),
        "a list": (f"[{good}]", JSON, "Job"),
        "a number": ("7", JSON, "Job"),
        "too deep": ("[" * 100_000, JSON, "deeper"),
        "half a character": (good.replace("New", "\\ud800"), JSON, "text"),
        "half a character unknown": (good[:-1] + ',"x":"\\ud800"}', JSON, "text"),
        "half a character as a name": (good[:-1] + ',"\\udfff":1}', JSON, "text"),
        "huge number": (good[:-1] + f',"x":{"9" * 5000}}}', JSON, "digits"),
        "bad id": (good.replace(str(module).upper(), "x"), JSON, "Job.What[0].ID"),
        "id is a number": (good.replace(f'"{bodies.braced(module)}"', "7"), JSON, "What[0].ID"),
        "a name for a number": (good.replace(kind, '"Type":"Module"'), JSON, "What[0].Type"),
        "type unknown": (good.replace(kind, '"Type":9'), JSON, "Job.What[0].Type"),
        "bad date": (good.replace("\\/Date(1435238400000)\\/", "soon"), JSON, "ScheduledDate"),
        "bad boolean": (good.replace('"UseWakeOnLAN":"false"', '"UseWakeOnLAN":"no"'), JSON, "no"),
        "no what": (good.replace('"What"', '"what"'), JSON, "What"),
        "no who": (good.replace('"Who"', '"who"'), JSON, "Who"),
        "unknown module": (good.replace(str(module).upper(), ID), JSON, "What[0].ID"),
        "a project": (good.replace(kind, '"Type":1'), JSON, "project"),
        "a run book": (good.replace(kind, '"Type":2'), JSON, "run book"),
        "unknown agent": (good.replace(str(agent).upper(), ID), JSON, "Who[0].ID"),
        "a team": (good.replace('"Type":0,"Name":"PC1234"', '"Type":1'), JSON, "team"),
        "doctype": ('<!DOCTYPE Job [<!ENTITY x "y">]><Job>&x;</Job>', XML, "DOCTYPE"),
        "text in XML": ("<Job>text</Job>", XML, "text"),
        "deep XML": ("<a>" * 100 + "</a>" * 100, XML, "deeper"),
        "charset": (good, "application/json; charset=nonsense", "charset"),
    }


NAMES = [
    "empty", "empty XML", "cut", "not JSON", "not XML", "two commas", "NaN", "a list", "a number",
    "too deep", "half a character", "half a character unknown", "half a character as a name",
    "huge number", "bad id", "id is a number", "a name for a number", "type unknown", "bad date",
    "bad boolean", "no what", "no who", "unknown module", "a project", "a run book",
    "unknown agent", "a team", "doctype", "text in XML", "deep XML", "charset",
]  # fmt: skip


def test_1_6_a_malformed_body_is_400_and_stores_nothing(stored_house: House) -> None:
    cases = broken(stored_house)
    assert list(cases) == NAMES
    for name, (body, content_type, word) in cases.items():
        answer = stored_house.client().send("POST", "jobs", body, content_type)
        assert answer.status == 400, (name, answer.text)
        answer.refused(400, word)
    assert stored_house.stored() == 0
    assert stored_house.client().get("jobs").json["Items"] == []


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("jobs?stage=Nonsense", "stage"),
        ("jobs?page=0", "page"),
        ("jobs?page=x", "page"),
        ("jobs?page=99999999999", "page"),
        ("jobs?pagesize=-1", "pageSize"),
        ("jobs?pagesize=", "pagesize"),
        ("jobs?runbookjobs=perhaps", "runbookjobs"),
        ("jobs/nonsense", "JOBID"),
        ("jobs/%00", "JOBID"),
        ("jobs/%20", "jobId"),
        ("jobs/nonsense/results", "JOBID"),
        (f"jobs/{ID}/results?overview=2", "overview"),
        ("what/modules/nonsense/inputparameters", "WHATID"),
        (f"what/things/{ID}/inputparameters", "thing"),
        ("who?online=maybe", "online"),
    ],
)
def test_1_6_a_malformed_address_is_400_and_names_the_part(
    house: House, path: str, word: str
) -> None:
    house.client().get(path).refused(400, word)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"jobs/{ID}"),
        ("PUT", f"jobs/{ID}"),
        ("GET", f"jobs/{ID}/results"),
        ("GET", f"what/modules/{ID}/inputparameters"),
    ],
)
def test_9_an_unknown_id_is_404(stored_house: House, method: str, path: str) -> None:
    body = '{"Type":2}' if method == "PUT" else ""
    stored_house.client().send(method, path, body, JSON).refused(404, ID)


@pytest.mark.parametrize("content_type", [JSON, XML])
@pytest.mark.parametrize(
    "body", ["", "null", "{", "<x", '{"Type":"Aborting"}', "<S><Type>x</Type></S>"]
)
def test_1_6_a_malformed_status_is_400(house: House, body: str, content_type: str) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    answer = house.client().put(f"jobs/{job.guid}", body, content_type)
    if (body, content_type) == ("null", JSON):
        assert answer.json["Type"] == 0  # a status that asks for nothing
    else:
        answer.refused(400)
    assert house.client().get(f"jobs/{job.guid}").json["Status"]["Type"] == 0


def test_a_body_that_is_too_long_is_413_with_a_page(build: Build) -> None:
    house = build(limits={"body_bytes": 1000})
    body = bodies.itm(house.module().guid, house.agent().agent)
    assert house.client().post("jobs", body).status == 200
    house.client().post("jobs", body + " " * 1000).refused(413, "longer than 1000 bytes")
    assert house.stored() == 1


@pytest.mark.parametrize(
    ("limits", "body", "content_type"),
    [
        ({"xml_depth": 4}, "<a><b><c><d><e/></d></c></b></a>", XML),
        ({"xml_elements": 3}, "<a><b/><b/><b/></a>", XML),
        ({"xml_attributes": 1}, '<a b="1" c="2"/>', XML),
        ({"json_depth": 2}, '{"a":[[1]]}', JSON),
    ],
)
def test_the_limits_of_the_settings_hold(
    build: Build, limits: dict[str, int], body: str, content_type: str
) -> None:
    house = build(limits=limits)
    house.client().post("jobs", body, content_type).refused(400)
    if content_type == XML:
        answer = house.client().send("POST", "soap", body, "text/xml")
        assert (answer.status, b"refused" in answer.body) == (500, True)


def test_a_full_disk_is_503_and_says_when_to_come_again(build: Build) -> None:
    house = build(low_disk_bytes=2**62)
    answer = house.client().post("jobs", bodies.itm(house.module().guid, house.agent().agent))
    answer.refused(503)
    assert int(answer.headers["Retry-After"]) > 0
    assert house.stored() == 0


def unavailable(*_arguments: object) -> None:
    raise StoreUnavailable("/secret/path is not to be had")


def test_a_store_that_cannot_be_written_is_503(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bodies.itm(house.module().guid, house.agent().agent)
    monkeypatch.setattr(house.gateway.store, "soon", unavailable)
    answer = house.client().post("jobs", body)
    answer.refused(503, "nothing was stored")
    assert "secret" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["jobs", "help", "what/modules"])
def test_a_store_that_cannot_be_read_is_503_before_it_is_known_who_asks(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(house.gateway.epoch, "current", unavailable)
    answer = house.client().get(path)
    answer.refused(503)
    assert "secret" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_a_mistake_of_ours_is_500_and_tells_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise Provoked("a secret of the server")

    monkeypatch.setattr(house.gateway.jobs, "page", fail)
    answer = house.client().get("jobs")
    answer.refused(500, answer.headers["X-Request-Id"])
    assert "secret" not in answer.text
    assert "Provoked" not in answer.text


def test_every_answer_carries_the_requests_id(house: House) -> None:
    mine = house.client().get("jobs", X_Request_Id="my-id.1")
    assert mine.headers["X-Request-Id"] == "my-id.1"
    unfit = house.client().get("nothing", X_Request_Id="two words")
    assert unfit.headers["X-Request-Id"] != "two words"
    unfit.refused(404, unfit.headers["X-Request-Id"])


def test_1_6_a_sentence_quotes_no_more_of_a_request_than_people_read(house: House) -> None:
    module, agent = house.module(parameters=PARAMETERS).guid, house.agent().agent
    long = "y" * 100_000
    unknown = bodies.itm(module, agent).replace(bodies.braced(agent), long)
    size = f'{{"JobParameters":[{{"Name":"Size","Value1":"{long}"}}]}}'
    tag = f"<Job><{long[:40_000]}></Job>"
    answers = {
        "Who[0].ID": house.client().post("jobs", unknown),
        "Size": house.client().post("jobs", bodies.itm(module, agent, size)),
        "line 1": house.client().post("jobs", tag, XML),
        "stage": house.client().get(f"jobs?stage={long}"),
        "whatType": house.client().get(f"what/{long}s/{module}/inputparameters"),
    }
    for word, answer in answers.items():
        answer.refused(400, word)
        assert len(answer.text) < 1200, word
    assert house.stored() == 0


def test_texts_of_the_client_are_escaped_in_pages(house: House) -> None:
    answer = house.client().get("jobs?stage=<script>alert(1)</script>")
    answer.refused(400)
    assert "<script>" not in answer.text


def extras(house: House, guid: uuid.UUID) -> Any:
    """What is stored of the unknown members of a job."""
    request, job = models.JobRequest, models.Job
    query = request.select(request.extras).join(job, on=job.id == request.job_id)
    with house.gateway.store.reading() as session:
        (row,) = session.rows(query.where(job.guid == guid))
    return row["extras"]


def test_unknown_members_that_would_fill_the_store_are_not_kept(house: House) -> None:
    body = bodies.itm(house.module().guid, house.agent().agent)
    for size, kept in ((60_000, True), (70_000, False)):
        answer = house.client().post("jobs", body[:-1] + f',"odd":"{"x" * size}"}}')
        assert (extras(house, uuid.UUID(answer.json["JobID"])) is not None) is kept


def test_a_parameter_that_is_given_twice_is_refused(house: House) -> None:
    module = house.module(parameters=PARAMETERS).guid
    given = [{"Name": PARAMETERS[0].name, "Value1": str(number)} for number in range(2)]
    answer = house.client().post("jobs", order_with(house, module, [{"JobParameters": given}]))
    answer.refused(400, "is given twice")
    assert house.stored() == 0


def test_more_parameter_sets_than_anybody_needs_are_refused(house: House) -> None:
    module = house.module().guid
    answer = house.client().post("jobs", order_with(house, module, [{}] * 201))
    answer.refused(400, "more than 200 sets")
    assert house.stored() == 0


def test_a_body_of_too_many_values_is_refused(house: House) -> None:
    answer = house.client().post("jobs", '{"Parameters":[' + "{}," * 150_000 + "null]}")
    answer.refused(400, "more than 100000 values")
    assert house.stored() == 0


def order_with(house: House, module: uuid.UUID, sets: list[Any]) -> str:
    order = json.loads(bodies.itm(module, house.agent().agent))
    return json.dumps(order | {"Parameters": sets})


def test_unknown_members_of_any_shape_are_kept_and_not_stumbled_over(stored_house: House) -> None:
    body = bodies.itm(stored_house.module().guid, stored_house.agent().agent)
    odd = '{"a":[1,2.5,{"b":null}],"\\u0000":"\\u0000","big":' + "9" * 400 + "}"
    answer = stored_house.client().post("jobs", body[:-1] + f',"odd":{odd}}}')
    guid = uuid.UUID(answer.json["JobID"])
    kept = extras(stored_house, guid)
    assert kept == {"odd": {"a": [1, 2.5, {"b": None}], "\0": "\0", "big": int("9" * 400)}}
