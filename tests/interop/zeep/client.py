"""Every operation through zeep, as its users write it."""

import datetime
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import requests
import zeep
from zeep.exceptions import Fault

GIVEN = os.environ
FINAL = {"Aborted", "Completed", "Failed", "FailedHalted", "Canceled", "CompletedWithErrors"}


def tell(step: str, key: str, value: object) -> None:
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n")
    print(step, key, text.replace("\r", "\\r").replace("\t", "\\t"), sep="\t")


def client(wsdl: str, password: str) -> Any:
    session = requests.Session()
    session.auth = (GIVEN["LOGIN"], password)
    return zeep.Client(wsdl, transport=zeep.Transport(session=session)).service


SCHEDULING = client(GIVEN["SCHEDULING_WSDL"], GIVEN["PASSWORD"])
RESOURCES = client(GIVEN["RESOURCES_WSDL"], GIVEN["PASSWORD"])


def items(found: Iterable[Any] | None) -> Iterable[Any]:
    return found or ()


def listing(step: str, found: Any) -> None:
    for one in items(found):
        tell(step, "item", f"{one.ID}|{one.Type}|{one.Name}")


def modules() -> None:
    listing("modules", SCHEDULING.GetModules())


def projects() -> None:
    listing("projects", SCHEDULING.GetProjects())


def runbooks() -> None:
    listing("runbooks", SCHEDULING.GetRunBooks())


def agents() -> None:
    listing("agents", SCHEDULING.GetWho(agents=True))


def teams() -> None:
    listing("teams", SCHEDULING.GetWho(teams=True))


def parameters(step: str, found: Any) -> None:
    tell(step, "set", f"{found.Type}|{found.TaskContainerGuid}|{found.TaskContainerName}")
    for one in found.JobParameters.Parameter:
        values = (one.Value1 or "", one.Value2 or "", one.Value3 or "", one.Hint or "")
        tell(step, "parameter", "|".join((one.Name, one.Type, *values)))


def inputs() -> None:
    parameters("inputs", SCHEDULING.GetInputParameters("Module", GIVEN["MODULE"]))


def outputs() -> None:
    parameters("outputs", SCHEDULING.GetOutputParameters("Module", GIVEN["MODULE"]))


