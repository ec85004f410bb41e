"""When each run of a job may begin, by what was asked for and the agent that it is for.

Local times and next boots become the three columns of a run here (``docs/decisions/0004``); the
words are those of the request's ``timing``, which has only what was asked for:
``local`` (a wall time in ISO 8601) with ``zone`` (for agents that tell none), ``boot``,
``offline_at_next_boot``, ``launch_timeout`` (microseconds), ``window`` and ``outside``.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import moments
from gateway.fleet.roster import Agent
from gateway.jobs import launch_windows, local_time
from gateway.jobs.orders import Boot, OutsideWindow, Timing
from gateway.jobs.rows import JobRow, RunRow

# How long an agent may be silent before it counts as offline (Dispatcher contract 6), unless the
# settings say otherwise.
OFFLINE_AFTER = 5 * 60 * moments.SECOND

AFTER_BOOT = "waits for the next start of its machine"
SOME_AFTER_BOOT = "waits for the next start of agents' machines"
LOCAL_TIME = "waits for its time on the agent's clock"
WINDOW = "waits for its launch window"
# A job that has begun on some agents keeps this reason for the others.
_KEPT = frozenset({SOME_AFTER_BOOT})

_OF_RUNS = frozenset({"local", "boot", "offline_at_next_boot", "window", "outside"})


@dataclass(frozen=True)
class Start:
    """When a run may begin. Without ``launch_by`` its job's counts, unless it waits for a boot."""

    not_before: int | None = None
    launch_by: int | None = None
    after_boot: str | None = None
    reason: str = ""


Starts = Callable[[Agent], Start]
"""When the run on this agent may begin."""


def stored(
    timing: Timing, launch_timeout: int | None, zone: str, offline_after: int = OFFLINE_AFTER
) -> dict[str, Any]:
    """What a request keeps of a timing; ``launch_timeout`` as the order gave it.

    ``offline_after`` is for how long an agent may be silent that is to do it after its next start.
    """
    found: dict[str, Any] = {
        "immediate": timing.immediate,
        "scheduled_at": timing.scheduled_at,
        "local_time": timing.local_time,
        "wake_on_lan": timing.wake_on_lan,
    }
    if timing.wall is not None:
        found |= {"local": timing.wall.isoformat(), "zone": zone}
    if timing.boot is not Boot.NONE:
        found["boot"] = timing.boot
    if timing.offline_at_next_boot:
        found |= {"offline_at_next_boot": True, "offline_after": offline_after}
    if launch_timeout is not None:
        found["launch_timeout"] = launch_timeout
    if timing.window is not None:
        found["window"] = launch_windows.as_json(timing.window)
    if timing.outside is not None:
        found["outside"] = timing.outside
    return found


def timing_of(stored_timing: Mapping[str, Any]) -> Timing:
    """The timing that a request has kept; of a recurrence the schedule knows."""
    local, window = stored_timing.get("local"), stored_timing.get("window")
    outside = stored_timing.get("outside")
    return Timing(
        immediate=stored_timing["immediate"],
        scheduled_at=stored_timing["scheduled_at"],
        local_time=stored_timing["local_time"],
        wake_on_lan=stored_timing["wake_on_lan"],
        wall=None if local is None else datetime.datetime.fromisoformat(local),
        boot=Boot(stored_timing.get("boot", Boot.NONE)),
        offline_at_next_boot=stored_timing.get("offline_at_next_boot", False),
        window=None if window is None else launch_windows.from_json(window),
        outside=None if outside is None else OutsideWindow(outside),
    )


def once(timing: Mapping[str, Any]) -> dict[str, Any]:
    """The timing of a copy that runs now, whatever the original waited for."""
    kept = {name: value for name, value in timing.items() if name not in _WAITED_FOR}
    return kept | {"immediate": True, "scheduled_at": None}


