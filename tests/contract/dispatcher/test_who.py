"""Agents (Dispatcher contract 2.2, row 13). There are no teams to be listed."""

import pytest

from gateway import moments
from storage import models
from storage.session import Session
from tests.contract.dispatcher.house import House, braced


def names(house: House, query: str = "") -> list[str]:
    return [who["Name"] for who in house.client().get(f"who{query}").json]


def test_2_2_agents_have_id_type_and_name(stored_house: House) -> None:
    agent = stored_house.agent("PC1234")
    assert stored_house.client().get("who").json == [
        {"ID": braced(agent.agent), "Name": "PC1234", "Type": 0}
    ]


def test_2_2_in_xml_the_type_is_a_name(house: House) -> None:
    house.agent()
    (who,) = house.client().get_xml("who").xml
    assert who.findtext("{*}Type") == "Agent"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["alpha", "PC1", "Pc2"]),
        ("?search=pc", ["PC1", "Pc2"]),
        ("?Search=LPH", ["alpha"]),
        ("?search=%00", []),
        ("?search=", ["alpha", "PC1", "Pc2"]),
        ("?agents=True&teams=False&online=False&licensed=True", []),
        ("?agents=True&teams=False&online=True&licensed=True", ["alpha", "PC1", "Pc2"]),
        ("?agents=False&teams=True", []),
        ("?teams=True", []),
        ("?licensed=False", []),
    ],
)
def test_row_13_what_the_query_asks_for(house: House, query: str, found: list[str]) -> None:
    for name in ("Pc2", "alpha", "PC1"):
        house.agent(name)
    assert names(house, query) == found


def test_row_13_an_agent_that_is_silent_for_long_is_offline(house: House) -> None:
    house.agent("here")
    gone = house.agent("gone")

    def silence(session: Session) -> None:
        long_ago = moments.now() - 3600 * moments.SECOND
        query = models.Agent.update(last_contact_at=long_ago)
        session.execute(query.where(models.Agent.id == gone.agent_id))

    house.gateway.store.unit_of_work(silence)
    assert names(house, "?online=True") == ["here"]
    assert names(house, "?online=False") == ["gone"]
    assert names(house) == ["gone", "here"]
