"""Every operation through pysimplesoap, as its users write it: dicts in, dicts out."""

import base64
import datetime
import os
import sys
import time
import traceback
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pysimplesoap.client import SoapClient, SoapFault

GIVEN = os.environ
FINAL = {"Aborted", "Completed", "Failed", "FailedHalted", "Canceled", "CompletedWithErrors"}


def tell(step: str, key: str, value: object) -> None:
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n")
    print(step, key, text.replace("\r", "\\r").replace("\t", "\\t"), sep="\t")


def client(wsdl: str, password: str) -> Any:
    login = base64.b64encode(f"{GIVEN['LOGIN']}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}
    envelope = "soap12env" if GIVEN["VERSION"] == "1.2" else None
    return SoapClient(wsdl=wsdl, http_headers=headers, cache=None, timeout=120, soap_ns=envelope)


SCHEDULING = client(GIVEN["SCHEDULING_WSDL"], GIVEN["PASSWORD"])
RESOURCES = client(GIVEN["RESOURCES_WSDL"], GIVEN["PASSWORD"])


def call(name: str, service: Any = SCHEDULING, /, **arguments: Any) -> Any:
    return getattr(service, name)(**arguments)[f"{name}Result"]


def shown(one: dict[str, Any]) -> str:
    return f"{one['ID']}|{one['Type']}|{one['Name']}"


def listing(step: str, found: list[dict[str, Any]]) -> None:
    for one in found:
        tell(step, "item", shown(one))


def modules() -> None:
    listing("modules", call("GetModules")["JobWhat"])


def projects() -> None:
    listing("projects", call("GetProjects")["JobWhat"])


def runbooks() -> None:
    listing("runbooks", call("GetRunBooks")["JobWhat"])


def agents() -> None:
    listing("agents", call("GetWho", agents=True)["JobWho"])


def teams() -> None:
    listing("teams", call("GetWho", teams=True)["JobWho"])


def parameters(step: str, found: dict[str, Any]) -> None:
    names = ("Type", "TaskContainerGuid", "TaskContainerName")
    tell(step, "set", "|".join(found[name] for name in names))
    for one in found["JobParameters"]["Parameter"]:
        values = [one[name] or "" for name in ("Value1", "Value2", "Value3", "Hint")]
        tell(step, "parameter", "|".join((one["Name"], one["Type"], *values)))


def inputs() -> None:
    found = call("GetInputParameters", whatType="Module", whatId=GIVEN["MODULE"])
    parameters("inputs", found)


def outputs() -> None:
    found = call("GetOutputParameters", whatType="Module", whatId=GIVEN["MODULE"])
    parameters("outputs", found)


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


def utc(moment: datetime.datetime) -> str:
    # It keeps the offset where isodate or dateutil is there; without, this comes out wrong.
    return moment.astimezone(datetime.UTC).isoformat()


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
    job = call("ScheduleJob", job=order(GIVEN["MODULE"], when, values))
    JOB.append(job["JobID"])
    tell("schedule", "id", job["JobID"])
    tell("schedule", "status", job["Status"]["Type"])
    tell("schedule", "invoker", job["Status"]["JobInvoker"])


def get() -> None:
    job = call("GetJob", jobId=JOB[0])
    tell("get", "description", job["Description"])
    tell("get", "start", utc(job["When"]["ScheduledDateTime"]))
    tell("get", "status", job["Status"]["Type"])
    tell("get", "immediate", str(job["When"]["Immediate"]).lower())
    for one in job["What"]["JobWhat"]:
        tell("get", "what", shown(one))
    for one in job["Who"]["JobWho"]:
        tell("get", "who", shown(one))
    for one in job["Parameters"]["ParameterSet"][0]["JobParameters"]["Parameter"]:
        tell("get", "parameter", f"{one['Name']}|{one['Type']}|{one['Value1'] or ''}")


def page() -> None:
    for number, key in ((1, "first"), (2, "second")):
        found = call("GetJobs", stage="Scheduled", page=number, pageSize=2)
        tell("page", "current", found["CurrentPage"])
        tell("page", "pages", found["PageCount"])
        for job in found["Items"]["Job"]:
            tell("page", key, job["JobID"])


def abort() -> None:
    status = call("AbortJob", jobId=JOB[0], status={"Type": "Aborting"})
    tell("abort", "id", JOB[0])
    tell("abort", "status", status["Type"])


def results() -> None:
    found = call(
        "ExportJobResults", jobId=GIVEN["FINISHED"], includeOverview=True, includeDetailed=True
    )
    tell("results", "text", base64.b64decode(found["Xml"]).decode("utf-16-le"))


def teamsreport() -> None:
    for team in call("GetTeamsReport")["TeamReport"]:
        tell("teamsreport", "team", f"{team['ID']}|{team['Name']}")
        for agent in (team["Agents"] or {}).get("TeamAgent", ()):
            online = str(agent["Online"]).lower()
            tell("teamsreport", "agent", f"{team['Name']}|{agent['Name']}|{online}")


def usage() -> None:
    found = call("GetJobUsageReport", start="20200101000000", stop="20991231235959")
    for job in found["JobUsage"]:
        told = (
            job["JobID"],
            job["Description"],
            job["Status"],
            utc(job["StartDateTime"]),
            job.get("DurationSeconds", ""),
            job["Agents"],
        )
        tell("usage", "job", "|".join(map(str, told)))


def runbookjobs() -> None:
    for job in call("GetRunBookJobs", jobId=GIVEN["BOOK"])["Job"]:
        told = (job["JobID"], job["Description"], job["Status"]["Type"])
        tell("runbookjobs", "job", "|".join(told))


def membership() -> None:
    team = {"Name": GIVEN["TEAM"], "Type": "Team"}
    agent = {"Name": GIVEN["MEMBER"], "Type": "Agent"}
    put = call("ModifyAgentMembership", membership={"Agent": agent, "AddTo": {"JobWho": [team]}})
    for one in put["MemberOf"]["JobWho"]:
        tell("membership", "memberof", one["Name"])
    taken = call("ModifyTeamMembership", membership={"Team": team, "Remove": {"JobWho": [agent]}})
    tell("membership", "team", taken["Team"]["Name"])
    for one in (taken["Members"] or {}).get("JobWho", ()):
        tell("membership", "member", one["Name"])


def remove() -> None:
    agent = {"Name": GIVEN["SPARE"], "Type": "Agent"}
    tell("remove", "name", call("RemoveAgent", removal={"Agent": agent})["Agent"]["Name"])


RESOURCE: list[str] = []


def upload() -> None:
    content = base64.b64encode(Path(GIVEN["FILE"]).read_bytes()).decode()
    stored = call(
        "UploadResource", RESOURCES, filename="file.bin", name=GIVEN["RESOURCE"], content=content
    )
    RESOURCE.append(stored["ID"])
    tell("upload", "id", stored["ID"])
    tell("upload", "name", stored["Name"])
    tell("upload", "size", stored["Size"])
    tell("upload", "sha256", stored["Sha256"])


def download() -> None:
    wanted = order(GIVEN["FETCHING"], {"Immediate": True}, {"Resource": GIVEN["RESOURCE"]})
    job = call("ScheduleJob", job=wanted)["JobID"]
    end = time.monotonic() + 60
    status = ""
    while status not in FINAL and time.monotonic() < end:
        time.sleep(0.1)
        status = call("GetJob", jobId=job)["Status"]["Type"]
    tell("download", "id", job)
    tell("download", "status", status)


def delete() -> None:
    tell("delete", "id", call("DeleteResource", RESOURCES, guid=RESOURCE[0])["ID"])


def wrong_password() -> None:
    try:
        client(GIVEN["SCHEDULING_WSDL"], "wrong").GetModules()
    except urllib.error.HTTPError as error:
        tell("wrong-password", "refused", error.msg)
        tell("wrong-password", "status", error.code)


def fault(step: str, job: str) -> None:
    try:
        call("GetJob", jobId=job)
    except SoapFault as error:
        tell(step, "code", error.faultcode)
        tell(step, "text", error.faultstring)
        for name, value in error.detail["DispatcherFault"].items():
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
