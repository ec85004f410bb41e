"""Projects, run books, parameters of every kind (Dispatcher contract 2 and 3, rows 9 to 12)."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from gateway.catalog.definitions import Capture, CaptureKind, Module, Parameter, ParameterType
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import (
    LinkAction,
    ParameterLink,
    RunBook,
    RunBookJob,
    RunBookWhat,
    WhatKind,
)
from gateway.catalog.sealing import Definition
from gateway.identity.principals import MACHINE
from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.house import NAMESPACE, Client, House, braced, checked

SECRET = "correct horse battery staple"  # not one
SOAP = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<{0} xmlns="{1}">{2}</{0}></Body></Envelope>'
)
WORD = Parameter(name="Word", description="What is said", hint="Any", default="hello")
KEY = Parameter(name="Key", type=ParameterType.PASSWORD, default=SECRET)
LOGIN = Parameter(name="Login", type=ParameterType.CREDENTIALS, default="me", default2=SECRET)
FOUND = Parameter(name="Found")


def save(house: House, one: Definition) -> None:
    house.gateway.catalog.save(one, MACHINE)


def module(house: House) -> Module:
    """One that uses three parameters and sets a fourth."""
    plain = house.module("Says", (WORD, KEY, LOGIN), unused=(FOUND, Parameter(name="Idle")))
    capture = Capture(parameter="Found", kind=CaptureKind.OUTPUT, expression="h(.*)")
    only = plain.tasks[0].model_copy(update={"captures": (capture,)})
    one = plain.model_copy(update={"tasks": (only,)})
    save(house, one)
    return one


def project(house: House, *modules: Module, name: str = "Project", **members: Any) -> Project:
    one = Project(
        guid=uuid.uuid4(),
        name=name,
        modules=tuple(ProjectModule(guid=uuid.uuid4(), module=each.guid) for each in modules),
        **members,
    )
    save(house, one)
    return one


def run_book(house: House, inner: Project, name: str = "Run book", **members: Any) -> RunBook:
    """One whose job runs a project, with links in both directions."""
    links = (
        ParameterLink(parameter="Say", target="Word"),
        ParameterLink(parameter="Secret", target="Key"),
        ParameterLink(parameter="Unused", target="Idle"),
        ParameterLink(parameter="Answer", target="Found", action=LinkAction.GET),
    )
    job = RunBookJob(
        guid=uuid.uuid4(),
        name="Say it",
        what=(RunBookWhat(kind=WhatKind.PROJECT, guid=inner.guid),),
        use_run_book_who=True,
        links=links,
    )
    own = (
        Parameter(name="RunBookWho"),
        Parameter(name="Say", default="hi"),
        Parameter(name="Secret", type=ParameterType.PASSWORD, default=SECRET),
        Parameter(name="Unused"),
        Parameter(name="Answer"),
    )
    one = RunBook(guid=uuid.uuid4(), name=name, parameters=own, jobs=(job,), **members)
    save(house, one)
    return one


def ask(client: Client, kind: str, guid: object, which: str = "input") -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"what/{kind}/{guid}/{which}parameters").json
    return answer


def names(answer: dict[str, Any]) -> list[str]:
    return [parameter["Name"] for parameter in answer["JobParameters"]]


Make = Callable[[House], Definition]
KINDS: list[tuple[str, int, str, Make]] = [
    ("what/projects", 1, "Project", lambda house: project(house, module(house), name="A & B")),
    (
        "what/runbooks",
        2,
        "RunBook",
        lambda house: run_book(house, project(house, module(house)), name="A & B"),
    ),
]


@pytest.mark.parametrize(("path", "number", "word", "make"), KINDS)
def test_rows_9_and_10_lists_of_id_type_and_name(
    stored_house: House, path: str, number: int, word: str, make: Make
) -> None:
    client = stored_house.client()
    assert client.get(path).json == []
    one = make(stored_house)
    assert client.get(path).json == [{"ID": braced(one.guid), "Name": "A & B", "Type": number}]
    (what,) = client.get_xml(path).xml
    assert [(child.tag.rpartition("}")[2], child.text) for child in what] == [
        ("ID", braced(one.guid)), ("Name", "A & B"), ("Type", word),
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "number", "word", "make"), KINDS)
def test_rows_9_and_10_what_is_disabled_or_deleted_is_not_listed(
    house: House, path: str, number: int, word: str, make: Make
) -> None:
    one = make(house)
    save(house, one.model_copy(update={"enabled": False}))
    assert house.client().get(path).json == []
    save(house, one)
    assert len(house.client().get(path).json) == 1
    house.gateway.catalog.delete(one.guid, MACHINE)
    assert house.client().get(path).json == []
    house.client().get(f"what/{word}s/{one.guid}/inputparameters").refused(404)


@pytest.mark.parametrize(
    ("operation", "kind"), [("GetProjects", "Project"), ("GetRunBooks", "RunBook")]
)
def test_rows_9_and_10_in_soap(house: House, operation: str, kind: str) -> None:
    inner = project(house, module(house), name="One")
    expected = inner if kind == "Project" else run_book(house, inner, name="One")
    answer = house.client().post("soap", SOAP.format(operation, NAMESPACE, ""), "text/xml")
    (result,) = checked(answer.body)
    (what,) = result
    assert [child.text for child in what] == [braced(expected.guid), "One", kind]


def test_row_11_of_a_project(stored_house: House) -> None:
    one = project(stored_house, module(stored_house))
    answer = ask(stored_house.client(), "projects", one.guid)
    assert names(answer) == ["Word", "Key", "Login"]
    word = answer.pop("JobParameters")[0]
    assert answer == {
        "Identifier": "",
        "JobGuid": "{00000000-0000-0000-0000-000000000000}",
        "JobName": "",
        "TaskContainerGuid": braced(one.guid),
        "TaskContainerName": "Project",
        "Type": 1,
    }
    assert (word["Description"], word["Value1"], word["Hint"]) == ("What is said", "hello", "Any")


def test_row_11_of_a_run_book(stored_house: House) -> None:
    """What is linked to a parameter that a task uses, and what says on which agent."""
    one = run_book(stored_house, project(stored_house, module(stored_house)))
    answer = ask(stored_house.client(), "runbooks", one.guid)
    assert names(answer) == ["RunBookWho", "Say", "Secret"]
    assert (answer["Type"], answer["TaskContainerName"]) == (2, "Run book")


def test_row_12_what_comes_out(stored_house: House) -> None:
    inner = module(stored_house)
    middle = project(stored_house, inner)
    outer = run_book(stored_house, middle)
    client = stored_house.client()
    assert names(ask(client, "modules", inner.guid, "output")) == ["Found"]
    assert names(ask(client, "projects", middle.guid, "output")) == ["Found"]
    answer = ask(client, "runbooks", outer.guid, "output")
    assert names(answer) == ["Answer"]
    assert (answer["Type"], answer["TaskContainerGuid"]) == (2, braced(outer.guid))


@pytest.mark.parametrize("which", ["input", "output"])
@pytest.mark.parametrize("kind", ["module", "project", "runbook"])
def test_9_without_parameters_the_object_has_an_empty_list(
    house: House, kind: str, which: str
) -> None:
    inner = house.module()
    middle = project(house, inner)
    outer = RunBook(guid=uuid.uuid4(), name="Empty")
    save(house, outer)
    guid = {"module": inner, "project": middle, "runbook": outer}[kind].guid
    answer = ask(house.client(), f"{kind}s", guid, which)
    assert answer["JobParameters"] == []
    xml = house.client().get_xml(f"what/{kind}s/{guid}/{which}parameters").xml
    assert xml.findall("{*}JobParameters/{*}Parameter") == []


@pytest.mark.parametrize("which", ["input", "output"])
@pytest.mark.parametrize("kind", ["Module", "Project", "RunBook"])
def test_rows_11_and_12_are_the_same_in_all_dialects(house: House, kind: str, which: str) -> None:
    inner = module(house)
    middle = project(house, inner)
    outer = run_book(house, middle)
    guid = {"Module": inner, "Project": middle, "RunBook": outer}[kind].guid
    client = house.client()
    path = f"what/{kind}s/{guid}/{which}parameters"
    in_json = client.get(path).json["JobParameters"]
    in_xml = client.get_xml(path).xml
    operation = f"Get{which.capitalize()}Parameters"
    arguments = f"<whatType>{kind}</whatType><whatId>{guid}</whatId>"
    answer = client.post("soap", SOAP.format(operation, NAMESPACE, arguments), "text/xml")
    (in_soap,) = checked(answer.body)
    for root in (in_xml, in_soap):
        found = [each.text for each in root.iterfind("{*}JobParameters/{*}Parameter/{*}Name")]
        assert found == [each["Name"] for each in in_json]
        assert root.findtext("{*}Type") == kind
        assert root.findtext("{*}TaskContainerGuid") == braced(guid)
    assert in_json


@pytest.mark.parametrize("which", ["input", "output"])
@pytest.mark.parametrize("kind", ["Runbooks", "RunBooks", "runbooks", "RUNBOOKs", "Run%20Books"])
def test_3_note_11_the_spellings_of_a_run_book(house: House, kind: str, which: str) -> None:
    one = run_book(house, project(house, module(house)))
    for spelling in (
        bodies.braced(one.guid),
        f"%7B{one.guid}%7d",
        str(one.guid).upper(),
        f"%20{one.guid}%20",
    ):
        answer = ask(house.client(), kind, spelling, which)
        assert answer["TaskContainerGuid"] == braced(one.guid)


def test_2_4_no_secret_is_shown(house: House) -> None:
    inner = module(house)
    middle = project(house, inner)
    outer = run_book(house, middle)
    client = house.client()
    for kind, guid in (("Module", inner.guid), ("Project", middle.guid), ("RunBook", outer.guid)):
        for which in ("Input", "Output"):
            path = f"what/{kind}s/{guid}/{which.lower()}parameters"
            arguments = f"<whatType>{kind}</whatType><whatId>{guid}</whatId>"
            body = SOAP.format(f"Get{which}Parameters", NAMESPACE, arguments)
            for answer in (
                client.get(path), client.get_xml(path), client.post("soap", body, "text/xml"),
            ):  # fmt: skip
                assert answer.status == 200
                assert SECRET not in answer.text
                assert ("********" in answer.text) is (which == "Input")


@pytest.mark.parametrize("kind", ["Projects", "RunBooks"])
@pytest.mark.parametrize("which", ["input", "output"])
def test_row_11_what_is_not_there(house: House, kind: str, which: str) -> None:
    guid = uuid.uuid4()
    house.client().get(f"what/{kind}/{guid}/{which}parameters").refused(404, str(guid))
    other = house.module().guid
    house.client().get(f"what/{kind}/{other}/{which}parameters").refused(404, str(other))


def test_row_11_a_definition_that_cannot_be_run_at_present(house: House) -> None:
    inner = module(house)
    middle = project(house, inner)
    outer = run_book(house, middle)
    save(house, inner.model_copy(update={"enabled": False}))
    for kind, guid in (("projects", middle.guid), ("runbooks", outer.guid)):
        house.client().get(f"what/{kind}/{guid}/inputparameters").refused(
            409, "in the project 'Project'", "'Says' is disabled"
        )
