import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.agents import facts
from gateway.agents.enrolling import Enrolment
from gateway.agents.home import AgentHome
from gateway.agents.refusals import AgentRefused, ServerUnreachable
from gateway.agents.trust import Trust
from tests.unit.agents import fake_server
from tests.unit.agents.fake_server import FakeServer

FACTS = facts.gather("here", 1, embedded=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path) -> AgentHome:
    made = AgentHome(tmp_path / "agent")
    made.create()
    return made


class Asked:
    def __init__(self, home: AgentHome, server: FakeServer, *, patient: bool = False) -> None:
        self.codes: list[str] = []
        self.stopped = threading.Event()
        self.enrolment = Enrolment(
            home, server.url, Trust(), self.codes.append, self.stopped, patient=patient
        )


def test_a_token_lets_in_at_once(server: FakeServer, home: AgentHome) -> None:
    asked = Asked(home, server)
    found = asked.enrolment.enrol(FACTS, "once")
    assert found == home.identity()
    assert found is not None
    assert found.token.get_secret_value() == "enrolled"
    assert (asked.codes, home.asking()) == ([], None)


def test_a_wrong_token_is_said_to_be_one(server: FakeServer, home: AgentHome) -> None:
    with pytest.raises(AgentRefused, match="does not let this agent in: the token"):
        Asked(home, server).enrolment.enrol(FACTS, "wrong")
    assert home.identity() is None


def test_without_a_token_it_waits_for_approval_through_failures(
    server: FakeServer, home: AgentHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.agents.enrolling._UNREACHABLE_PAUSE", 0.1)
    asked = Asked(home, server)
    server.fail("/enrolments/", fake_server.page(502), times=2)

    def approve() -> None:
        while server.paths.total() < 5:
            asked.stopped.wait(0.02)
        server.decision = "approved"

    thread = threading.Thread(target=approve)
    thread.start()
    found = asked.enrolment.enrol(FACTS, None)
    thread.join()
    assert found == home.identity()
    assert found is not None
    assert asked.codes == ["AB-12"]


def test_waiting_goes_on_after_a_restart(server: FakeServer, home: AgentHome) -> None:
    first = Asked(home, server)
    threading.Timer(0.5, first.stopped.set).start()
    assert first.enrolment.enrol(FACTS, None) is None
    secret = server.secret
    server.decision = "approved"
    assert Asked(home, server).enrolment.enrol(FACTS, None) is not None
    assert (server.secret, server.paths["/enrolments"]) == (secret, 1)


def test_who_is_refused_is_told_so(server: FakeServer, home: AgentHome) -> None:
    server.decision = "refused"
    with pytest.raises(AgentRefused, match="an operator has refused"):
        Asked(home, server).enrolment.enrol(FACTS, None)
    assert home.asking() is None


def test_an_enrolment_that_is_forgotten_is_asked_for_anew(
    server: FakeServer, home: AgentHome
) -> None:
    first = Asked(home, server)
    first.stopped.set()
    assert first.enrolment.enrol(FACTS, None) is None
    server.secret = "another"
    with pytest.raises(AgentRefused, match="enrol again"):
        Asked(home, server).enrolment.enrol(FACTS, None)
    assert home.asking() is None


def test_a_server_that_is_away_is_said_to_be_or_waited_for(
    server: FakeServer, home: AgentHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.agents.enrolling._UNREACHABLE_PAUSE", 0.1)
    server.fail("/enrolments", fake_server.hang_up, times=3)
    with pytest.raises(ServerUnreachable, match="cannot be reached"):
        Asked(home, server).enrolment.enrol(FACTS, "once")
    assert Asked(home, server, patient=True).enrolment.enrol(FACTS, "once") is not None
    assert server.paths["/enrolments"] == 4
