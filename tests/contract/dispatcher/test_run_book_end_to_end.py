"""Run books of three levels on three real agents, asked for and watched as clients do.

Dispatcher contract 2.3 to 2.9 and 6: jobs within jobs, values that flow down and come back,
conditions, rules for failures, aborts.
"""

import dataclasses
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import zeep
from lxml import etree

from gateway import application
from gateway.catalog.definitions import (
    Capture,
    CaptureKind,
    Condition,
    Effect,
    Module,
    OnFailure,
    Operator,
    Parameter,
    ParameterType,
    Subject,
    Task,
)
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import (
    LinkAction,
    ParameterLink,
    RunBook,
    RunBookJob,
    RunBookWhat,
    RunBookWho,
    WhatKind,
)
from gateway.catalog.sealing import Definition
from gateway.identity.principals import MACHINE
from tests import postgres
from tests.conftest import DATABASES
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher import served
from tests.contract.dispatcher.house import ADMIN, JSON, XML, Client, House, braced
from tests.contract.dispatcher.served import Place

AGENTS = ("one", "two", "three")
PATIENCE = 60
SKIPPED, COMPLETED, WITH_ERRORS, FAILED, HALTED, ABORTED = 9, 4, 8, 5, 6, 3
KINDS: dict[type, WhatKind] = {
    Module: WhatKind.MODULE,
    Project: WhatKind.PROJECT,
    RunBook: WhatKind.RUN_BOOK,
}


# --- definitions ---------------------------------------------------------------------------------


def sh(text: str, *captures: Capture, name: str = "Task") -> Task:
    """A task that runs a line of the shell."""
    settings = {"argv": ["sh", "-c", text]}
    return Task(guid=uuid.uuid4(), name=name, type="command", settings=settings, captures=captures)


def taken(parameter: str, expression: str) -> Capture:
    """What a task's output says."""
    kind = CaptureKind.OUTPUT
    return Capture(parameter=parameter, kind=kind, expression=expression, required=True)


def link(parameter: str, target: str, action: LinkAction) -> ParameterLink:
    return ParameterLink(parameter=parameter, target=target, action=action)


def step(what: Definition, agent: str | None = None, **members: Any) -> RunBookJob:
    """A job of a run book, on an agent of its own."""
    kind = next(kind for shape, kind in KINDS.items() if isinstance(what, shape))
    return RunBookJob(
        guid=uuid.uuid4(),
        name=f"Run {what.name}",
        what=(RunBookWhat(kind=kind, guid=what.guid),),
        who=() if agent is None else (RunBookWho(reference=agent),),
        **members,
    )


def parameters(**defaults: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name=name, default=value) for name, value in defaults.items())


