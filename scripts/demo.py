"""A gateway on a store of its own, one real job in each of three ways, and their results.

Then a second scene: two agents in processes of their own, and a run book across them. Nothing of it
stays: all lies in a temporary folder, server and agents are stopped at the end.
"""

import base64
import contextlib
import datetime
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import requests
import zeep
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from gateway.control import ControlClient

ROOT = Path(__file__).parents[1]
NAMESPACE = "{urn:dispatcher-gateway:scheduling:1}"
LONGEST_SECONDS = 90
SHOWN_LINES = 3
WIDTH = 120
ENDED_ABOVE = 2

GREETING = "{928BDACD-524A-4E74-A949-C6191DAFF252}"
DISK_REPORT = "{6D6978CE-2850-4284-BC11-7D9785B19A57}"
STEPS = "{8119E201-5F86-4613-A207-8D8852644E00}"


@dataclass(frozen=True)
class Server:
    """A running gateway."""

    address: str
    data: Path
    password: str

    @property
    def service(self) -> str:
        """The scheduling service."""
        return f"{self.address}/Dispatcher/SchedulingService"

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        return "Basic " + base64.b64encode(f"admin:{self.password}".encode()).decode()

    def request(self, path: str, content_type: str, body: bytes | None = None) -> bytes:
        """GET, or POST with a body, as any HTTP client does it."""
        request = urllib.request.Request(f"{self.service}/{path}", data=body)  # noqa: S310
        request.add_header("Authorization", self.authorization)
        request.add_header("Content-Type", content_type)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())


