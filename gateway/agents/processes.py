"""Processes of runs: told apart, found again, and ended without touching any other.

Every process that a task starts carries environment variables that name its run and task, and
children inherit them; so even one that left its group and session is found. Reading the
environment of every process of the machine costs milliseconds: it is done after an abort, a
timeout or a death, not after each task that ended well.
"""

import contextlib
import functools
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psutil

from gateway.agents.protocol import ProcessIdentity

RUN_MARKER = "GATEWAY_RUN"
JOB_MARKER = "GATEWAY_JOB"
TASK_MARKER = "GATEWAY_TASK"
AGENT_MARKER = "GATEWAY_AGENT"

POSIX = os.name == "posix"
# psutil adds the moment of the machine's start, which moves a little when its clock is set right.
_START_TOLERANCE = 2_000_000
_SWEEP_SECONDS = 10.0
_REAP_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Marker(NamedTuple):
    """What the environment of a process says: its run, its task (by number), its agent's mark.

    The agent's mark is left out where a process may outlive its task: at the start of an agent all
    that bears its mark is killed.
    """

    run: str
    task: str
    agent: str = ""


# Of a process that is just becoming another program, or is ending: a moment later it shows its
# marker, or is gone. On a busy machine the moment can be long.
UNCERTAIN = Marker("", "")
_MAX_LOOKS = 200
_LOOK_SECONDS = 0.005
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, OSError)


@functools.cache
def boot_id() -> str:
    """Tells this start of the machine from all others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a living process; None if there is no such process."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    return ProcessIdentity(pid, round(started * 1_000_000), boot_id())


def alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process lives, and not another that was given its number."""
    present = identify(identity.pid)
    return (
        present is not None
        and present.boot_id == identity.boot_id
        and abs(present.started_at - identity.started_at) <= _START_TOLERANCE
    )


def signal_group(leader: int, *, kill: bool) -> None:
    """Ask a group of processes to end, or kill it. The leader must not have been reaped yet.

    Where there are no groups the leader's descendants take their place.
    """
    if POSIX:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL if kill else signal.SIGTERM)
        return
    for process in _descent(leader):
        with contextlib.suppress(*_GONE):
            process.kill() if kill else process.terminate()


def _descent(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [*leader.children(recursive=True), leader]
    except psutil.NoSuchProcess:
        return []


def marker(process: psutil.Process) -> Marker | None:
    """What the process belongs to; None if it carries no marker.

    UNCERTAIN if that cannot be told just now.
    """
    try:
        environment = _environment(process)
        if not environment:
            if _in_transit(process):
                return UNCERTAIN
            # It may have become another program between the two looks.
            environment = _environment(process)
    except _GONE:
        return None
    run = environment.get(RUN_MARKER)
    if run is None:
        return None
    return Marker(run, environment.get(TASK_MARKER, ""), environment.get(AGENT_MARKER, ""))


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.ZombieProcess:
        raise
    except psutil.NoSuchProcess:
        # So it is told of one that is ending, too, which may yet leave its children.
        return {}


def _in_transit(process: psutil.Process) -> bool:
    # Every program has a command line; the system's own threads, which have none, are in group 0.
    return POSIX and not process.cmdline() and os.getpgid(process.pid) != 0


def sweep(belongs: Callable[[Marker | None], bool]) -> int:
    """Kill every process on the machine whose marker belongs; how many were killed.

    Goes on until a pass finds none, since processes may start others meanwhile.
    """
    killed = 0
    end = time.monotonic() + _SWEEP_SECONDS
    while time.monotonic() < end:
        found = select(list(_all_others()), belongs)
        if not found:
            return killed
        killed += sum(_kill(process) for process in found)
        psutil.wait_procs(found, timeout=_REAP_SECONDS)
    _log.error("processes of runs are left: they start others faster than they can be killed")
    return killed


def select(
    candidates: list[psutil.Process], belongs: Callable[[Marker | None], bool]
) -> list[psutil.Process]:
    """Those whose marker belongs; the uncertain ones are looked at again until they are.

    What stays uncertain counts as unmarked.
    """
    found: list[psutil.Process] = []
    for look in range(_MAX_LOOKS):
        if look:
            time.sleep(_LOOK_SECONDS)
        marked = [(process, marker(process)) for process in candidates]
        found += [process for process, its in marked if its != UNCERTAIN and belongs(its)]
        candidates = [process for process, its in marked if its == UNCERTAIN]
        if not candidates:
            break
    return found + (candidates if belongs(None) else [])


def sweep_runs(runs: Iterable[UUID]) -> int:
    """Kill every process that carries the marker of one of the runs; how many were killed."""
    wanted = {str(run) for run in runs}
    return sweep(lambda found: found is not None and found.run in wanted) if wanted else 0


def sweep_agent(mark: str) -> int:
    """Kill every process of a task that bears this agent's mark; how many were killed.

    For the start of an agent. The store alone cannot name them: another gateway may have settled
    the runs that they belong to.
    """
    return sweep(lambda found: found is not None and found.agent == mark)


def kill_leftovers(identities: Iterable[ProcessIdentity], runs: Iterable[UUID]) -> int:
    """End what a dead server or supervisor has left: process groups and whatever is marked.

    A group is killed only while its leader is the very process named by an identity; the number of
    a process that is gone may belong to another by now. Returns how many processes and groups
    were killed.
    """
    groups = [identity for identity in identities if alive(identity)]
    for identity in groups:
        signal_group(identity.pid, kill=True)
    return len(groups) + sweep_runs(runs)


def _all_others() -> Iterator[psutil.Process]:
    own = os.getpid()
    for pid in psutil.pids():
        if pid != own:
            with contextlib.suppress(psutil.NoSuchProcess):
                yield psutil.Process(pid)


def _kill(process: psutil.Process) -> bool:
    try:
        process.kill()
    except _GONE:
        return False
    return True
