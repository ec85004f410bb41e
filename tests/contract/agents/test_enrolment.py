"""How machines become agents, and how they stop being some."""

import datetime
import threading
import uuid
from typing import Any

import pytest

from gateway.commands.agents import AgentCommands
from gateway.fleet import enrolment, events, roster
from gateway.fleet.access import AgentChangeRefused
from gateway.fleet.enrolment import RequestNotFound, TokenNotFound, TokenRefused
from gateway.fleet.teams import TeamNotFound, composition
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from gateway.jobs.states import JobStatus
from tests.contract.agents.conftest import SECRET, Build, Remote, as_json, enrolled, facts
from tests.contract.agents.test_protocol import submit
from tests.contract.dispatcher.house import House

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def machine(house: House) -> Remote:
    return Remote(house.app, house.log)


def token(house: House, uses: int = 1, life: datetime.timedelta = HOUR, **other: Any) -> str:
    values = {"into": (), "label": "", **other}
    return house.gateway.enrolments.create_token(uses, life, caller=MACHINE, **values)[1]


def revoke(house: House) -> str:
    text = token(house, label="old")
    house.gateway.enrolments.revoke_token("old", MACHINE)
    return text


def test_a_token_lets_in_so_many_into_their_teams(stored_house: House) -> None:
    stored_house.team("Web")
    text = token(stored_house, uses=2, into=("Web",))
    answers = []
    for number in range(3):
        machine = Remote(stored_house.app, stored_house.log)
        answers.append(machine.enrol(text, secret=f"{number}" * 40, name=f"agent {number}"))
    assert [one.status for one in answers] == [200, 200, 401]
    answers[2].refused(401, "unauthenticated", "used up")
    with stored_house.gateway.store.reading() as session:
        composed = composition(session)
        found = roster.find(session, "agent 1")
        assert [composed.teams[one].name for one in composed.teams_of(found)] == ["Web"]


def test_the_same_request_uses_up_one_place(house: House, machine: Remote) -> None:
    text = token(house, uses=1)
    first, second = machine.enrol(text).json, machine.enrol(text).json
    assert first["agent"] == second["agent"]
    # The first answer may have been lost: its token counts no more.
    machine.token = first["token"]
    machine.open().refused(401, "unauthenticated")
    machine.token = second["token"]
    assert machine.open().status == 200
    machine.token = None
    assert machine.enrol(text).json["token"] is None