def of_part(timing: Mapping[str, Any]) -> dict[str, Any]:
    """The timing of a job of a run book, which begins in its turn.

    On no agent before the run book's time on the agent's clock; agents that are offline in its turn
    may do it after their next start, as those of other jobs.
    """
    kept = {name: value for name, value in timing.items() if name != "boot"}
    return kept | {"immediate": "local" not in timing, "scheduled_at": None}


_WAITED_FOR = frozenset({"local", "zone", "boot", "offline_at_next_boot", "offline_after"})


def span(timing: Mapping[str, Any], agents: Iterable[Agent]) -> tuple[int, int]:
    """The first and last moment of a wall time on the clocks of the agents that are known by now.

    On the server's clock where none is. Whoever joins a team later is in time, unless his clock is
    ahead of all of theirs: then he begins with the first of them.
    """
    wall = datetime.datetime.fromisoformat(timing["local"])
    own = [_local(timing, agent) for agent in agents] or [
        local_time.moment(wall, local_time.zone_of({}, timing["zone"]))
    ]
    return min(own), max(own)


def not_before(timing: Mapping[str, Any], agent: Agent) -> int | None:
    """The moment of the job's wall time on the agent's clock; None for a job without one."""
    return _local(timing, agent) if "local" in timing else None


def after_boot(timing: Mapping[str, Any], agent: Agent, now: int) -> str | None:
    """The boot id that the agent must not have any more; None if it may begin in this one."""
    offline = not agent.online(now, timing.get("offline_after", OFFLINE_AFTER))
    waits = timing.get("boot") == Boot.NEXT or (offline and timing.get("offline_at_next_boot"))
    return agent.boot_id if waits else None


def starts(timing: Mapping[str, Any], timeout: int | None, now: int) -> Starts | None:
    """When the runs of a job that is dispatched now may begin; None for all at once.

    ``timeout`` is the launch timeout in microseconds. Who waits for a boot waits for as long as it
    takes, unless the order itself gave a launch timeout.
    """
    if not _OF_RUNS & timing.keys():
        return None

    def start(agent: Agent) -> Start:
        boot, local = after_boot(timing, agent, now), not_before(timing, agent)
        limit = timing.get("launch_timeout") if boot is not None else timeout
        waits = local is not None and local > now
        reason = AFTER_BOOT if boot is not None else LOCAL_TIME if waits else ""
        begin = now if local is None else max(local, now)
        return Start(begin, None if limit is None else begin + limit, boot, reason)

    return start


def by_job(run: RunRow | Start) -> bool:
    """Whether a run is given up when its job says so: it has no launch timeout of its own."""
    return run.launch_by is None and run.after_boot is None


def launch_by(job: JobRow, run: RunRow | Start) -> int | None:
    """When a run that nobody has begun is given up; None for never."""
    return job.launch_by if by_job(run) else run.launch_by


def too_late(job: JobRow, run: RunRow, now: int) -> bool:
    """Whether a run has waited for longer than it may."""
    limit = launch_by(job, run)
    return limit is not None and limit <= now


def look_next(job: JobRow, waiting: Iterable[RunRow | Start], now: int) -> None:
    """Have the clock look at a job when one of its waiting runs may begin, or has waited too long.

    One that waits only for boots has no launch timeout any more.
    """
    times: list[int] = []
    for run in waiting:
        if run.not_before is not None and run.not_before > now:
            times.append(run.not_before)
        # That of another run may have passed just now: the clock is still to deal with it.
        if (limit := launch_by(job, run)) is not None:
            times.append(limit)
    job.wake_at = min(times, default=None)
    if job.wake_at is None:
        job.launch_by = None


def kept_reason(job: JobRow) -> str:
    """The reason that a job has when its first run begins."""
    return job.reason if job.reason in _KEPT else ""


def _local(timing: Mapping[str, Any], agent: Agent) -> int:
    wall = datetime.datetime.fromisoformat(timing["local"])
    return local_time.moment(wall, local_time.zone_of(agent.facts, timing["zone"]))
