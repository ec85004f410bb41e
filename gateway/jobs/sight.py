"""What somebody sees of an order whose rights do not reach everywhere."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from gateway import names
from gateway.agents import roster, teams
from gateway.agents.roster import AgentAmbiguous, AgentNotFound
from gateway.agents.teams import TeamAmbiguous, TeamNotFound
from gateway.catalog.catalog import Catalog, DefinitionKind, DefinitionNotFound
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
    """One look at an order; agents and teams are read once."""

    def __init__(self, session: Session, catalog: Catalog, sight: Sight) -> None:
        self._session = session
        self._catalog = catalog
        self._sight = sight
        self._places = Places(session)

    def definition(self, index: int, what: What) -> Place:
        try:
            place = self._places.definition(self._catalog.find(self._session, what.guid, what.kind))
            if not _covers(self._sight.what.get(what.kind), place):
                raise DefinitionNotFound.of(what.guid, what.kind)
        except DefinitionNotFound as error:
            raise OrderRefused(f"What[{index}].ID", str(error)) from error
        return place

    def who(self, index: int, who: Who) -> tuple[Who, Place]:
        find = self._agent if who.kind is WhoKind.AGENT else self._team
        try:
            guid, place = find(who.reference, self._sight.who.get(who.kind))
        except (AgentNotFound, AgentAmbiguous, TeamNotFound, TeamAmbiguous) as error:
            raise OrderRefused(f"Who[{index}].ID", str(error)) from error
        return dataclasses.replace(who, reference=str(guid)), place

    def _agent(self, reference: str, reach: Reach | None) -> tuple[UUID, Place]:
        seen = _seen(_referred(self._agents, reference), self._places.agent, reach)
        if not seen:
            raise AgentNotFound.of(reference)
        if len(seen) > 1:
            raise AgentAmbiguous.of(reference, len(seen))
        return seen[0][0].guid, seen[0][1]

    def _team(self, reference: str, reach: Reach | None) -> tuple[UUID, Place]:
        seen = _seen(_referred(self._teams, reference), self._places.team, reach)
        if not seen:
            raise TeamNotFound.of(reference)
        if len(seen) > 1:
            raise TeamAmbiguous.of(reference, (team.folder for team, _ in seen))
        return seen[0][0].guid, seen[0][1]

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
