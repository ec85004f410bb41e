"""What each client does, step by step, and what it must have found: one judge for all clients.

A step's function gets the client's facts and the site; it fails with what differs. What is stored
is looked at by REST, so that every client proves to have ordered the very same thing.
"""

import datetime
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.interop import site as sites
from tests.interop.reports import Facts
from tests.interop.site import Site
from tests.reliability.servers import AGENT

Judge = Callable[[Facts, Site, str], None]
"""Of a step's facts, at a site, in a run of this name."""


def _list(step: str) -> Judge:
    def judge(facts: Facts, site: Site, run: str) -> None:
        assert sorted(facts.all("item")) == sorted(site.listed[step])

    return judge


def _agents(facts: Facts, site: Site, run: str) -> None:
    told = facts.all("item")
    own = (f"|{AGENT}", f"|{sites.MEMBER}", f"|{sites.spare(run)}")
    # Other runs remove agents of their own.
    assert set(told) <= set(site.listed["agents"])
    assert len(set(told)) == len(told)
    assert sum(one.endswith(own) for one in told) == len(own), told


def _parameters(site: Site, which: str) -> set[str]:
    shown = site.get(f"what/Modules/{site.module}/{which}parameters")["JobParameters"]
    kinds = ("Text", "List", "Credentials", "MultiSelectList", "MultiLineText", "Password")
    texts = ("Value1", "Value2", "Value3", "Hint")
    return {
        "|".join((one["Name"], kinds[one["Type"]], *(one[name] for name in texts))) for one in shown
    }


def _of_module(which: str) -> Judge:
    def judge(facts: Facts, site: Site, run: str) -> None:
        assert facts.one("set") == f"Module|{site.module}|{sites.TITLE}"
        wanted = _parameters(site, which)
        assert wanted
        assert set(facts.all("parameter")) == wanted

    return judge


