"""The load of the tests: modules with small real tasks, and clients that ask for them.

Every task writes a line when it begins and one when it ends, appended and synced, so that what
really ran is known whatever became of the server. Every client writes down each accepted job,
synced as well, before it sends the next.
"""

import concurrent.futures
import contextlib
import dataclasses
import enum
import json
import os
import random
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from tests.reliability.servers import AGENT, House, Server

TEXT = "load"
_BASE = "/Dispatcher/SchedulingService"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_NAMESPACE = "urn:dispatcher-gateway:scheduling:1"
JOB_ID = re.compile(r'JobID"?\s*[:>]\s*"?\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})')

# One program writes the line in one piece and syncs it: lines of tasks side by side do not mix.
_LINE = """\
line() {
  echo "$1 $GATEWAY_JOB $GATEWAY_RUN $$" |
    dd of="$TMPDIR/lines" oflag=append conv=notrunc,fsync status=none
}
"""
_PLAIN = _LINE + "line begun\nsleep 0.03\necho some output\nline ended\n"
_FORKING = _LINE + (
    "line begun\n"
    "sleep 90 &\n"
    "(setsid sh -c 'trap \"\" TERM; sleep 90' &)\n"
    "sleep 0.05\n"
    "echo children are left\n"
    "line ended\n"
)
# Whatever an attempt leaves alive keeps its lock, and would be found by the next attempt.
_RETRIED = _LINE + (
    'exec 9>"$TMPDIR/$GATEWAY_RUN"\n'
    "flock -n 9 || line overlap\n"
    "line begun\n"
    "sleep 90 &\n"
    "sleep 0.1\n"
    "line ended\n"
)


class Kind(enum.Enum):
    """What the load asks for: modules, and a run book of them."""

    PLAIN = "plain"
    FORKING = "forking"
    RETRIED = "retried"
    RUN_BOOK = "run book"

    @property
    def guid(self) -> uuid.UUID:
        """The GUID of the module or run book."""
        return uuid.uuid5(uuid.NAMESPACE_URL, self.value)


_STEPS = (Kind.PLAIN.guid, Kind.PLAIN.guid, Kind.RETRIED.guid)


def module(guid: uuid.UUID, name: str, text: str, **more: Any) -> dict[str, Any]:
    """A module of one script, as in a building block; ``more`` are members of its task."""
    return {
        "guid": str(guid),
        "name": name,
        "tasks": [
            {
                "guid": str(uuid.uuid5(guid, "task")),
                "name": name,
                "type": "script",
                "settings": {"interpreter": "sh", "text": text},
                **more,
            }
        ],
    }


def write_block(path: Path, modules: Iterable[Mapping[str, Any]]) -> Path:
    """A building block of modules, and of the run book of the load if all of its are there."""
    listed = list(modules)
    block = {"format": "urn:dispatcher-gateway:building-block:1", "modules": listed}
    if {str(guid) for guid in _STEPS} <= {one["guid"] for one in listed}:
        block["run_books"] = [_run_book()]
    path.write_text(json.dumps(block))
    return path


def _run_book() -> dict[str, Any]:
    """Two jobs side by side, then one that may be tried again, whatever became of them."""
    guid = Kind.RUN_BOOK.guid
    return {
        "guid": str(guid),
        "name": "Run book",
        "jobs": [
            {
                "guid": str(uuid.uuid5(guid, str(place))),
                "name": f"job {place}",
                "what": [{"guid": str(module)}],
                "parallel": place == 1,
                "on_failure": "continue",
            }
            for place, module in enumerate(_STEPS)
        ],
    }


