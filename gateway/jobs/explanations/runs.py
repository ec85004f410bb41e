"""The conditions of the runs of a job: what each agent needs to take its run up, and has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import peewee

from gateway.fleet import allowances, events, exclusive_windows, roster, teams
from gateway.fleet.roster import Agent
from gateway.jobs import launch_windows, launching, local_time, maintenance
from gateway.jobs.explanations.conditions import Condition, judged, no, told, unknown, words, yes
from gateway.jobs.launch_windows import WindowPolicy
from gateway.jobs.orders import OutsideWindow
from gateway.jobs.rows import JobRow, RunRow
from gateway.jobs.states import JobStatus
from storage import models
from storage.session import Row, Session

_RUN = models.Run
_EVENT = models.AgentEvent
_PRESENCE = (events.CAME, events.HEARD, events.SILENT, events.REVOKED, events.REMOVED)
_AWAY = frozenset({events.SILENT, events.REVOKED, events.REMOVED})


@dataclass(frozen=True)
class Scene:
    """Where runs are looked at: ``now`` is the present, ``at`` the moment asked about."""

    session: Session
    job: JobRow
    request: Row
    windows: WindowPolicy
    at: int
    now: int

    @property
    def present(self) -> bool:
        """Whether the moment is the present, of which most is known."""
        return self.at >= self.now


def status_at(run: RunRow, at: int) -> JobStatus:
    """How a run stood at a moment, as far as its last attempt tells."""
    if run.finished_at is not None and run.finished_at <= at:
        return run.status
    if run.started_at is not None and run.started_at <= at:
        aborting = run.status is JobStatus.ABORTING
        return JobStatus.ABORTING if aborting else JobStatus.ACTIVE
    disabled = run.status is JobStatus.DISABLED
    return JobStatus.DISABLED if disabled else JobStatus.SCHEDULED


def conditions(scene: Scene, run: RunRow, agent: Agent) -> Iterator[Condition]:
    """All conditions of a run, in the order in which they count."""
    status = run.status if scene.present else status_at(run, scene.at)
    name = agent.name
    if status.finished:
        reason = f": {run.reason}" if run.reason else ""
        yield yes("run ended", f"{words(status)}{reason}", run.finished_at, name)
        yield from _attempts(run, name)
        return
    if status in (JobStatus.ACTIVE, JobStatus.ABORTING):
        yield yes("taken up", f"{name} works on it", run.started_at, name)
        yield from _attempts(run, name)
        yield no("run ended", f"{run.tasks_done} of {run.tasks_total} tasks are done", None, name)
        return
    yield _known(scene, agent)
    yield _online(scene, agent)
    yield from _begin(scene, run, agent)
    yield from _boot(run, agent)
    yield from _window(scene, agent)
    yield _maintenance(scene, agent)
    yield from _exclusive(scene, agent)
    yield from _places(scene, agent)
    yield _queue(scene, run, agent)
    yield from _attempts(run, name)
    yield from _engine_says(scene, run, name)
    yield no("taken up", f"{name} has not asked for it yet", run.created_at, name)


def _known(scene: Scene, agent: Agent) -> Condition:
    """An agent that was removed or revoked takes nothing up."""
    living = bool(roster.living(scene.session, [agent.id]))
    if not living:
        return no("agent known", f"{agent.name} was removed", None, agent.name)
    found = _last_presence(scene, agent)
    if found is not None and found["kind"] in _AWAY - {events.SILENT}:
        return no("agent known", f"{agent.name} {found['kind']}", found["at"], agent.name)
    return judged(
        "agent known",
        agent.enabled,
        f"{agent.name} is {'enabled' if agent.enabled else 'disabled'}",
        None,
        agent.name,
    )


def _online(scene: Scene, agent: Agent) -> Condition:
    name, contact = agent.name, agent.last_contact_at
    if scene.present or (contact is not None and contact <= scene.at):
        online = agent.online(scene.at, launching.OFFLINE_AFTER)
        heard = "was never heard of" if contact is None else f"was last heard of at {told(contact)}"
        return judged("agent online", online, f"{name} {heard}", contact, name)
    found = _last_presence(scene, agent)
    if found is None:
        return unknown("agent online", f"nothing is stored of {name} before then", name)
    fact = f"{name} {found['kind']}"
    return judged("agent online", found["kind"] not in _AWAY, fact, found["at"], name)


def _last_presence(scene: Scene, agent: Agent) -> Row | None:
    query = (
        _EVENT.select(_EVENT.at, _EVENT.kind)
        .where(_EVENT.agent_id == agent.id, _EVENT.at <= scene.at, _EVENT.kind.in_(_PRESENCE))
        .order_by(_EVENT.id.desc())
    )
    return scene.session.first(query)


def _begin(scene: Scene, run: RunRow, agent: Agent) -> Iterator[Condition]:
    """The moment from which on it may be taken up: a local time, a window, a pause."""
    local = launching.not_before(scene.request["timing"], agent)
    if local is not None:
        fact = f"its time on the clock of {agent.name} is {told(local)}"
        yield judged("local time", local <= scene.at, fact, None, agent.name)
    if run.not_before is None or run.not_before == local:
        return
    name = "pause before another attempt" if run.attempt > 1 else "earliest moment"
    fact = f"it may be taken up from {told(run.not_before)} on"
    yield judged(name, run.not_before <= scene.at, fact, None, agent.name)


def _boot(run: RunRow, agent: Agent) -> Iterator[Condition]:
    if run.after_boot is None:
        return
    met = run.after_boot != agent.boot_id
    fact = f"boot {run.after_boot!r} when it began to wait, {agent.boot_id!r} now"
    yield judged("machine was started", met, fact, None, agent.name)


def _window(scene: Scene, agent: Agent) -> Iterator[Condition]:
    window, outside = scene.windows.of(scene.request["timing"])
    if window is None or outside is OutsideWindow.CONTINUE:
        return
    zone = local_time.zone_of(agent.facts, scene.windows.zone)
    opens = launch_windows.opening(window, scene.at, zone)
    hours = "-".join(launch_windows.time_of_day(one) for one in (window.opens, window.closes))
    if opens == scene.at:
        yield yes("launch window", f"{hours} is open", None, agent.name)
    else:
        then = "not within two weeks" if opens is None else f"at {told(opens)}"
        yield no("launch window", f"{hours} is closed and opens {then}", None, agent.name)


def _places(scene: Scene, agent: Agent) -> Iterator[Condition]:
    """How many runs the agent had, and those of its teams; no more are given than they may have."""
    most = agent.max_runs if agent.run_limit is None else min(agent.max_runs, agent.run_limit)
    yield _place(scene, agent, agent.name, [agent.id], most)
    limits = allowances.rules(scene.session).limits
    if not limits:
        return
    composed = teams.composition(scene.session)
    mine, everybody = composed.teams_of(agent), roster.agents(scene.session)
    for team, limit in limits:
        if team in mine:
            within = [one.id for one in everybody if team in composed.teams_of(one)]
            yield _place(scene, agent, f"the team {composed.teams[team].name}", within, limit)


def _place(scene: Scene, agent: Agent, whose: str, agents: Sequence[int], limit: int) -> Condition:
    held = scene.session.scalar(
        _RUN.select(peewee.fn.COUNT(_RUN.id)).where(
            _RUN.agent_id.in_(agents),
            _RUN.started_at <= scene.at,
            _RUN.finished_at.is_null() | (_RUN.finished_at > scene.at),
        )
    )
    fact = f"{whose} has {held} of {limit} runs at once"
    return judged("place free", held < limit, fact, None, agent.name)


def _exclusive(scene: Scene, agent: Agent) -> Iterator[Condition]:
    """Hours that other definitions have for themselves."""
    windows = allowances.rules(scene.session).windows
    if not windows:
        return
    shut = exclusive_windows.shutting_out(
        windows,
        exclusive_windows.definitions_of(scene.session, scene.job),
        agent.id,
        teams.composition(scene.session).teams_of(agent),
        scene.at,
        local_time.zone_of(agent.facts, scene.windows.zone),
    )
    if shut is None:
        yield yes("no exclusive window", "none that is open shuts it out", None, agent.name)
    else:
        fact = f"{shut[0].name!r} is open until {told(shut[1])} for other definitions"
        yield no("no exclusive window", fact, None, agent.name)


def _maintenance(scene: Scene, agent: Agent) -> Condition:
    """A time in which nothing begins on the agent."""
    period = maintenance.of_agent_at(scene.session, agent.id, scene.at, scene.job.tenant_id)
    if period is None:
        return yes("no maintenance", "there was none", None, agent.name)
    return no("no maintenance", period.sentence, period.begun_at, agent.name)


def _queue(scene: Scene, run: RunRow, agent: Agent) -> Condition:
    """Who is before it: by priority, then by turn."""
    later = (_RUN.priority == run.priority) & (
        (_RUN.turn < run.turn) | ((_RUN.turn == run.turn) & (_RUN.id < run.id))
    )
    ahead = scene.session.scalar(
        _RUN.select(peewee.fn.COUNT(_RUN.id)).where(
            _RUN.agent_id == agent.id,
            _RUN.created_at <= scene.at,
            _RUN.status != JobStatus.DISABLED,
            _RUN.started_at.is_null() | (_RUN.started_at > scene.at),
            _RUN.finished_at.is_null() | (_RUN.finished_at > scene.at),
            _RUN.not_before.is_null() | (_RUN.not_before <= scene.at),
            (_RUN.priority > run.priority) | later,
        )
    )
    fact = f"{ahead} runs are before it, its priority is {run.priority}"
    return judged("first in the queue", ahead == 0, fact, None, agent.name)


def _attempts(run: RunRow, name: str) -> Iterator[Condition]:
    if run.attempt > 1:
        yield yes("attempt", f"it is attempt {run.attempt}: {run.reason}", None, name)


def _engine_says(scene: Scene, run: RunRow, name: str) -> Iterator[Condition]:
    """The reason that whoever kept it from the agent has left with it."""
    if scene.present and run.reason and run.attempt == 1:
        yield no("nothing else holds it up", run.reason, None, name)


def of_job(scene: Scene, found: list[RunRow]) -> Iterator[Condition]:
    """The conditions of all runs that had been made by then; of a job on hold they wait, too."""
    agents = roster.by_ids(scene.session, {run.agent_id for run in found})
    for run in found:
        if run.created_at <= scene.at:
            yield from conditions(scene, run, agents[run.agent_id])