def order(module: str, when: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    given = [{"Name": name, "Value1": value} for name, value in values.items()]
    return {
        "Description": GIVEN["DESCRIPTION"],
        "When": when,
        "What": {"JobWhat": [{"ID": module, "Type": "Module"}]},
        "Who": {"JobWho": [{"ID": GIVEN["AGENT"], "Type": "Agent"}]},
        "Parameters": {
            "ParameterSet": [
                {
                    "Type": "Module",
                    "TaskContainerGuid": module,
                    "JobParameters": {"Parameter": given},
                }
            ]
        },
    }


JOB: list[str] = []


def schedule() -> None:
    start = datetime.datetime.fromisoformat(GIVEN["START"])
    when = {"ScheduledDateTime": start, "Immediate": False, "IsLocalTime": False}
    values = {
        "Title": GIVEN["TITLE"],
        "Size": "L",
        "Note": GIVEN["NOTE"],
        "Empty": "",
        "Secret": GIVEN["SECRET"],
    }
    job = SCHEDULING.ScheduleJob(order(GIVEN["MODULE"], when, values))
    JOB.append(job.JobID)
    tell("schedule", "id", job.JobID)
    tell("schedule", "status", job.Status.Type)
    tell("schedule", "invoker", job.Status.JobInvoker)


def get() -> None:
    job = SCHEDULING.GetJob(JOB[0])
    tell("get", "description", job.Description)
    tell("get", "start", job.When.ScheduledDateTime.astimezone(datetime.UTC).isoformat())
    tell("get", "status", job.Status.Type)
    tell("get", "immediate", str(job.When.Immediate).lower())
    for one in job.What.JobWhat:
        tell("get", "what", f"{one.ID}|{one.Type}|{one.Name}")
    for one in job.Who.JobWho:
        tell("get", "who", f"{one.ID}|{one.Type}|{one.Name}")
    for one in job.Parameters.ParameterSet[0].JobParameters.Parameter:
        tell("get", "parameter", f"{one.Name}|{one.Type}|{one.Value1 or ''}")


def page() -> None:
    for number, key in ((1, "first"), (2, "second")):
        found = SCHEDULING.GetJobs(stage="Scheduled", page=number, pageSize=2)
        tell("page", "current", found.CurrentPage)
        tell("page", "pages", found.PageCount)
        for job in found.Items.Job:
            tell("page", key, job.JobID)


def abort() -> None:
    status = SCHEDULING.AbortJob(JOB[0], {"Type": "Aborting"})
    tell("abort", "id", JOB[0])
    tell("abort", "status", status.Type)


def results() -> None:
    found = SCHEDULING.ExportJobResults(
        GIVEN["FINISHED"], includeOverview=True, includeDetailed=True
    )
    tell("results", "text", found.decode("utf-16-le"))  # a result of one member comes bare


def teamsreport() -> None:
    for team in SCHEDULING.GetTeamsReport():
        tell("teamsreport", "team", f"{team.ID}|{team.Name}")
        for agent in items(team.Agents and team.Agents.TeamAgent):
            tell("teamsreport", "agent", f"{team.Name}|{agent.Name}|{str(agent.Online).lower()}")


def usage() -> None:
    for job in SCHEDULING.GetJobUsageReport(start="20200101000000", stop="20991231235959"):
        start = job.StartDateTime.astimezone(datetime.UTC).isoformat()
        told = (job.JobID, job.Description, job.Status, start, job.DurationSeconds, job.Agents)
        tell("usage", "job", "|".join(map(str, told)))


def runbookjobs() -> None:
    for job in SCHEDULING.GetRunBookJobs(GIVEN["BOOK"]):
        tell("runbookjobs", "job", f"{job.JobID}|{job.Description}|{job.Status.Type}")


def membership() -> None:
    team = {"Name": GIVEN["TEAM"], "Type": "Team"}
    agent = {"Name": GIVEN["MEMBER"], "Type": "Agent"}
    put = SCHEDULING.ModifyAgentMembership({"Agent": agent, "AddTo": {"JobWho": [team]}})
    for one in put.MemberOf.JobWho:
        tell("membership", "memberof", one.Name)
    taken = SCHEDULING.ModifyTeamMembership({"Team": team, "Remove": {"JobWho": [agent]}})
    tell("membership", "team", taken.Team.Name)
    for one in items(taken.Members and taken.Members.JobWho):
        tell("membership", "member", one.Name)


def remove() -> None:
    removed = SCHEDULING.RemoveAgent({"Agent": {"Name": GIVEN["SPARE"], "Type": "Agent"}})
    tell("remove", "name", removed.Agent.Name)


RESOURCE: list[str] = []


def upload() -> None:
    with Path(GIVEN["FILE"]).open("rb") as file:
        stored = RESOURCES.UploadResource(
            filename="file.bin", name=GIVEN["RESOURCE"], content=file.read()
        )
    RESOURCE.append(stored.ID)
    tell("upload", "id", stored.ID)
    tell("upload", "name", stored.Name)
    tell("upload", "size", stored.Size)
    tell("upload", "sha256", stored.Sha256)


def download() -> None:
    wanted = order(GIVEN["FETCHING"], {"Immediate": True}, {"Resource": GIVEN["RESOURCE"]})
    job = SCHEDULING.ScheduleJob(wanted).JobID
    end = time.monotonic() + 60
    while (status := SCHEDULING.GetJob(job).Status.Type) not in FINAL and time.monotonic() < end:
        time.sleep(0.1)
    tell("download", "id", job)
    tell("download", "status", status)


def delete() -> None:
    tell("delete", "id", RESOURCES.DeleteResource(guid=RESOURCE[0]).ID)


def wrong_password() -> None:
    fault("wrong-password", GIVEN["UNKNOWN"], client(GIVEN["SCHEDULING_WSDL"], "wrong"))


def fault(step: str, job: str, service: Any = SCHEDULING) -> None:
    try:
        service.GetJob(job)
    except Fault as error:
        tell(step, "code", error.code)
        tell(step, "text", error.message)
        (detail,) = error.detail
        for member in detail:
            tell(step, member.tag.rpartition("}")[2], member.text)


def unknown_id() -> None:
    fault("unknown-id", GIVEN["UNKNOWN"])


def malformed() -> None:
    fault("malformed", "no guid")


STEPS: tuple[Callable[[], None], ...] = (
    modules, projects, runbooks, agents, teams, inputs, outputs, schedule, get, page, abort,
    results, teamsreport, usage, runbookjobs, membership, remove, upload, download, delete,
    wrong_password, unknown_id, malformed,
)  # fmt: skip


def main() -> None:
    for step in STEPS:
        name = step.__name__.replace("_", "-")
        try:
            step()
        except Exception as error:
            traceback.print_exc()
            tell(name, "failed", repr(error))
    sys.stdout.flush()


main()
