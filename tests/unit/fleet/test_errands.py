"""Which of very many agents have something to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.fleet import errands
from tests import engine as engines
from tests.conftest import StorePlace
from tests.engine import Engine


@pytest.fixture
def engine(store_place: StorePlace, tmp_path: Path) -> Iterator[Engine]:
    store = store_place.open()
    yield engines.make(store, tmp_path)
    store.close()


def test_those_with_waiting_runs_are_found_among_all(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = [engine.agent(f"agent {number}") for number in range(6)]
    module = engine.module()
    for place in (1, 4, 4, 4):
        engine.accept(engine.order(module, agents[place]))
    # One whose run is under way has nothing that waits.
    engine.accept(engine.order(module, agents[2]))
    engine.reception.claim(agents[2], 1)
    ids = [agent.agent_id for agent in agents]
    expected = [agents[1].agent_id, agents[4].agent_id]
    for few in (100, 4, 0):
        monkeypatch.setattr(errands, "_FEW", few)
        with engine.store.reading() as session:
            assert sorted(errands.with_work(session, ids, engine.now())) == expected
            assert errands.with_work(session, ids[:1], engine.now()) == []


def test_nobody_has_anything_where_nothing_waits(engine: Engine) -> None:
    with engine.store.reading() as session:
        assert errands.with_waiting(session) == set()