# --- the gateway, and its clients ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Shop:
    """A gateway with three agents, a client of REST, and one of SOAP."""

    house: House
    place: Place
    client: Client
    soap: Any
    folder: Path

    def save(self, *definitions: Definition) -> None:
        for one in definitions:
            # Each test has definitions of the same names.
            apart = one.model_copy(update={"folder": str(uuid.uuid4())})
            self.house.gateway.catalog.save(apart, MACHINE)

    def module(self, name: str, *tasks: Task, **defaults: str) -> Module:
        """A stored module with these parameters."""
        one = Module(guid=uuid.uuid4(), name=name, parameters=parameters(**defaults), tasks=tasks)
        self.save(one)
        return one

    def run_book(self, name: str, *jobs: RunBookJob, **defaults: str) -> RunBook:
        """A stored run book with these parameters."""
        own = parameters(**defaults)
        one = RunBook(guid=uuid.uuid4(), name=name, parameters=own, jobs=jobs)
        self.save(one)
        return one

    def post(self, book: RunBook, *who: str, **values: str) -> str:
        """Schedule a run book by POST in JSON; agents by name; answers the JobID."""
        given = self.client.get(f"what/RunBooks/{book.guid}/inputparameters").json
        for one in given["JobParameters"]:
            one["Value1"] = values.get(one["Name"], one["Value1"])
        body = {
            "Description": book.name,
            "When": {"Immediate": "true", "IsLocalTime": "true", "UseWakeOnLAN": "false"},
            "What": [{"ID": braced(book.guid), "Type": 2, "Name": book.name}],
            "Who": [{"ID": name, "Type": 0} for name in who],
            "Parameters": [given],
        }
        return str(self.client.post("jobs", json.dumps(body)).json["JobID"])

    def call(self, book: RunBook, **values: str) -> str:
        """Schedule a run book by SOAP; answers the JobID."""
        texts = [{"Name": name, "Value1": value} for name, value in values.items()]
        given = {
            "TaskContainerGuid": braced(book.guid),
            "Type": "RunBook",
            "JobParameters": {"Parameter": texts},
        }
        job = {
            "Description": book.name,
            "What": {"JobWhat": [{"ID": braced(book.guid), "Type": "RunBook"}]},
            "Parameters": {"ParameterSet": [given]},
            "When": {"Immediate": True},
        }
        self.house.log.requests += 1
        return str(self.soap.ScheduleJob(job=job)["JobID"])

    def again(self, job: str, media: str) -> str:
        """Schedule a job as GET shows it, unchanged; answers the new JobID."""
        if media == "soap":
            self.house.log.requests += 1
            return str(self.soap.ScheduleJob(job=self.soap.GetJob(job))["JobID"])
        answer = self.client.post("jobs", self.client.get(f"jobs/{job}", media).body, media)
        return str(answer.json["JobID"] if media == JSON else answer.xml.findtext("{*}JobID"))

    def status(self, job: str) -> int:
        """How far a job is, by GET jobs/{id}."""
        return int(self.client.get(f"jobs/{job}").json["Status"]["Type"])

    def ended(self, job: str) -> int:
        """Watch a job to its end."""
        deadline = time.monotonic() + PATIENCE
        while (status := self.status(job)) in (0, 1, 2):
            assert time.monotonic() < deadline, self.client.get(f"runbookjobs/{job}").text
            time.sleep(0.05)
        return status

    def children(self, job: str) -> dict[str, Any]:
        """The jobs of a run book by their descriptions, in their order."""
        listed = self.client.get(f"runbookjobs/{job}").json
        assert {one["Status"]["JobInvoker"] for one in listed} == {"InvokeRunBook"}
        return {one["Description"]: one for one in listed}

    def statuses(self, job: str) -> dict[str, int]:
        """How the jobs of a run book have ended."""
        return {name: one["Status"]["Type"] for name, one in self.children(job).items()}

    def results(self, job: str) -> etree._Element:
        """The document of a job's results."""
        numbers = self.client.get(f"jobs/{job}/results?overview=True&detailed=True").json["Xml"]
        return etree.fromstring(bytes(numbers).decode("utf-16-le").partition("?>")[2])

    def output(self, job: str) -> dict[str, list[str]]:
        """What the tasks of a job have written, by agent."""
        found: dict[str, list[str]] = {}
        for agent in self.results(job).iterfind(".//task/results/agent"):
            name, text = agent.findtext("name") or "", agent.findtext("result/output") or ""
            found.setdefault(name, []).append(text.strip())
        return found

    def left(self, job: str) -> dict[str, str]:
        """What a run book's jobs have left in its parameters, by its own results."""
        found = self.results(job).iterfind("masterjobresult/outputparameters/parameter")
        return {one.findtext("name") or "": one.findtext("value") or "" for one in found}


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of a PostgreSQL database, or None for SQLite: one for all tests of each."""
    if request.param == "sqlite":
        yield None
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="module")
def shop(
    database: str | None, tmp_path_factory: pytest.TempPathFactory, session_log: SessionLog
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("books")
    house = houses.build(
        folder,
        session_log,
        database_url=database,
        embedded_agent=True,
        agent_name=AGENTS[0],
        agent_names=AGENTS[1:],
    )
    with application.running(house.gateway), served.serving(house) as place:
        session = requests.Session()
        session.auth = ADMIN
        make: Any = zeep  # it has no types
        transport = make.Transport(session=session, timeout=20, operation_timeout=20)
        client = make.Client(f"{place.url}/soap?wsdl", transport=transport)
        yield Shop(house, place, house.client(), client.service, folder)


def run(shop: Shop, book: RunBook, *who: str, **values: str) -> tuple[str, int]:
    """Run a run book to its end; answers its JobID and status."""
    job = shop.post(book, *who, **values)
    return job, shop.ended(job)


# --- values through three levels -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Levels:
    """A run book of a run book of a project of modules, and of modules."""

    outer: RunBook
    inner: RunBook
    project: Project


MEET = "touch $[Place]/$[Mine]; for i in $(seq 400); do [ -e $[Place]/$[Theirs] ] && break; "


def levels(shop: Shop) -> Levels:
    """What agent one makes is polished there, comes up twice, and goes down to agent three.

    Two jobs in the inner run book wait for one another on agents two and three.
    """
    make = shop.module(
        "Make",
        sh("echo made vm-$[Seed]; echo count $(($[Count] + 1))",
           taken("Found", r"made (\S+)"), taken("Count", r"count (\d+)")),
        Seed="", Count="0", Found="nothing",
    )  # fmt: skip
    polish = shop.module(
        "Polish", sh("echo polished $[Found]-shiny", taken("Found", r"polished (\S+)")), Found="?"
    )
    project = Project(
        guid=uuid.uuid4(),
        name="Maker",
        modules=tuple(ProjectModule(guid=uuid.uuid4(), module=one.guid) for one in (make, polish)),
    )
    shop.save(project)
    meets = [
        shop.module(
            f"Meet as {mine}",
            sh(MEET + "sleep 0.05; done; [ -e $[Place]/$[Theirs] ] && echo met $[Theirs]"),
            Place="", Mine=mine, Theirs=theirs,
        )
        for mine, theirs in (("two", "three"), ("three", "two"))
    ]  # fmt: skip
    inner = shop.run_book(
        "Inner",
        step(project, "one", links=(
            link("Seed", "Seed", LinkAction.SET),
            link("Made", "Found", LinkAction.GET),
            link("Number", "Count", LinkAction.BOTH),
        )),
        step(meets[0], "two", links=(link("Place", "Place", LinkAction.SET),)),
        step(meets[1], "three", parallel=True, links=(link("Place", "Place", LinkAction.SET),)),
        Seed="", Made="?", Number="", Place="",
    )  # fmt: skip
    use = shop.module("Use", sh("echo used $[Name], number $[Number]"), Name="nobody", Number="")
    outer = shop.run_book(
        "Outer",
        step(inner, links=(
            link("Seed", "Seed", LinkAction.SET),
            link("Place", "Place", LinkAction.SET),
            link("Result", "Made", LinkAction.GET),
            link("Counter", "Number", LinkAction.BOTH),
        )),
        step(use, "three", links=(
            link("Result", "Name", LinkAction.SET), link("Counter", "Number", LinkAction.SET),
        )),
        Seed="7", Place="", Result="none", Counter="41",
    )  # fmt: skip
    return Levels(outer, inner, project)


@pytest.mark.parametrize("dialect", ["json", "soap"])
def test_a_value_comes_up_from_one_agent_and_goes_down_to_another(shop: Shop, dialect: str) -> None:
    """It is made by agent one, and agent three writes it; the order was in JSON or SOAP."""
    found = levels(shop)
    meeting = shop.folder / f"meeting-{dialect}"
    meeting.mkdir()
    values = {"Seed": "4711", "Place": str(meeting)}
    before = len(shop.client.get("jobs?runbookjobs=False&pagesize=1000").json["Items"])
    schedule = shop.post if dialect == "json" else shop.call
    job = schedule(found.outer, **values)
    assert shop.ended(job) == COMPLETED

    # By GET runbookjobs/{id}: of the outer, and of the inner, whose jobs have agents of their own.
    outer = shop.children(job)
    assert shop.statuses(job) == {"Run Inner": COMPLETED, "Run Use": COMPLETED}
    inner = shop.children(outer["Run Inner"]["JobID"])
    assert list(inner) == ["Run Maker", "Run Meet as two", "Run Meet as three"]
    assert {one["Status"]["Type"] for one in inner.values()} == {COMPLETED}
    assert [[who["Name"] for who in one["Who"]] for one in (*inner.values(), outer["Run Use"])] == [
        *(["one"], ["two"], ["three"], ["three"]),
    ]
    assert inner["Run Maker"]["What"] == [
        {"ID": braced(found.project.guid), "Name": "Maker", "Type": 1}
    ]

    # By the results: what each agent has written, and what its tasks have set.
    assert shop.output(inner["Run Maker"]["JobID"]) == {
        "one": ["made vm-4711\ncount 42", "polished vm-4711-shiny"]
    }
    assert shop.output(inner["Run Meet as two"]["JobID"]) == {"two": ["met three"]}
    assert shop.output(inner["Run Meet as three"]["JobID"]) == {"three": ["met two"]}
    assert shop.output(outer["Run Use"]["JobID"]) == {"three": ["used vm-4711-shiny, number 42"]}
    set_here = shop.results(inner["Run Maker"]["JobID"]).xpath(".//outputparameters//value/text()")
    assert set_here == ["vm-4711", "42", "vm-4711-shiny"]
    # And of each run book what has come up to it.
    assert shop.left(outer["Run Inner"]["JobID"]) == {"Made": "vm-4711-shiny", "Number": "42"}
    assert shop.left(job) == {"Result": "vm-4711-shiny", "Counter": "42"}
    # A client looks for tasks in the results of the whole, wherever they stand in it (2.9).
    whole = shop.results(job)
    assert whole.xpath("count(/masterjobresults/masterjobresult)") == 1
    assert whole.xpath("//task/results/agent/name/text()") == [
        "one",
        "one",
        "two",
        "three",
        "three",
    ]
    assert set(whole.xpath("//task/results/agent/result/status/text()")) == {"Completed"}

    # The parameters of a job are those that it was given (row 4).
    assert given(outer["Run Use"]) == {"Name": "vm-4711-shiny", "Number": "42"}
    assert given(shop.client.get(f"jobs/{outer['Run Inner']['JobID']}").json)["Seed"] == "4711"

    # And of the list, only the run book itself is left without the jobs of run books.
    listed = [one["JobID"] for one in shop.client.get("jobs?pagesize=1000").json["Items"]]
    assert {one["JobID"] for one in (*outer.values(), *inner.values())} < set(listed)
    plain = shop.client.get("jobs?runbookjobs=False&pagesize=1000").json["Items"]
    assert len(plain) == before + 1
    assert plain[0]["JobID"] == job
    assert plain[0]["Status"]["JobInvoker"] == "InvokeUser"


def given(job: Mapping[str, Any]) -> dict[str, str]:
    """The values of a job's own parameters."""
    return {one["Name"]: one["Value1"] for one in job["Parameters"][0]["JobParameters"]}


