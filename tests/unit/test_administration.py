"""Operations of the command line that need runs which have ended."""

from pathlib import Path

import pytest

from gateway import administration
from gateway.administration import Administration
from gateway.agents.protocol import LogChunk
from tests.contract.conftest import SessionLog
from tests.contract.dispatcher import house as houses


def test_the_logs_of_a_job_share_what_may_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administration, "_ALL_LOG_BYTES", 200)
    house = houses.build(tmp_path, SessionLog())
    try:
        agent = house.agent()
        module = house.module(tasks=("First", "Second", "Silent"))
        job = house.engine.accept(house.engine.order(module.guid, agent))
        (order,) = house.gateway.reception.claim(agent, 1)
        for task, size in zip(order.tasks, (500, 7), strict=False):
            chunk = LogChunk(order.run, order.attempt, task.seq, 0, b"x" * size, truncated=False)
            house.gateway.reception.report(agent, [chunk])
        (run,) = Administration(house.gateway).job_results(str(job.guid))["runs"]
        assert [task["output"] for task in run["tasks"]] == ["x" * 100, "x" * 7, ""]
    finally:
        house.gateway.stop(0)
