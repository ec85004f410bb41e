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

    def kill(self, belongs: Callable[[processes.Marker | None], bool]) -> int:
        """Kill the adopted processes whose marker belongs, and theirs; how many were killed.

        Killing one may bring its children here, so it is done until none is left.
        """
        killed = 0
        with self._lock:
            for _ in range(_PASSES):
                found = [process for process in self._adopted() if belongs(_marker(process))]
                if not found:
                    break
                killed += sum(_end(process) for process in found)
        return killed

    def _adopted(self) -> list[psutil.Process]:
        try:
            listed = _adopted_file().read_text("ascii").split()
        except OSError:
            return []
        led = self._led()
        found = (_living(int(pid)) for pid in listed if int(pid) not in led)
        return [process for process in found if process is not None]


def _marker(process: psutil.Process) -> processes.Marker | None:
    return processes.marker(process)


def _living(pid: int) -> psutil.Process | None:
    """The process; None if it has ended, in which case it is reaped."""
    with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            return psutil.Process(pid)
    return None


def _end(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        process.kill()
        process.wait(_REAP_SECONDS)
        return 1
    return 0