@pytest.mark.parametrize("media", [JSON, XML, "soap"])
def test_a_run_book_that_has_run_is_posted_as_it_was_read_and_does_the_same(
    shop: Shop, media: str
) -> None:
    """What its jobs were given is shown with it, and stands in the way of no link when it is back.

    The jobs within it can be sent back, too, each as a job of its own.
    """
    found = levels(shop)
    meeting = shop.folder / str(uuid.uuid4())
    meeting.mkdir()
    job = shop.post(found.outer, Seed="12", Place=str(meeting))
    assert shop.ended(job) == COMPLETED
    for _ in range(2):
        for mark in meeting.iterdir():
            mark.unlink()
        job = shop.again(job, media)
        assert shop.ended(job) == COMPLETED
        children = shop.children(job)
        assert shop.output(children["Run Use"]["JobID"]) == {
            "three": ["used vm-12-shiny, number 42"]
        }
    for one in (children["Run Use"], shop.children(children["Run Inner"]["JobID"])["Run Maker"]):
        alone = shop.again(one["JobID"], media)
        assert shop.ended(alone) == COMPLETED
        assert shop.output(alone) == shop.output(one["JobID"])
        shown = shop.client.get(f"jobs/{alone}").json
        assert shown["Status"]["JobInvoker"] == "InvokeUser"


