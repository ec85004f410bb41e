"""An agent's hold on its child supervisor: the process and the two ends of its pipes."""

import contextlib
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence

from gateway.agents import channel, environment, startup
from gateway.agents.users import TaskUser

# It has only to kill and to go.
_END_SECONDS = 5.0

_log = logging.getLogger(__name__)


def _apart() -> int:
    """Windows has no sessions; a group of its own keeps the console's Ctrl+C away."""
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


class SupervisorLink:
    """One child supervisor. ``arguments`` are those of its command line, ``inherit`` the names of
    further environment variables that it is given, ``user`` as whom it runs; raises OSError.
    """

    def __init__(
        self, arguments: Sequence[str], inherit: Sequence[str] = (), user: TaskUser | None = None
    ) -> None:
        self._process = subprocess.Popen(
            startup.supervisor_command(arguments),
            env=environment.for_supervisor(inherit) | (user.environment if user else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            creationflags=_apart(),
        )
        self._sender = channel.Sender(_raw(self._process.stdin))
        self._receiver = channel.Receiver(_raw(self._process.stdout))
        threading.Thread(target=self._copy_log, name="agent-log", daemon=True).start()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def send(self, messages: Iterable[channel.Message]) -> None:
        """Send messages; OSError if the supervisor is gone."""
        self._sender.send(messages)

    def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send frames; OSError if the supervisor is gone."""
        self._sender.send_frames(frames)

    def receive(self) -> list[channel.Message]:
        """Wait for messages; none when the supervisor has closed its pipe or died."""
        return self._receiver.receive()

    def kill(self) -> None:
        """Kill the supervisor, whatever it does."""
        self._process.kill()

    def hang_up(self) -> None:
        """Close the pipe to the supervisor, which kills its tasks and ends at once."""
        with contextlib.suppress(OSError):
            self._sender.close()

    def end(self) -> int:
        """Close the pipes, which ends the supervisor and its tasks, and return its exit code."""
        self.hang_up()
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        _raw(self._process.stdout).close()
        return code

    def _copy_log(self) -> None:
        with (
            _raw(self._process.stderr) as stream,
            io.TextIOWrapper(io.BufferedReader(stream), "utf-8", "replace") as lines,
        ):
            for line in lines:
                _log.warning("supervisor: %s", line.rstrip())


def _raw(stream: object) -> io.RawIOBase:
    assert isinstance(stream, io.RawIOBase)  # noqa: S101  (an unbuffered pipe is one)
    return stream
