"""Keeps a child supervisor going: starts it, reads what it reports, and settles its death."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence

from gateway import moments
from gateway.agents import channel, processes
from gateway.agents.delivery import Item, LostRuns
from gateway.agents.desk import Abort, Refusal
from gateway.agents.ledger import Ledger, Remains
from gateway.agents.link import SupervisorLink
from gateway.agents.offers import Offers
from gateway.agents.protocol import (
    LogChunk,
    Report,
    RunFinished,
    RunOrder,
    TaskFinished,
    TaskStarted,
)
from gateway.jobs.states import JobStatus

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
# How long a supervisor may take to kill its tasks and to go.
_CUT_OFF_SECONDS = 30.0
# A supervisor that lived so long was a good one: after its death the next one is started at once.
_GOOD_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Keeper:
    """Holds the present supervisor. ``launch`` starts one and raises OSError if it cannot.

    ``deliver`` takes what the desk is to be told and may wait; ``offers`` makes what serves
    resources to one supervisor.
    """

    def __init__(
        self,
        launch: Callable[[], SupervisorLink],
        ledger: Ledger,
        deliver: Callable[[Sequence[Item]], None],
        offers: Callable[[Callable[[channel.Message], None]], Offers],
    ) -> None:
        self._launch = launch
        self._ledger = ledger
        self._deliver = deliver
        self._offers = offers
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._link = launch()
        self._thread = threading.Thread(target=self._run, name="agent-keeper", daemon=True)

    def start(self) -> None:
        """Begin to listen to the supervisor; runs are taken as soon as it is ready."""
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process id of the present supervisor, or of the last one."""
        return self._link.pid

    @property
    def alive(self) -> bool:
        """Whether there is a supervisor that takes runs."""
        return self._link.alive and not self._stopping.is_set()

    def order(self, orders: Sequence[RunOrder]) -> None:
        """Give runs to the supervisor; those that it cannot have are told to the desk."""
        fitting, frames = self._encoded(orders)
        # Within the lock, so that no order reaches the successor of the supervisor it was for.
        with self._lock:
            entered = self._ledger.enter(fitting)
            if entered:
                self._write(frames)
        if not entered:
            attempts = tuple((order.run, order.attempt) for order in fitting)
            self._deliver([LostRuns(attempts, "the agent could not take the run", begun=False)])

    def abort(self, abort: Abort | Refusal) -> None:
        """Have a run stopped: it was aborted, or the desk takes no reports of it any more."""
        frame = channel.encode(channel.AbortRun(abort.run, abort.attempt, abort.reason))
        with self._lock:
            self._write([frame])

    def finish(self, grace: float, patience: float) -> None:
        """Let the runs end for ``grace`` seconds; after ``patience`` more nothing is waited for."""
        with self._lock:
            self._stopping.set()
            self._ledger.drain()
            self._write([channel.encode(channel.Finish(grace))])
        self._thread.join(grace + patience)
        if self._thread.is_alive():
            _log.error("the supervisor does not come to an end and is killed")
            self._link.kill()

    def cut_off(self) -> None:
        """Kill all that runs, at once."""
        with self._lock:
            self._stopping.set()
            self._ledger.drain()
        self._link.hang_up()
        self._thread.join(_CUT_OFF_SECONDS)
        if self._thread.is_alive():
            self._link.kill()

    def _encoded(self, orders: Sequence[RunOrder]) -> tuple[list[RunOrder], list[bytes]]:
        fitting: list[RunOrder] = []
        frames: list[bytes] = []
        for order in orders:
            try:
                frames.append(channel.encode(order))
                fitting.append(order)
            except channel.ChannelError as error:
                self._deliver([_impossible(order, str(error))])
            except Exception as error:  # noqa: BLE001  (one bad order must not strand the others)
                # The error's words may hold the very value at fault, which may be a secret.
                self._deliver([_impossible(order, f"{type(error).__name__} in one of its values")])
        return fitting, frames

    def _write(self, frames: list[bytes]) -> None:
        # If the supervisor is gone, whoever reads from it sees that and settles its runs.
        with contextlib.suppress(OSError, ValueError):
            self._link.send_frames(frames)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            self._serve(self._link)
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _GOOD_SECONDS:
                pause = _FIRST_PAUSE
            pause = self._replace(pause)

    def _serve(self, link: SupervisorLink) -> None:
        """Read what one supervisor sends until its end, and settle what it leaves."""
        offers = self._offers(lambda message: link.send([message]))
        try:
            while messages := link.receive():
                self._take(messages, offers)
        except channel.ChannelError as error:
            _log.error("the supervisor is ended: %s", error)
        with self._lock:
            remains = self._ledger.close()
        offers.close()
        self._settle(link.end(), remains)

    def _take(self, messages: list[channel.Message], offers: Offers) -> None:
        reports: list[Report] = []
        for message in messages:
            match message:
                case TaskStarted() | LogChunk() | TaskFinished() | RunFinished():
                    reports.append(message)
                case channel.ResourceWanted() | channel.ResourceTaken() | channel.ResourceDone():
                    offers.handle(message)
                case channel.Ready():
                    self._open()
                case _:
                    raise channel.ChannelError(f"{message.kind} is no message of a supervisor")
        if reports:
            # Places are free before the desk has the reports: claims and commits overlap. The run
            # is known to the delivery before the ledger forgets it: a renewal names them all.
            self._deliver(reports)
            self._ledger.note(reports)

    def _open(self) -> None:
        with self._lock:
            if not self._stopping.is_set():
                self._ledger.open()

    def _settle(self, code: int, remains: Remains) -> None:
        if not self._stopping.is_set():
            _log.error("the supervisor died (exit code %d)", code)
        if remains.runs:
            runs = [run for run, _ in remains.runs]
            killed = processes.kill_leftovers(remains.processes, runs)
            _log.warning("%d runs are lost; %d processes were killed", len(runs), killed)
            self._deliver([LostRuns(remains.runs, "the agent's supervisor died")])
        self._ledger.settled()

    def _replace(self, pause: float) -> float:
        """Start another supervisor; the pause before the one after that."""
        while not self._stopping.wait(pause):
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                link = self._launch()
            except OSError:
                _log.exception("no supervisor can be started; it is tried again")
                continue
            with self._lock:
                self._link = link
            break
        return pause


def _impossible(order: RunOrder, reason: str) -> RunFinished:
    _log.error("the order for run %s cannot be sent: %s", order.run, reason)
    detail = f"The order for the run cannot be sent: {reason}."
    return RunFinished(order.run, order.attempt, moments.now(), JobStatus.FAILED, detail)
