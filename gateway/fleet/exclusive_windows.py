"""Exclusive windows: hours that some definitions have for themselves.

While one is open, on the agents that it is for, only runs of its definitions begin; others wait
until it closes. What runs already goes on.
"""

import datetime
import enum
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import moments, names
from gateway.catalog import changes
from gateway.catalog.catalog import DefinitionKind
from gateway.fleet import roster, teams
from gateway.identity import audit
from gateway.identity.principals import Caller
from gateway.jobs import launch_windows
from gateway.jobs.orders import LaunchWindow, Origin
from gateway.jobs.rows import JobRow
from storage import models
from storage.database import Store
from storage.session import Row, Session, WritingSession

_WINDOW = models.ExclusiveWindow
_DEFINITION = models.Definition
_JOB = models.Job

MOST = 1000
_LONGEST_NAME = 255


class Scope(enum.IntEnum):
    """For which agents a window is; stored."""

    EVERYWHERE = 0
    AGENT = 1
    TEAM = 2


class WindowNotFound(LookupError):
    """There is no exclusive window of this name."""


class WindowRefused(ValueError):
    """A window like this makes no sense; the message says why."""


@dataclass(frozen=True)
class ExclusiveWindow:
    """One of them. ``scope_id`` is an agent's or a team's; ``definitions`` are ids."""

    guid: uuid.UUID
    name: str
    scope: Scope
    scope_id: int
    window: LaunchWindow
    definitions: frozenset[int]

    @property
    def reason(self) -> str:
        """Why a run waits for its end."""
        return f"waits for the end of the exclusive window {self.name!r}"

    def closes(self, now: int, zone: datetime.tzinfo) -> int | None:
        """When the window, which is open now, closes; None if it is not open."""
        return launch_windows.closing(self.window, now, zone)