def modules() -> list[dict[str, Any]]:
    """The modules of the load."""
    return [
        module(Kind.PLAIN.guid, "Plain", _PLAIN),
        module(Kind.FORKING.guid, "Forking", _FORKING),
        module(Kind.RETRIED.guid, "Retried", _RETRIED) | {"retries": 3},
    ]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line that a task wrote: what happened, in which job and run."""

    what: str
    job: uuid.UUID
    run: uuid.UUID


def lines(house: House) -> list[Line]:
    """All lines that the tasks of a house have written."""
    path = house.scratch / "lines"
    found = (line.split() for line in path.read_text().splitlines()) if path.exists() else ()
    return [Line(what, uuid.UUID(job), uuid.UUID(run)) for what, job, run, _ in found]


def as_json(guid: uuid.UUID, agent: str = AGENT, text: str = TEXT) -> tuple[str, bytes, str]:
    """A job in JSON, with a text for its description: path, body, content type."""
    job = {
        "Description": text,
        "When": {"Immediate": True},
        "What": [{"ID": str(guid), "Type": 2 if guid == Kind.RUN_BOOK.guid else 0}],
        "Who": [{"Name": agent, "Type": 0}],
    }
    return f"{_BASE}/jobs", json.dumps(job).encode(), "application/json"


def as_xml(guid: uuid.UUID, agent: str = AGENT, text: str = TEXT) -> tuple[str, bytes, str]:
    """The same in XML."""
    return (
        f"{_BASE}/jobs",
        f'<Job xmlns="{_NAMESPACE}">{_members(guid, agent, text)}</Job>'.encode(),
        "text/xml",
    )


def as_soap(guid: uuid.UUID, agent: str = AGENT, text: str = TEXT) -> tuple[str, bytes, str]:
    """The same in SOAP 1.1, by hand."""
    body = (
        f'<s:Envelope xmlns:s="{_SOAP}"><s:Body><ScheduleJob xmlns="{_NAMESPACE}">'
        f"<job>{_members(guid, agent, text)}</job></ScheduleJob></s:Body></s:Envelope>"
    )
    return f"{_BASE}/soap", body.encode(), "text/xml; charset=utf-8"


def _members(guid: uuid.UUID, agent: str, text: str) -> str:
    return (
        f"<Description>{text}</Description><When><Immediate>true</Immediate></When>"
        f"<What><JobWhat><ID>{guid}</ID><Type>{_type(guid)}</Type></JobWhat></What>"
        f"<Who><JobWho><Name>{agent}</Name><Type>Agent</Type></JobWho></Who>"
    )


def _type(guid: uuid.UUID) -> str:
    return "RunBook" if guid == Kind.RUN_BOOK.guid else "Module"


Dialect = Callable[[uuid.UUID, str, str], tuple[str, bytes, str]]
DIALECTS: tuple[Dialect, ...] = (as_json, as_xml, as_soap)


def post(
    client: httpx.Client,
    guid: uuid.UUID,
    dialect: Dialect = as_json,
    agent: str = AGENT,
    key: str = "",
) -> httpx.Response:
    """Ask for a job of a module on an agent, under a key if there is one."""
    path, body, content_type = dialect(guid, agent, f"{TEXT} {key}" if key else TEXT)
    headers = {"Content-Type": content_type} | ({"Idempotency-Key": key} if key else {})
    return client.post(path, content=body, headers=headers)


def job_id(answer: httpx.Response) -> uuid.UUID:
    """The id of the job in an answer of any dialect."""
    found = JOB_ID.search(answer.text)
    assert found, answer.text
    return uuid.UUID(found[1])


def refused(answer: httpx.Response) -> bool:
    """Whether a job was refused for the time being: all else that is no success is a mistake.

    SOAP 1.1 knows no status but 500 for a fault.
    """
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return int(answer.headers["Retry-After"]) > 0
    is_fault = answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and "Envelope" in answer.text
    return is_fault and "StoreUnavailable" in answer.text


class Journal:
    """A client's own record of the jobs that were accepted, on disk before it goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def add(self, job: uuid.UUID) -> None:
        """Write down a job and sync it."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{job}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def accepted(self) -> set[uuid.UUID]:
        """All jobs written down."""
        return {uuid.UUID(line) for line in self._path.read_text().splitlines()}


@dataclasses.dataclass
class Client:
    """A client that asks for jobs until it is stopped or the server is gone.

    ``pause`` is the longest time between two requests, in seconds; ``agents`` are who is to do it.
    With ``patient`` it sends what was not answered again, under the same key, for as long as it
    takes.
    """

    journal: Journal
    rng: random.Random
    pause: float = 0.06
    agents: Sequence[str] = (AGENT,)
    patient: bool = False
    refusals: int = 0
    mistakes: list[str] = dataclasses.field(default_factory=list)

    def work(self, server: Server, stop: threading.Event) -> None:
        """Post until told to stop; what must not happen is put among the mistakes."""
        with server.client() as client:
            while not stop.wait(self.rng.uniform(0, self.pause)):
                ask = self._ask(client)
                try:
                    done = self._post(ask)
                except httpx.TransportError:
                    # The server is gone, in the middle of a request or before it: nothing was
                    # said, so nothing was promised.
                    if not self.patient:
                        return
                    done = False
                while self.patient and not done and not stop.wait(self.pause):
                    with contextlib.suppress(httpx.TransportError):
                        done = self._post(ask)

    def _ask(self, client: httpx.Client) -> Callable[[], httpx.Response]:
        """A request that may be sent again and again."""
        kind, dialect = self.rng.choice(tuple(Kind)), self.rng.choice(DIALECTS)
        agent = self.rng.choice(self.agents)
        key = uuid.UUID(int=self.rng.getrandbits(128)).hex if self.patient else ""
        return lambda: post(client, kind.guid, dialect, agent, key)

    def _post(self, ask: Callable[[], httpx.Response]) -> bool:
        """Send it once; whether it was accepted."""
        answer = ask()
        if answer.is_success:
            self.journal.add(job_id(answer))
            return True
        self.refusals += 1
        if not refused(answer):
            self.mistakes.append(f"{answer.status_code} {answer.headers} {answer.text[:500]}")
        return False


class Crowd:
    """Several clients at work at the same time, each with its own journal."""

    def __init__(
        self, folder: Path, rng: random.Random, clients: int, pause: float = 0.06, **more: Any
    ) -> None:
        self._clients = [
            Client(Journal(folder / f"client-{n}"), random.Random(rng.random()), pause, **more)
            for n in range(clients)
        ]
        self._stop = threading.Event()

    @contextlib.contextmanager
    def working(self, server: Server) -> Iterator[None]:
        """Have all of them at work for the length of a block."""
        with concurrent.futures.ThreadPoolExecutor(len(self._clients)) as threads:
            at_work = [threads.submit(client.work, server, self._stop) for client in self._clients]
            try:
                yield
            finally:
                self._stop.set()
        for client in at_work:
            client.result()

    @property
    def accepted(self) -> set[uuid.UUID]:
        """What the clients' journals hold."""
        return {job for client in self._clients for job in client.journal.accepted()}

    @property
    def refusals(self) -> int:
        """How many answers were no success."""
        return sum(client.refusals for client in self._clients)

    @property
    def mistakes(self) -> list[str]:
        """Answers that no client should ever see."""
        return [mistake for client in self._clients for mistake in client.mistakes]
