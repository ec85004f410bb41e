"""Limits of agents and teams, and exclusive windows, where runs are claimed."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.run_books import WhatKind
from gateway.fleet.exclusive_windows import ExclusiveWindows, WindowNotFound, WindowRefused
from gateway.fleet.limits import LimitRefused, RunLimits
from gateway.fleet.membership import Memberships, Reference, TeamChange
from gateway.fleet.roster import AgentNotFound
from gateway.fleet.teams import MemberKind, TeamContent, TeamNotFound, Teams
from gateway.identity import audit
from gateway.identity.principals import MACHINE
from gateway.jobs.orders import JobOrder, LaunchWindow, What, Who
from gateway.jobs.states import JobStatus
from tests import engine as engines
from tests.conftest import PostgresPlace, StorePlace
from tests.engine import HOUR, MINUTE, Engine
from tests.unit.jobs.test_policies import run_book

# The engine begins on a Monday at noon, UTC.
NOON = 12 * 60


@pytest.fixture
def engine(store_place: StorePlace, tmp_path: Path) -> Iterator[Engine]:
    store = store_place.open()
    yield engines.make(store, tmp_path)
    store.close()


def team(engine: Engine, name: str, *agents: str, inner: tuple[str, ...] = ()) -> None:
    Teams(engine.store, engine.now).create(TeamContent.of(name=name), MACHINE)
    added = [Reference(one) for one in agents] + [Reference(one, MemberKind.TEAM) for one in inner]
    Memberships(engine.store, engine.now).change_team(name, TeamChange(add=added), MACHINE)


class TestLimits:
    """How many runs there may be at once."""

    @pytest.fixture
    def limits(self, engine: Engine) -> RunLimits:
        return RunLimits(engine.store, engine.signals, engine.now)

    def test_an_agent_has_no_more_than_it_is_allowed(
        self, engine: Engine, limits: RunLimits
    ) -> None:
        agent = engine.agent()
        module = engine.module()
        for _ in range(5):
            engine.accept(engine.order(module, agent))
        limits.of_agent("agent", 2, MACHINE)
        first = engine.reception.claim(agent, 10)
        assert len(first) == 2
        assert engine.reception.claim(agent, 10) == []
        engine.finish(agent, first[0])
        assert len(engine.reception.claim(agent, 10)) == 1
        limits.of_agent("agent", None, MACHINE)
        assert len(engine.reception.claim(agent, 10)) == 2

    def test_none_at_all_is_a_limit(self, engine: Engine, limits: RunLimits) -> None:
        agent = engine.agent()
        engine.accept(engine.order(engine.module(), agent))
        limits.of_agent("agent", 0, MACHINE)
        assert engine.reception.claim(agent, 10) == []

    def test_a_team_counts_all_its_agents_and_those_of_teams_within(
        self, engine: Engine, limits: RunLimits
    ) -> None:
        one, two, other = engine.agent("one"), engine.agent("two"), engine.agent("other")
        team(engine, "Inner", "two")
        team(engine, "Outer", "one", inner=("Inner",))
        limits.of_team("Outer", 3, MACHINE)
        module = engine.module()
        for agent in (one, two, other):
            for _ in range(3):
                engine.accept(engine.order(module, agent))
        assert len(engine.reception.claim(one, 2)) == 2
        (order,) = engine.reception.claim(two, 10)
        assert engine.reception.claim(one, 10) == []
        assert len(engine.reception.claim(other, 10)) == 3
        engine.finish(two, order)
        assert len(engine.reception.claim(one, 10)) == 1

    def test_who_waits_for_others_of_the_team_is_woken_by_their_ends(
        self, engine: Engine, limits: RunLimits
    ) -> None:
        one, two = engine.agent("one"), engine.agent("two")
        team(engine, "All", "one", "two")
        limits.of_team("All", 1, MACHINE)
        for agent in (one, two):
            engine.accept(engine.order(engine.module(), agent))
        (order,) = engine.reception.claim(one, 1)
        assert engine.reception.claim(two, 1) == []
        seen = engine.signals.wait(0, 0)
        engine.finish(one, order)
        assert engine.signals.wait(seen, 0) > seen
        assert len(engine.reception.claim(two, 1)) == 1

    def test_it_is_exact_when_several_claim_at_once(
        self, engine: Engine, limits: RunLimits, store_place: StorePlace, tmp_path: Path
    ) -> None:
        agents = [engine.agent(f"agent {number}") for number in range(4)]
        team(engine, "All", *(f"agent {number}" for number in range(4)))
        limits.of_team("All", 5, MACHINE)
        module = engine.module()
        for agent in agents:
            for _ in range(4):
                engine.accept(engine.order(module, agent))
        other = engine
        if isinstance(store_place, PostgresPlace):
            other = engines.make(store_place.open(), tmp_path, engine)
        claimed: list[int] = []

        def claim(place: int) -> None:
            house = (engine, other)[place % 2]
            claimed.append(len(house.reception.claim(agents[place], 10)))

        threads = [threading.Thread(target=claim, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if other is not engine:
            other.store.close()
        assert sum(claimed) == 5

    def test_changes_are_audited_and_checked(self, engine: Engine, limits: RunLimits) -> None:
        engine.agent()
        limits.of_agent("agent", 3, MACHINE, "busy machine")
        with engine.store.reading() as session:
            entry = audit.page(session)[0]
        assert (entry.action, entry.after, entry.comment) == (
            "limit",
            {"run_limit": 3},
            "busy machine",
        )
        with pytest.raises(LimitRefused):
            limits.of_agent("agent", -1, MACHINE)
        with pytest.raises(AgentNotFound):
            limits.of_agent("none", 1, MACHINE)
        with pytest.raises(TeamNotFound):
            limits.of_team("none", 1, MACHINE)


class TestExclusiveWindows:
    """Hours that some definitions have for themselves."""

    WINDOW = LaunchWindow(NOON - 60, NOON + 60, utc=True)

    @pytest.fixture
    def windows(self, engine: Engine) -> ExclusiveWindows:
        return ExclusiveWindows(engine.store, engine.now)

    def create(
        self,
        windows: ExclusiveWindows,
        *definitions: uuid.UUID,
        window: LaunchWindow = WINDOW,
        agent: str | None = None,
        team: str | None = None,
        name: str = "night",
    ) -> None:
        windows.create(name, window, [str(one) for one in definitions], agent, team, MACHINE)

    def test_others_wait_until_it_closes(self, engine: Engine, windows: ExclusiveWindows) -> None:
        agent = engine.agent()
        chosen, other = engine.module(), engine.module()
        self.create(windows, chosen)
        waits = engine.accept(engine.order(other, agent, priority=9))
        runs = engine.accept(engine.order(chosen, agent))
        assert [one.job for one in engine.reception.claim(agent, 10)] == [runs.guid]
        (run,) = engine.jobs.runs(waits.guid)
        assert "'night'" in run.reason
        engine.now.advance(59 * MINUTE)
        engine.clock.tick()
        assert engine.reception.claim(agent, 10) == []
        engine.now.advance(MINUTE)
        engine.clock.tick()
        assert [one.job for one in engine.reception.claim(agent, 10)] == [waits.guid]

    @pytest.mark.parametrize(
        ("scope", "mine"),
        [
            ({}, True),
            ({"agent": "agent"}, True),
            ({"team": "Mine"}, True),
            ({"team": "Not"}, False),
        ],
    )
    def test_it_is_for_the_agents_that_it_names(
        self, engine: Engine, windows: ExclusiveWindows, scope: dict[str, str], mine: bool
    ) -> None:
        agent = engine.agent()
        team(engine, "Mine", "agent")
        team(engine, "Not")
        self.create(windows, **scope)  # type: ignore[arg-type]
        engine.accept(engine.order(engine.module(), agent))
        assert len(engine.reception.claim(agent, 10)) == (0 if mine else 1)

    def test_what_a_run_book_runs_may_begin_in_its_hours(
        self, engine: Engine, windows: ExclusiveWindows
    ) -> None:
        agent = engine.agent()
        inner = run_book(engine, engine.module())
        outer = run_book(engine, inner, kind=WhatKind.RUN_BOOK)
        other = run_book(engine, engine.module())
        self.create(windows, outer)
        jobs = [
            engine.accept(
                JobOrder(what=(What(book, DefinitionKind.RUN_BOOK),), who=(Who(str(agent.agent)),))
            )
            for book in (outer, other)
        ]
        for _ in range(3):
            engine.clock.tick()
        assert engine.run_all(agent) == 1
        for _ in range(3):
            engine.clock.tick()
        ended = [engine.jobs.get(job.guid).status for job in jobs]
        assert ended == [JobStatus.COMPLETED, JobStatus.ACTIVE]

    def test_it_is_open_on_its_days_only(self, engine: Engine, windows: ExclusiveWindows) -> None:
        agent = engine.agent()
        tuesday = LaunchWindow(0, 0, frozenset({1}), utc=True)
        self.create(windows, window=tuesday)
        engine.accept(engine.order(engine.module(), agent))
        assert len(engine.reception.claim(agent, 10)) == 1
        engine.now.advance(24 * HOUR)
        engine.accept(engine.order(engine.module(), agent))
        assert engine.reception.claim(agent, 10) == []

    def test_without_it_who_waited_begins(self, engine: Engine, windows: ExclusiveWindows) -> None:
        agent = engine.agent()
        self.create(windows)
        engine.accept(engine.order(engine.module(), agent))
        assert engine.reception.claim(agent, 10) == []
        windows.delete("Night", MACHINE)
        assert len(engine.reception.claim(agent, 10)) == 1

    def test_what_makes_no_sense_is_refused(
        self, engine: Engine, windows: ExclusiveWindows
    ) -> None:
        engine.agent()
        team(engine, "Mine", "agent")
        self.create(windows)
        with pytest.raises(WindowRefused, match="already"):
            self.create(windows, name="NIGHT")
        with pytest.raises(WindowRefused, match="not for both"):
            self.create(windows, name="two", agent="agent", team="Mine")
        with pytest.raises(WindowRefused, match="no definition"):
            self.create(windows, uuid.uuid4(), name="three")
        with pytest.raises(WindowRefused, match="at least one day"):
            self.create(windows, name="four", window=LaunchWindow(0, 0, frozenset()))
        with pytest.raises(WindowRefused, match="printable"):
            self.create(windows, name="\n")
        with pytest.raises(WindowNotFound):
            windows.delete("none", MACHINE)
