"""Starts programs, each in a session of its own, and ends them with all that they started.

How a program ends: by itself, or told to: SIGTERM to its group, some seconds of grace, SIGKILL to
the group. Then what is left of the group is killed, and what left the group: found among the
adopted processes where the system has them, and by a search of the whole machine after an abort or
a timeout and wherever there is no adoption. A task may ask to keep what it leaves behind
(``keep_processes``); that holds for a normal end only.
"""

import contextlib
import dataclasses
import errno
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import IO
from uuid import UUID

from gateway.agents import processes, strays
from gateway.agents.protocol import ProcessIdentity
from gateway.tasks.base import Cancellation, Cancelled, LogWriter, StopReason, TaskFailed

_READ_BYTES = 64 * 1024
# A killed process goes at once unless it hangs in the system; then its run must end without it.
_KILLED_SECONDS = 30.0
# When the last process of a task is gone its output ends. If nothing comes for so long instead, a
# process that is kept, or hides, has inherited it.
_OUTPUT_SECONDS = 0.5
# Threads come into being as they are needed and are used again: two for each running program.
_MAX_THREADS = 10_000

_SENTENCES = {
    errno.EACCES: "it is not executable or its folder may not be entered",
    errno.ENOEXEC: "it is not a program (a script needs an interpreter: use a script task)",
    errno.E2BIG: "its arguments and environment are too long",
    errno.ENOMEM: "there is not enough memory",
    errno.EAGAIN: "there are too many processes",
}


@dataclasses.dataclass(frozen=True)
class Owner:
    """The task on whose behalf programs are started. ``keep``: leave behind what it leaves.

    ``agent`` is the mark of the agent, by which its next start finds what a crash has left.
    """

    run: UUID
    job: UUID
    seq: int
    keep: bool
    agent: str

    @property
    def marker(self) -> processes.Marker:
        """What its processes are known by."""
        return processes.Marker(str(self.run), str(self.seq), "" if self.keep else self.agent)

    @property
    def variables(self) -> dict[str, str]:
        """The marker as environment variables."""
        return {
            processes.RUN_MARKER: self.marker.run,
            processes.TASK_MARKER: self.marker.task,
            processes.AGENT_MARKER: self.marker.agent,
            processes.JOB_MARKER: str(self.job),
        }


