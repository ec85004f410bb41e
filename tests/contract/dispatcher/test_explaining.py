"""``permission explain`` says what the surface does, and which role it comes from."""

import uuid
from typing import Any

import pytest

from gateway.administration import Administration
from gateway.control import CommandFailed
from gateway.identity.permissions import EVERYWHERE, OWN, Access, Node
from gateway.identity.principals import MACHINE
from gateway.jobs.explaining import ObjectNotFound
from tests.contract.dispatcher.house import XML, House
from tests.contract.dispatcher.narrowed import EVERY, READ, Scene


@pytest.fixture
def scene(house: House) -> Scene:
    """Objects inside and outside of a scope."""
    return Scene(house)


def explain(scene: Scene, login: str, operation: str, *objects: str | uuid.UUID) -> Any:
    administration = Administration(scene.house.gateway)
    return administration.permission_explain(login, operation, [str(one) for one in objects])


def test_a_grant_and_a_denial_are_told_with_role_and_scope(scene: Scene) -> None:
    scene.login("somebody", READ, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.DENY}, scene.folder)
    inside, outside = scene.inside.job(scene.house), scene.outside.job(scene.house)
    told = explain(scene, "SOMEBODY", "getjob", outside.guid)
    assert (told["login"], told["operation"]) == ("somebody", "GetJob")
    assert (told["allowed"], told["verdict"]) == (True, "may do it")
    (check,) = told["checks"]
    assert check["roles"] == ["Role of somebody"]
    assert [one["counts"] for one in check["bindings"]] == [False, True]
    told = explain(scene, "somebody", "GetJob", inside.guid)
    assert not told["allowed"]
    assert "as if it did not exist: Jobs is denied" in told["verdict"]
    (check,) = told["checks"]
    assert (check["node"], check["access"], check["allowed"]) == ("Jobs", "read", False)
    denial = next(one for one in check["bindings"] if one["says"] == "deny")
    assert denial["counts"]
    assert denial["scope"] == "in the module folder 'Inside'"
    assert check["roles"] == [denial["role"]]


def test_what_may_be_read_but_not_modified(scene: Scene) -> None:
    scene.login("somebody", READ, EVERYWHERE)
    job = scene.inside.job(scene.house)
    told = explain(scene, "somebody", "AbortJob", job.guid)
    assert [(one["access"], one["allowed"]) for one in told["checks"]] == [
        ("read", True),
        ("modify", False),
    ]
    assert told["verdict"] == (
        f"may not do it with the job {job.guid}: no role grants MODIFY on Jobs"
    )


@pytest.mark.parametrize(("inside", "status"), [(True, 200), (False, 400)])
def test_a_job_of_a_module_on_an_agent_is_explained_as_it_is_decided(
    scene: Scene, inside: bool, status: int
) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    objects = scene.inside if inside else scene.outside
    told = explain(scene, "somebody", "ScheduleJob", objects.module.name, objects.agent.agent)
    assert told["allowed"] is inside
    body = (
        f"<Job><What><JobWhat><ID>{objects.module.guid}</ID></JobWhat></What>"
        f"<Who><JobWho><ID>{objects.agent.agent}</ID></JobWho></Who></Job>"
    )
    assert client.post("jobs", body, XML).status == status


def test_a_job_on_several_agents_must_be_allowed_on_each(scene: Scene) -> None:
    scene.login("somebody", READ, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, scene.team)
    inside, outside = scene.inside.agent.agent, scene.outside.agent.agent
    assert explain(scene, "somebody", "ScheduleJob", "Inside module", inside)["allowed"]
    assert not explain(scene, "somebody", "ScheduleJob", "Inside module", inside, outside)[
        "allowed"
    ]


def test_jobs_of_ones_own_may_be_made_of_what_may_be_read(scene: Scene) -> None:
    scene.login("somebody", {"*": Access.READ, Node.JOBS: Access.UNSET}, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, OWN)
    told = explain(scene, "somebody", "ScheduleJob", "Outside module")
    assert told["allowed"]
    assert [(one["node"], one["access"]) for one in told["checks"]] == [
        ("Modules", "read"),
        ("Jobs", "modify"),
    ]


def test_without_an_object_anything_of_the_node_is_asked_for(scene: Scene) -> None:
    scene.login("somebody", EVERY, scene.team)
    assert explain(scene, "somebody", "GetWho")["allowed"]
    scene.login("another", {})
    told = explain(scene, "another", "GetWho")
    assert told["verdict"] == "may not do it: no role grants READ on Agents"


@pytest.mark.parametrize(
    ("operation", "permissions", "allowed"),
    [
        ("GetWho", {Node.TEAMS: Access.READ}, True),
        ("ModifyTeamMembership", {Node.TEAMS: Access.MODIFY}, False),
        ("ModifyTeamMembership", {Node.TEAMS: Access.MODIFY, Node.AGENTS: Access.READ}, True),
        ("GetJobUsageReport", {Node.REPORTS: Access.READ}, False),
        ("GetJobUsageReport", {Node.REPORTS: Access.READ, Node.JOBS: Access.READ}, True),
    ],
)
def test_operations_that_ask_for_several_nodes(
    scene: Scene, operation: str, permissions: dict[str, Access], allowed: bool
) -> None:
    scene.login("somebody", permissions, EVERYWHERE)
    assert explain(scene, "somebody", operation)["allowed"] is allowed


@pytest.mark.parametrize(
    ("name", "node"),
    [("Inside agent", "Agents"), ("inside TEAM", "Teams"), ("Inside module", "Modules")],
)
def test_objects_by_name(scene: Scene, name: str, node: str) -> None:
    scene.login("somebody", READ, *scene.narrow)
    told = explain(scene, "somebody", "GetInputParameters", name)
    assert told["checks"][0]["node"] == node
    assert told["checks"][0]["allowed"]


def test_a_disabled_login_has_nothing(scene: Scene) -> None:
    scene.login("somebody", EVERY, EVERYWHERE)
    scene.house.gateway.logins.disable("somebody", MACHINE)
    told = explain(scene, "somebody", "GetJobs")
    assert not told["allowed"]
    assert told["checks"][0]["bindings"] == []


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("getmodules", "GetModules"),
        ("what/modules", "GetModules"),
        ("post JOBS", "ScheduleJob"),
        ("GET  jobs", "GetJobs"),
        ("put jobs/{jobid}", "AbortJob"),
        ("DeleteResource", "DeleteResource"),
    ],
)
def test_an_operation_is_named_as_itself_or_by_its_route(
    scene: Scene, written: str, name: str
) -> None:
    assert explain(scene, "admin", written)["operation"] == name


def test_a_path_of_several_operations_names_none(scene: Scene) -> None:
    with pytest.raises(CommandFailed, match=r"several operations 'jobs'.*: ScheduleJob, GetJobs"):
        explain(scene, "admin", "jobs")


def test_what_there_is_not(scene: Scene) -> None:
    with pytest.raises(CommandFailed, match=r"no operation 'Fly'.*ScheduleJob"):
        explain(scene, "admin", "Fly")
    with pytest.raises(ObjectNotFound, match="'nonsense'"):
        explain(scene, "admin", "GetJob", "nonsense")
    with pytest.raises(ObjectNotFound):
        explain(scene, "admin", "GetJob", uuid.uuid4())
