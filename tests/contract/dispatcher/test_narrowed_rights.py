"""Rights within a scope: lists are filtered, what may not be read is not there (contract 1.3)."""

import re
import uuid

import pytest

from gateway.catalog.definitions import Parameter
from gateway.catalog.folders import FolderKind
from gateway.catalog.run_books import RunBook, RunBookJob, RunBookWhat
from gateway.fleet.membership import AgentChange
from gateway.fleet.teams import Teams
from gateway.identity.permissions import EVERYWHERE, OWN, Access, Node
from gateway.identity.principals import MACHINE
from gateway.jobs.states import JobStatus
from storage import models
from tests.contract.dispatcher.house import NAMESPACE, XML, Answer, Client, House
from tests.contract.dispatcher.narrowed import EVERY, READ, Scene, put_into

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


def who_book(scene: Scene, folder: str = "Inside") -> RunBook:
    """A run book whose one job runs where its who parameter says."""
    job = RunBookJob(
        guid=uuid.uuid4(),
        name="somewhere",
        what=(RunBookWhat(guid=scene.outside.module.guid),),
        use_run_book_who=True,
    )
    book = RunBook(
        guid=uuid.uuid4(),
        name="Where you say",
        folder=folder,
        parameters=(Parameter(name="RunBookWho"),),
        jobs=(job,),
    )
    scene.house.gateway.catalog.save(book, MACHINE)
    return book


def run_where(scene: Scene, client: Client, book: RunBook, text: str) -> tuple[JobStatus, str]:
    """Schedule the run book there; how its job stands then, and why."""
    made = post(
        client,
        f"<What><JobWhat><ID>{book.guid}</ID><Type>RunBook</Type></JobWhat></What><Parameters>"
        f"<ParameterSet><TaskContainerGuid>{book.guid}</TaskContainerGuid><JobParameters>"
        f"<Parameter><Name>RunBookWho</Name><Value1>{text}</Value1></Parameter></JobParameters>"
        "</ParameterSet></Parameters>",
    )
    scene.house.gateway.clock.tick()
    jobs = scene.house.gateway.jobs
    (child,) = jobs.children(uuid.UUID(made.xml.findtext("{*}JobID") or ""))
    return child.status, child.reason


def test_the_who_parameter_of_a_run_book_names_what_its_caller_may_read(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, *scene.narrow)
    book = who_book(scene)
    assert run_where(scene, client, book, "Inside agent")[0] is JobStatus.SCHEDULED
    status, hidden = run_where(scene, client, book, "Outside agent")
    assert status is JobStatus.FAILED
    _, missing = run_where(scene, client, book, "Nobodys agent")
    assert hidden.replace("Outside", "Nobodys") == missing
    table = models.Agent
    disable = table.update(enabled=False).where(table.name == "Outside agent")
    scene.house.gateway.store.unit_of_work(lambda session: session.execute(disable))
    assert run_where(scene, client, book, "Outside agent") == (status, hidden)


def test_jobs_by_a_who_parameter_need_the_right_to_make_them(scene: Scene) -> None:
    client = scene.login("somebody", {"*": Access.READ, Node.JOBS: Access.UNSET}, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, scene.folder_of(FolderKind.RUN_BOOK))
    book = who_book(scene)
    assert run_where(scene, client, book, "Outside agent")[0] is JobStatus.SCHEDULED
    scene.give("somebody", {Node.JOBS: Access.DENY}, scene.team)
    status, reason = run_where(scene, client, book, "Inside agent")
    assert status is JobStatus.FAILED
    assert "no modify access to Jobs on 'Inside agent'" in reason
    assert run_where(scene, client, book, "Outside agent")[0] is JobStatus.SCHEDULED


def test_jobs_inside_a_run_book_are_shown_as_far_as_they_may_be_read(scene: Scene) -> None:
    book = who_book(scene)
    admin = scene.house.client()
    run_where(scene, admin, book, "Outside agent")
    (run_book,) = (job for job in admin.get("jobs").json["Items"] if job["What"][0]["Type"] == 2)
    path = f"runbookjobs/{run_book['JobID']}"
    assert len(admin.get(path).json) == 1
    # The run book lies in the folder, what its job runs does not.
    client = scene.login("somebody", READ, scene.folder_of(FolderKind.RUN_BOOK))
    assert client.get(f"jobs/{run_book['JobID']}").status == 200
    assert client.get(path).json == []
    scene.login("another", READ, scene.folder).get(path).refused(404, "there is no job")


