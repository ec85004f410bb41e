"""Resources that an agent keeps by their SHA-256, so that they cross the network once."""

import collections
import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from storage.errors import StoreUnavailable

_READ_BYTES = 256 * 1024
_PARTIAL = ".partial"
# A link that is cut again and again still brings it all, as long as each try brings something.
_TRIES_IN_VAIN = 5

_log = logging.getLogger(__name__)

Fetch = Callable[[int], Iterator[bytes]]
"""The bytes of a resource from the one counted so, which another machine sends."""


class CacheFailed(Exception):
    """The resource cannot be had; the message is a sentence."""


class ResourceCache:
    """Files in a folder of the agent's own, up to ``most_bytes`` in all, those longest unused go.

    ``pause`` waits that many seconds between two tries; it raises what ends the trying.
    """

    def __init__(self, folder: Path, most_bytes: int, pause: Callable[[float], None]) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._pause = pause
        self._lock = threading.Lock()
        self._in_use: collections.Counter[str] = collections.Counter()
        self._fetching: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)

    def prepare(self) -> None:
        """Make the folder; what a cut transfer has left in it stays. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._evict()

    @contextlib.contextmanager
    def open(self, sha256: str, size: int, fetch: Fetch) -> Iterator[Iterator[bytes]]:
        """The bytes, known to be the right ones. Raises CacheFailed, OSError, StoreUnavailable."""
        with self._used(sha256):
            path = self._folder / sha256
            # One at a time brings it; who wants the same meanwhile waits and has it then.
            with self._fetching_of(sha256):
                if not _is(path, sha256, size):
                    path.unlink(missing_ok=True)
                    self._bring(path, sha256, size, fetch)
            os.utime(path)
            with path.open("rb") as file:
                yield iter(lambda: file.read(_READ_BYTES), b"")

    @contextlib.contextmanager
    def _used(self, sha256: str) -> Iterator[None]:
        with self._lock:
            self._in_use[sha256] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_use[sha256] -= 1
                if not self._in_use[sha256]:
                    del self._in_use[sha256]
                    self._fetching.pop(sha256, None)
            self._evict()

    def _fetching_of(self, sha256: str) -> threading.Lock:
        with self._lock:
            return self._fetching[sha256]

    def _bring(self, path: Path, sha256: str, size: int, fetch: Fetch) -> None:
        partial = path.with_name(path.name + _PARTIAL)
        for _ in range(2):
            try:
                self._go_on(partial, size, fetch)
            except OSError:
                # A full disk is not kept full for the sake of half a resource.
                partial.unlink(missing_ok=True)
                raise
            if _is(partial, sha256, size):
                partial.replace(path)
                return
            # What an earlier process left may have been damaged; from its start it is right.
            partial.unlink(missing_ok=True)
        raise CacheFailed(
            "What the server sends of the resource has another SHA-256 than it says, twice."
        )

    def _go_on(self, partial: Path, size: int, fetch: Fetch) -> None:
        """Add to what is there until it has its size."""
        in_vain = 0
        while (start := _size(partial)) < size or not partial.exists():
            try:
                _append(partial, fetch(start), size - start)
            except StoreUnavailable as error:
                in_vain = in_vain + 1 if _size(partial) == start else 0
                if in_vain >= _TRIES_IN_VAIN:
                    raise
                _log.warning("a resource came only in part, it is gone on with: %s", error)
                self._pause(min(5.0, 0.2 * 2**in_vain))

    def _evict(self) -> None:
        """Remove what was longest unused until the rest is small enough."""
        with self._lock:
            files = sorted(_files(self._folder))
            total = sum(size for _, size, _ in files)
            for _, size, path in files:
                if total <= self._most_bytes:
                    return
                if path.name.removesuffix(_PARTIAL) not in self._in_use:
                    with contextlib.suppress(OSError):
                        path.unlink()
                        total -= size


def _append(partial: Path, pieces: Iterator[bytes], left: int) -> None:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        for piece in pieces:
            file.write(piece[:left])
            left -= min(left, len(piece))
    if left:
        raise StoreUnavailable("the answer ended before all of the resource had come")


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            state = path.stat()
            yield state.st_mtime_ns, state.st_size, path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is(path: Path, sha256: str, size: int) -> bool:
    """Whether the file is there and holds just that; reads it."""
    if not path.exists() or _size(path) != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
