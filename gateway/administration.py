"""What the command line can do to a gateway: one method for each operation.

Arguments and answers are plain JSON values, since they also travel through the control socket.
Every public method of ``Administration`` is a command there.
"""

import base64
import codecs
import contextlib
import dataclasses
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import pydantic

from gateway import moments, names
from gateway.catalog import tree_parameters, trees
from gateway.catalog.blobs import Blobs
from gateway.catalog.building_block_plan import OnConflict
from gateway.catalog.building_blocks import BuildingBlocks, Form
from gateway.catalog.catalog import (
    Catalog,
    DefinitionAmbiguous,
    DefinitionKind,
    DefinitionNotFound,
    DefinitionSummary,
)
from gateway.catalog.definitions import ParameterType
from gateway.catalog.policies import Policy
from gateway.catalog.resources import Resource, ResourceChanges, Resources
from gateway.commands import timings
from gateway.commands.agents import AgentCommands
from gateway.commands.explanations import ExplanationCommands
from gateway.commands.group import Command, CommandGroup, machine
from gateway.commands.housekeeping import HousekeepingCommands
from gateway.commands.limits import LimitCommands
from gateway.commands.notifications import NotificationCommands
from gateway.commands.retention import RetentionCommands
from gateway.commands.schedules import (
    CalendarCommands,
    MaintenanceCommands,
    ScheduleCommands,
)
from gateway.control import CommandFailed
from gateway.datafolder import DataFolder
from gateway.fleet import membership, roster, teams
from gateway.fleet.access import AgentAccess
from gateway.fleet.enrolment import Enrolments
from gateway.fleet.exclusive_windows import ExclusiveWindows
from gateway.fleet.limits import RunLimits
from gateway.fleet.membership import AgentChange, Memberships, Reference, TeamChange
from gateway.fleet.removal import AgentRemoval
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Composition, MemberKind, Team, TeamContent, Teams
from gateway.identity import audit
from gateway.identity.logins import Logins
from gateway.identity.permissions import EVERYWHERE, OWN, Access, Scope
from gateway.identity.principals import MACHINE
from gateway.identity.role_changes import Roles
from gateway.identity.rotation import Rotation
from gateway.identity.soap_secrets import SoapSecrets
from gateway.identity.vault import Vault
from gateway.jobs import explaining, launch_windows, scopes
from gateway.jobs.clock import Clock
from gateway.jobs.explaining import Explainer, Right
from gateway.jobs.explanations.explainer import JobExplainer
from gateway.jobs.orders import (
    Boot,
    GivenParameters,
    GivenValue,
    JobOrder,
    LaunchWindow,
    OrderRefused,
    OutsideWindow,
    Recurrence,
    Timing,
    What,
    Who,
)
from gateway.jobs.retention import Retention
from gateway.jobs.service import JobFilter, Jobs
from gateway.jobs.signals import Signals
from gateway.jobs.states import Stage
from gateway.jobs.views import JobView, RunView
from gateway.notifications.rules import Rules
from gateway.plain import plain
from gateway.settings import Settings
from gateway.tasks.registry import TaskTypes
from storage.database import Store
from storage.session import Session
from storage.sqlite import SqliteStore

Json = Any

_MINUTE = 60 * moments.SECOND
_POLL_SECONDS = 0.25
_PIECE_BYTES = 1024 * 1024
_LOG_BYTES = 1024 * 1024
# Of all logs of a job together, who get equal shares of it.
_ALL_LOG_BYTES = 16 * 1024 * 1024


