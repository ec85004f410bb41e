"""Pages of jobs for narrowed rights: the condition of SQL says what the rule says of each place."""

import dataclasses
import itertools
import uuid
from pathlib import Path

import pytest

from gateway.catalog import folders
from gateway.catalog.definitions import Module, Task
from gateway.catalog.folders import FolderKind
from gateway.fleet.teams import MemberKind, TeamContent, Teams
from gateway.identity.permissions import (
    EVERYWHERE,
    OWN,
    Access,
    Reach,
    Scope,
    ScopeKind,
)
from gateway.identity.principals import MACHINE, Caller, Principal, PrincipalKind
from gateway.jobs.orders import Timing
from gateway.jobs.places import Places
from gateway.jobs.service import JobFilter, JobNotFound
from gateway.jobs.views import JobView
from storage import models
from storage.database import Store
from storage.session import Session
from tests import engine as engines
from tests.engine import HOUR, Engine


@dataclasses.dataclass
class World:
    """Modules in folders, agents in teams, jobs of everybody; scopes by what people call them."""

    engine: Engine
    scopes: dict[str, Scope]
    jobs: dict[str, JobView]
    me: int

    def names(self, reach: Reach) -> set[str]:
        """The jobs on the page of somebody with this reach."""
        page = self.engine.jobs.page(JobFilter(reach=reach), 1, 1000)
        assert page.total == len(page.jobs)
        by_guid = {job.guid: name for name, job in self.jobs.items()}
        return {by_guid[job.guid] for job in page.jobs}

    def covered(self, reach: Reach) -> set[str]:
        """The jobs that the rule covers, one by one."""
        with self.engine.store.reading() as session:
            places = Places(session)
            return {name for name, job in self.jobs.items() if reach.covers(places.job(job))}


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """Jobs named ``folder/agent/owner``; those that end with ``later`` have no run yet."""
    engine = engines.make(store, tmp_path)
    teams = Teams(store)
    outer, inner = (teams.create(TeamContent.of(name=name), MACHINE) for name in ("T", "U"))
    agents = {name: engine.agent(name) for name in ("in T", "in U", "in none")}

    def bind(session: Session) -> list[int]:
        numbers = {row["guid"]: row["id"] for row in session.rows(models.Agent.select())}
        for team, kind, member in (
            (outer.id, MemberKind.TEAM, inner.id),
            (outer.id, MemberKind.AGENT, numbers[agents["in T"].agent]),
            (inner.id, MemberKind.AGENT, numbers[agents["in U"].agent]),
        ):
            row = models.TeamMember.insert(team_id=team, kind=kind, member_id=member)
            session.execute(row)
        return [_principal(session, name) for name in ("me", "another")]

    me, another = store.unit_of_work(bind)
    callers = {"mine": _caller(me), "another's": _caller(another), "nobody's": MACHINE}
    jobs = {}
    for folder in ("A", "A/B", "C", ""):
        module = _module(folder)
        engine.catalog.save(module, MACHINE)
        for (agent, session), (owner, caller) in itertools.product(agents.items(), callers.items()):
            order = engine.order(module.guid, session)
            jobs[f"{folder}/{agent}/{owner}"] = engine.jobs.accept(order, caller)
        later = Timing(immediate=False, scheduled_at=engine.now() + HOUR)
        for agent in ("in U", "in none"):
            order = engine.order(module.guid, agents[agent], timing=later)
            jobs[f"{folder}/{agent}/later"] = engine.jobs.accept(order, callers["another's"])
    with store.reading() as session:
        found = {path: folders.find(session, FolderKind.MODULE, path) for path in ("A", "A/B")}
    return World(
        engine,
        {
            "everywhere": EVERYWHERE,
            "own": OWN,
            **{path: Scope(ScopeKind.FOLDER, number or 0) for path, number in found.items()},
            "T": Scope(ScopeKind.TEAM, outer.id),
            "U": Scope(ScopeKind.TEAM, inner.id),
            "an environment": Scope(ScopeKind.ENVIRONMENT, 1),
        },
        jobs,
        me,
    )


def _principal(session: Session, name: str) -> int:
    number: int = session.execute(
        models.Principal.insert(
            guid=uuid.uuid4(),
            tenant_id=1,
            kind=PrincipalKind.LOGIN,
            name=name,
            name_key=name,
            description="",
            disabled=False,
            created_at=0,
        )
    )
    return number


def _caller(number: int) -> Caller:
    principal = Principal(number, uuid.UUID(int=number), 1, PrincipalKind.LOGIN, str(number))
    return Caller(principal, "192.0.2.1", "dispatcher", "request")


def _module(folder: str) -> Module:
    task = Task(guid=uuid.uuid4(), name="Task", type="command", settings={"argv": ["true"]})
    return Module(guid=uuid.uuid4(), name=f"of {folder}", folder=folder, tasks=(task,))


def test_a_page_holds_what_the_rule_covers(world: World) -> None:
    said = [
        (scope, access) for scope in world.scopes.values() for access in (Access.READ, Access.DENY)
    ]
    for some in (*itertools.combinations(said, 1), *itertools.combinations(said, 2)):
        reach = Reach(world.me, Access.READ, some)
        assert world.names(reach) == world.covered(reach), some


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ("everywhere", lambda name: True),
        ("own", lambda name: name.endswith("/mine")),
        ("A", lambda name: name.startswith("A/")),
        ("A/B", lambda name: name.startswith("A/B/")),
        ("T", lambda name: "/in T/" in name or "/in U/" in name),
        ("U", lambda name: "/in U/" in name),
        ("an environment", lambda name: False),
    ],
)
def test_what_a_scope_holds(world: World, scope: str, held: object) -> None:
    assert callable(held)
    reach = Reach(world.me, Access.READ, ((world.scopes[scope], Access.READ),))
    expected = {name for name in world.jobs if held(name)}
    assert world.names(reach) == expected
    for name, job in world.jobs.items():
        if name in expected:
            assert world.engine.jobs.get(job.guid, reach).guid == job.guid
        else:
            with pytest.raises(JobNotFound, match=f"there is no job {job.guid}"):
                world.engine.jobs.get(job.guid, reach)


def test_pages_of_a_narrowed_list_are_counted(world: World) -> None:
    reach = Reach(world.me, Access.READ, ((OWN, Access.READ),))
    page = world.engine.jobs.page(JobFilter(reach=reach), 2, 5)
    assert (page.total, page.pages, len(page.jobs)) == (12, 3, 5)


def test_a_team_that_a_job_was_asked_for_counts_until_it_has_runs(world: World) -> None:
    job = world.jobs["C/in none/later"]
    team = world.scopes["U"].id

    def name_team(session: Session) -> None:
        request = models.JobRequest.update(who=[{"team": team, "guid": uuid.uuid4(), "name": "U"}])
        session.execute(request.where(models.JobRequest.job_id == job.id))

    world.engine.store.unit_of_work(name_team)
    for scope in ("T", "U"):
        reach = Reach(world.me, Access.READ, ((world.scopes[scope], Access.READ),))
        assert "C/in none/later" in world.names(reach) & world.covered(reach)


def test_a_folder_in_a_circle_ends() -> None:
    tree = folders.Tree({1: 2, 2: 1, 3: 1, 4: None})
    assert tree.above(3) == {1, 2, 3}
    assert tree.below(1) == {1, 2, 3}
    assert tree.above(None) == frozenset()