def test_what_is_asked_for_and_what_comes_out(shop: Shop) -> None:
    """Through all levels: asked for is what a task uses, shown as outcome what a link gets."""
    found = levels(shop)
    names: dict[str, list[str]] = {}
    for which in ("input", "output"):
        answer = shop.client.get(f"what/RunBooks/{found.outer.guid}/{which}parameters").json
        names[which] = [one["Name"] for one in answer["JobParameters"]]
    assert names == {
        "input": ["Seed", "Place", "Result", "Counter"],
        "output": ["Result", "Counter"],
    }


def test_a_secret_goes_down_two_levels_and_is_shown_nowhere(shop: Shop) -> None:
    """The task has it, as its length tells; its output and every answer have a mask instead."""
    secret = "correct horse battery staple"
    key = Parameter(name="Key", type=ParameterType.PASSWORD)
    links = (link("Key", "Key", LinkAction.SET),)
    use = Module(
        guid=uuid.uuid4(),
        name="Use the key",
        parameters=(key,),
        tasks=(sh("echo key $[Key]; printf %s '$[Key]' | wc -c"),),
    )
    books = {}
    for name, what, agent in (("Inside", use, "two"), ("Outside", None, None)):
        job = step(what or books["Inside"], agent, links=links)
        books[name] = RunBook(guid=uuid.uuid4(), name=name, parameters=(key,), jobs=(job,))
    shop.save(use, *books.values())
    outer, status = run(shop, books["Outside"], Key=secret)
    assert status == COMPLETED
    inner = shop.children(outer)["Run Inside"]["JobID"]
    used = shop.children(inner)["Run Use the key"]["JobID"]
    assert shop.output(used) == {"two": [f"key ********\n{len(secret)}"]}
    for one in (outer, inner, used):
        assert given(shop.client.get(f"jobs/{one}").json) == {"Key": "********"}
        for path in (f"jobs/{one}", f"runbookjobs/{one}"):
            assert secret not in shop.client.get(path).text
        assert secret not in etree.tostring(shop.results(one)).decode()