@contextlib.contextmanager
def running_server(data: Path) -> Iterator[Server]:
    """Start ``app.py serve --demo`` on a port that is free, and stop it at the end."""
    password = secrets.token_urlsafe(12)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "serve", "--demo", "--port", "0", "--data", data],
        env=os.environ | {"GATEWAY_ADMIN_PASSWORD": password, "GATEWAY_LOG_LEVEL": "warning"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(_address(process), data, password)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _address(process: "subprocess.Popen[str]") -> str:
    found = None
    for line in process.stdout or ():
        if line.startswith("listening on "):
            found = line.split()[2].rstrip("/")
        if line.startswith("ready") and found:
            return found
    raise SystemExit("the gateway did not start: its messages are above")


def by_xml(server: Server, agent: str) -> str:
    """Post an XML document, as a system without any SOAP library does."""
    document = f"""<?xml version="1.0" encoding="utf-8"?>
<Job>
  <Description>Greeting, sent as XML</Description>
  <When><Immediate>true</Immediate></When>
  <What><JobWhat><ID>{GREETING}</ID><Type>Module</Type></JobWhat></What>
  <Who><JobWho><ID>{agent}</ID><Type>Agent</Type></JobWho></Who>
  <Parameters><ParameterSet>
    <TaskContainerGuid>{GREETING}</TaskContainerGuid>
    <JobParameters>
      <Parameter><Name>Name</Name><Value1>Zoë &amp; Søren</Value1></Parameter>
      <Parameter><Name>Language</Name><Value1>Bonjour</Value1></Parameter>
    </JobParameters>
  </ParameterSet></Parameters>
</Job>"""
    answer = server.request("jobs", "application/xml", document.encode())
    return ElementTree.fromstring(answer).findtext(f"{NAMESPACE}JobID") or ""  # noqa: S314


def by_json(server: Server, agent: str) -> str:
    """Post JSON as a script does, to start two seconds from now."""
    due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    job = {
        "Description": "Disk report, sent as JSON",
        "When": {"ScheduledDateTime": f"/Date({int(due.timestamp() * 1000)})/", "Immediate": False},
        "What": [{"ID": DISK_REPORT, "Type": 0}],
        "Who": [{"ID": agent, "Type": 0}],
        "Parameters": [None],
    }
    answer = server.request("jobs", "application/json", json.dumps(job).encode())
    return str(json.loads(answer)["JobID"])


def by_soap(server: Server, agent: str) -> str:
    """Call the SOAP service through zeep, from the published WSDL alone."""
    session = requests.Session()
    session.auth = ("admin", server.password)
    transport = zeep.Transport(session=session)
    client = zeep.Client(f"{server.service}/soap?wsdl", transport=transport)
    job = client.service.ScheduleJob(
        {
            "Description": "Steps, sent as SOAP",
            "When": {"Immediate": True},
            "What": {"JobWhat": [{"ID": STEPS, "Type": "Module"}]},
            "Who": {"JobWho": [{"ID": agent, "Type": "Agent"}]},
        }
    )
    return str(job.JobID)


def watch(control: ControlClient, jobs: dict[str, str], console: Console) -> None:
    """Show how far the jobs are until all have ended."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = {way: progress.add_task(way, total=None, status="accepted") for way in jobs}
        end = time.monotonic() + LONGEST_SECONDS
        while True:
            ended = [_advance(control, progress, bars[way], job) for way, job in jobs.items()]
            if all(ended):
                return
            if time.monotonic() > end:
                raise SystemExit("the jobs have not ended in time")
            time.sleep(0.2)


def _advance(control: ControlClient, progress: Progress, bar: TaskID, job: str) -> bool:
    """Bring one bar up to date; whether its job has ended."""
    shown = control.call("job_show", {"job": job})
    runs = shown["runs"]
    progress.update(
        bar,
        total=sum(run["tasks_total"] for run in runs) or None,
        completed=sum(run["tasks_done"] for run in runs),
        status=_status(shown),
    )
    return bool(shown["finished_at"])


def results(control: ControlClient, jobs: dict[str, str], title: str) -> Table:
    """What became of the jobs."""
    table = Table(title=title, show_lines=True)
    for heading in ("Way", "Job", "Agent", "Status", "Duration"):
        table.add_column(heading)
    table.add_column("First lines of output", no_wrap=True, overflow="ellipsis")
    for way, job in jobs.items():
        found = control.call("job_results", {"job": job})
        for run in found["runs"]:
            output = "".join(task["output"] or "" for task in run["tasks"])
            lines = output.strip().splitlines()[:SHOWN_LINES]
            row = (way, found["description"], run["agent"], _status(run), _duration(run))
            table.add_row(*row, "\n".join(lines))
    return table


def _status(found: dict[str, Any]) -> str:
    return str(found["status"])


def _duration(run: dict[str, Any]) -> str:
    started, finished = run["started_at"], run["finished_at"]
    if not (started and finished):
        return ""
    begin, end = map(datetime.datetime.fromisoformat, (started, finished))
    return f"{(end - begin).total_seconds():.1f} s"


AGENTS = ("north", "south")
RUN_BOOK = uuid.uuid5(uuid.NAMESPACE_URL, "two machines")
_SCRIPT = """echo "{text} by process $$ of the agent {agent},"
echo "which its supervisor, process $PPID, has started"
"""


@contextlib.contextmanager
def running_agents(server: Server, folder: Path) -> Iterator[None]:
    """Two agents as on other machines: each knows the server's address and a token."""
    token = json.loads(command(server, "agent", "token", "create", "--uses", "2", "--json"))
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, str(ROOT / "app.py"), "agent", "--server", server.address),
                *("--name", name, "--folder", folder / name, "--log-level", "error"),
            ],
            env=os.environ | {"GATEWAY_AGENT_TOKEN": token["token"]},
            stdout=subprocess.DEVNULL,
        )
        for name in AGENTS
    ]
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(timeout=60)


