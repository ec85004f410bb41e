"""Wake-on-LAN: packets that wake the machines of agents whose runs may begin.

What is to be woken for stands in the store, and is looked up here after the commit, on a thread of
its own. A packet that cannot be sent is logged once and costs nobody anything.
"""

import contextlib
import ipaddress
import logging
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.fleet import roster
from gateway.fleet.roster import Agent
from gateway.jobs.orders import Origin
from gateway.jobs.states import JobStatus, Stage
from storage import models
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session

_RUN = models.Run
_JOB = models.Job
_REQUEST = models.JobRequest
_FIRING = models.ScheduleFiring
_SYNCHRONISATION = b"\xff" * 6
_REPEATED = 16
_MAC = re.compile(r"[0-9A-Fa-f]{12}")
_PORTION = 100
_CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


def packet(mac: str) -> bytes:
    """The magic packet for a MAC address (with any separators): six times FF, sixteen times it.

    ValueError for what is no MAC address.
    """
    digits = re.sub(r"[\s:.\-]", "", mac)
    if not _MAC.fullmatch(digits):
        raise ValueError(f"{mac!r} is no MAC address")
    return _SYNCHRONISATION + _REPEATED * bytes.fromhex(digits)


class MagicPackets:
    """Sends magic packets by UDP to ``addresses``, one port of each."""

    def __init__(self, addresses: Sequence[str], port: int) -> None:
        self._addresses = addresses
        self._port = port
        self._failed: set[tuple[str, str]] = set()

    def send(self, macs: Iterable[str]) -> None:
        """Wake these machines; what fails is logged the first time."""
        for mac in macs:
            for address in self._addresses:
                try:
                    self._send(packet(mac), address)
                except (OSError, ValueError) as error:
                    self._note(address, f"{type(error).__name__}: {error}")

    def _send(self, data: bytes, address: str) -> None:
        version = ipaddress.ip_address(address).version
        family = socket.AF_INET6 if version == 6 else socket.AF_INET  # noqa: PLR2004
        with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.sendto(data, (address, self._port))

    def _note(self, address: str, error: str) -> None:
        if (address, error) not in self._failed:
            self._failed.add((address, error))
            _log.warning("a machine cannot be woken by way of %s: %s", address, error)


class Waker:
    """Looks at jobs that were dispatched, on its own thread, and wakes whom they wait for.

    ``silence`` in microseconds is how long an agent is silent before it counts as offline.
    """

    def __init__(
        self, store: Store, packets: MagicPackets, now: Callable[[], int], silence: int
    ) -> None:
        self._store = store
        self._packets = packets
        self._now = now
        self._silence = silence
        self._jobs: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being looked at."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(_CLOSE_SECONDS)
            self._thread = None

    def look(self, job_id: int) -> None:
        """Have a job looked at, and those that it made; costs next to nothing."""
        if self._thread is not None:
            self._jobs.put(job_id)

    def wake(self, job_ids: Sequence[int]) -> None:
        """Wake the machines of offline agents for which runs of these jobs wait."""
        with self._store.reading() as session:
            asking = _asking(session, job_ids)
            waited_for = self._waited_for(session, asking) if asking else []
        for agent in waited_for:
            if not agent.online(self._now(), self._silence):
                self._packets.send(agent.facts.get("mac_addresses", ()))

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            try:
                self.wake([first, *self._others()])
            except StoreUnavailable as error:
                _log.warning("no machine is woken, the store is not to be had: %s", error)
            except Exception:  # noqa: BLE001  (others are still to be woken)
                _log.exception("machines cannot be woken")

    def _others(self) -> Iterator[int]:
        """What else is to be looked at by now, up to a portion."""
        for _ in range(_PORTION):
            try:
                job_id = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job_id is None:
                # The end is for the loop to find.
                self._jobs.put(None)
                return
            yield job_id

    def _waited_for(self, session: Session, job_ids: Sequence[int]) -> list[Agent]:
        """The agents that runs of these jobs wait for, which might begin now."""
        query = _RUN.select(_RUN.agent_id).where(
            _RUN.job_id.in_(job_ids),
            _RUN.status == JobStatus.SCHEDULED,
            _RUN.not_before.is_null() | (_RUN.not_before <= self._now()),
        )
        found = roster.by_ids(session, {row["agent_id"] for row in session.rows(query)})
        return [found[number] for number in sorted(found)]


def _asking(session: Session, job_ids: Sequence[int]) -> list[int]:
    """Which of these jobs ask for machines to be woken, and the jobs that those have made."""
    query = _JOB.select(_JOB.id, _JOB.schedule_id, _JOB.recurring, _REQUEST.timing)
    query = query.join(_REQUEST, on=(_REQUEST.job_id == _JOB.id)).where(_JOB.id.in_(job_ids))
    asking = [row for row in session.rows(query) if row["timing"]["wake_on_lan"]]
    found = [row["id"] for row in asking if not row["recurring"]]
    for row in asking:
        if row["recurring"]:
            found += _fired(session, row["schedule_id"])
    return [*found, *_below(session, found)]


def _below(session: Session, job_ids: Sequence[int]) -> list[int]:
    """The jobs of run books that have not ended, and of the run books within them."""
    ids, found = list(job_ids), list[int]()
    while ids:
        query = _JOB.select(_JOB.id).where(
            _JOB.parent_id.in_(ids),
            _JOB.origin == Origin.RUN_BOOK,
            _JOB.stage < Stage.HISTORY,
        )
        ids = [row["id"] for row in session.rows(query)]
        found += ids
    return found


def _fired(session: Session, schedule_id: int) -> list[int]:
    """The last jobs that a schedule has made: it may have made very many in its time."""
    query = _FIRING.select(_FIRING.job_id).where(_FIRING.schedule_id == schedule_id)
    last = session.rows(query.order_by(_FIRING.due_at.desc()).limit(_PORTION))
    return [row["job_id"] for row in last if row["job_id"] is not None]
