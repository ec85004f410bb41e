"""Every operation through suds, as its users write it: objects of the factory."""

import base64
import datetime
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from suds import WebFault
from suds.client import Client
from suds.plugin import MessagePlugin
from suds.sudsobject import asdict

GIVEN = os.environ
FINAL = {"Aborted", "Completed", "Failed", "FailedHalted", "Canceled", "CompletedWithErrors"}


def tell(step: str, key: str, value: object) -> None:
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n")
    print(step, key, text.replace("\r", "\\r").replace("\t", "\\t"), sep="\t")


class Soap12(MessagePlugin):
    """suds reads SOAP 1.2 but writes 1.1: its users exchange the namespace before it is sent."""

    def sending(self, context: Any) -> None:
        context.envelope = context.envelope.replace(
            b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"
        )


def client(wsdl: str, password: str) -> Any:
    soap12 = GIVEN["VERSION"] == "1.2"
    return Client(
        wsdl,
        username=GIVEN["LOGIN"],
        password=password,
        cache=None,
        timeout=120,
        plugins=[Soap12()] if soap12 else [],
        headers={"Content-Type": "application/soap+xml; charset=utf-8"} if soap12 else {},
    )


SCHEDULING_CLIENT = client(GIVEN["SCHEDULING_WSDL"], GIVEN["PASSWORD"])
SCHEDULING = SCHEDULING_CLIENT.service
RESOURCES = client(GIVEN["RESOURCES_WSDL"], GIVEN["PASSWORD"]).service


def items(found: Iterable[Any] | None) -> Iterable[Any]:
    return found or ()


def listing(step: str, found: Any) -> None:
    # An empty list is an empty text, an array an object of its items.
    for one in items(found and (getattr(found, "JobWhat", None) or found.JobWho)):
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


def make(kind: str, **members: Any) -> Any:
    """An object of a type of the schema."""
    made = SCHEDULING_CLIENT.factory.create(kind)
    for name, value in members.items():
        setattr(made, name, value)
    return made


def array(item: str, *items: Any) -> Any:
    return make(f"ArrayOf{item}", **{item: list(items)})


def order(module: str, when: dict[str, Any], values: dict[str, str]) -> Any:
    given = [make("Parameter", Name=name, Value1=value) for name, value in values.items()]
    parameters = make(
        "ParameterSet",
        Type="Module",
        TaskContainerGuid=module,
        JobParameters=array("Parameter", *given),
    )
    return make(
        "Job",
        Description=GIVEN["DESCRIPTION"],
        When=make("When", **when),
        What=array("JobWhat", make("JobWhat", ID=module, Type="Module")),
        Who=array("JobWho", make("JobWho", ID=GIVEN["AGENT"], Type="Agent")),
        Parameters=array("ParameterSet", parameters),
    )


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
    status = SCHEDULING.AbortJob(JOB[0], make("JobStatus", Type="Aborting"))
    tell("abort", "id", JOB[0])
    tell("abort", "status", status.Type)


def results() -> None:
    found = SCHEDULING.ExportJobResults(
        GIVEN["FINISHED"], includeOverview=True, includeDetailed=True
    )
    tell("results", "text", base64.b64decode(found.Xml).decode("utf-16-le"))


def teamsreport() -> None:
    for team in SCHEDULING.GetTeamsReport().TeamReport:
        tell("teamsreport", "team", f"{team.ID}|{team.Name}")
        for agent in items(team.Agents and team.Agents.TeamAgent):
            tell("teamsreport", "agent", f"{team.Name}|{agent.Name}|{str(agent.Online).lower()}")


def usage() -> None:
    found = SCHEDULING.GetJobUsageReport(start="20200101000000", stop="20991231235959")
    for job in found.JobUsage:
        start = job.StartDateTime.astimezone(datetime.UTC).isoformat()
        seconds = getattr(job, "DurationSeconds", "")
        told = (job.JobID, job.Description, job.Status, start, seconds, job.Agents)
        tell("usage", "job", "|".join(map(str, told)))


def runbookjobs() -> None:
    for job in SCHEDULING.GetRunBookJobs(GIVEN["BOOK"]).Job:
        tell("runbookjobs", "job", f"{job.JobID}|{job.Description}|{job.Status.Type}")


def membership() -> None:
    team = make("JobWho", Name=GIVEN["TEAM"], Type="Team")
    agent = make("JobWho", Name=GIVEN["MEMBER"], Type="Agent")
    put = SCHEDULING.ModifyAgentMembership(
        make("AgentMembership", Agent=agent, AddTo=array("JobWho", team))
    )
    for one in put.MemberOf.JobWho:
        tell("membership", "memberof", one.Name)
    taken = SCHEDULING.ModifyTeamMembership(
        make("TeamMembership", Team=team, Remove=array("JobWho", agent))
    )
    tell("membership", "team", taken.Team.Name)
    for one in items(taken.Members and taken.Members.JobWho):
        tell("membership", "member", one.Name)


def remove() -> None:
    agent = make("JobWho", Name=GIVEN["SPARE"], Type="Agent")
    tell("remove", "name", SCHEDULING.RemoveAgent(make("AgentRemoval", Agent=agent)).Agent.Name)


RESOURCE: list[str] = []


def upload() -> None:
    with Path(GIVEN["FILE"]).open("rb") as file:
        content = base64.b64encode(file.read()).decode()
    stored = RESOURCES.UploadResource(filename="file.bin", name=GIVEN["RESOURCE"], content=content)
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
    # A status of 401 is an error of the transport to suds, whatever is in the body.
    stranger = client(GIVEN["SCHEDULING_WSDL"], "wrong").service
    try:
        stranger.GetModules()
    except Exception as error:
        status, reason = error.args[0]
        tell("wrong-password", "refused", reason)
        tell("wrong-password", "status", status)


def fault(step: str, job: str) -> None:
    try:
        SCHEDULING.GetJob(job)
    except WebFault as error:
        told = error.fault
        soap12 = hasattr(told, "Code")
        tell(step, "code", told.Code.Value if soap12 else told.faultcode)
        tell(step, "text", told.Reason.Text if soap12 else told.faultstring)
        detail = told.Detail if soap12 else told.detail
        for name, value in asdict(detail.DispatcherFault).items():
            tell(step, name, value)


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