def _instant(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _schedule(facts: Facts, site: Site, run: str) -> None:
    """The stored job is the same, whichever client has ordered it."""
    job = site.get(f"jobs/{facts.one('id')}")
    assert job["Description"] == sites.DESCRIPTION
    assert [one["ID"] for one in job["What"]] == [site.module]
    assert [one["ID"] for one in job["Who"]] == [site.agent]
    when = job["When"]
    milliseconds = int(_instant(sites.START_UTC).timestamp() * 1000)
    assert f"({milliseconds}" in when["ScheduledDateTime"]
    assert (when["Immediate"], when["IsLocalTime"]) == (False, False)
    assert stored_parameters(job) == {
        "Title": sites.TITLE,
        "Size": "L",
        "Note": sites.NOTE,
        "Empty": "",
        "Left": sites.DEFAULT,
        "Secret": "********",
    }
    assert facts.one("status") == "Scheduled"
    assert facts.one("invoker") == job["Status"]["JobInvoker"]


def stored_parameters(job: Mapping[str, Any]) -> dict[str, str]:
    """The values of a job's only set of parameters, by name."""
    (given,) = job["Parameters"]
    return {one["Name"]: one["Value1"] for one in given["JobParameters"]}


def _get(facts: Facts, site: Site, run: str) -> None:
    assert facts.one("description") == sites.DESCRIPTION
    assert _instant(facts.one("start")) == _instant(sites.START_UTC)
    assert facts.one("status") == "Scheduled"
    assert facts.one("immediate") == "false"
    assert facts.all("what") == [f"{site.module}|Module|{sites.TITLE}"]
    assert facts.all("who") == [f"{site.agent}|Agent|{AGENT}"]
    assert set(facts.all("parameter")) == {
        f"Title|Text|{sites.TITLE}",
        "Size|List|L",
        f"Note|MultiLineText|{sites.NOTE}",
        "Empty|Text|",
        f"Left|Text|{sites.DEFAULT}",
        "Secret|Password|********",
    }


def _page(facts: Facts, site: Site, run: str) -> None:
    """Two pages of two scheduled jobs each."""
    assert facts.all("current") == ["1", "2"]
    pages = [int(text) for text in facts.all("pages")]
    assert len(pages) == 2
    assert all(number >= 3 for number in pages)
    first, second = (set(facts.all(key)) for key in ("first", "second"))
    assert (len(first), len(second)) == (2, 2)
    assert not first & second
    for job in first | second:
        assert site.get(f"jobs/{job}")["JobID"] == job


def _abort(facts: Facts, site: Site, run: str) -> None:
    assert facts.one("status") in ("Aborting", "Aborted")
    assert site.get(f"jobs/{facts.one('id')}")["Status"]["Type"] == 3


def _results(facts: Facts, site: Site, run: str) -> None:
    assert facts.one("text") == site.results


def _teams_report(facts: Facts, site: Site, run: str) -> None:
    report = site.get("report/teams")
    assert set(facts.all("team")) == {f"{one['ID']}|{one['Name']}" for one in report}
    agents = {
        f"{one['Name']}|{agent['Name']}|{json.dumps(agent['Online'])}"
        for one in report
        for agent in one["Agents"]
    }
    assert f"{sites.TEAM}|{sites.MEMBER}|false" in agents
    assert set(facts.all("agent")) == agents


def _usage(facts: Facts, site: Site, run: str) -> None:
    """Among the jobs is the one that had ended before."""
    (job,) = (one for one in site.get("report/jobusage") if one["JobID"] == site.finished)
    milliseconds = int(job["StartDateTime"].split("(")[1].split(")")[0].split("+")[0])
    start = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    told = [one.split("|") for one in facts.all("job") if one.startswith(site.finished)]
    assert len(told) == 1
    _id, description, status, begun, seconds, agents = told[0]
    assert description == sites.DESCRIPTION
    assert status == "Completed"
    # Whole seconds will do: not every type of a client has more.
    assert abs(_instant(begun) - start) < datetime.timedelta(seconds=1)
    assert (seconds, agents) == (str(job["DurationSeconds"]), "1")


def _run_book_jobs(facts: Facts, site: Site, run: str) -> None:
    children = site.get(f"runbookjobs/{site.book}")
    assert facts.all("job") == [
        f"{one['JobID']}|{one['Description']}|Completed" for one in children
    ]
    assert len(children) == 1


def _membership(facts: Facts, site: Site, run: str) -> None:
    """Put into a team by the agent, taken out of it by the team."""
    assert sites.OFFICE in facts.all("memberof")
    assert sites.MEMBER not in facts.all("member")
    assert facts.one("team") == sites.OFFICE


def _remove(facts: Facts, site: Site, run: str) -> None:
    assert facts.one("name") == sites.spare(run)
    named = [one["Name"] for one in site.get("who?agents=true")]
    assert sites.spare(run) not in named


def _upload(facts: Facts, site: Site, run: str) -> None:
    assert facts.one("name") == sites.resource_name(run)
    assert facts.one("size") == str(sites.FILE_BYTES)
    assert facts.one("sha256") == sites.hashlib.sha256(sites.content()).hexdigest()
    assert facts.one("id")


def _download(facts: Facts, site: Site, run: str) -> None:
    """A job has fetched the file whole: its results say so."""
    assert facts.one("status") == "Completed"
    numbers = site.get(f"jobs/{facts.one('id')}/results?overview=True&detailed=True")["Xml"]
    told = bytes(numbers).decode("utf-16-le")
    assert sites.hashlib.sha256(sites.content()).hexdigest() in told


def _delete(facts: Facts, site: Site, run: str) -> None:
    assert facts.one("id")


def _wrong_password(facts: Facts, site: Site, run: str) -> None:
    """The client raises its own error: that of the transport, or the fault if it looks for one."""
    assert facts.all("status") in ([], ["401"])
    if "Code" in facts.values:
        _fault("FailedAuthentication")(facts, site, run)
        return
    assert facts.one("refused")


def _fault(code: str) -> Judge:
    def judge(facts: Facts, site: Site, run: str) -> None:
        """The stack's own object of a fault has code, text and the typed detail."""
        # Each version has its own word for it: one that calls in the other's is found out.
        wanted = "Sender" if run.endswith("-1.2") else "Client"
        assert facts.one("code").rpartition(":")[2] == wanted
        assert facts.one("Code") == code
        assert facts.one("text") == facts.one("Message")
        assert len(facts.one("RequestId")) >= 16

    return judge


STEPS: Mapping[str, Judge] = {
    "modules": _list("modules"),
    "projects": _list("projects"),
    "runbooks": _list("runbooks"),
    "agents": _agents,
    "teams": _list("teams"),
    "inputs": _of_module("input"),
    "outputs": _of_module("output"),
    "schedule": _schedule,
    "get": _get,
    "page": _page,
    "abort": _abort,
    "results": _results,
    "teamsreport": _teams_report,
    "usage": _usage,
    "runbookjobs": _run_book_jobs,
    "membership": _membership,
    "remove": _remove,
    "upload": _upload,
    "download": _download,
    "delete": _delete,
    "wrong-password": _wrong_password,
    "unknown-id": _fault("JobNotFound"),
    "malformed": _fault("InvalidMessage"),
}
"""In the order in which clients do them."""


def names() -> Iterable[str]:
    """The steps, in their order."""
    return STEPS
