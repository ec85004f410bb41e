"""Rights within a scope: lists are filtered, what may not be read is not there (contract 1.3)."""

import re
import uuid

import pytest

from gateway.agents.teams import Teams
from gateway.identity.permissions import EVERYWHERE, OWN, Access, Node
from gateway.identity.principals import MACHINE
from tests.contract.dispatcher.house import NAMESPACE, XML, Answer, Client, House
from tests.contract.dispatcher.narrowed import EVERY, READ, Scene

SOAP = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<{0} xmlns="{1}">{2}</{0}></Body></Envelope>'
)
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REQUEST = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def scene(house: House) -> Scene:
    """Objects inside and outside of a scope."""
    return Scene(house)


def soap(client: Client, operation: str, arguments: str = "") -> Answer:
    return client.post("soap", SOAP.format(operation, NAMESPACE, arguments), "text/xml")


def names(answer: Answer) -> list[str]:
    return sorted(item["Name"] for item in answer.json)


def without_ids(answer: Answer) -> tuple[int, str]:
    """What an answer says but for the ids in it."""
    return answer.status, _REQUEST.sub("-", _GUID.sub("-", answer.text))


def order(what: uuid.UUID, who: uuid.UUID | str, who_type: str = "Agent") -> str:
    return (
        f"<What><JobWhat><ID>{what}</ID><Type>Module</Type></JobWhat></What>"
        f"<Who><JobWho><ID>{who}</ID><Type>{who_type}</Type></JobWho></Who>"
    )


def post(client: Client, members: str) -> Answer:
    return client.post("jobs", f"<Job>{members}</Job>", XML)


def test_lists_hold_what_lies_in_the_scope(scene: Scene) -> None:
    client = scene.login("somebody", READ, *scene.narrow)
    inside, outside = scene.inside.job(scene.house), scene.outside.job(scene.house)
    assert names(client.get("what/modules")) == ["Inside module"]
    assert names(client.get("who?agents=true")) == ["Inside agent"]
    page = client.get("jobs").json
    assert [uuid.UUID(job["JobID"]) for job in page["Items"]] == [inside.guid]
    assert page["PageCount"] == 1
    xml = client.get_xml("jobs").xml
    found = xml.xpath("//*[local-name()='Job']/*[local-name()='JobID']/text()")
    assert [uuid.UUID(one) for one in found] == [inside.guid]
    for operation, held, kept in (
        ("GetModules", "Inside module", "Outside module"),
        ("GetWho", "Inside agent", "Outside agent"),
        ("GetJobs", str(inside.guid), str(outside.guid)),
    ):
        told = soap(client, operation).text.lower()
        assert held.lower() in told
        assert kept.lower() not in told


def test_a_denial_within_a_scope_takes_out_what_lies_there(scene: Scene) -> None:
    client = scene.login("somebody", READ, EVERYWHERE)
    scene.give("somebody", {"*": Access.DENY}, *scene.narrow)
    scene.inside.job(scene.house)
    outside = scene.outside.job(scene.house)
    assert names(client.get("what/modules")) == ["Outside module"]
    assert names(client.get("who?agents=true")) == ["Outside agent"]
    page = client.get("jobs").json
    assert [uuid.UUID(job["JobID"]) for job in page["Items"]] == [outside.guid]
    client.get(f"what/Modules/{scene.inside.module.guid}/inputparameters").refused(404)


def test_pages_of_a_narrowed_list_end_where_its_jobs_end(scene: Scene) -> None:
    client = scene.login("somebody", READ, OWN)
    mine = [scene.own("somebody").job(scene.house).guid for _ in range(3)]
    for _ in range(4):
        scene.outside.job(scene.house)
    pages = [client.get(f"jobs?pageSize=2&page={number}").json for number in (1, 2, 3)]
    assert [page["PageCount"] for page in pages] == [2, 2, 2]
    found = [uuid.UUID(job["JobID"]) for page in pages for job in page["Items"]]
    assert found == mine[::-1]
    assert client.get("jobs?stage=History").json == {"CurrentPage": 1, "Items": [], "PageCount": 0}


JOB_PATHS = ("jobs/{}", "jobs/{}/results")


@pytest.mark.parametrize("path", JOB_PATHS)
def test_a_job_outside_is_not_there_in_the_words_of_a_missing_one(scene: Scene, path: str) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    inside, outside = scene.inside.job(scene.house), scene.outside.job(scene.house)
    assert client.get(path.format(inside.guid)).status == 200
    hidden = client.get(path.format(outside.guid))
    hidden.refused(404, "there is no job", str(outside.guid))
    assert without_ids(hidden) == without_ids(client.get(path.format(uuid.uuid4())))


