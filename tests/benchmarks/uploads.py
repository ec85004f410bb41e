"""One large upload, and what the other clients notice of it."""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.benchmarks import bodies, houses
from tests.benchmarks.client import Load, Sample
from tests.benchmarks.figures import BenchmarkError, Effort, Row, alone, compared
from tests.benchmarks.shop import Server, Shop

MIB = 1024 * 1024
_MIB = 1024
_PIECE = bytes(MIB)
_CONNECTIONS = 4
_LOOK_SECONDS = 0.05
_PATH = "/Dispatcher/ResourceService/UploadResource"


@dataclass
class Upload:
    """What became of an upload: seconds, and how many bytes the server grew by meanwhile."""

    seconds: float = 0.0
    grown: int = 0
    answer: str = ""
    done: threading.Event = field(default_factory=threading.Event)


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """1 GiB, while four connections accept jobs, and while they ask for a page of them."""
    size = effort.count(_MIB) * MIB
    house = houses.furnish(shop.place("uploads"))
    asked = {
        "accepts": bodies.json_order(house.module, house.agent),
        "GET jobs": bodies.get(f"{bodies.SERVICE}/jobs?pagesize=5"),
    }
    with shop.gateway(house.folder) as server:
        for name, request in asked.items():
            quiet = shop.load(server, request, _load(effort.seconds))
            with uploading(server, size, name) as upload:
                # What comes before its first chunk counts as well.
                beside = _beside(shop, server, request, upload)
            yield from _rows(name, quiet, beside)
            yield alone(f"an upload beside {name}", [size / MIB / upload.seconds], "MiB/s")
            yield alone(f"memory of the server, grown beside {name}", [upload.grown / MIB], "MiB")


def _rows(name: str, quiet: Sample, beside: list[Sample]) -> Iterator[Row]:
    figures: dict[str, tuple[str, Callable[[Sample], float]]] = {
        "p50": ("ms", lambda sample: sample.p50),
        "p99": ("ms", lambda sample: sample.p99),
        "rate": ("1/s", lambda sample: sample.rate),
    }
    for figure, (unit, of) in figures.items():
        label = f"{name}, no upload: {figure}"
        yield alone(label, [of(quiet)], unit)
        values = [of(each) for each in beside]
        yield compared(
            f"{name}, beside an upload: {figure}", values, unit, label, [of(quiet)] * len(values)
        )


def _load(seconds: float) -> Load:
    return Load(_CONNECTIONS, seconds, warm_up=seconds / 4)


def _beside(shop: Shop, server: Server, request: bytes, upload: Upload) -> list[Sample]:
    """Samples of a second each until the upload has ended; at least one."""
    samples = []
    while not samples or not upload.done.is_set():
        samples.append(shop.load(server, request, Load(_CONNECTIONS, 1.0, warm_up=0.0)))
    return samples[:-1] or samples  # the last one went on without it


@contextlib.contextmanager
def uploading(server: Server, size: int, name: str) -> Iterator[Upload]:
    """An upload of zeros that begins with the block and has ended when it does."""
    upload = Upload()
    threads = [
        threading.Thread(target=_send, args=(server, size, name, upload)),
        threading.Thread(target=_watch, args=(server, upload)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield upload
    finally:
        for thread in threads:
            thread.join()
    if '"Size":' not in upload.answer:
        raise BenchmarkError(f"the upload was not taken: {upload.answer[:1000]}")


def _send(server: Server, size: int, name: str, upload: Upload) -> None:
    begun = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        connection.putrequest("POST", _PATH)
        for header, value in (
            ("Authorization", bodies.credentials()),
            ("Accept", "application/json"),
            ("Filename", f"beside {name}"),
            ("Content-Length", str(size)),
        ):
            connection.putheader(header, value)
        connection.endheaders()
        for _ in range(size // len(_PIECE)):
            connection.send(_PIECE)
        upload.answer = connection.getresponse().read().decode()
        connection.close()
    except OSError as error:
        upload.answer = repr(error)
    finally:
        upload.seconds = time.perf_counter() - begun
        upload.done.set()


def _watch(server: Server, upload: Upload) -> None:
    before = server.memory
    while not upload.done.wait(_LOOK_SECONDS):
        upload.grown = max(upload.grown, server.memory - before)
