"""Processes that left their task's group and outlived their parents.

On Linux the supervisor is made the reaper of all its descendants: a process whose parent ends
becomes a child of the supervisor. So one small file of the kernel tells after each task whether it
has left something, and nothing else has to be looked at. Elsewhere there is no such sign.
"""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from gateway.agents import processes

_PR_SET_CHILD_SUBREAPER = 36
_PASSES = 100
_REAP_SECONDS = 2.0

Belongs = Callable[[processes.Marker | None], bool]


def adopt_orphans() -> bool:
    """Make this process the reaper of its descendants; whether the system can do that."""
    if not sys.platform.startswith("linux"):
        return False
    prctl = ctypes.CDLL(None).prctl
    return prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 and _adopted_file().exists()


def _adopted_file() -> Path:
    # The kernel gives orphans to the first thread; programs are started by the other threads.
    # So this file lists adopted processes only.
    return Path(f"/proc/self/task/{os.getpid()}/children")


class Strays:
    """The adopted processes. ``led`` are the leaders of groups, which their starters wait for."""

    def __init__(self, led: Callable[[], frozenset[int]]) -> None:
        self._led = led
        self._lock = threading.Lock()

    def kill(self, belongs: Belongs, group: int | None = None) -> int:
        """Kill the adopted processes whose marker belongs, and theirs; how many were killed.

        Those of ``group`` belong as well: they were killed with it, may be slow to end, and show
        no marker meanwhile. The end of one brings its children here, so it is done until nothing
        changes any more.
        """
        killed = 0
        with self._lock:
            for _ in range(_PASSES):
                ended = self._kill_once(belongs, group)
                if ended is None:
                    break
                killed += ended
        return killed

    def _kill_once(self, belongs: Belongs, group: int | None) -> int | None:
        """One look at the adopted processes; None if there was nothing to do or to wait for."""
        listed = self._listed()
        living = [process for process in map(_living, listed) if process is not None]
        found = [process for process in living if _in_group(process, group)]
        found = found or processes.select(living, belongs)
        if not found and len(living) == len(listed) and self._listed() == listed:
            return None
        return sum(_end(process) for process in found)

    def _listed(self) -> list[int]:
        try:
            listed = _adopted_file().read_text("ascii").split()
        except OSError:
            return []
        led = self._led()
        return [pid for pid in map(int, listed) if pid not in led]


def _living(pid: int) -> psutil.Process | None:
    """The process; None if it has ended, in which case it is reaped."""
    with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            return psutil.Process(pid)
    return None


def _in_group(process: psutil.Process, group: int | None) -> bool:
    try:
        return os.getpgid(process.pid) == group
    except ProcessLookupError:
        return False


def _end(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        process.kill()
        process.wait(_REAP_SECONDS)
        return 1
    return 0
