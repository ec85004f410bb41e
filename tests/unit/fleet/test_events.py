"""The record of what became of agents."""

from gateway.fleet import events
from tests.engine import DAY, Engine


def test_old_events_are_swept_in_portions(engine: Engine) -> None:
    agent = engine.agent()
    begun = engine.now()
    for day in range(5):
        at = begun + day * DAY
        engine.store.unit_of_work(
            lambda db, at=at: events.record(db, agent.agent_id, at, events.CAME, "again")
        )

    def sweep() -> int:
        return engine.store.unit_of_work(lambda db: events.sweep(db, begun + 3 * DAY, 2))

    assert [sweep() for _ in range(3)] == [2, 1, 0]
    with engine.store.reading() as session:
        left = events.of_agent(session, agent.agent_id)
    assert [one.at for one in left] == [begun + 4 * DAY, begun + 3 * DAY]
