"""Logins whose roles count within a scope, and objects inside and outside of it."""

import dataclasses
import uuid
from collections.abc import Mapping

from gateway.agents.desk import AgentSession
from gateway.agents.teams import MemberKind, TeamContent, Teams
from gateway.catalog import folders
from gateway.catalog.definitions import Module, Task
from gateway.catalog.folders import FolderKind
from gateway.identity.permissions import EVERY_NODE, Access, Scope, ScopeKind
from gateway.identity.principals import MACHINE, Caller
from gateway.jobs.views import JobView
from storage import models
from storage.session import Session
from tests.contract.dispatcher.house import Client, House

Permissions = Mapping[str, Access]
EVERY: Permissions = {EVERY_NODE: Access.MODIFY}
READ: Permissions = {EVERY_NODE: Access.READ}


@dataclasses.dataclass(frozen=True)
class Objects:
    """One of each kind of object, all at the same place."""

    module: Module
    agent: AgentSession
    team: uuid.UUID
    caller: Caller

    def job(self, house: House) -> JobView:
        """A new job of the module on the agent, which the owner has asked for."""
        order = house.engine.order(self.module.guid, self.agent)
        return house.gateway.jobs.accept(order, self.caller)


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
        return self.folder, self.team

    @property
    def folder(self) -> Scope:
        """The folder above that of the module inside."""
        with self.house.gateway.store.reading() as session:
            found = folders.find(session, FolderKind.MODULE, "Inside")
        assert found is not None
        return Scope(ScopeKind.FOLDER, found)

    @property
    def team(self) -> Scope:
        """The team of the agent inside."""
        with self.house.gateway.store.reading() as session:
            team = models.Team
            found = session.scalar(team.select(team.id).where(team.guid == self.inside.team))
        return Scope(ScopeKind.TEAM, found)

    def own(self, name: str) -> Objects:
        """The objects outside, with jobs of their own for a login."""
        principal = self.house.gateway.logins.find(name)
        caller = Caller(principal, "192.0.2.1", "dispatcher", "request")
        return dataclasses.replace(self.outside, caller=caller)

    def _objects(self, name: str, folder: str) -> Objects:
        gateway = self.house.gateway
        task = Task(guid=uuid.uuid4(), name="Task", type="command", settings={"argv": ["true"]})
        module = Module(guid=uuid.uuid4(), name=f"{name} module", folder=folder, tasks=(task,))
        gateway.catalog.save(module, MACHINE)
        agent = self.house.agent(f"{name} agent")
        team = Teams(gateway.store).create(TeamContent.of(name=f"{name} team"), MACHINE)

        def join(session: Session) -> None:
            row = models.Agent
            number = session.scalar(row.select(row.id).where(row.guid == agent.agent))
            session.execute(
                models.TeamMember.insert(team_id=team.id, kind=MemberKind.AGENT, member_id=number)
            )

        gateway.store.unit_of_work(join)
        return Objects(module, agent, team.guid, MACHINE)
