"""The data folder: what lies where in it, and that one process at a time holds it."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway import names
from storage.errors import StoreHeld

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PRIVATE = 0o700

# Windows locks bytes, and then nobody can read them: a byte beyond the process id is taken.
_LOCKED_BYTE = 4096


@dataclass(frozen=True)
class DataFolder:
    """The names of what a gateway keeps on disk; ``path`` becomes absolute."""

    path: Path

    def __post_init__(self) -> None:
        """Tasks have working folders of their own, where a relative path means another place."""
        object.__setattr__(self, "path", self.path.absolute())

    @property
    def store(self) -> Path:
        """The SQLite store."""
        return self.path / "gateway.sqlite3"

    @property
    def keys(self) -> Path:
        """The keyring that opens sealed secrets; not part of a backup of the store."""
        return self.path / "keys.json"

    @property
    def lock(self) -> Path:
        """The file whose lock says that the folder is held; it holds the holder's process id."""
        return self.path / "gateway.lock"

    @property
    def backups(self) -> Path:
        """Copies of the store that the program makes before an upgrade or a restore."""
        return self.path / "backups"

    @property
    def spool(self) -> Path:
        """Bodies and uploads on their way into the store."""
        return self.path / "spool"

    @property
    def runs(self) -> Path:
        """Working folders of runs on the embedded agent."""
        return self.path / "runs"

    def runs_of(self, agent: str) -> Path:
        """Working folders of runs on a further embedded agent; its name may be no file's name."""
        digest = hashlib.sha256(names.key(agent).encode()).hexdigest()
        return self.runs / f"agent-{digest[:16]}"

    def create(self) -> None:
        """Make the folder and those in it, closed to other users. Raises OSError."""
        for folder in (self.path, self.backups, self.spool, self.runs):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for the length of a block. Raises StoreHeld, OSError.

        The system gives the lock back when the process ends, however it ends.
        """
        with _opened(self.lock) as file:
            if not _lock(file):
                raise StoreHeld(_held_by(self.path, _read_holder(file)))
            try:
                _write_holder(file)
                yield
            finally:
                _unlock(file)


def _opened(path: Path) -> IO[bytes]:
    # Append mode creates the file without emptying one that another process has locked.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+b", 0)


def _held_by(path: Path, pid: int | None) -> str:
    who = f"process {pid}" if pid else "another process"
    return f"the data folder {path} is in use by {who}: stop it, or name another folder with --data"


def _read_holder(file: IO[bytes]) -> int | None:
    file.seek(0)
    text = file.read(32).strip()
    return int(text) if text.isdigit() else None


def _write_holder(file: IO[bytes]) -> None:
    file.truncate(0)
    file.write(f"{os.getpid()}\n".encode())


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> bool:
        try:
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