class Gateway(Protocol):
    """The parts that operations need."""

    @property
    def settings(self) -> Settings:
        """All settings."""

    @property
    def store(self) -> Store:
        """Where everything is kept."""

    @property
    def vault(self) -> Vault:
        """The sealed secrets."""

    @property
    def logins(self) -> Logins:
        """Who may do something."""

    @property
    def soap_secrets(self) -> SoapSecrets:
        """What logins prove digests with."""

    @property
    def roles(self) -> Roles:
        """What can be granted."""

    @property
    def job_explainer(self) -> JobExplainer:
        """Why jobs and schedules do what they do."""

    @property
    def explainer(self) -> Explainer:
        """Why somebody may do something."""

    @property
    def rights(self) -> Mapping[str, Right]:
        """What each operation of the surfaces needs."""

    @property
    def catalog(self) -> Catalog:
        """What can be run."""

    @property
    def blobs(self) -> Blobs:
        """Bytes in the store."""

    @property
    def resources(self) -> Resources:
        """Files that tasks use."""

    @property
    def task_types(self) -> TaskTypes:
        """What tasks can be."""

    @property
    def jobs(self) -> Jobs:
        """What was asked for."""

    @property
    def teams(self) -> Teams:
        """Agents and teams under one name."""

    @property
    def memberships(self) -> Memberships:
        """Who is in which team."""

    @property
    def clock(self) -> Clock:
        """What starts what is due, and does the housekeeping."""

    @property
    def notification_rules(self) -> Rules:
        """Whom to tell of what."""

    @property
    def retention(self) -> Retention:
        """What is kept, and for how long."""

    @property
    def run_limits(self) -> RunLimits:
        """How many runs agents may have."""

    @property
    def exclusive_windows(self) -> ExclusiveWindows:
        """Hours that some definitions have for themselves."""

    @property
    def enrolments(self) -> Enrolments:
        """Who asks to be an agent."""

    @property
    def access(self) -> AgentAccess:
        """What becomes of agents that were let in."""

    @property
    def signals(self) -> Signals:
        """What wakes agents."""

    @property
    def removal(self) -> AgentRemoval:
        """How agents are removed."""