def command(server: Server, *arguments: str) -> str:
    """What a command of the program says, from the folder of a running server."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *arguments, "--data", server.data],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def across_agents(server: Server, folder: Path, control: ControlClient) -> dict[str, str]:
    """Start a run book whose jobs run on both agents; its jobs by their names."""
    end = time.monotonic() + LONGEST_SECONDS
    while set(AGENTS) - {agent["name"] for agent in control.call("agent_list", {})}:
        if time.monotonic() > end:
            raise SystemExit("the agents have not come in time")
        time.sleep(0.1)
    block = folder / "run-book.json"
    block.write_text(json.dumps(_run_book()))
    command(server, "import", str(block))
    document = {
        "Description": "A run book across two agents",
        "When": {"Immediate": True},
        "What": [{"ID": str(RUN_BOOK), "Type": 2}],
        "Who": [],
        "Parameters": [None],
    }
    answer = server.request("jobs", "application/json", json.dumps(document).encode())
    return {"run book": str(json.loads(answer)["JobID"])}


def _run_book() -> dict[str, Any]:
    """Both agents prepare side by side, then one of them concludes."""
    steps = (("north", "fetched"), ("south", "prepared"), ("south", "put together"))
    guids = [uuid.uuid5(RUN_BOOK, f"{agent} {text}") for agent, text in steps]
    return {
        "format": "urn:dispatcher-gateway:building-block:1",
        "modules": [
            {
                "guid": str(guid),
                "name": f"{text} on {agent}",
                "tasks": [
                    {
                        "guid": str(uuid.uuid5(guid, "task")),
                        "name": text,
                        "type": "script",
                        "settings": {
                            "interpreter": "sh",
                            "text": _SCRIPT.format(agent=agent, text=text),
                        },
                    }
                ],
            }
            for guid, (agent, text) in zip(guids, steps, strict=True)
        ],
        "run_books": [
            {
                "guid": str(RUN_BOOK),
                "name": "Two machines",
                "jobs": [
                    {
                        "guid": str(uuid.uuid5(guid, "job")),
                        "name": f"{text} on {agent}",
                        "what": [{"guid": str(guid)}],
                        "who": [{"kind": "agent", "reference": agent}],
                        "parallel": place == 1,
                    }
                    for place, (guid, (agent, text)) in enumerate(zip(guids, steps, strict=True))
                ],
            }
        ],
    }


def failed(control: ControlClient, jobs: dict[str, str]) -> list[str]:
    """Those of the jobs that did not end well."""
    return [
        way
        for way, job in jobs.items()
        if control.call("job_show", {"job": job})["status"] != "completed"
    ]


def main() -> None:
    """Run the demonstration."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with running_server(folder / "data") as server:
            console.print(f"A gateway is up at {server.address}, with demonstration content.")
            bad = three_ways(server, console) + two_machines(server, folder, console)
    console.print("Gateway and agents have stopped. `make serve` starts a gateway that stays.")
    if bad:
        raise SystemExit(f"not completed: {', '.join(bad)}")


def three_ways(server: Server, console: Console) -> list[str]:
    """The first scene; what of it did not end well."""
    control = ControlClient(server.data)
    (agent,) = json.loads(server.request("who", "application/json"))
    ways = {"XML": by_xml, "JSON": by_json, "SOAP": by_soap}
    jobs = {way: schedule(server, agent["ID"]) for way, schedule in ways.items()}
    watch(control, jobs, console)
    console.print(results(control, jobs, "Three jobs, accepted three ways"))
    return failed(control, jobs)


def two_machines(server: Server, folder: Path, console: Console) -> list[str]:
    """The second scene; what of it did not end well."""
    control = ControlClient(server.data)
    console.print("Two agents enrol, each a process of its own, and share a run book.")
    with running_agents(server, folder):
        book = across_agents(server, folder, control)
        watch(control, book, console)
        found = server.request(f"runbookjobs/{book['run book']}", "application/json")
        jobs = {f"job {n}": one["JobID"] for n, one in enumerate(json.loads(found), 1)}
        console.print(results(control, jobs, "A run book across two agents"))
    return failed(control, book | jobs)


if __name__ == "__main__":
    main()
