"""Logins whose roles count within a scope, and objects inside and outside of it."""

import dataclasses
import functools
import uuid
from collections.abc import Mapping

from gateway.agents.desk import AgentSession
from gateway.catalog import folders
from gateway.catalog.definitions import Module, Task
from gateway.catalog.folders import FolderKind
from gateway.catalog.projects import Project
from gateway.catalog.resources import Resource, ResourceDetails
from gateway.catalog.run_books import RunBook
from gateway.fleet.membership import Reference, TeamChange
from gateway.fleet.teams import MemberKind, Team
from gateway.identity.permissions import EVERY_NODE, Access, Scope, ScopeKind
from gateway.identity.principals import MACHINE, Caller
from gateway.jobs.views import JobView
from tests.contract.dispatcher.house import Client, House

Permissions = Mapping[str, Access]
EVERY: Permissions = {EVERY_NODE: Access.MODIFY}
READ: Permissions = {EVERY_NODE: Access.READ}


@dataclasses.dataclass(frozen=True)
class Objects:
    """One of each kind of object, all at the same place; ``inner`` is a team within the team."""

    folder: str
    module: Module
    project: Project
    run_book: RunBook
    agent: AgentSession
    team: Team
    inner: Team
    caller: Caller

    def job(self, house: House) -> JobView:
        """A new job of the module on the agent, which the owner has asked for."""
        order = house.engine.order(self.module.guid, self.agent)
        return house.gateway.jobs.accept(order, self.caller)

    def another_agent(self, house: House) -> AgentSession:
        """A new agent of the team, which is offline."""
        agent = house.agent(f"Agent {uuid.uuid4()}")
        put_into(house, self.team, agent)
        house.silence(agent)
        return agent

    def resource(self, house: House) -> Resource:
        """A new resource in the folder."""
        name = f"{uuid.uuid4()}.txt"
        details = ResourceDetails(name, name, self.folder)
        return house.gateway.resources.add(details, [b"content"], MACHINE)


def put_into(house: House, team: Team, *members: AgentSession | Team) -> None:
    """Put agents and teams into a team."""
    add = [
        Reference(str(one.guid), MemberKind.TEAM)
        if isinstance(one, Team)
        else Reference(str(one.agent))
        for one in members
    ]
    house.gateway.memberships.change_team(str(team.guid), TeamChange(add), MACHINE)


class Scene:
    """A house with objects inside and outside of a folder, a team and what a login owns.

    ``narrowed`` logins have roles in all three scopes, so that ``inside`` is theirs and ``outside``
    is not.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.inside = self._objects("Inside", "Inside/Below")
        self.outside = self._objects("Outside", "Outside")

    def login(
        self, name: str, permissions: Permissions, *scopes: Scope, disabled: bool = False
    ) -> Client:
        """A client of a new login whose only role says this, in these scopes."""
        gateway = self.house.gateway
        role = gateway.roles.create(f"Role of {name}", permissions, MACHINE)
        client = self.house.login(name)
        for scope in scopes:
            gateway.logins.bind(name, role.name, scope, "somewhere", MACHINE)
        if disabled:
            gateway.logins.disable(name, MACHINE)
        return client

    def give(self, name: str, permissions: Permissions, *scopes: Scope) -> None:
        """Give a login another role."""
        gateway = self.house.gateway
        role = gateway.roles.create(f"Role {uuid.uuid4()}", permissions, MACHINE)
        for scope in scopes:
            gateway.logins.bind(name, role.name, scope, "somewhere", MACHINE)

    @property
    def narrow(self) -> tuple[Scope, ...]:
        """The scopes in which all of ``inside`` lies, and nothing of ``outside``."""
        return (*map(self.folder_of, FolderKind), self.team)

    @property
    def folder(self) -> Scope:
        """The folder above that of the module inside."""
        return self.folder_of(FolderKind.MODULE)

    def folder_of(self, kind: FolderKind) -> Scope:
        """The folder above that of the objects of a kind inside."""
        ensure = functools.partial(folders.ensure, kind=kind, path="Inside")
        return Scope(ScopeKind.FOLDER, self.house.gateway.store.unit_of_work(ensure) or 0)

    @property
    def team(self) -> Scope:
        """The team of the agent inside."""
        return Scope(ScopeKind.TEAM, self.inside.team.id)

    def own(self, name: str) -> Objects:
        """The objects outside, with jobs of their own for a login."""
        principal = self.house.gateway.logins.find(name)
        caller = Caller(principal, "192.0.2.1", "dispatcher", "request")
        return dataclasses.replace(self.outside, caller=caller)

    def _objects(self, name: str, folder: str) -> Objects:
        house = self.house
        task = Task(guid=uuid.uuid4(), name="Task", type="command", settings={"argv": ["true"]})
        module = Module(guid=uuid.uuid4(), name=f"{name} module", folder=folder, tasks=(task,))
        project = Project(guid=uuid.uuid4(), name=f"{name} project", folder=folder)
        run_book = RunBook(guid=uuid.uuid4(), name=f"{name} run book", folder=folder)
        for definition in (module, project, run_book):
            house.gateway.catalog.save(definition, MACHINE)
        agent = house.agent(f"{name} agent")
        team, inner = house.team(f"{name} team"), house.team(f"{name} inner team")
        put_into(house, team, agent, inner)
        return Objects(folder, module, project, run_book, agent, team, inner, MACHINE)
