"""Where objects lie, for rights that do not count everywhere: in folders, in teams, whose."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.catalog import folders
from gateway.catalog.catalog import DefinitionSummary
from gateway.catalog.folders import FolderKind
from gateway.catalog.resources import Resource
from gateway.fleet import roster, teams
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Composition, Team
from gateway.identity import permissions
from gateway.identity.permissions import Access, Node, Place
from gateway.jobs.views import JobView
from storage import models
from storage.session import Session

_JOB = models.Job
_RUN = models.Run
_REQUEST = models.JobRequest


class Places:
    """Answers for one session; what all answers need is read with the first that needs it."""

    def __init__(self, session: Session, tenant: int = 1) -> None:
        self._session = session
        self._tenant = tenant

    def definition(self, definition: DefinitionSummary) -> Place:
        """A module, project or run book lies in its folder."""
        return self.folder(definition.folder_id)

    def folder(self, folder_id: int | None) -> Place:
        """Of what lies in a folder, by the id of that; None is the root, which is no folder."""
        return Place(folders=self._tree.above(folder_id))

    def agent(self, agent: Agent) -> Place:
        """An agent is where it belongs to."""
        return Place(teams=self._composition.teams_of(agent))

    def team(self, team: Team) -> Place:
        """A team lies in its folder, in itself and in the teams that it was put into."""
        return Place(self._tree.above(team.folder_id), self._composition.above([team.id]))

    def resource(self, resource: Resource) -> Place:
        """A resource lies in its folder."""
        return self.path(FolderKind.RESOURCE, resource.details.folder)

    def path(self, kind: FolderKind, path: str) -> Place:
        """Of what lies, or will lie, in the folder of a path; of those to be made, in what is."""
        for step in reversed(folders.ancestry(path)):
            found = folders.find(self._session, kind, step, self._tenant)
            if found is not None:
                return self.folder(found)
        return self.folder(None)

    def job(self, job: JobView) -> Place:
        """A job is its owner's; it lies where its definition lies and where its agents belong to.

        Of several definitions the first counts. One without runs counts as where it will run.
        """
        row = self._session.first(
            _JOB.select(_JOB.folder_id, _JOB.owner_id).where(_JOB.id == job.id)
        )
        if row is None:
            return Place()
        above = self._tree.above(row["folder_id"])
        return Place(above, self._teams_of_job(job.id), row["owner_id"])

    def _teams_of_job(self, job_id: int) -> frozenset[int]:
        runs = self._session.rows(_RUN.select(_RUN.agent_id).where(_RUN.job_id == job_id))
        if runs:
            return self._teams_of_agents(row["agent_id"] for row in runs)
        request = self._session.first(
            _REQUEST.select(_REQUEST.who).where(_REQUEST.job_id == job_id)
        )
        who: list[Mapping[str, Any]] = [] if request is None else request["who"]
        named = [item["team"] for item in who if "team" in item]
        agents = (item["agent"] for item in who if "agent" in item)
        return self._composition.above(named) | self._teams_of_agents(agents)

    def _teams_of_agents(self, ids: Iterable[int]) -> frozenset[int]:
        found = roster.living(self._session, set(ids))
        return frozenset[int]().union(*map(self._composition.teams_of, found))

    @functools.cached_property
    def _tree(self) -> folders.Tree:
        return folders.tree(self._session, self._tenant)

    @functools.cached_property
    def _composition(self) -> Composition:
        return teams.composition(self._session, self._tenant)


class OwnersRights:
    """What the owner of a job may do who is not here now, where a value of his names agents.

    ``folder_id`` is where his job lies. An owner who is None is the machine itself.
    """

    def __init__(
        self, session: Session, owner_id: int | None, folder_id: int | None, tenant: int = 1
    ) -> None:
        self._session = session
        self._owner_id = owner_id
        self._folder_id = folder_id
        self._places = Places(session, tenant)

    def refusal(self, found: Agent | Team, reference: str) -> str | None:
        """Why he may have no job on what he named by a reference; None if he may.

        He must be allowed to read it, or it does not exist for him, and to make jobs there.
        """
        if self._owner_id is None:
            return None
        if not self._bindings:
            return "who asked for the run book has no rights any more"
        node = Node.AGENTS if isinstance(found, Agent) else Node.TEAMS
        if not self._covers(node, Access.READ, functools.partial(self._place, found)):
            unknown = roster.AgentNotFound if isinstance(found, Agent) else teams.TeamNotFound
            return str(unknown.of(reference))
        if not self._covers(Node.JOBS, Access.MODIFY, functools.partial(self._job_on, found)):
            return f"who asked for the run book has no modify access to Jobs on {found.name!r}"
        return None

    def _place(self, found: Agent | Team) -> Place:
        if isinstance(found, Agent):
            return self._places.agent(found)
        return self._places.team(found)

    def _job_on(self, found: Agent | Team) -> Place:
        above = self._places.folder(self._folder_id).folders
        return Place(above, self._place(found).teams, self._owner_id)

    def _covers(self, node: Node, access: Access, place: Callable[[], Place]) -> bool:
        reach = permissions.reach(self._bindings, self._owner_id or 0, node, access)
        return reach.everywhere or reach.covers(place())

    @functools.cached_property
    def _bindings(self) -> tuple[permissions.Binding, ...]:
        return permissions.bindings_of(self._session, self._owner_id or 0)
