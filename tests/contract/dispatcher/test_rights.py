"""Rights (Dispatcher contract 1.3, from 2021.1 on): filtered lists, and 403 (our choice) else."""

import pytest

from gateway.surfaces.dispatcher.operations import OPERATIONS, Operation
from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.house import ADMIN, Answer, Client, House

# Operation by operation: Readers, Schedulers, Operators, a login without any role.
MATRIX = {
    "ScheduleJob": (403, 200, 200, 403),
    "GetJobs": (200, 200, 200, "empty"),
    "GetJob": (200, 200, 200, 403),
    "AbortJob": (403, 200, 200, 403),
    "ExportJobResults": (200, 200, 200, 403),
    "GetModules": (200, 200, 200, "empty"),
    "GetInputParameters": (200, 200, 200, 403),
    "GetWho": (200, 200, 200, "empty"),
}
ROLES = ("Readers", "Schedulers", "Operators", "")


def test_every_operation_stands_in_the_matrix() -> None:
    assert [operation.name for operation in OPERATIONS] == list(MATRIX)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("role", ROLES)
def test_1_3_what_a_role_may_do(house: House, operation: Operation, role: str) -> None:
    expected = MATRIX[operation.name][ROLES.index(role)]
    client = house.login("somebody", *filter(None, [role]))
    answer = called(house, client, operation)
    if expected == 403:
        answer.refused(403, operation.access.name.lower(), str(operation.node))
    else:
        assert bool(found(answer)) is (expected != "empty")
    changes = operation.name == "ScheduleJob" and expected == 200
    assert house.stored() == (2 if changes else 1)


def called(house: House, client: Client, operation: Operation) -> Answer:
    module, agent = house.module(), house.agent()
    job = house.engine.accept(house.engine.order(module.guid, agent))
    path = (
        operation.template.replace("{JOBID}", str(job.guid))
        .replace("{WHATTYPE}", "Module")
        .replace("{WHATID}", str(module.guid))
    )
    if operation.verb == "POST":
        return client.post(path, bodies.itm(module.guid, agent.agent))
    return client.put(path, '{"Type":2}') if operation.verb == "PUT" else client.get(path)


def found(answer: Answer) -> object:
    value = answer.json
    return value["Items"] if isinstance(value, dict) and "Items" in value else value


def test_1_3_a_list_without_the_right_is_an_empty_page_that_ends_the_loop(house: House) -> None:
    house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    page = house.login("somebody").get("jobs?page=1").json
    assert page == {"CurrentPage": 1, "Items": [], "PageCount": 0}


def test_the_right_is_checked_before_the_body_is_read(house: House) -> None:
    house.login("somebody").post("jobs", "{").refused(403)
    house.client(ADMIN).post("jobs", "{").refused(400)


def test_a_right_given_later_counts_at_once(house: House) -> None:
    client = house.login("somebody")
    house.module()
    assert client.get("what/modules").json == []
    house.gateway.logins.set_roles("somebody", ["Readers"], house.engine.caller)
    assert len(client.get("what/modules").json) == 1
