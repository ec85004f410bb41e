"""What becomes of runs when server, agent or the network between them goes away."""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import moments
from tests.reliability import load, proxies
from tests.reliability.clocks import WallClock
from tests.reliability.networks import Namespace
from tests.reliability.remote import FAR, AgentsHouse, stop
from tests.reliability.servers import WAIT, House, slay, until
from tests.unit.agents import fake_server

_GATED = """\
echo begun
touch "$TMPDIR/begun-$GATEWAY_JOB"
while [ ! -e "$TMPDIR/go-$GATEWAY_JOB" ]; do sleep 0.05; done
echo ended
"""
# Two more processes, one of them in a session of its own, that heed no TERM.
_FORKING = (
    "trap '' TERM\n(setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &)\n"
    "sleep 300 &\n" + _GATED
)


def _module(name: str, text: str, **more: object) -> dict[str, object]:
    guid = uuid.uuid5(uuid.NAMESPACE_URL, f"remote {name}")
    return load.module(guid, name, text) | more


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the modules of these tests, to be copied."""
    folder = tmp_path_factory.mktemp("gated")
    house = House(folder / "data", folder / "log")
    modules = (_module("Gated", _GATED), _module("Forking", _FORKING, retries=1))
    house.install(load.write_block(folder / "block.json", modules))
    return house.data


@pytest.fixture
def house(tmp_path: Path, gated: Path) -> Iterator[House]:
    made = House(tmp_path / "data", tmp_path / "server.log")
    made.furnish(gated)
    yield made
    slay(made.marked())
    assert not made.tracebacks()


@pytest.mark.slow
def test_a_run_survives_the_servers_death_and_is_reported_once(house: House) -> None:
    far = AgentsHouse(house)
    with contextlib.ExitStack() as agents:
        with far.serving():
            agent = agents.enter_context(far.agent())
            job = far.submit("Gated")
            far.begun(job)
        # Killed, with nobody asked. The run ends while there is no server.
        far.let_go(job)
        until("the task has ended", lambda: not house.marked())
        with far.serving():
            ended = far.ended(job)
            assert (ended["status"], ended["runs"][0]["attempt"]) == ("completed", 1)
            assert far.output(job) == "begun\nended\n"
            another = far.submit("Gated")
            far.let_go(another)
            assert far.ended(another)["status"] == "completed"
            assert stop(agent) == 0
    assert "Traceback" not in far.agent_log()


@pytest.mark.slow
def test_an_agent_that_is_killed_leaves_nothing_and_its_run_is_tried_again(house: House) -> None:
    far = AgentsHouse(house)
    with far.serving():
        with far.agent() as agent:
            lost, retried = far.submit("Gated"), far.submit("Forking")
            far.begun(lost)
            far.begun(retried)
            agent.kill()
            until("no process is left", lambda: not house.marked())
        with far.agent() as agent:
            ended = far.ended(lost)
            assert ended["status"] == "failed"
            assert "stopped while the run was under way" in ended["runs"][0]["reason"]
            until("it is tried again", lambda: far.job(retried)["runs"][0]["attempt"] == 2)
            far.let_go(retried)
            assert far.ended(retried)["status"] == "completed"
            assert list((far.folder / "far" / "runs").iterdir()) == []
            assert stop(agent) == 0


@pytest.mark.slow
def test_an_agent_is_let_in_by_its_code_and_revoked_in_the_middle_of_a_task(house: House) -> None:
    far = AgentsHouse(house)
    # Its own token is changed with every poll.
    with far.serving(), far.agent("--token-days", "0", token=False) as agent:
        until("it shows a code", lambda: "code " in far.agent_log())
        code = far.agent_log().split("code ")[1].split(":")[0]
        assert code in far.say("agent", "requests")
        assert FAR in far.say("agent", "approve", code)
        job = far.submit("Forking")
        far.begun(job)
        assert "runs lost: 1" in far.say("agent", "revoke", FAR, "--comment", "found in a lake")
        assert agent.wait(WAIT) == 2
        until("no process is left", lambda: not house.marked())
        assert "revoked or removed" in far.agent_log()
        assert "Traceback" not in far.agent_log()
        # And it stays out.
        with far.agent(token=False) as again:
            assert again.wait(WAIT) == 2


@pytest.mark.slow
def test_tls_by_a_pin_or_an_authority_and_a_copy_is_refused_by_name(
    house: House, tmp_path: Path
) -> None:
    certificate, key, pin = fake_server.certificate(tmp_path)
    far = AgentsHouse(house)
    with far.serving(**far.secured(certificate, key)):
        for nobody in (("--pin", f"sha256:{'0' * 64}"), ()):
            with far.agent("--drain-seconds", "1", *nobody) as agent:
                assert agent.wait(WAIT) == 1
        assert far.agent_log().count("the server is not trusted") == 2
        with far.agent("--pin", pin) as agent:
            job = far.submit("Gated")
            far.let_go(job)
            assert far.ended(job)["status"] == "completed"
            shutil.copytree(tmp_path / FAR, tmp_path / "copy")
            with far.agent("--folder", str(tmp_path / "copy")) as copy:
                assert copy.wait(WAIT) == 2
            assert f"the agent '{FAR}' is running already" in far.agent_log()
            assert stop(agent) == 0
        # What it was told before is kept; this counts from now on.
        with far.agent("--ca", str(certificate)) as agent:
            job = far.submit("Gated")
            far.let_go(job)
            assert far.ended(job)["status"] == "completed"
            assert stop(agent) == 0
    assert "Traceback" not in far.agent_log()


@pytest.fixture
def network() -> Iterator[Namespace]:
    made = Namespace()
    yield made
    made.remove()


@pytest.mark.slow
def test_a_run_that_was_settled_while_the_network_was_cut_is_given_up(
    house: House, network: Namespace
) -> None:
    far = AgentsHouse(house, network.host)
    with far.serving(), far.agent(before=network.before) as agent:
        reported, running = far.submit("Gated"), far.submit("Gated")
        far.begun(reported)
        far.begun(running)
        network.cut()
        far.let_go(reported)
        for job in (reported, running):
            ended = far.ended(job)
            assert ended["status"] == "failed"
            assert "not heard of" in ended["runs"][0]["reason"]
        network.mend()
        # One has ended meanwhile, and comes too late; one is still running, and is stopped.
        until("it is told", lambda: far.agent_log().count("are refused and dropped") >= 2)
        until("the other is stopped", lambda: not house.marked())
        assert {far.job(job)["status"] for job in (reported, running)} == {"failed"}
        assert "ended" not in far.output(reported)
        assert "a late report of attempt 1 was refused" in str(far.job(reported)["events"])
        after = far.submit("Gated")
        far.let_go(after)
        assert far.ended(after)["status"] == "completed"
        assert stop(agent) == 0
    assert "Traceback" not in far.agent_log()


@pytest.mark.slow
@pytest.mark.parametrize(("delay", "lost"), [(0.0, 0), (0.3, 4)])
def test_an_agent_behind_a_proxy(house: House, delay: float, lost: int) -> None:
    """Also one that is slow, and loses every fourth answer to what the server has done."""
    with proxies.running(delay, lost) as proxy:
        far = AgentsHouse(house)
        before = ("env", f"http_proxy={proxy.address}", "no_proxy=")
        with far.serving(), far.agent(before=before) as agent:
            for _ in range(3):
                job = far.submit("Gated")
                far.begun(job)
                far.let_go(job)
                assert far.ended(job)["status"] == "completed"
                assert far.output(job) == "begun\nended\n"
            assert stop(agent) == 0
        assert {path.rpartition("/")[2] for path in proxy.passed} >= {"poll", "reports"}


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-5, 5])
def test_an_agent_whose_clock_is_wrong_by_hours(house: House, tmp_path: Path, hours: int) -> None:
    clock = WallClock(tmp_path / "faketime")
    clock.set(hours * 3600)
    before = ("env", *(f"{name}={value}" for name, value in clock.environment.items()))
    far = AgentsHouse(house)
    with far.serving(), far.agent(before=before):
        # No leases lost, no token taken for expired, and times as the server's clock has them.
        began = moments.now()
        job = far.submit("Gated")
        far.begun(job)
        far.let_go(job)
        ended = far.ended(job)
        assert (ended["status"], ended["runs"][0]["attempt"]) == ("completed", 1)
        tasks = house.query("SELECT started_at, finished_at FROM task_result")
        assert tasks
        for started, finished in tasks:
            assert began - moments.SECOND <= started <= finished <= moments.now() + moments.SECOND
