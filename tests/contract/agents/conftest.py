"""A gateway for each test, and agents that speak to it by hand."""

import dataclasses
import datetime
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import flask
import pytest

from gateway.agents import messages, protocol
from gateway.agents.desk import AgentFacts
from gateway.identity.principals import MACHINE
from tests.conftest import PostgresPlace, SqlitePlace, StorePlace
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses
from tests.contract.dispatcher.house import House

ROOT = messages.ROOT
SECRET = "s" * 40


def facts(name: str = "remote", boot: str = "boot 1", **other: Any) -> AgentFacts:
    """What a machine tells of itself."""
    values = {"max_runs": 10, "embedded": False, **other}
    return AgentFacts(name, "linux", "1", boot, ("10.0.0.1",), ("sh",), **values)


def as_json(value: Any) -> dict[str, Any]:
    """Facts as they are sent."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(value)))
    return plain


@dataclasses.dataclass
class Reply:
    """What an agent got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        assert self.status == 200, self.body
        assert self.headers["Content-Type"] == "application/json"
        value: dict[str, Any] = json.loads(self.body)
        return value

    def refused(self, status: int, code: str, *words: str) -> None:
        """Hold that this is a Problem."""
        assert self.status == status, self.body
        problem = messages.Problem.model_validate_json(self.body)
        assert problem.code == code
        for word in words:
            assert word in problem.message, problem


@dataclasses.dataclass
class Remote:
    """A machine, as its HTTP client."""

    app: flask.Flask
    log: SessionLog
    token: str | None = None
    session: dict[str, Any] = dataclasses.field(default_factory=dict)
    instance: str = "machine/boot 1/folder"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            named.setdefault("Authorization", f"Bearer {self.token}")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        self.log.requests += 1
        got = self.app.test_client().open(ROOT + path, method=method, data=data, headers=named)
        return Reply(got.status_code, dict(got.headers), got.data)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.send("POST", path, body, **headers)

    def enrol(self, token: str | None = None, secret: str = SECRET, name: str = "remote") -> Reply:
        asked = {"name": name, "facts": as_json(facts(name)), "secret": secret}
        return self.post("/enrolments", asked | ({} if token is None else {"token": token}))

    def open(self, previous: str | None = None, **told: Any) -> Reply:
        asked = {"facts": as_json(facts(**told)), "instance": self.instance, "previous": previous}
        reply = self.post("/sessions", asked)
        if reply.status == 200:
            self.session = reply.json
        return reply

    @property
    def named(self) -> dict[str, Any]:
        """The session, as every further call names it."""
        return {name: self.session[name] for name in ("session", "incarnation")}

    def poll(self, places: int = 10, runs: Sequence[Any] = (), **other: Any) -> Reply:
        return self.post(
            "/poll", {**self.named, "places": places, "runs": list(runs), "wait": 5.0, **other}
        )

    def orders(self, **other: Any) -> list[protocol.RunOrder]:
        return list(messages.PollAnswer.model_validate(self.poll(**other).json).orders)

    def report(self, *reports: protocol.Report) -> Reply:
        told = [protocol.to_document(report) for report in reports]
        return self.post("/reports", {**self.named, "reports": told})


Build = Callable[..., House]


@pytest.fixture
def build(sqlite_place: SqlitePlace, session_log: SessionLog) -> Iterator[Build]:
    built: list[House] = []

    def make(**settings: Any) -> House:
        house = houses.build(sqlite_place.path.parent, session_log, **settings)
        house.gateway.switchboard.start()
        built.append(house)
        return house

    yield make
    for house in built:
        house.gateway.stop(0)


@pytest.fixture
def house(build: Build) -> House:
    return build()


@pytest.fixture
def stored_house(store_place: StorePlace, build: Build) -> House:
    """A house on each database in turn."""
    if isinstance(store_place, PostgresPlace):
        return build(database_url=store_place.url)
    return build()


def enrolled(house: House, name: str = "remote", **token: Any) -> Remote:
    """A machine that was let in, without a session yet."""
    values = {"uses": 1, "life": datetime.timedelta(hours=1), "into": (), "label": "", **token}
    _, text = house.gateway.enrolments.create_token(caller=MACHINE, **values)
    remote = Remote(house.app, house.log)
    answer = remote.enrol(text, secret=f"{uuid.uuid4()}{uuid.uuid4()}", name=name).json
    assert answer["state"] == "approved"
    remote.token = answer["token"]
    return remote


@pytest.fixture
def remote(house: House) -> Remote:
    """An agent with a session."""
    made = enrolled(house)
    assert made.open().status == 200
    return made
