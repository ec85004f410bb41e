"""Which variables of the server's environment tasks are given."""

from gateway.agents import environment
from tests.unit.agents.conftest import StartAgent
from tests.unit.agents.memory_desk import MemoryDesk, order, sh

SERVER = {
    "PATH": "/bin",
    "LC_TIME": "nl_NL.UTF-8",
    "PYTHONPATH": "/opt/gateway",
    "GATEWAY_ADMIN_PASSWORD": "secret",
    "Site_Proxy": "http://proxy",
}


def test_tasks_are_given_a_chosen_list() -> None:
    assert environment.inherited(environment=SERVER) == {
        "PATH": "/bin",
        "LC_TIME": "nl_NL.UTF-8",
    }


def test_a_site_may_add_names_in_any_case() -> None:
    given = environment.inherited(["SITE_PROXY", "ABSENT"], SERVER)
    assert given["Site_Proxy"] == "http://proxy"
    assert "GATEWAY_ADMIN_PASSWORD" not in given


def test_the_supervisor_finds_its_interpreter_but_no_password() -> None:
    given = environment.for_supervisor((), SERVER)
    assert given["PYTHONPATH"] == "/opt/gateway"
    assert "GATEWAY_ADMIN_PASSWORD" not in given


def test_a_task_sees_what_the_site_added(desk: MemoryDesk, start_agent: StartAgent) -> None:
    start_agent(inherit=("GATEWAY_ADMIN_PASSWORD",))
    run = order(sh("echo seen:$GATEWAY_ADMIN_PASSWORD"))
    desk.submit(run)
    assert desk.finish(run).log() == "seen:must-not-be-inherited\n"
