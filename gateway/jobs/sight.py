"""What somebody sees of an order whose rights do not reach everywhere."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from gateway import names
from gateway.catalog.catalog import Catalog, DefinitionKind, DefinitionNotFound
from gateway.fleet import roster, teams
from gateway.fleet.roster import AgentAmbiguous, AgentNotFound
from gateway.fleet.teams import TeamAmbiguous, TeamNotFound
from gateway.identity.permissions import NOWHERE, Place, Reach
from gateway.identity.principals import Caller
from gateway.jobs.orders import JobOrder, OrderRefused, What, Who, WhoKind
from gateway.jobs.places import Places
from storage.session import Session

# More than any order may have of either, so that what is looked up here is bounded.
_MOST = 1000


class _Named(Protocol):
    @property
    def guid(self) -> UUID: ...

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


@dataclass(frozen=True)
class Sight:
    """How far somebody may read what an order can name; None where the order names none."""

    what: Mapping[DefinitionKind, Reach | None]
    who: Mapping[WhoKind, Reach | None]

    def look(
        self, session: Session, catalog: Catalog, order: JobOrder, caller: Caller
    ) -> tuple[JobOrder, list[Place]]:
        """The order with GUIDs for names, and the places of the job that it would make.

        One place for each definition with each agent or team: a right to make the job must cover
        all of them. What may not be read is refused as what does not exist. Raises OrderRefused.
        """
        look = _Look(session, catalog, self)
        what = [look.definition(i, one) for i, one in enumerate(order.what[:_MOST])]
        who = [look.who(i, one) for i, one in enumerate(order.who[:_MOST])]
        owner = None if caller.principal is None else caller.principal.id
        in_teams = {place.teams for _, place in who} or {NOWHERE.teams}
        seen = dataclasses.replace(order, who=(*(one for one, _ in who), *order.who[_MOST:]))
        return seen, [
            Place(folders, belonging, owner)
            for folders in {place.folders for place in what}
            for belonging in in_teams
        ]


class _Look:
    """One look at an order."""

    def __init__(self, session: Session, catalog: Catalog, sight: Sight) -> None:
        self._session = session
        self._catalog = catalog
        self._what = sight.what
        self._places = Places(session)
        self._seen = Seen(session, sight.who.get(WhoKind.AGENT), sight.who.get(WhoKind.TEAM))

    def definition(self, index: int, what: What) -> Place:
        try:
            place = self._places.definition(self._catalog.find(self._session, what.guid, what.kind))
            if not _covers(self._what.get(what.kind), place):
                raise DefinitionNotFound.of(what.guid, what.kind)
        except DefinitionNotFound as error:
            raise OrderRefused(f"What[{index}].ID", str(error)) from error
        return place

    def who(self, index: int, who: Who) -> tuple[Who, Place]:
        try:
            if who.kind is WhoKind.AGENT:
                agent, place = self._seen.agent(who.reference)
                return dataclasses.replace(who, reference=str(agent.guid)), place
            team, place = self._seen.team(who.reference)
            return dataclasses.replace(who, reference=str(team.guid)), place
        except (AgentNotFound, AgentAmbiguous, TeamNotFound, TeamAmbiguous) as error:
            raise OrderRefused(f"Who[{index}].ID", str(error)) from error


class Seen:
    """Agents and teams by GUID or name, of those that somebody may read: others do not exist.

    ``agents`` and ``teams`` are how far he may read them; None is not at all.
    """

    def __init__(self, session: Session, agents: Reach | None, teams: Reach | None) -> None:
        self._session = session
        self._reach_of_agents = agents
        self._reach_of_teams = teams
        self._places = Places(session)

    def agent(self, reference: str) -> tuple[roster.Agent, Place]:
        """An agent and where it lies. Raises AgentNotFound, AgentAmbiguous."""
        seen = _seen(_referred(self._agents, reference), self._places.agent, self._reach_of_agents)
        if not seen:
            raise AgentNotFound.of(reference)
        if len(seen) > 1:
            raise AgentAmbiguous.of(reference, len(seen))
        return seen[0]

    def team(self, reference: str) -> tuple[teams.Team, Place]:
        """A team and where it lies. Raises TeamNotFound, TeamAmbiguous."""
        seen = _seen(_referred(self._teams, reference), self._places.team, self._reach_of_teams)
        if not seen:
            raise TeamNotFound.of(reference)
        if len(seen) > 1:
            raise TeamAmbiguous.of(reference, (team.folder for team, _ in seen))
        return seen[0]

    @functools.cached_property
    def _agents(self) -> list[roster.Agent]:
        return roster.agents(self._session)

    @functools.cached_property
    def _teams(self) -> list[teams.Team]:
        return teams.teams(self._session)


def _covers(reach: Reach | None, place: Place) -> bool:
    return reach is not None and reach.covers(place)


def _seen(
    found: Iterable[N], where: Callable[[N], Place], reach: Reach | None
) -> list[tuple[N, Place]]:
    placed = ((one, where(one)) for one in found)
    return [(one, place) for one, place in placed if _covers(reach, place)]


def _referred(things: Sequence[N], reference: str) -> list[N]:
    """Those with the GUID, or else the name, as ``roster.find`` has it."""
    guid, key = roster.as_guid(reference), names.key(reference)
    by_guid = [thing for thing in things if thing.guid == guid]
    return by_guid or [thing for thing in things if names.key(thing.name) == key]
