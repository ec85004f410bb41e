"""Rights (Dispatcher contract 1.3, from 2021.1 on): filtered lists, and 403 (our choice) else.

``test_rights_matrix`` tries every operation with every kind of login.
"""

import uuid
from collections.abc import Mapping

import pytest

from gateway.identity import roles
from gateway.identity.permissions import Access, Node
from storage.session import Session
from tests.contract.dispatcher.house import ADMIN, NAMESPACE, XML, Client, House


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


ALL = {
    Node.JOBS: Access.MODIFY,
    Node.MODULES: Access.READ,
    Node.PROJECTS: Access.READ,
    Node.RUN_BOOKS: Access.READ,
    Node.AGENTS: Access.READ,
    Node.TEAMS: Access.READ,
}
SOAP = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<{0} xmlns="{1}">{2}</{0}></Body></Envelope>'
)


def with_permissions(house: House, permissions: Mapping[Node, Access]) -> Client:
    """A client whose only role says just this."""

    def create(session: Session) -> None:
        said = {str(node): access for node, access in permissions.items()}
        roles.create(session, "Particular", said, tenant=1)

    house.gateway.store.unit_of_work(create)
    return house.login("somebody", "Particular")


def job(what: uuid.UUID, who: uuid.UUID, what_type: str = "Module", who_type: str = "Agent") -> str:
    return (
        f"<What><JobWhat><ID>{what}</ID><Type>{what_type}</Type></JobWhat></What>"
        f"<Who><JobWho><ID>{who}</ID><Type>{who_type}</Type></JobWho></Who>"
    )


def forbidden_everywhere(client: Client, members: str, node: Node) -> None:
    """Hold that REST and SOAP refuse a job for want of the right to read a node."""
    client.post("jobs", f"<Job>{members}</Job>", XML).refused(403, "read", str(node))
    body = SOAP.format("ScheduleJob", NAMESPACE, f"<job>{members}</job>")
    answer = client.post("soap", body, "text/xml")
    assert answer.status == 500
    assert "AccessDenied" in answer.text
    assert f"no read access to {node}" in answer.text


@pytest.mark.parametrize("access", [Access.DENY, Access.UNSET])
@pytest.mark.parametrize("node", [Node.MODULES, Node.AGENTS])
def test_1_3_who_may_not_read_what_a_job_names_may_not_schedule_it(
    house: House, node: Node, access: Access
) -> None:
    client = with_permissions(house, ALL | {node: access})
    forbidden_everywhere(client, job(house.module().guid, house.agent().agent), node)
    assert house.stored() == 0


@pytest.mark.parametrize(
    ("what_type", "who_type", "node"),
    [
        ("Project", "Agent", Node.PROJECTS),
        ("RunBook", "Agent", Node.RUN_BOOKS),
        ("Module", "Team", Node.TEAMS),
    ],
)
def test_1_3_the_kind_that_a_job_names_decides_before_it_is_looked_up(
    house: House, what_type: str, who_type: str, node: Node
) -> None:
    client = with_permissions(house, ALL | {node: Access.DENY})
    forbidden_everywhere(client, job(uuid.uuid4(), uuid.uuid4(), what_type, who_type), node)


def test_1_3_a_job_needs_no_right_to_kinds_that_it_does_not_name(house: House) -> None:
    needed = {node: ALL[node] for node in (Node.JOBS, Node.MODULES, Node.AGENTS)}
    client = with_permissions(house, needed)
    members = job(house.module().guid, house.agent().agent)
    assert client.post("jobs", f"<Job>{members}</Job>", XML).status == 200
    body = SOAP.format("ScheduleJob", NAMESPACE, f"<job>{members}</job>")
    assert client.post("soap", body, "text/xml").status == 200
    assert house.stored() == 2


@pytest.mark.parametrize(("kind", "node"), [("Module", Node.MODULES), ("RunBook", Node.RUN_BOOKS)])
def test_1_3_parameters_need_the_right_to_the_kind_that_is_asked_for(
    house: House, kind: str, node: Node
) -> None:
    client = with_permissions(house, ALL | {node: Access.UNSET})
    guid = house.module().guid
    client.get(f"what/{kind}s/{guid}/inputparameters").refused(403, "read", str(node))
    arguments = f"<whatType>{kind}</whatType><whatId>{guid}</whatId>"
    body = SOAP.format("GetInputParameters", NAMESPACE, arguments)
    answer = client.post("soap", body, "text/xml")
    assert f"no read access to {node}" in answer.text


def test_1_3_parameters_of_projects_need_no_right_to_modules(house: House) -> None:
    client = with_permissions(house, ALL | {Node.MODULES: Access.DENY})
    client.get(f"what/Projects/{uuid.uuid4()}/inputparameters").refused(404)