class Administration(CommandGroup):
    """The operations on one gateway. Errors are those of ``gateway.failures``."""

    def __init__(self, gateway: Gateway, now: Callable[[], int] = moments.now) -> None:
        self._gateway = gateway
        self._now = now
        self._blocks = BuildingBlocks(
            gateway.store, gateway.catalog, gateway.resources, gateway.blobs, gateway.task_types
        )

    def commands(self) -> Mapping[str, Command]:
        """All operations by name, with those of the groups."""
        groups: tuple[CommandGroup, ...] = (
            AgentCommands(self._gateway),
            ExplanationCommands(self._gateway),
            LimitCommands(self._gateway),
            HousekeepingCommands(self._gateway),
            NotificationCommands(self._gateway),
            RetentionCommands(self._gateway),
            ScheduleCommands(self._gateway, self._now),
            CalendarCommands(self._gateway, self._now),
            MaintenanceCommands(self._gateway, self._now),
        )
        found = dict(super().commands())
        for group in groups:
            found |= group.commands()
        return found

    # Logins

    def initialise(self, *, no_login: bool = False, password: str | None = None) -> Json:
        """Prepare a new store; ``{"generated_password": text or null}``."""
        logins = self._gateway.logins
        if no_login:
            logins.do_without(MACHINE)
            return {"generated_password": None}
        return {"generated_password": logins.ensure_administrator(password, MACHINE)}

    def login_add(
        self,
        name: str,
        password: str,
        roles: Sequence[str] = (),
        description: str = "",
        comment: str = "",
    ) -> Json:
        """Add a login; answers ``{"name", "guid"}``."""
        caller = machine(comment)
        principal = self._gateway.logins.add(name, password, roles, caller, description)
        return {"name": principal.name, "guid": str(principal.guid)}

    def login_list(self) -> Json:
        """All logins; ``narrowed`` are the roles within a scope, in words."""
        found = self._gateway.logins.listed()
        with self._gateway.store.reading() as session:
            return [
                {
                    **plain(login),
                    "narrowed": [
                        f"{role} {scopes.described(session, scope)}"
                        for role, scope in login.narrowed
                    ],
                }
                for login in found
            ]

    def login_passwd(self, name: str, password: str, comment: str = "") -> None:
        """Give a login another password."""
        self._gateway.logins.set_password(name, password, machine(comment))

    def login_soap_secret(
        self, name: str, secret: str | None, remove: bool, comment: str = ""
    ) -> Json:
        """Give a login a SOAP secret or take it; ``{"secret"}`` is one that was made up."""
        if remove:
            self._gateway.soap_secrets.take(name, machine(comment))
            return {"secret": None}
        return {"secret": self._gateway.soap_secrets.give(name, secret, machine(comment))}

    def login_disable(self, name: str, comment: str = "") -> None:
        """Keep a login from being used."""
        self._gateway.logins.disable(name, machine(comment))

    def login_enable(self, name: str, comment: str = "") -> None:
        """Let a login be used again."""
        self._gateway.logins.enable(name, machine(comment))

    def login_remove(self, name: str, comment: str = "") -> None:
        """Remove a login."""
        self._gateway.logins.remove(name, machine(comment))

    def login_bind(self, name: str, role: str, scope: Mapping[str, str], comment: str = "") -> Json:
        """Let a login have a role within a scope; ``{"where", "new"}``.

        ``scope`` has at most one of ``folder`` (``module:A/B``), ``team`` (GUID or name) and
        ``own``; without any the role counts everywhere.
        """
        found, where = self._scope(scope)
        new = self._gateway.logins.bind(name, role, found, where, machine(comment))
        return {"where": where, "new": new}

    def login_unbind(
        self, name: str, role: str, scope: Mapping[str, str], comment: str = ""
    ) -> Json:
        """Take a role within a scope from a login; ``{"where"}``."""
        found, where = self._scope(scope)
        self._gateway.logins.unbind(name, role, found, where, machine(comment))
        return {"where": where}

    # Roles

    def role_list(self) -> Json:
        """All roles with what they say: ``{"name", "built_in", "permissions": {node: access}}``."""
        return plain(self._gateway.roles.listed())

    def role_show(self, name: str) -> Json:
        """A role with what it says, and ``logins``, who have it."""
        found = plain(self._gateway.roles.find(name))
        return {**found, "logins": self._gateway.roles.holders(name)}

    def role_create(
        self, name: str, permissions: Mapping[str, str] | None = None, comment: str = ""
    ) -> Json:
        """Make a role; ``permissions`` are names of Access in lower case, by node."""
        said = {node: _access(word) for node, word in (permissions or {}).items()}
        return plain(self._gateway.roles.create(name, said, machine(comment)))

    def role_delete(self, name: str, comment: str = "") -> None:
        """Delete a role that nobody has."""
        self._gateway.roles.delete(name, machine(comment))

    def role_grant(self, name: str, node: str, access: str, comment: str = "") -> Json:
        """Have a role say this about a node; answers the role."""
        return plain(self._gateway.roles.grant(name, node, _access(access), machine(comment)))

    def permission_explain(self, login: str, operation: str, objects: Sequence[str] = ()) -> Json:
        """Whether a login may do an operation with objects, and which roles say so."""
        named = explaining.operations_of(self._gateway.rights, operation)
        if len(named) != 1:
            known = ", ".join(named or self._gateway.rights)
            several = "are several operations" if named else "is no operation"
            raise CommandFailed("operation", f"there {several} {operation!r}; name one of: {known}")
        (name,) = named
        principal = self._gateway.logins.find(login)
        right = self._gateway.rights[name]
        told = self._gateway.explainer.explain(principal, right, objects)
        return {"login": principal.name, "operation": name, **plain(told)}

    def audit_list(self, older_than: int | None = None, size: int = audit.PAGE) -> Json:
        """Changes, the newest first; the last one's ``id`` asks for the page after."""
        with self._gateway.store.reading(long=True) as session:
            return plain(audit.page(session, older_than, size))

    # Building blocks

    def import_blocks(
        self, documents: Sequence[Mapping[str, str]], on_conflict: str, comment: str = ""
    ) -> Json:
        """Import ``[{"name", "content": base64}]``; answers the list of what became of each."""
        given = [(one["name"], base64.b64decode(one["content"])) for one in documents]
        limit = self._gateway.settings.limits.import_bytes
        if sum(len(data) for _, data in given) > limit:
            raise CommandFailed(
                "too_large", f"more than {limit} bytes to import: raise limits.import_bytes"
            )
        report = self._blocks.import_blocks(given, OnConflict(on_conflict), machine(comment))
        return plain(report.entries)

    def export_blocks(self, references: Sequence[str], form: str) -> Json:
        """Definitions by GUID or name, resources by GUID; everything when none is named.

        Answers ``{"document": text, "files": [{"name", "blob", "size"}]}``: the files' bytes are
        to be had by ``blob``.
        """
        guids = {self._exported(one) for one in references} or None
        exported = self._blocks.export(guids, Form(form))
        return {
            "document": exported.document.decode(),
            "files": [
                {"name": one.name, "blob": one.blob.id, "size": one.blob.size}
                for one in exported.files
            ],
        }

    def blob(self, blob: int) -> Iterator[str]:
        """The bytes of a blob, piece by piece in Base64."""
        for piece in self._gateway.blobs.read(blob, 0):
            yield base64.b64encode(piece).decode()

    # Resources

    def resource_list(self) -> Json:
        """All resources in their current versions."""
        with self._gateway.store.reading() as session:
            return [_shown_resource(each) for each in self._gateway.resources.all(session)]

    def resource_versions(self, resource: str) -> Json:
        """All versions of a resource (GUID or name), the newest first."""
        resources = self._gateway.resources
        with self._gateway.store.reading() as session:
            found = resources.versions(session, resources.resolve(session, resource))
        return [
            {**plain(each), "size": each.blob.size, "sha256": each.blob.sha256} for each in found
        ]

    def resource_upload(
        self,
        file: str | None = None,
        resource: str | None = None,
        description: str | None = None,
        comment: str = "",
        **given: Any,
    ) -> Json:
        """Store a file of this machine as a new resource, or edit ``resource`` (GUID or name).

        ``given`` are the other members of ResourceChanges; without a file an edit keeps the
        content. ``comment`` is for the audit trail.
        """
        wanted = ResourceChanges(comment=description, **given)
        caller = machine(comment)
        resources = self._gateway.resources
        with contextlib.ExitStack() as opened:
            pieces = None if file is None else _pieces(opened.enter_context(Path(file).open("rb")))
            if pieces is not None and file is not None:
                resources.blobs.check_room(Path(file).stat().st_size)
            if resource is None:
                if pieces is None:
                    raise CommandFailed("no_file", "a new resource needs a file")
                return _shown_resource(resources.add(wanted.to_new(), pieces, caller))
            with self._gateway.store.reading() as session:
                guid = resources.resolve(session, resource).guid
            return _shown_resource(resources.edit(guid, wanted, pieces, caller))

    def resource_delete(self, resource: str, comment: str = "") -> Json:
        """Delete a resource (GUID or name); answers what was deleted."""
        caller = machine(comment)
        with self._gateway.store.reading() as session:
            found = self._gateway.resources.resolve(session, resource)
        self._gateway.resources.delete(found.guid, caller)
        return _shown_resource(found)

    # Jobs

    def job_submit(
        self,
        definition: str,
        agents: Sequence[str] = (),
        values: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        timing: Mapping[str, Any] | None = None,
        launch_timeout: int | None = None,
        idempotency_key: str | None = None,
        policy: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Json:
        """Accept a job of a definition (GUID or name); answers the job.

        The same ``idempotency_key`` again answers the job that it has made before.

        ``secrets`` are the values of password parameters and the passwords of credentials.
        ``timing`` has at most one of ``at`` (ISO 8601), ``every``, ``cron`` and ``rrule``; what
        goes with the latter three says ``timings.recurrence``; with ``at`` goes ``local_time`` (by
        the agents' own clocks). ``after_boot`` and ``outside`` are names of Boot and OutsideWindow
        in lower case, ``window`` is ``{"opens", "closes"}`` (times of day), ``days`` (0 is Monday)
        and ``utc``;
        ``offline_at_next_boot`` and ``wake_on_lan`` are true or false. ``launch_timeout`` is in
        minutes. ``policy`` has members of Policy.
        """
        chosen = agents or [self._gateway.settings.machine_name]
        with self._gateway.store.reading() as session:
            what = self._definition(session, definition)
            given = self._values(session, what, values or {}, secrets or {})
        order = JobOrder(
            what=(What(what.guid, what.kind, what.name),),
            who=tuple(Who(reference) for reference in chosen),
            timing=self._timing(timing or {}),
            parameters=(GivenParameters(None, given),),
            launch_timeout=None if launch_timeout is None else launch_timeout * _MINUTE,
            policy=_policy(policy or {}),
            **options,
        )
        return plain(self._gateway.jobs.accept(order, MACHINE, idempotency_key))

    def job_list(self, stage: str | None = None, page: int = 1, size: int = 25) -> Json:
        """A page of jobs, the newest first: ``{"jobs", "page", "pages", "total"}``."""
        wanted = JobFilter(Stage[stage.upper()] if stage else None)
        return plain(self._gateway.jobs.page(wanted, page, size))

    def job_show(self, job: str) -> Json:
        """A job with its runs and its history."""
        guid = _job_guid(job)
        return {
            **plain(self._gateway.jobs.get(guid)),
            "runs": plain(self._gateway.jobs.runs(guid)),
            "events": plain(self._gateway.jobs.events(guid)),
        }

    def job_results(self, job: str) -> Json:
        """A job with its runs, their tasks, and the beginning of each task's output."""
        guid = _job_guid(job)
        view = self._gateway.jobs.get(guid)
        runs = self._gateway.jobs.runs(guid, tasks=True)
        logs = sum(task.log_id is not None for run in runs for task in run.tasks)
        most = min(_LOG_BYTES, _ALL_LOG_BYTES // max(1, logs))
        return {**plain(view), "runs": [self._with_logs(run, most) for run in runs]}

    def job_abort(self, job: str, reason: str = "") -> Json:
        """Stop a job."""
        return plain(self._gateway.jobs.abort(_job_guid(job), MACHINE, reason))

    def job_hold(self, job: str, reason: str = "") -> Json:
        """Keep a job from starting."""
        return plain(self._gateway.jobs.hold(_job_guid(job), MACHINE, reason))

    def job_resume(self, job: str, reason: str = "") -> Json:
        """Let a held job go on."""
        return plain(self._gateway.jobs.resume(_job_guid(job), MACHINE, reason))

    def job_rerun(self, job: str, idempotency_key: str | None = None) -> Json:
        """Accept the same again, to run now; once for each ``idempotency_key``."""
        return plain(self._gateway.jobs.rerun(_job_guid(job), MACHINE, idempotency_key))

    def job_watch(self, job: str) -> Iterator[Json]:
        """What happens to a job until its end.

        Items are ``{"job": ..., "done": tasks, "total": tasks}`` when something moved,
        ``{"output": text, "task", "run"}`` as it comes, and null as a sign of life.
        """
        guid = _job_guid(job)
        watch = _Watch(self._gateway.jobs, guid)
        while True:
            finished = self._gateway.jobs.get(guid).status.finished
            # Read after the status, so that nothing written before the end is left out.
            yield from watch.news()
            if finished:
                return
            yield None
            time.sleep(_POLL_SECONDS)

    # Teams and agents

    def team_list(self) -> Json:
        """All teams, with how many agents and teams were put into each."""
        with self._gateway.store.reading() as session:
            composed = teams.composition(session)
        return [_team(composed, team) for team in composed.teams.values()]

    def team_show(self, team: str) -> Json:
        """A team with its ``members`` and ``by_rule``, and all agents that belong to it."""
        with self._gateway.store.reading() as session:
            found = membership.of_team(session, teams.find(session, team))
            composed = teams.composition(session)
            agents = teams.agents_of(session, [found.team.id])
        return {
            **_team(composed, found.team),
            "agents": [_brief(agent) for agent in found.agents],
            "teams": [_brief(inner) for inner in found.teams],
            "by_rule": [_brief(agent) for agent in found.by_rule],
            "belonging": [_brief(agent) for agent in agents],
        }

    def team_create(self, content: Mapping[str, Any], comment: str = "") -> Json:
        """Make a team; ``content`` has the members of TeamContent. Answers the team."""
        team = self._gateway.teams.create(TeamContent.of(**content), MACHINE, comment)
        return self.team_show(str(team.guid))

    def team_change(self, team: str, content: Mapping[str, Any], comment: str = "") -> Json:
        """Change of a team what ``content`` names. Answers the team."""
        with self._gateway.store.reading() as session:
            found = teams.find(session, team)
        wanted = TeamContent.of(**found.content.model_dump() | dict(content))
        self._gateway.teams.update(found.guid, wanted, MACHINE, comment)
        return self.team_show(str(found.guid))

    def team_delete(self, team: str, comment: str = "") -> None:
        """Delete a team; its agents stay."""
        with self._gateway.store.reading() as session:
            found = teams.find(session, team)
        self._gateway.teams.delete(found.guid, MACHINE, comment)

    def team_add(
        self, team: str, agents: Sequence[str] = (), inner: Sequence[str] = (), comment: str = ""
    ) -> Json:
        """Put agents and teams into a team. Answers the team."""
        change = TeamChange(add=_references(agents, inner))
        self._gateway.memberships.change_team(team, change, MACHINE, comment)
        return self.team_show(team)

    def team_remove(
        self, team: str, agents: Sequence[str] = (), inner: Sequence[str] = (), comment: str = ""
    ) -> Json:
        """Take agents and teams out of a team. Answers the team."""
        change = TeamChange(remove=_references(agents, inner))
        self._gateway.memberships.change_team(team, change, MACHINE, comment)
        return self.team_show(team)

    def agent_list(self) -> Json:
        """All agents, with the teams that they belong to in any way."""
        with self._gateway.store.reading() as session:
            composed = teams.composition(session)
            agents = roster.agents(session)
        return [self._agent(composed, agent) for agent in agents]

    def agent_primary(self, agent: str, team: str | None = None, comment: str = "") -> Json:
        """Give an agent another primary team, or none. Answers the agent."""
        change = AgentChange(primary=team or membership.NO_TEAM)
        changed = self._gateway.memberships.change_agent(agent, change, MACHINE, comment)
        with self._gateway.store.reading() as session:
            composed = teams.composition(session)
            return self._agent(composed, roster.find(session, str(changed.agent.guid)))

    def agent_remove(self, agent: str, comment: str = "") -> Json:
        """Remove an agent that is offline; ``{"guid", "name", "runs_ended"}``."""
        removed = self._gateway.removal.remove(agent, MACHINE, comment)
        return {**_brief(removed.agent), "runs_ended": removed.runs}

    def _agent(self, composed: Composition, agent: Agent) -> Json:
        primary = composed.primary_of(agent)
        belongs = composed.teams_of(agent)
        return {
            **_brief(agent),
            "online": self._gateway.removal.is_online(agent),
            "enabled": agent.enabled,
            "platform": agent.facts.get("platform", ""),
            "version": agent.facts.get("version", ""),
            "primary_team": None if primary is None else primary.name,
            "teams": [team.name for team in composed.teams.values() if team.id in belongs],
            "last_contact": agent.last_contact_at and _iso(agent.last_contact_at),
        }

    # The store

    def backup(self, target: str) -> Json:
        """Write a copy of the SQLite store into a new file on this machine."""
        store, path = self._gateway.store, Path(target)
        if not isinstance(store, SqliteStore):
            raise CommandFailed("no_file", "the store is on PostgreSQL: back it up with pg_dump")
        _reserve(path)
        try:
            store.backup(path)
        except sqlite3.Error as error:
            for left in (path, path.with_name(path.name + ".unfinished")):
                left.unlink(missing_ok=True)
            raise CommandFailed("backup", f"{path} cannot be written: {error}", 1) from error
        path.chmod(0o600)
        return {"file": str(path), "bytes": path.stat().st_size}

    def doctor(self) -> Json:
        """Look at everything closely; a list of ``{"name", "ok", "detail"}``."""
        gateway = self._gateway
        damage = gateway.store.check(full=True)
        free = shutil.disk_usage(gateway.settings.data).free
        low = gateway.settings.low_disk_bytes
        rotating = self._rotation().unfinished()
        folder = DataFolder(gateway.settings.data)
        return [
            _finding("store", not damage, "; ".join(damage) or "every page can be read"),
            _finding("keys", not rotating, "a rotation was interrupted" if rotating else "in use"),
            _finding("disk", free >= low, f"{free // 2**20} MiB free"),
            _finding("data folder", *_privacy(folder)),
        ]

    def key_rotate(self) -> Json:
        """Seal all secrets with a new key; answers how many."""
        return {"secrets": self._rotation().rotate(MACHINE)}

    def _scope(self, wanted: Mapping[str, str]) -> tuple[Scope, str]:
        """The scope of ``login_bind``, and what it is in words."""
        if len(wanted) > 1:
            raise CommandFailed("scope", "name one scope: a folder, a team, or what is one's own")
        with self._gateway.store.reading() as session:
            if "folder" in wanted:
                scope = scopes.folder(session, wanted["folder"])
            elif "team" in wanted:
                scope = scopes.team(session, wanted["team"])
            else:
                scope = OWN if "own" in wanted else EVERYWHERE
            return scope, scopes.described(session, scope)

    def _rotation(self) -> Rotation:
        return Rotation(self._gateway.store, self._gateway.vault, self._now)

    def _definition(self, session: Session, reference: str) -> DefinitionSummary:
        guid = _guid(reference)
        if guid is not None:
            return self._gateway.catalog.find(session, guid)
        return self._named(session, reference)

    def _named(self, session: Session, name: str) -> DefinitionSummary:
        found = []
        for kind in DefinitionKind:
            with contextlib.suppress(DefinitionNotFound):
                found.append(self._gateway.catalog.find_by_name(session, kind, name))
        if not found:
            raise DefinitionNotFound(f"there is no module, project or run book named {name!r}")
        if len(found) > 1:
            several = " and ".join(f"{one.titled} ({one.guid})" for one in found)
            raise DefinitionAmbiguous(f"{several} have the same name: give the GUID")
        return found[0]

    def _exported(self, reference: str) -> uuid.UUID:
        guid = _guid(reference)
        if guid is not None:
            return guid
        with self._gateway.store.reading() as session:
            return self._definition(session, reference).guid

    def _values(
        self,
        session: Session,
        what: DefinitionSummary,
        values: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> tuple[GivenValue, ...]:
        known = tree_parameters.declared_parameters(
            trees.tree(self._gateway.catalog, session, what)
        )
        credentials = {
            one.name.casefold() for one in known if one.type is ParameterType.CREDENTIALS
        }
        keys = {names.key(one.name) for one in known}
        for name in (*values, *secrets):
            if names.key(name) not in keys:
                raise CommandFailed("parameter", f"{what.name!r} has no parameter {name!r}")
        given = {name.casefold(): GivenValue(name, value) for name, value in values.items()}
        for name, secret in secrets.items():
            key = name.casefold()
            user = given[key].value if key in given else None
            given[key] = (
                GivenValue(name, user, secret) if key in credentials else GivenValue(name, secret)
            )
        return tuple(given.values())

    def _timing(self, timing: Mapping[str, Any]) -> Timing:
        window = timing.get("window")
        return dataclasses.replace(
            self._start(timing),
            wake_on_lan=timing.get("wake_on_lan", False),
            boot=Boot[timing.get("after_boot", Boot.NONE.name).upper()],
            offline_at_next_boot=timing.get("offline_at_next_boot", False),
            window=None if window is None else _window(window),
            outside=OutsideWindow[timing["outside"].upper()] if "outside" in timing else None,
        )

    def _start(self, timing: Mapping[str, Any]) -> Timing:
        if "at" in timing and timing.get("local_time"):
            wall = timings.time(timing["at"]).replace(tzinfo=None)
            return Timing(immediate=False, local_time=True, wall=wall)
        if "at" in timing:
            return Timing(immediate=False, scheduled_at=self._moment(timing["at"]))
        recurrence = self._recurrence(timing)
        return Timing() if recurrence is None else Timing(immediate=False, recurrence=recurrence)

    def _recurrence(self, timing: Mapping[str, Any]) -> Recurrence | None:
        with self._gateway.store.reading() as session:
            return timings.recurrence(session, timing, self._gateway.settings.zone, self._now())

    def _moment(self, text: str) -> int:
        return timings.moment(text, self._gateway.settings.zone)

    def _with_logs(self, run: RunView, most: int) -> Json:
        shown = plain(run)
        for task, view in zip(shown["tasks"], run.tasks, strict=True):
            task["output"] = self._log(view.log_id, most)
        return shown

    def _log(self, log_id: int | None, most: int) -> str:
        if log_id is None:
            return ""
        return self._gateway.jobs.log(log_id, most).decode("utf-8", "replace")


def _window(window: Mapping[str, Any]) -> LaunchWindow:
    try:
        opens, closes = (launch_windows.minutes(window[name]) for name in ("opens", "closes"))
    except ValueError as error:
        raise CommandFailed("window", str(error)) from error
    days = frozenset(window.get("days") or range(7))
    return LaunchWindow(opens, closes, days, bool(window.get("utc")))


class _Watch:
    """What of a job its watcher has not seen yet."""

    def __init__(self, jobs: Jobs, guid: uuid.UUID) -> None:
        self._jobs = jobs
        self._guid = guid
        self._state: object = None
        self._seen: dict[tuple[uuid.UUID, int], int] = {}
        self._decoders: dict[tuple[uuid.UUID, int], codecs.IncrementalDecoder] = {}

    def news(self) -> Iterator[Json]:
        """Output first, then the state if it has changed."""
        for piece in self._jobs.output(self._guid, self._seen):
            text = self._decoder((piece.run, piece.seq)).decode(piece.data)
            yield {"output": text, "task": piece.task, "run": str(piece.run)}
        view = self._jobs.get(self._guid)
        state = _progress(view, self._jobs.runs(self._guid))
        if state != self._state:
            self._state = state
            yield state

    def _decoder(self, place: tuple[uuid.UUID, int]) -> codecs.IncrementalDecoder:
        if place not in self._decoders:
            self._decoders[place] = codecs.getincrementaldecoder("utf-8")("replace")
        return self._decoders[place]


def _progress(view: JobView, runs: Sequence[RunView]) -> Json:
    return {
        "job": plain(view),
        "done": sum(run.tasks_done for run in runs),
        "total": sum(run.tasks_total for run in runs),
    }


def _policy(said: Mapping[str, Any]) -> Policy:
    """What an order says about how it is run. Raises OrderRefused."""
    try:
        return Policy.model_validate(dict(said))
    except pydantic.ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise OrderRefused(".".join(map(str, fault["loc"])), fault["msg"]) from None


def _access(word: str) -> Access:
    try:
        return Access[word.strip().upper()]
    except KeyError:
        choices = ", ".join(one.name.lower() for one in Access)
        raise CommandFailed("access", f"{word!r} is none of {choices}") from None


def _guid(text: str) -> uuid.UUID | None:
    with contextlib.suppress(ValueError):
        return uuid.UUID(text.strip())
    return None


def _job_guid(text: str) -> uuid.UUID:
    guid = _guid(text)
    if guid is None:
        raise CommandFailed("job_id", f"{text!r} is no job id: see 'gateway job list'")
    return guid


def _reserve(path: Path) -> None:
    """Make a new, private file. Raises OSError when there is one, or it cannot be made."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _brief(found: Agent | Team) -> Json:
    return {"guid": str(found.guid), "name": found.name}


def _team(composed: Composition, team: Team) -> Json:
    return {
        **_brief(team),
        **team.content.model_dump(mode="json"),
        "agent_count": len(composed.agents.get(team.id, ())),
        "team_count": len(composed.nested.get(team.id, ())),
    }


def _references(agents: Sequence[str], inner: Sequence[str]) -> list[Reference]:
    return [
        *(Reference(one, MemberKind.AGENT) for one in agents),
        *(Reference(one, MemberKind.TEAM) for one in inner),
    ]


def _iso(moment: int) -> str:
    return moments.to_datetime(moment).isoformat(timespec="milliseconds")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file's content, piece by piece."""
    return iter(lambda: file.read(_PIECE_BYTES), b"")


def _shown_resource(resource: Resource) -> Json:
    return {
        "guid": str(resource.guid),
        **plain(resource.details),
        "version": resource.version,
        "size": resource.blob.size,
        "sha256": resource.blob.sha256,
        "created_at": plain(resource)["created_at"],
    }


def _finding(name: str, ok: bool, detail: str) -> Json:
    return {"name": name, "ok": ok, "detail": detail}


def _privacy(folder: DataFolder) -> tuple[bool, str]:
    open_to_others = folder.path.stat().st_mode & 0o077
    if open_to_others:
        return False, f"others may enter {folder.path}: run 'chmod 700 {folder.path}'"
    return True, f"{folder.path}, closed to others"