def test_a_value_decides_on_which_agent_comes_next(shop: Shop) -> None:
    """The run book's who parameter, which a job's output has filled (Dispatcher contract 6)."""
    choose = shop.module("Choose", sh("echo next: three", taken("Next", r"next: (\S+)")), Next="")
    hello = shop.module("Hello", sh("echo hello"))
    book = shop.run_book(
        "Chosen agent",
        step(choose, "two", links=(link("RunBookWho", "Next", LinkAction.GET),)),
        step(hello, use_run_book_who=True),
        RunBookWho="one",
    )
    job, status = run(shop, book)
    assert status == COMPLETED
    assert shop.output(shop.children(job)["Run Hello"]["JobID"]) == {"three": ["hello"]}


# --- conditions and failures ---------------------------------------------------------------------


def test_conditions_skip_jobs_by_what_came_before(shop: Shop) -> None:
    """By a value that was made, and by how the job before has ended; agents asked for by name."""
    make = shop.module("Make", sh("echo made red", taken("Colour", r"made (\S+)")), Colour="")
    tell = shop.module("Tell", sh("echo told"))
    after = shop.module("After", sh("echo after"))
    red = Condition(
        subject=Subject.PARAMETER,
        name="Colour",
        operator=Operator.EQUALS,
        value="red",
        effect=Effect.SKIP,
    )
    skipped = Condition(
        subject=Subject.PREVIOUS_STATUS,
        operator=Operator.EQUALS,
        value="Skipped",
        effect=Effect.EXECUTE,
    )
    book = shop.run_book(
        "Conditions",
        step(make, links=(link("Colour", "Colour", LinkAction.GET),)),
        step(tell, conditions=(red,)),
        step(after, conditions=(skipped,)),
        Colour="blue",
    )
    job, status = run(shop, book, "two")
    assert status == COMPLETED
    assert shop.statuses(job) == {
        "Run Make": COMPLETED,
        "Run Tell": SKIPPED,
        "Run After": COMPLETED,
    }
    children = shop.children(job)
    assert "Colour" in children["Run Tell"]["Status"]["Reason"]
    assert shop.output(children["Run Tell"]["JobID"]) == {}
    assert shop.output(children["Run After"]["JobID"]) == {"two": ["after"]}