def test_a_token_lets_in_its_count_also_at_one_moment(stored_house: House) -> None:
    text = token(stored_house, uses=3)
    statuses: list[int] = []

    def enrol(number: int) -> None:
        machine = Remote(stored_house.app, stored_house.log)
        statuses.append(machine.enrol(text, secret=f"{number:040}").status)

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(statuses) == [200] * 3 + [401] * 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda house: token(house, life=datetime.timedelta(seconds=1)), "expired"),
        (lambda house: "x" + token(house)[1:], "not known"),
        (lambda house: token(house)[:-1] + "!", "not known"),
        (lambda house: "nonsense", "not known"),
        (revoke, "revoked"),
    ],
)
def test_a_token_that_is_not_good_is_refused(
    house: House, machine: Remote, make: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = make(house)
    if words == "expired":
        enrolments = house.gateway.enrolments
        later = enrolments._now() + 2_000_000
        monkeypatch.setattr(enrolments, "_now", lambda: later)
    machine.enrol(text).refused(401, "unauthenticated", words)


def test_guessing_is_slowed(machine: Remote) -> None:
    replies = [machine.enrol(f"{uuid.uuid4().hex}.guess") for _ in range(20)]
    assert replies[0].status == 401
    replies[-1].refused(429, "throttled")
    assert int(replies[-1].headers["Retry-After"]) >= 1


@pytest.mark.parametrize("reference", ["guid", "code", "name"])
def test_who_asks_without_a_token_waits_for_approval(
    house: House, machine: Remote, reference: str
) -> None:
    asked = machine.enrol().json
    assert asked["state"] == "waiting"
    assert asked["token"] is None
    (waiting,) = house.gateway.enrolments.waiting()
    assert waiting.code == asked["code"]
    house.gateway.enrolments.approve(str(getattr(waiting, reference)), (), MACHINE, "known")
    machine.token = SECRET
    decided = machine.send("GET", f"/enrolments/{asked['enrolment']}").json
    assert decided["state"] == "approved"
    machine.token = decided["token"]
    assert machine.open().status == 200
    with house.gateway.store.reading() as session:
        entry = audit.page(session)[0]
    assert (entry.action, entry.object_kind, entry.comment) == ("approve", "agent", "known")
    assert house.gateway.enrolments.waiting() == []


def test_who_is_refused_is_told_so(house: House, machine: Remote) -> None:
    asked = machine.enrol().json
    house.gateway.enrolments.refuse(asked["code"], MACHINE)
    machine.token = SECRET
    decided = machine.send("GET", f"/enrolments/{asked['enrolment']}").json
    assert (decided["state"], decided["token"]) == ("refused", None)


def test_only_the_secret_of_a_request_learns_of_it(machine: Remote) -> None:
    asked = machine.enrol().json
    path = f"/enrolments/{asked['enrolment']}"
    machine.send("GET", path).refused(401, "unauthenticated")
    machine.token = "t" * 40
    machine.send("GET", path).refused(401, "unauthenticated")
    machine.token = SECRET
    machine.send("GET", f"/enrolments/{uuid.uuid4()}").refused(401, "unauthenticated")
    machine.send("GET", "/enrolments/x").refused(400, "bad_request")


def test_not_too_many_may_wait(
    house: House, machine: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "MOST_WAITING", 3)
    for number in range(3):
        assert machine.enrol(secret=f"{number:040}").status == 200
    machine.enrol(secret="x" * 40).refused(429, "throttled")
    # Whoever has a token need not wait behind them, whether he has asked before or not.
    assert machine.enrol(token(house), secret="0" * 39 + "1").json["state"] == "approved"
    assert machine.enrol(secret="z" * 40).status == 200
    assert machine.enrol(token(house), secret="y" * 40).json["state"] == "approved"


def test_one_address_cannot_keep_all_others_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "MOST_OF_ONE", 2)
    ask = house.gateway.enrolments.ask
    for number in range(2):
        ask("many", facts("many"), f"{number:040}", None, f"2001:db8::{number}")
    with pytest.raises(enrolment.TooManyWaiting):
        ask("many", facts("many"), "2" * 40, None, "2001:db8::2")
    # The same request again is no further one.
    assert ask("many", facts("many"), "0" * 40, None, "2001:db8::2").state.name == "WAITING"
    assert ask("other", facts("other"), "3" * 40, None, "192.0.2.1").state.name == "WAITING"


def test_what_cannot_be_is_refused(house: House) -> None:
    enrolments = house.gateway.enrolments
    for uses, life in ((0, HOUR), (1, datetime.timedelta(0)), (1, datetime.timedelta(days=999))):
        with pytest.raises(TokenRefused):
            enrolments.create_token(uses, life, (), "", MACHINE)
    with pytest.raises(TeamNotFound):
        enrolments.create_token(1, HOUR, ("none",), "", MACHINE)
    with pytest.raises(RequestNotFound):
        enrolments.approve("none", (), MACHINE)
    with pytest.raises(TokenNotFound):
        enrolments.revoke_token("none", MACHINE)


class TestTokens:
    """An agent's own token."""

    def test_is_renewed_and_the_old_one_ends_with_the_first_use(self, stored_house: House) -> None:
        remote = enrolled(stored_house)
        remote.open()
        lost = remote.post("/token", {}).json["token"]
        new = remote.post("/token", {}).json["token"]
        # The old one is good until the new one has been used; one that was lost never is.
        assert remote.poll(wait=0.01).status == 200
        old, remote.token = remote.token, lost
        remote.poll(wait=0.01).refused(401, "unauthenticated")
        remote.token = new
        assert remote.poll(wait=0.01).status == 200
        remote.token = old
        remote.poll(wait=0.01).refused(401, "unauthenticated")
        shown = AgentCommands(stored_house.gateway).agent_show(str(remote.session["agent"]))
        assert [one["what"] for one in shown["events"]].count(events.ROTATED) == 2

    def test_opens_nothing_else(self, house: House, remote: Remote) -> None:
        client = house.client(None)
        answer = client.get("jobs", Authorization=f"Bearer {remote.token}")
        assert answer.status == 401
        assert (
            house.client((str(remote.session["agent"]), remote.token or "")).get("jobs").status
            == 401
        )

    def test_is_not_to_be_replaced_by_a_login(self, house: House, remote: Remote) -> None:
        authorization = house.client().get("jobs").status
        assert authorization == 200
        from tests.contract.dispatcher.house import ADMIN, basic

        remote.token = None
        remote.post("/poll", {**remote.named, "places": 1}, Authorization=basic(*ADMIN)).refused(
            401, "unauthenticated"
        )


