"""That one process at a time holds a folder, by a lock that the system gives back at its end."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows locks bytes, and then nobody can read them: a byte beyond the process id is taken.
_LOCKED_BYTE = 4096


@contextlib.contextmanager
def hold(path: Path, held_by: Callable[[str], Exception]) -> Iterator[None]:
    """Hold the lock of a file for the length of a block; it holds the holder's process id.

    ``held_by`` makes the error that is raised if another has it, from words that say who. Raises
    OSError. The system gives the lock back when the process ends, however it ends.
    """
    with _opened(path) as file:
        if not _lock(file):
            raise held_by(_who(file))
        try:
            _write_holder(file)
            yield
        finally:
            _unlock(file)


def _opened(path: Path) -> IO[bytes]:
    # Append mode creates the file without emptying one that another process has locked.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+b", 0)


def _who(file: IO[bytes]) -> str:
    file.seek(0)
    text = file.read(32).strip()
    return f"process {int(text)}" if text.isdigit() else "another process"


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