class Launcher:
    """Starts all programs of a supervisor. ``grace`` seconds lie between SIGTERM and SIGKILL."""

    def __init__(self, grace: float, *, adopts: bool) -> None:
        self._grace = grace
        self._adopts = adopts
        self._lock = threading.Lock()
        self._living: dict[int, Owner] = {}
        self._kept: set[processes.Marker] = set()
        self._closed = False
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="program")
        self._strays = strays.Strays(self._leaders)

    def run(
        self,
        command: "Command",
        owner: Owner,
        log: LogWriter,
        cancellation: Cancellation,
        started: Callable[[ProcessIdentity | None], None],
    ) -> int:
        """Run a program to its end and return its exit code (negative: ended by that signal).

        ``started`` is told its process. Raises TaskFailed if it cannot be started, Cancelled if the
        task was told to stop; no process of the task is left then.
        """
        cancellation.check()
        program = self._start(command, owner)
        stopped = True
        try:
            started(processes.identify(program.pid))
            output = _Output(program.stdout, log)
            copied = self._threads.submit(output.copy)
            stopped = self._await_end(program, cancellation)
        finally:
            self._tidy(program, owner, everything=stopped)
        _await_output(output, copied)
        if stopped:
            raise Cancelled
        return program.returncode

    def close(self, runs: Sequence[UUID]) -> None:
        """Kill all programs and whatever the runs have started; nothing is started any more."""
        with self._lock:
            self._closed = True
            leaders = list(self._living)
        for leader in leaders:
            processes.signal_group(leader, kill=True)
        processes.sweep_runs(runs)
        self._strays.kill(self._unwanted)

    def _start(self, command: "Command", owner: Owner) -> "subprocess.Popen[bytes]":
        with self._lock, command.explained():
            if self._closed:
                raise TaskFailed("The agent is being stopped.")
            program = subprocess.Popen(
                command.argv,
                cwd=command.folder,
                env={**command.environment, **owner.variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
            self._living[program.pid] = owner
        return program

    def _await_end(self, program: "subprocess.Popen[bytes]", cancellation: Cancellation) -> bool:
        """Wait until the program ends; whether it had to be told to."""
        changed = threading.Event()
        ended = self._threads.submit(_await_exit, program)
        ended.add_done_callback(lambda _: changed.set())
        with cancellation.calling(changed.set):
            changed.wait(cancellation.remaining)
        if ended.done():
            return False
        cancellation.cancel(StopReason.TIMED_OUT)
        self._terminate(program, ended)
        return True

    def _terminate(self, program: "subprocess.Popen[bytes]", ended: "Future[None]") -> None:
        processes.signal_group(program.pid, kill=False)
        wait([ended], self._grace)
        processes.signal_group(program.pid, kill=True)
        wait([ended], _KILLED_SECONDS)

    def _tidy(self, program: "subprocess.Popen[bytes]", owner: Owner, *, everything: bool) -> None:
        keeps = owner.keep and not everything
        if not keeps:
            # The leader is not reaped yet, so its number still means this group and no other.
            processes.signal_group(program.pid, kill=True)
        self._reap(program)
        if keeps:
            self._kept.add(owner.marker)
        elif everything or not self._adopts:
            processes.sweep(lambda found: found == owner.marker)
        if not keeps and self._adopts:
            self._strays.kill(
                lambda found: found == owner.marker or self._nobodys(found), program.pid
            )

    def _reap(self, program: "subprocess.Popen[bytes]") -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(_KILLED_SECONDS)
            with self._lock:
                del self._living[program.pid]

    def _unwanted(self, marker: processes.Marker | None) -> bool:
        # One that hides its marker may be one that is to be kept, if there is any such.
        return not self._kept if marker is None else marker not in self._kept

    def _nobodys(self, marker: processes.Marker | None) -> bool:
        # One that hides its marker can be anybody's as long as anything is running or kept.
        return marker is None and not self._living and not self._kept

    def _leaders(self) -> frozenset[int]:
        with self._lock:
            return frozenset(self._living)


@dataclasses.dataclass(frozen=True)
class Command:
    """A program with its arguments, where it runs and what environment it has."""

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the system says when it cannot start the program into a plain sentence."""
        try:
            yield
        except FileNotFoundError as error:
            raise TaskFailed(f"{self._cannot}: {self._missing(error)}.") from error
        except OSError as error:
            reason = _SENTENCES.get(error.errno or 0) or error.strerror or str(error)
            raise TaskFailed(f"{self._cannot}: {reason}.") from error
        except (ValueError, UnicodeError) as error:
            raise TaskFailed(f"{self._cannot}: {error}.") from error

    @property
    def _cannot(self) -> str:
        return f"The program {self.argv[0]!r} cannot be started"

    def _missing(self, error: FileNotFoundError) -> str:
        if error.filename is not None and Path(str(error.filename)) == self.folder:
            return f"its working folder {str(self.folder)!r} does not exist"
        if Path(self.argv[0]).is_file():
            return "the interpreter named in its first line does not exist"
        return "there is no such program on this machine"


def _await_exit(program: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of the program without reaping it, so that its number stays its own."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
    else:
        program.wait()


def _await_output(output: "_Output", copied: "Future[None]") -> None:
    """Wait until all output is in the log; not for that of a process that is still there."""
    seen = -1
    while wait([copied], _OUTPUT_SECONDS).not_done and not (output.idle and output.reads == seen):
        seen = output.reads


class _Output:
    """The output of a program on its way to the log. ``idle``: just waiting for more of it."""

    def __init__(self, stream: IO[bytes] | None, log: LogWriter) -> None:
        assert stream is not None  # noqa: S101  (programs are started with a pipe)
        self._stream = stream
        self._log = log
        self.idle = False
        self.reads = 0

    def copy(self) -> None:
        """Read to the end, whether the log still takes it or not."""
        with self._stream:
            while data := self._read():
                self._log.write(data)

    def _read(self) -> bytes:
        self.idle = True
        data = self._stream.read(_READ_BYTES)
        self.idle = False
        self.reads += 1
        return data
