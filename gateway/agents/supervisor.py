"""The child process that runs the tasks of the embedded agent: ``python -m`` this module.

It reads orders from its standard input and writes reports to its standard output, both as frames
(``gateway.agents.channel``). It has a session of its own, so that what ends the server's group does
not end it; but when its input closes, which is how the death of the server shows, it kills all
that its tasks have started and exits at once. So nothing runs on beside a later attempt.
"""

import argparse
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from gateway import memory
from gateway.agents import channel, environment, strays, users
from gateway.agents.downloads import Downloads
from gateway.agents.launcher import Launcher
from gateway.agents.outbox import Outbox
from gateway.agents.output import Flusher
from gateway.agents.protocol import RunOrder
from gateway.agents.runner import Run
from gateway.agents.steps import Tools
from gateway.agents.workspace import Workspace
from gateway.tasks.registry import TaskTypes

_log = logging.getLogger(__name__)

_STOPPING = "the agent is being stopped"


class Supervisor:
    """Does what the server says: starts runs, aborts them, and ends when they have ended."""

    def __init__(self, outbox: Outbox, tools: Tools, max_runs: int) -> None:
        self._outbox = outbox
        self._tools = tools
        self._workers = ThreadPoolExecutor(max_runs, thread_name_prefix="run")
        self._changed = threading.Condition()
        self._runs: dict[tuple[UUID, int], Run] = {}
        self._finishing = False

    def serve(self, receiver: channel.Receiver) -> None:
        """Do what the messages say until the server closes the pipe or dies.

        Raises ChannelError for what is no message.
        """
        self._outbox.put(channel.Ready())
        while messages := receiver.receive():
            for message in messages:
                self._handle(message)

    def kill(self) -> None:
        """Kill all that the runs have started."""
        with self._changed:
            runs = [run for run, _ in self._runs]
        self._tools.launcher.close(runs)

    def _handle(self, message: channel.Message) -> None:
        match message:
            case RunOrder():
                self._begin(message)
            case channel.AbortRun():
                self._abort(message)
            case channel.ResourceFound() | channel.ResourcePiece() | channel.ResourceRefused():
                self._tools.downloads.deliver(message)
            case channel.Finish():
                self._finish(message.grace)
            case _:
                raise channel.ChannelError(f"{message.kind} is no message to a supervisor")

    def _begin(self, order: RunOrder) -> None:
        run = Run(order, self._tools)
        with self._changed:
            self._runs[order.run, order.attempt] = run
        self._workers.submit(self._work, run)

    def _work(self, run: Run) -> None:
        try:
            run.work()
        except Exception:  # noqa: BLE001  (whatever it is, it must not stay unseen)
            # Without an end the run would hold its place for ever.
            _log.exception("run %s cannot be worked off", run.order.run)
            run.give_up()
        with self._changed:
            del self._runs[run.order.run, run.order.attempt]
            self._changed.notify_all()

    def _abort(self, message: channel.AbortRun) -> None:
        with self._changed:
            run = self._runs.get((message.run, message.attempt))
        if run is not None:
            run.abort(message.reason)

    def _finish(self, grace: float) -> None:
        # In a thread of its own: aborts and resources still come by the pipe meanwhile.
        if not self._finishing:
            self._finishing = True
            threading.Thread(target=self._wind_up, args=(grace,), daemon=True).start()

    def _wind_up(self, grace: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._runs, grace)
            left = list(self._runs.values())
        for run in left:
            run.abort(_STOPPING)
        with self._changed:
            self._changed.wait_for(lambda: not self._runs)
        # The server reads the end of the reports, closes the other pipe, and so ends ``serve``.
        self._outbox.close()


def _own_pipes() -> tuple[io.RawIOBase, io.RawIOBase]:
    """Standard input and output for frames alone: what prints, prints to the server's log."""
    incoming = os.fdopen(os.dup(0), "rb", buffering=0)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return incoming, outgoing


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gateway.agents.supervisor")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--max-runs", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--task-type", action="append", default=[], metavar="NAME=MODULE:CLASS")
    parser.add_argument("--inherit", action="append", default=[], metavar="VARIABLE")
    parser.add_argument("--user", help="As whom all is done; needs root.")
    return parser.parse_args(argv)


def _supervisor(arguments: argparse.Namespace, outgoing: io.RawIOBase) -> Supervisor:
    types = TaskTypes.load(dict(item.split("=", 1) for item in arguments.task_type))
    if arguments.user:
        _become(arguments.user, arguments.folder)
    outbox = Outbox(channel.Sender(outgoing))
    workspace = Workspace(arguments.folder)
    workspace.prepare()
    tools = Tools(
        report=outbox.put,
        types=types,
        launcher=Launcher(arguments.grace, adopts=strays.adopt_orphans()),
        downloads=Downloads(outbox.put),
        flusher=Flusher(),
        workspace=workspace,
        environment=environment.inherited(arguments.inherit),
    )
    return Supervisor(outbox, tools, arguments.max_runs)


def _become(name: str, folder: Path) -> None:
    """Give up root, before there is a thread or a task."""
    users.load_all()
    users.task_user(name).become()
    os.chdir(folder)


def _on_termination(end: Callable[[], None]) -> None:
    """Call back, in a thread, when the process is asked to end (SIGTERM).

    A handler alone may be late for ever: it runs in the main thread, which waits in a read that
    the signal need not interrupt. The number of the signal in a pipe is seen at once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)

    def watch() -> None:
        os.read(reading, 1)
        _log.warning("the supervisor is told to end by a signal")
        end()

    threading.Thread(target=watch, name="termination", daemon=True).start()


def _leave(supervisor: Supervisor) -> None:
    """Kill what is left and exit: threads that wait for tasks would hold up a normal exit."""
    try:
        supervisor.kill()
    finally:
        os._exit(0)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until the pipe closes, then kill what is left and leave."""
    memory.share_heaps()
    incoming, outgoing = _own_pipes()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    supervisor = _supervisor(_arguments(argv), outgoing)
    _on_termination(lambda: _leave(supervisor))
    memory.settle()
    try:
        supervisor.serve(channel.Receiver(incoming))
    except Exception:  # noqa: BLE001  (the reason goes to the server's log)
        _log.exception("the supervisor cannot go on")
    finally:
        _leave(supervisor)


if __name__ == "__main__":
    main()