class ExclusiveWindows:
    """Makes and deletes windows; each change is audited."""

    def __init__(self, store: Store, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._now = now

    def create(
        self,
        name: str,
        window: LaunchWindow,
        definitions: Sequence[str],
        agent: str | None,
        team: str | None,
        caller: Caller,
        comment: str = "",
    ) -> ExclusiveWindow:
        """A window for these definitions (GUIDs or names), on an agent, a team, or everywhere.

        Raises WindowRefused, AgentNotFound, AgentAmbiguous, TeamNotFound, TeamAmbiguous,
        CommentRefused.
        """
        audit.check_comment(comment)
        wanted = name.strip()
        if not wanted or len(wanted) > _LONGEST_NAME or not wanted.isprintable():
            raise WindowRefused(f"a name has 1 to {_LONGEST_NAME} printable characters")
        if agent is not None and team is not None:
            raise WindowRefused("a window is for an agent or for a team, not for both")
        if not window.days:
            raise WindowRefused("a window opens on at least one day")

        def work(session: WritingSession) -> ExclusiveWindow:
            changes.one_at_a_time(session, 1)
            present = windows(session)
            if names.key(wanted) in {names.key(one.name) for one in present}:
                raise WindowRefused(f"there is an exclusive window {wanted!r} already")
            if len(present) >= MOST:
                raise WindowRefused(f"there are {MOST} exclusive windows already")
            scope, scope_id = _scope(session, agent, team)
            chosen = sorted({_definition(session, one) for one in definitions})
            guid, now = moments.new_guid(), self._now()
            content = {"window": launch_windows.as_json(window), "definitions": chosen}
            session.execute(
                _WINDOW.insert(
                    guid=guid,
                    tenant_id=1,
                    name=wanted,
                    name_key=names.key(wanted),
                    scope_kind=scope,
                    scope_id=scope_id,
                    content=content,
                    created_at=now,
                )
            )
            audit.record(
                session, caller, now, "create", "exclusive window", guid, wanted, None,
                {**content, "scope": scope.name.lower(), "scope_id": scope_id}, comment,
            )  # fmt: skip
            return find(session, wanted)

        return self._store.unit_of_work(work)

    def delete(self, name: str, caller: Caller, comment: str = "") -> ExclusiveWindow:
        """End a window; who waits for it goes on at its end, or sooner if it is looked at.

        Raises WindowNotFound, CommentRefused.
        """
        audit.check_comment(comment)

        def work(session: WritingSession) -> ExclusiveWindow:
            changes.one_at_a_time(session, 1)
            found = find(session, name)
            now = self._now()
            session.execute(_WINDOW.update(deleted_at=now).where(_WINDOW.guid == found.guid))
            _free(session, found, now)
            audit.record(
                session, caller, now, "delete", "exclusive window", found.guid, found.name,
                None, None, comment,
            )  # fmt: skip
            return found

        return self._store.unit_of_work(work)


def windows(session: Session) -> list[ExclusiveWindow]:
    """All of them, by name."""
    query = _WINDOW.select().where(_WINDOW.deleted_at.is_null())
    return [_window(row) for row in session.rows(query.order_by(_WINDOW.name_key))]


def find(session: Session, name: str) -> ExclusiveWindow:
    """The window of this name or GUID. Raises WindowNotFound."""
    key = names.key(name)
    for one in windows(session):
        if key in (names.key(one.name), str(one.guid)):
            return one
    raise WindowNotFound(f"there is no exclusive window {name.strip()!r}")


def definitions_of(session: Session, job: JobRow) -> frozenset[int]:
    """The ids of what a job is a job of: its own definition, and the run books that it is in."""
    found, one = {job.definition_id}, (job.origin, job.parent_id)
    while one[0] == Origin.RUN_BOOK and one[1] is not None:
        query = _JOB.select(_JOB.definition_id, _JOB.origin, _JOB.parent_id)
        above = session.first(query.where(_JOB.id == one[1]))
        if above is None:
            break
        found.add(above["definition_id"])
        one = (above["origin"], above["parent_id"])
    return frozenset(each for each in found if each is not None)


def shutting_out(
    present: Iterable[ExclusiveWindow],
    definitions: frozenset[int],
    agent: int,
    its_teams: frozenset[int],
    now: int,
    zone: datetime.tzinfo,
) -> tuple[ExclusiveWindow, int] | None:
    """The window that keeps a run from beginning on an agent, and its end.

    ``definitions`` are all that it is a run of (``definitions_of``).
    """
    for one in present:
        concerned = (
            one.scope is Scope.EVERYWHERE
            or (one.scope is Scope.AGENT and one.scope_id == agent)
            or (one.scope is Scope.TEAM and one.scope_id in its_teams)
        )
        if concerned and not definitions & one.definitions:
            closes = one.closes(now, zone)
            if closes is not None:
                return one, closes
    return None


def _free(session: WritingSession, window: ExclusiveWindow, now: int) -> None:
    """Have runs that wait for a window looked at again."""
    run = models.Run
    query = run.update(not_before=now, reason="").where(
        run.status == 0, run.reason == window.reason, run.not_before > now
    )
    session.execute(query)


def _scope(session: Session, agent: str | None, team: str | None) -> tuple[Scope, int]:
    if agent is not None:
        return Scope.AGENT, roster.find(session, agent).id
    if team is not None:
        return Scope.TEAM, teams.find(session, team).id
    return Scope.EVERYWHERE, 0


def _definition(session: Session, reference: str) -> int:
    guid = roster.as_guid(reference)
    living = _DEFINITION.select(_DEFINITION.id).where(_DEFINITION.deleted_at.is_null())
    condition = (
        _DEFINITION.name_key == names.key(reference) if guid is None else _DEFINITION.guid == guid
    )
    found = session.rows(living.where(condition))
    if len(found) != 1:
        kinds = ", ".join(kind.word for kind in DefinitionKind)
        problem = "there is no" if not found else f"{len(found)} are called so, not one"
        raise WindowRefused(f"{problem} definition {reference.strip()!r} ({kinds})")
    return int(found[0]["id"])


def _window(row: Row) -> ExclusiveWindow:
    content: dict[str, Any] = row["content"]
    return ExclusiveWindow(
        row["guid"],
        row["name"],
        Scope(row["scope_kind"]),
        row["scope_id"],
        launch_windows.from_json(content["window"]),
        frozenset(content["definitions"]),
    )
