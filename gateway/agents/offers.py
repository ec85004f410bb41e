"""Resources on the server's side of the channel: read from the desk and sent piece by piece."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from gateway.agents import channel
from gateway.agents.desk import AgentSession, ResourceContent, ResourceDesk
from gateway.agents.downloads import WINDOW

PIECE_BYTES = 256 * 1024

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The supervisor wants no more of this transfer, or is gone."""


class _Transfer:
    """What one transfer may still send."""

    def __init__(self) -> None:
        self._credit = threading.Semaphore(WINDOW)
        self._stopped = False

    def allow(self) -> None:
        """Let one more piece be sent."""
        self._credit.release()

    def stop(self) -> None:
        """Let nothing more be sent."""
        self._stopped = True
        self._credit.release()

    def spend(self) -> None:
        """Wait until a piece may be sent; raises _Stopped."""
        self._credit.acquire()
        if self._stopped:
            raise _Stopped


class Offers:
    """Serves one supervisor. ``send`` takes messages to it and raises OSError when it is gone."""

    def __init__(
        self,
        desk: ResourceDesk,
        session: AgentSession,
        send: Callable[[channel.Message], None],
        max_transfers: int,
    ) -> None:
        self._desk = desk
        self._session = session
        self._send = send
        self._lock = threading.Lock()
        self._transfers: dict[int, _Transfer] = {}
        self._threads = ThreadPoolExecutor(max_transfers, thread_name_prefix="agent-resource")

    def handle(self, demand: channel.ResourceDemand) -> None:
        """Do what the supervisor asks, without waiting."""
        if isinstance(demand, channel.ResourceWanted):
            transfer = _Transfer()
            with self._lock:
                self._transfers[demand.transfer] = transfer
            self._threads.submit(self._serve, demand, transfer)
            return
        with self._lock:
            known = self._transfers.get(demand.transfer)
        if known is not None:
            known.allow() if isinstance(demand, channel.ResourceTaken) else known.stop()

    def close(self) -> None:
        """Stop all transfers: the supervisor is gone."""
        with self._lock:
            transfers = list(self._transfers.values())
        for transfer in transfers:
            transfer.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _serve(self, wanted: channel.ResourceWanted, transfer: _Transfer) -> None:
        try:
            self._send_resource(wanted, transfer)
        except (_Stopped, OSError):
            pass
        except Exception:  # noqa: BLE001  (whatever a desk raises, others are served)
            _log.exception("the resource %r cannot be sent", wanted.reference)
        finally:
            with self._lock:
                del self._transfers[wanted.transfer]

    def _send_resource(self, wanted: channel.ResourceWanted, transfer: _Transfer) -> None:
        number = wanted.transfer
        try:
            content = self._desk.resource(self._session, wanted.run, wanted.reference)
            self._send(_found(number, content))
            for piece in _pieces(content):
                transfer.spend()
                self._send(channel.ResourcePiece(number, piece))
            self._send(channel.ResourcePiece(number, b""))
        except LookupError as error:
            self._send(channel.ResourceRefused(number, str(error.args[0] if error.args else error)))
        except (_Stopped, OSError):
            raise
        except Exception:
            self._send(channel.ResourceRefused(number, "The server cannot read the resource."))
            raise


def _found(number: int, content: ResourceContent) -> channel.ResourceFound:
    return channel.ResourceFound(
        number,
        content.name,
        content.size,
        content.sha256,
        parse_content=content.parse_content,
        skip_environment=content.skip_environment,
    )


def _pieces(content: ResourceContent) -> Iterator[bytes]:
    for chunk in content.chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]
