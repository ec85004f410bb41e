"""What can be run, and with which parameters (Dispatcher contract 2.1, 2.3, 2.4; rows 8 and 11)."""

import pytest

from gateway.catalog.definitions import Parameter
from gateway.identity.principals import MACHINE
from tests.contract.dispatcher.house import PARAMETERS, Client, House, braced

NO_GUID = "{00000000-0000-0000-0000-000000000000}"


def test_2_1_modules_are_listed_by_name_with_id_type_and_name(stored_house: House) -> None:
    second, first = stored_house.module("b"), stored_house.module("A")
    assert stored_house.client().get("what/modules").json == [
        {"ID": braced(first.guid), "Name": "A", "Type": 0},
        {"ID": braced(second.guid), "Name": "b", "Type": 0},
    ]


def test_2_1_in_xml_types_are_names(house: House) -> None:
    module = house.module("A & B")
    (what,) = house.client().get_xml("what/modules").xml
    assert [(child.tag.rpartition("}")[2], child.text) for child in what] == [
        ("ID", braced(module.guid)),
        ("Name", "A & B"),
        ("Type", "Module"),
    ]


def test_row_8_what_was_deleted_or_disabled_is_not_listed(house: House) -> None:
    module = house.module()
    house.gateway.catalog.save(module.model_copy(update={"enabled": False}), MACHINE)
    assert house.client().get("what/modules").json == []
    house.gateway.catalog.save(module, MACHINE)
    assert len(house.client().get("what/modules").json) == 1
    house.gateway.catalog.delete(module.guid, MACHINE)
    assert house.client().get("what/modules").json == []
    house.client().get(f"what/modules/{module.guid}/inputparameters").refused(404)


def parameters(client: Client, module: object) -> dict[str, dict[str, object]]:
    answer = client.get(f"what/Modules/{module}/inputparameters").json
    return {parameter["Name"]: parameter for parameter in answer["JobParameters"]}


def test_2_3_the_answer_is_one_object_not_a_list(stored_house: House) -> None:
    module = stored_house.module(parameters=PARAMETERS)
    answer = stored_house.client().get(f"what/modules/{module.guid}/inputparameters").json
    assert answer.pop("JobParameters")
    assert answer == {
        "Identifier": "",
        "JobGuid": NO_GUID,
        "JobName": "",
        "TaskContainerGuid": braced(module.guid),
        "TaskContainerName": "Test Module",
        "Type": 0,
    }


def test_2_4_each_parameter_has_all_members(house: House) -> None:
    found = parameters(house.client(), house.module(parameters=PARAMETERS).guid)
    assert found["VMName"] == {
        "Description": "",
        "Hint": "Please provide the necessary input",
        "Name": "VMName",
        "Selection": "",
        "Type": 0,
        "Value1": "",
        "Value2": "",
        "Value3": "",
    }


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("VMName", 0, ("", "", "")),
        ("Size", 1, ("S", "S;L", "Small;Large")),
        ("Account", 2, ("svc", "********", "")),
        ("Roles", 3, ("web;db", "web;db;mail", "Web;Database;Mail")),
        ("Note", 4, ("one\ntwo", "", "")),
        ("Password", 5, ("********", "", "")),
    ],
)
def test_2_4_types_and_values(
    house: House, name: str, kind: int, values: tuple[str, str, str]
) -> None:
    found = parameters(house.client(), house.module(parameters=PARAMETERS).guid)[name]
    assert found["Type"] == kind
    assert (found["Value1"], found["Value2"], found["Value3"]) == values


def test_2_4_in_xml_the_types_are_names(house: House) -> None:
    module = house.module(parameters=PARAMETERS)
    root = house.client().get_xml(f"what/modules/{module.guid}/inputparameters").xml
    kinds = [element.text for element in root.iterfind("{*}JobParameters/{*}Parameter/{*}Type")]
    assert kinds == ["Text", "List", "MultiSelectList", "MultiLineText", "Credentials", "Password"]


def test_2_4_only_parameters_that_a_task_uses_and_that_are_asked_for(house: House) -> None:
    module = house.module(
        parameters=(Parameter(name="Used"), Parameter(name="Silent", ask=False)),
        unused=(Parameter(name="Unused"),),
    )
    assert list(parameters(house.client(), module.guid)) == ["Used"]


def test_9_without_parameters_the_object_has_an_empty_list(house: House) -> None:
    answer = house.client().get(f"what/modules/{house.module().guid}/inputparameters")
    assert answer.json["JobParameters"] == []
