"""Addresses in every spelling that clients use (Dispatcher contract 1.1, 3 notes, 7 item 11)."""

import uuid

import pytest

from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import BASE, PARAMETERS, XML, Client, House


@pytest.mark.parametrize(
    "path",
    [
        "/Dispatcher/SchedulingService/what/modules",
        "/dispatcher/schedulingservice/what/modules",
        "/DISPATCHER/SCHEDULINGSERVICE/WHAT/MODULES",
        "/Dispatcher/SchedulingService/what/modules?unknown=1",
    ],
)
def test_1_1_paths_are_compared_without_regard_to_case(client: Client, path: str) -> None:
    assert client.get(path).json == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("Jobs/", "jobs"),
        ("jobs/?Stage=All&x=%7B+", "jobs?Stage=All&x=%7B+"),
        ("jobs//", "jobs"),
        ("soap/?wsdl", "soap?wsdl"),
    ],
)
def test_1_1_a_slash_at_the_end_is_answered_307(
    house: House, method: str, path: str, target: str
) -> None:
    """Whatever is sent is sent again, and whoever may not send it is refused there."""
    for client in (house.client(), house.client(None)):
        answer = client.send(method, path, "<Job/>", XML)
        answer.refused(307, "slash")
        assert answer.headers["Location"] == f"{BASE}/{target}"


def test_1_1_the_address_of_a_redirect_is_that_of_clients_and_safe(build: Build) -> None:
    house = build(public_url="https://proxy.example/base/")
    answer = house.client().get("help/operations/%0d%0aX:%20%22/")
    assert answer.headers["Location"] == f"/base{BASE}/help/operations/%0D%0Ax%3A%20%22"
    assert "X" not in answer.headers


def test_1_1_what_is_not_there_is_not_there_with_a_slash_either(client: Client) -> None:
    client.get("nothing/").refused(404)
    client.send("DELETE", "jobs/").refused(405)


@pytest.mark.parametrize("query", ["stage=History", "Stage=history", "STAGE=HISTORY"])
def test_1_1_query_names_and_stages_are_compared_without_regard_to_case(
    house: House, query: str
) -> None:
    order = house.engine.order(house.module().guid, house.agent())
    house.engine.accept(order)
    assert house.client().get("jobs").json["Items"]
    assert house.client().get(f"jobs?{query}").json["Items"] == []


@pytest.mark.parametrize(
    "query", ["stage=History&stage=All", "Stage=History&stage=All", "stage=History&STAGE=All"]
)
def test_1_1_of_a_name_that_is_given_twice_in_any_case_the_first_counts(
    house: House, query: str
) -> None:
    house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    assert house.client().get(f"jobs?{query}").json["Items"] == []


@pytest.mark.parametrize(
    "spelling",
    [
        bodies.braced,
        lambda guid: bodies.braced(guid).lower(),
        lambda guid: f"%7B{str(guid).upper()}%7D",
        lambda guid: f"%7b{guid}%7d",
        str,
        lambda guid: str(guid).upper(),
        lambda guid: f"%20{guid}%20",
    ],
)
def test_3_note_11_ids_in_addresses_in_any_form(house: House, spelling: object) -> None:
    assert callable(spelling)
    module, agent = house.module(parameters=PARAMETERS), house.agent()
    job = house.engine.accept(house.engine.order(module.guid, agent))
    client = house.client()
    assert client.get(f"jobs/{spelling(job.guid)}").json["JobID"] == bodies.braced(job.guid)
    answer = client.get(f"what/modules/{spelling(module.guid)}/inputparameters")
    assert answer.json["TaskContainerGuid"] == bodies.braced(module.guid)


@pytest.mark.parametrize("kind", ["modules", "Modules", "MODULEs"])
def test_3_note_11_the_type_of_a_definition_in_any_case(house: House, kind: str) -> None:
    module = house.module(parameters=PARAMETERS)
    answer = house.client().get(f"what/{kind}/{module.guid}/inputparameters")
    assert answer.json["JobParameters"]


@pytest.mark.parametrize("kind", ["Projects", "RunBooks", "Runbooks", "runbooks"])
def test_3_note_11_a_module_is_no_project_and_no_run_book(house: House, kind: str) -> None:
    module = house.module(parameters=PARAMETERS)
    answer = house.client().get(f"what/{kind}/{module.guid}/inputparameters")
    answer.refused(404, str(module.guid))


@pytest.mark.parametrize("flag", ["True", "true", "TRUE", "1"])
def test_3_notes_booleans_in_queries_in_any_case(house: House, flag: str) -> None:
    house.agent()
    assert len(house.client().get(f"who?agents={flag}").json) == 1
    assert house.client().get("who?agents=False").json == []


def test_a_base_address_without_operation_is_not_found(client: Client) -> None:
    for path in ("/Dispatcher", "/Dispatcher/", BASE, f"{BASE}/", "/Dispatcher/Other/jobs"):
        client.get(path).refused(404)


def test_an_id_of_zeros_is_an_id(client: Client) -> None:
    client.get(f"jobs/{uuid.UUID(int=0)}").refused(404)
