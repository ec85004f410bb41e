"""What an order's Who names."""

import uuid

import pytest

from gateway.fleet import targets
from gateway.fleet.targets import TargetNotFound
from gateway.fleet.teams import TeamContent, Teams
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import WhoKind
from storage import models
from tests.engine import Engine


def resolved(engine: Engine, reference: str, kind: WhoKind) -> str:
    with engine.store.reading() as session:
        return targets.resolve(session, kind, reference).name


def test_agents_and_teams_are_told_apart_by_kind(engine: Engine) -> None:
    agent = engine.agent("Same")
    team = Teams(engine.store).create(TeamContent.of(name="same"), MACHINE)
    assert resolved(engine, "SAME", WhoKind.AGENT) == "Same"
    assert resolved(engine, "SAME", WhoKind.TEAM) == "same"
    assert resolved(engine, f"{{{agent.agent}}}", WhoKind.AGENT) == "Same"
    assert resolved(engine, str(team.guid), WhoKind.TEAM) == "same"
    with pytest.raises(TargetNotFound):
        resolved(engine, str(team.guid), WhoKind.AGENT)
    with pytest.raises(TargetNotFound):
        resolved(engine, str(agent.agent), WhoKind.TEAM)
    with pytest.raises(TargetNotFound):
        resolved(engine, str(uuid.uuid4()), WhoKind.TEAM)


def test_nothing_new_is_meant_for_a_disabled_agent(engine: Engine) -> None:
    engine.agent("Off")
    off = models.Agent.update(enabled=False)
    engine.store.unit_of_work(lambda session: session.execute(off))
    with pytest.raises(TargetNotFound, match="the agent 'Off' is disabled"):
        resolved(engine, "off", WhoKind.AGENT)