def test_who_asked_for_a_run_book_sees_the_jobs_inside_it(scene: Scene) -> None:
    client = scene.login("somebody", {"*": Access.READ, Node.JOBS: Access.UNSET}, EVERYWHERE)
    scene.give("somebody", {Node.JOBS: Access.MODIFY}, OWN)
    run_where(scene, client, who_book(scene), "Inside agent")
    (own,) = client.get("jobs?runBookJobs=False").json["Items"]
    (child,) = client.get(f"runbookjobs/{own['JobID']}").json
    assert client.get(f"jobs/{child['JobID']}").status == 200
    assert client.put(f"jobs/{child['JobID']}", '{"Type":2}').status == 200


UPLOAD = "/Dispatcher/ResourceService/UploadResource"
DELETE = "/Dispatcher/ResourceService/DeleteResource"


def test_a_new_resource_goes_into_folders_that_may_be_changed(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, scene.folder_of(FolderKind.RESOURCE))
    for folder in ("Inside", "inside/new/deep"):
        headers = {"Filename": "a.txt", "Folder": folder}
        assert client.send("POST", UPLOAD, b"x", XML, **headers).status == 200
    for folder, titled in (("Outside", "'Outside'"), ("", "top")):
        headers = {"Filename": "a.txt", "Folder": folder}
        refused = client.send("POST", UPLOAD, b"x", XML, **headers)
        refused.refused(403, "has no modify access to Resources", titled)
    moved = scene.inside.resource(scene.house)
    headers = {"Guid": str(moved.guid), "Folder": "Outside"}
    client.send("POST", UPLOAD, b"", XML, **headers).refused(403, "'Outside'")


def test_a_resource_outside_has_no_name_either(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, scene.folder_of(FolderKind.RESOURCE))
    admin = scene.house.client()
    for folder in ("Inside", "Outside", "Outside/Other"):
        admin.send("POST", UPLOAD, b"x", XML, Filename="a.txt", Folder=folder)
    deleted = client.send("POST", DELETE, b"", XML, Name="A.txt")
    assert deleted.xml.findtext("{*}Folder") == "Inside"
    hidden = client.send("POST", DELETE, b"", XML, Name="a.txt")
    missing = client.send("POST", DELETE, b"", XML, Name="b.txt")
    assert hidden.status == missing.status == 404
    assert without_ids(hidden)[1].replace("a.txt", "b.txt") == without_ids(missing)[1]


def test_members_are_named_and_shown_as_far_as_they_may_be_read(scene: Scene) -> None:
    client = scene.login("somebody", EVERY, scene.team)
    inside, outside = scene.inside, scene.outside
    put_into(scene.house, outside.team, inside.agent)

    def change(agent: uuid.UUID, team: uuid.UUID) -> Answer:
        return client.post(
            "agentmembership",
            f"<AgentMembership><Agent><ID>{agent}</ID></Agent><AddTo><JobWho><ID>{team}</ID>"
            "<Type>Team</Type></JobWho></AddTo></AgentMembership>",
            XML,
        )

    done = change(inside.agent.agent, inside.inner.guid).xml
    assert done.xpath("//*[local-name()='MemberOf']//*[local-name()='Name']/text()") == [
        "Inside inner team",
        "Inside team",
    ]
    hidden = change(inside.agent.agent, outside.team.guid)
    hidden.refused(400, "AddTo[0]", "there is no team")
    assert without_ids(hidden) == without_ids(change(inside.agent.agent, uuid.uuid4()))
    assert without_ids(change(outside.agent.agent, inside.inner.guid)) == without_ids(
        change(uuid.uuid4(), inside.inner.guid)
    )