class TestRevoking:
    """An agent that is heard no more."""

    def test_holds_at_once_for_a_poll_that_waits(self, stored_house: House) -> None:
        remote = enrolled(stored_house)
        remote.open()
        job = submit(stored_house, remote)
        (order,) = remote.orders()
        replies = []
        named = [{"run": str(order.run), "attempt": 1}]
        waiting = threading.Thread(
            target=lambda: replies.append(remote.poll(runs=named, wait=20.0))
        )
        waiting.start()
        while not stored_house.gateway.switchboard.waiting:
            threading.Event().wait(0.005)
        agent, lost = stored_house.gateway.access.revoke("remote", MACHINE, "stolen")
        waiting.join(20)
        assert replies[0].status in (401, 409)
        remote.poll(wait=0.01).refused(401, "unauthenticated")
        remote.open().refused(401, "unauthenticated")
        assert lost == 1
        assert stored_house.gateway.jobs.get(job.guid).status is JobStatus.FAILED
        # Nobody hears of it: it may be removed at once.
        assert stored_house.gateway.removal.remove(str(agent.guid), MACHINE).agent.id == agent.id

    def test_leaves_its_record(self, house: House, remote: Remote) -> None:
        house.gateway.access.revoke("remote", MACHINE, "stolen")
        with house.gateway.store.reading() as session:
            agent = roster.find(session, "remote")
            happened = [(one.kind, one.detail) for one in events.of_agent(session, agent.id)]
            entry = audit.page(session)[0]
        assert happened[0] == (events.REVOKED, "stolen")
        assert (entry.action, entry.comment) == ("revoke", "stolen")
        assert remote.session["agent"] == str(agent.guid)

    def test_is_for_remote_agents(self, house: House) -> None:
        house.agent("own")
        with pytest.raises(AgentChangeRefused):
            house.gateway.access.revoke("own", MACHINE)


def test_an_agent_can_be_renamed_and_names_may_repeat(house: House, remote: Remote) -> None:
    enrolled(house, "remote")
    guid = remote.session["agent"]
    assert house.gateway.access.rename(guid, "first", MACHINE).name == "first"
    remote.open(previous=remote.session["session"])
    assert remote.session["name"] == "first"
    with pytest.raises(AgentChangeRefused):
        house.gateway.access.rename(guid, " \n ", MACHINE)


def test_who_falls_silent_leaves_a_record_once(build: Build) -> None:
    house = build(agents={"offline_seconds": 1})
    remote = enrolled(house)
    remote.open()
    access = house.gateway.access
    assert access.note_silence() == 0
    threading.Event().wait(1.1)
    assert access.note_silence() == 1
    assert access.note_silence() == 0
    remote.poll(wait=1.1)
    assert access.note_silence() == 1
    with house.gateway.store.reading() as session:
        agent = roster.find(session, "remote")
        kinds = [one.kind for one in events.of_agent(session, agent.id)]
    assert kinds == [events.HEARD, events.SILENT, events.CAME, events.ENROLLED]


def test_certificates_can_be_required(build: Build) -> None:
    house = build(agents={"client_certificates": True})
    Remote(house.app, house.log).enrol().refused(403, "unauthenticated", "certificate")


def test_facts_are_kept_and_shown(house: House, remote: Remote) -> None:
    told = as_json(facts(console_user="ann"))
    with house.gateway.store.reading() as session:
        agent = roster.find(session, remote.session["agent"])
    assert agent.facts["platform"] == told["platform"]
    assert not agent.embedded