def test_the_same_in_soap(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    outside = scene.outside.job(scene.house).guid
    status = "<status><Type>Aborting</Type></status>"
    for operation, more in (("GetJob", ""), ("AbortJob", status), ("ExportJobResults", "")):
        hidden = soap(client, operation, f"<jobId>{outside}</jobId>{more}")
        missing = soap(client, operation, f"<jobId>{uuid.uuid4()}</jobId>{more}")
        assert "JobNotFound" in hidden.text
        assert without_ids(hidden) == without_ids(missing)
    module = scene.outside.module.guid
    kind = "<whatType>Module</whatType>"
    hidden = soap(client, "GetInputParameters", f"{kind}<whatId>{module}</whatId>")
    missing = soap(client, "GetInputParameters", f"{kind}<whatId>{uuid.uuid4()}</whatId>")
    assert without_ids(hidden) == without_ids(missing)


def test_a_job_outside_cannot_be_aborted_and_is_not_there(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    outside = scene.outside.job(scene.house)
    hidden = client.put(f"jobs/{outside.guid}", '{"Type":2}')
    assert without_ids(hidden) == without_ids(client.put(f"jobs/{uuid.uuid4()}", '{"Type":2}'))
    hidden.refused(404)
    assert scene.house.gateway.jobs.get(outside.guid).status is outside.status


def test_what_may_be_read_but_not_modified_is_403_with_the_right_named(scene: Scene) -> None:
    client = scene.login("somebody", READ, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, OWN)
    others, mine = scene.outside.job(scene.house), scene.own("somebody").job(scene.house)
    client.put(f"jobs/{others.guid}", '{"Type":2}').refused(
        403, "has no modify access to Jobs", str(others.guid)
    )
    told = soap(
        client,
        "AbortJob",
        f"<jobId>{others.guid}</jobId><status><Type>Aborting</Type></status>",
    ).text
    assert "AccessDenied" in told
    assert "no modify access to Jobs" in told
    assert scene.house.gateway.jobs.get(others.guid).status is others.status
    assert client.put(f"jobs/{mine.guid}", '{"Type":2}').status == 200


def test_parameters_of_a_module_outside_are_those_of_a_missing_one(scene: Scene) -> None:
    client = scene.login("somebody", READ, *scene.narrow)
    path = "what/Modules/{}/inputparameters"
    assert client.get(path.format(scene.inside.module.guid)).status == 200
    hidden = client.get(path.format(scene.outside.module.guid))
    hidden.refused(404, "there is no module")
    assert without_ids(hidden) == without_ids(client.get(path.format(uuid.uuid4())))


def test_a_scheduler_of_his_own_jobs_sees_and_aborts_them_and_no_others(scene: Scene) -> None:
    client = scene.login("somebody", {"*": Access.READ, Node.JOBS: Access.UNSET}, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, OWN)
    others = scene.inside.job(scene.house)
    made = post(client, order(scene.outside.module.guid, scene.outside.agent.agent)).xml
    job = made.findtext("{*}JobID")
    assert job is not None
    assert client.get(f"jobs/{job}").status == 200
    client.get(f"jobs/{others.guid}").refused(404)
    assert [item["JobID"] for item in client.get("jobs").json["Items"]] == [job]
    assert client.put(f"jobs/{job}", '{"Type":2}').status == 200


def told(client: Client, members: str) -> list[tuple[int, str]]:
    """How REST and SOAP answer an order, but for ids."""
    return [
        without_ids(post(client, members)),
        without_ids(soap(client, "ScheduleJob", f"<job>{members}</job>")),
    ]


def test_what_lies_outside_cannot_be_named_and_is_as_unknown(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    module, agent = scene.inside.module.guid, scene.inside.agent.agent
    for hidden, missing in (
        (order(scene.outside.module.guid, agent), order(uuid.uuid4(), agent)),
        (order(module, scene.outside.agent.agent), order(module, uuid.uuid4())),
        (order(module, scene.outside.team.guid, "Team"), order(module, uuid.uuid4(), "Team")),
    ):
        assert told(client, hidden) == told(client, missing)
        assert post(client, hidden).status == 400
    by_name = post(client, order(module, "Outside agent"))
    by_name.refused(400, "Who[0].ID", "there is no agent with the GUID or name 'Outside agent'")
    assert scene.house.stored() == 0
    assert post(client, order(module, agent)).status == 200
    assert post(client, order(module, "inside AGENT")).status == 200


def test_a_name_that_only_one_visible_agent_has_is_not_ambiguous(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    scene.house.engine.agent("Inside agent", embedded=False)
    module = scene.inside.module.guid
    (inside,) = client.get("who?agents=true").json
    made = post(client, order(module, "Inside agent"))
    assert made.status == 200, made.text
    assert made.xml.findtext("{*}Who/{*}JobWho/{*}ID") == inside["ID"]


def test_a_job_must_lie_in_the_scope_of_the_right_to_make_it(scene: Scene) -> None:
    client = scene.login("somebody", {"*": Access.READ, Node.JOBS: Access.UNSET}, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, scene.folder)
    inside, outside = scene.inside, scene.outside
    members = order(outside.module.guid, inside.agent.agent)
    post(client, members).refused(403, "has no modify access to Jobs")
    assert "AccessDenied" in soap(client, "ScheduleJob", f"<job>{members}</job>").text
    assert scene.house.stored() == 0
    assert post(client, order(inside.module.guid, outside.agent.agent)).status == 200


def test_a_right_for_a_team_makes_jobs_on_its_agents_only(scene: Scene) -> None:
    client = scene.login("somebody", {"*": Access.READ, Node.JOBS: Access.UNSET}, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, scene.team)
    inside, outside = scene.inside, scene.outside
    on_both = order(outside.module.guid, inside.agent.agent) + order(
        outside.module.guid, outside.agent.agent
    )
    both = re.sub(r"</Who><What>.*?</What><Who>", "", on_both)
    post(client, both).refused(403, "has no modify access to Jobs")
    post(client, order(inside.module.guid, outside.agent.agent)).refused(403)
    made = post(client, order(outside.module.guid, inside.agent.agent))
    assert client.get("jobs/" + str(made.xml.findtext("{*}JobID"))).status == 200


def test_a_scope_that_lost_its_object_covers_nothing(scene: Scene) -> None:
    client = scene.login("somebody", READ, scene.team)
    assert names(client.get("who?agents=true")) == ["Inside agent"]
    Teams(scene.house.gateway.store).delete(scene.inside.team.guid, MACHINE)
    assert client.get("who?agents=true").json == []
