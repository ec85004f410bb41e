"""An embedded agent with a desk in memory, stopped after each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.agents.embedded import EmbeddedAgent, EmbeddedSettings
from tests.unit.agents.memory_desk import MemoryDesk

ROOT = Path(__file__).parents[3]
NOOP = "tests.unit.agents.noop"

StartAgent = Callable[..., EmbeddedAgent]


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def start_agent(
    desk: MemoryDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartAgent]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GATEWAY_ADMIN_PASSWORD", "must-not-be-inherited")
    agents: list[EmbeddedAgent] = []

    def start(**settings: Any) -> EmbeddedAgent:
        types = {"noop": f"{NOOP}:NoopTask", "broken": f"{NOOP}:BrokenTask"}
        values = {"grace": 0.3, "renew_seconds": 0.2, "task_types": types, **settings}
        agent = EmbeddedAgent(desk, EmbeddedSettings("here", tmp_path / "runs", **values))
        agents.append(agent)
        agent.start()
        return agent

    yield start
    for agent in agents:
        agent.stop(0)


@pytest.fixture
def agent(start_agent: StartAgent) -> EmbeddedAgent:
    return start_agent()