def test_a_primary_team_is_displaced_only_by_who_may_modify_it(scene: Scene) -> None:
    inside, outside = scene.inside, scene.outside
    put_into(scene.house, outside.team, inside.agent)
    scene.house.gateway.memberships.change_agent(
        str(inside.agent.agent), AgentChange(primary=str(outside.team.guid)), MACHINE
    )
    client = scene.login("somebody", READ, EVERYWHERE)
    scene.give("somebody", {Node.TEAMS: Access.MODIFY}, scene.team)
    for primary in (inside.team.guid, uuid.UUID(int=0)):
        body = (
            f"<AgentMembership><Agent><ID>{inside.agent.agent}</ID></Agent>"
            f"<PrimaryTeam><ID>{primary}</ID></PrimaryTeam></AgentMembership>"
        )
        client.post("agentmembership", body, XML).refused(403, "for its primary team")


@pytest.mark.parametrize("everywhere", [True, False])
def test_the_report_of_teams_leaves_out_agents_that_are_denied(
    scene: Scene, everywhere: bool
) -> None:
    """Silence on Agents does not hide those of a team that may be read, a deny does."""
    client = scene.login("somebody", {Node.TEAMS: Access.READ}, EVERYWHERE)

    def told() -> set[str]:
        names = client.get("report/teams", XML).xml.xpath(
            "//*[local-name()='TeamAgent']/*[local-name()='Name']/text()"
        )
        return {str(name) for name in names}

    assert told() == {"Inside agent", "Outside agent"}
    scene.give("somebody", {Node.AGENTS: Access.DENY}, EVERYWHERE if everywhere else scene.team)
    assert told() == (set() if everywhere else {"Outside agent"})


def test_a_team_that_may_only_be_read_is_403(scene: Scene) -> None:
    client = scene.login("somebody", READ, EVERYWHERE)
    scene.give("somebody", {Node.TEAMS: Access.MODIFY}, scene.team)
    body = (
        f"<TeamMembership><Team><ID>{scene.outside.team.guid}</ID></Team><Add><JobWho>"
        f"<ID>{scene.inside.agent.agent}</ID></JobWho></Add></TeamMembership>"
    )
    client.post("teammembership", body, XML).refused(
        403, "has no modify access to Teams", "the team 'Outside team'"
    )


def test_the_report_of_usage_holds_what_reports_and_jobs_both_reach(scene: Scene) -> None:
    jobs = [objects.job(scene.house) for objects in (scene.inside, scene.outside)]
    for objects in (scene.inside, scene.outside):
        scene.house.engine.run_all(objects.agent)
    for permissions, told in (
        ({Node.REPORTS: Access.READ, Node.JOBS: Access.READ}, jobs[:1]),
        ({Node.REPORTS: Access.READ}, []),
    ):
        client = scene.login(f"of {len(permissions)}", permissions, scene.folder)
        scene.give(f"of {len(permissions)}", {Node.REPORTS: Access.READ}, EVERYWHERE)
        found = [uuid.UUID(one["JobID"]) for one in client.get("report/jobusage").json]
        assert found == [job.guid for job in told]
    client = scene.login("reports of the folder", {Node.REPORTS: Access.READ}, scene.folder)
    scene.give("reports of the folder", {Node.JOBS: Access.READ}, EVERYWHERE)
    found = [uuid.UUID(one["JobID"]) for one in client.get("report/jobusage").json]
    assert found == [jobs[0].guid]


@pytest.mark.parametrize(
    ("node", "held"),
    [
        (Node.AGENTS, ["Inside agent", "Outside agent"]),
        (Node.TEAMS, ["Inside inner team", "Inside team", "Outside inner team", "Outside team"]),
    ],
)
def test_of_agents_and_teams_the_list_holds_the_kind_that_may_be_read(
    scene: Scene, node: Node, held: list[str]
) -> None:
    client = scene.login("somebody", {node: Access.READ}, EVERYWHERE)
    assert names(client.get("who")) == held
    assert all(name in soap(client, "GetWho").text for name in held)
    other = "teams" if node is Node.AGENTS else "agents"
    assert client.get(f"who?{other}=true").json == []
