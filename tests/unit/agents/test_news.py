import dataclasses
from typing import Any

import pytest

from gateway.agents import news
from gateway.agents.desk import AgentFacts, AgentHealth
from gateway.agents.news import News

HEALTH = AgentHealth(500, 1000, 500, 1000, 0.1)
FACTS = AgentFacts("here", "linux", "1", "boot", (), (), 1, embedded=False, health=HEALTH)


class Machine:
    def __init__(self) -> None:
        self.facts = FACTS
        self.at = 0.0
        self.news = News(FACTS, lambda: self.facts, lambda: self.at)

    def becomes(self, **health: Any) -> None:
        self.facts = dataclasses.replace(self.facts, health=dataclasses.replace(HEALTH, **health))


def test_facts_are_told_at_once_and_once() -> None:
    machine = Machine()
    assert machine.news.look() is None
    machine.facts = dataclasses.replace(FACTS, console_user="joe")
    assert machine.news.look() is None
    machine.at += news.LOOK
    told = machine.news.look()
    assert told is not None
    assert told.console_user == "joe"
    # Until it has arrived it is news.
    assert machine.news.look() == told
    machine.news.told(told)
    assert machine.news.look() is None


@pytest.mark.parametrize("change", [{"disk_free": 399}, {"memory_free": 601}, {"load": 2.0}])
def test_a_great_change_of_health_is_told_soon(change: dict[str, Any]) -> None:
    machine = Machine()
    machine.becomes(**change)
    machine.at = news.SOON - 1
    assert machine.news.look() is None
    machine.at = news.SOON + news.LOOK
    assert machine.news.look() == machine.facts


def test_a_small_change_of_health_is_told_later() -> None:
    machine = Machine()
    machine.becomes(disk_free=499, load=0.2)
    machine.at = news.LATER - 1
    assert machine.news.look() is None
    machine.at = news.LATER + news.LOOK
    assert machine.news.look() == machine.facts


def test_health_that_comes_to_be_known_is_told_soon() -> None:
    machine = Machine()
    machine.news.told(dataclasses.replace(FACTS, health=None))
    machine.at = news.SOON
    assert machine.news.look() == FACTS