@pytest.mark.parametrize(
    ("rule", "status", "after"),
    [(OnFailure.CONTINUE, WITH_ERRORS, COMPLETED), (OnFailure.STOP, HALTED, SKIPPED)],
)
def test_a_failure_two_levels_down_counts_by_the_rule_above(
    shop: Shop, rule: OnFailure, status: int, after: int
) -> None:
    """The inner run book stops at its failed task; the outer goes on, or does not."""
    breaks = shop.module("Breaks", sh("echo broken; exit 3"))
    fine = shop.module("Fine", sh("echo fine"))
    inner = shop.run_book("Breaking", step(breaks, "one"), step(fine, "two"))
    book = shop.run_book("Rules", step(inner, on_failure=rule), step(fine, "three"))
    job, ended = run(shop, book)
    assert ended == status
    assert shop.statuses(job) == {"Run Breaking": HALTED, "Run Fine": after}
    below = shop.children(job)["Run Breaking"]["JobID"]
    broken = shop.statuses(below)
    assert broken["Run Breaks"] in (FAILED, HALTED)
    assert broken["Run Fine"] == SKIPPED
    assert shop.output(shop.children(below)["Run Breaks"]["JobID"]) == {"one": ["broken"]}


def test_a_date_long_past_begins_at_once(shop: Shop) -> None:
    """Whatever the date, nobody else has to wait until the clock has caught up with it."""
    tell = shop.module("Tell", sh("echo told"))
    book = shop.run_book("Late", step(tell, "two"))
    when = {"Immediate": False, "ScheduledDateTime": "/Date(86400000)/"}
    body = {"What": [{"ID": braced(book.guid), "Type": 2}], "When": when}
    late = str(shop.client.post("jobs", json.dumps(body)).json["JobID"])
    prompt = shop.post(book)
    assert [shop.ended(job) for job in (late, prompt)] == [COMPLETED, COMPLETED]


# --- an abort ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["json", "soap"])
def test_an_abort_midway_ends_all_that_is_under_way(shop: Shop, dialect: str) -> None:
    """LUCD's whole Status with Type 2, or AbortJob: the task two levels down is killed."""
    mark = shop.folder / f"pid-{dialect}"
    lasts = "echo $$ > $[Mark].new; mv $[Mark].new $[Mark]; exec sleep 300"
    long = shop.module("Long", sh(lasts), Mark=str(mark))
    first = shop.module("First", sh("echo first"))
    inner = shop.run_book("Lasting", step(first, "one"), step(long, "two"), step(first, "three"))
    book = shop.run_book("Aborted", step(inner), step(first, "one"))
    job = shop.post(book) if dialect == "json" else shop.call(book)
    deadline = time.monotonic() + PATIENCE
    while not mark.exists():
        assert time.monotonic() < deadline, shop.statuses(job)
        time.sleep(0.05)
    pid = int(mark.read_text())
    assert psutil.pid_exists(pid)
    if dialect == "json":
        status = shop.client.get(f"jobs/{job}").json["Status"]
        assert status["Type"] == 1
        body = json.dumps(status | {"Type": 2}).replace("/", "\\/")
        answered = shop.client.put(f"jobs/{job}", body).json["Type"]
    else:
        shop.house.log.requests += 1
        answered = {"Aborting": 2, "Aborted": 3}[shop.soap.AbortJob(job, {"Type": "Aborting"}).Type]
    assert answered in (2, 3)
    assert shop.ended(job) == ABORTED
    children = shop.children(job)
    assert [one["Status"]["Type"] for one in children.values()] == [ABORTED, ABORTED]
    assert shop.statuses(children["Run Lasting"]["JobID"]) == {
        "Run First": ABORTED,
        "Run Long": ABORTED,
    }
    assert not psutil.pid_exists(pid)
