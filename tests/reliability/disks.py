"""Disks that fill up."""

import abc
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.reliability.servers import Server


class Disk(abc.ABC):
    """Where a data folder lies, and how it fills up."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abc.abstractmethod
    def fill(self, server: Server) -> None:
        """Leave the server no byte to write."""

    @abc.abstractmethod
    def clear(self, server: Server) -> None:
        """Give the space back."""


class SmallDisk(Disk):
    """A file system of its own."""

    def fill(self, server: Server) -> None:
        self.leave(0)

    def clear(self, server: Server) -> None:
        self._ballast.unlink()

    def leave(self, room: int) -> None:
        """Let no more than so many bytes be free."""
        with self._ballast.open("ab") as ballast, contextlib.suppress(OSError):
            while (free := shutil.disk_usage(self.path).free) > room:
                os.write(ballast.fileno(), bytes(min(64 * 1024, free - room)))

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"


class LimitedFiles(Disk):
    """A stand-in where no file system can be mounted: the server may not write to its files."""

    def fill(self, server: Server) -> None:
        self._limit(server, 0)

    def clear(self, server: Server) -> None:
        self._limit(server, psutil.RLIM_INFINITY)

    @staticmethod
    def _limit(server: Server, most: int) -> None:
        limits = (most, psutil.RLIM_INFINITY)
        psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[SmallDisk]:
    """A file system of so many bytes; only root may mount one, where the system lets him."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(
            f"a small file system cannot be mounted ({done.stderr.strip()}): run this test as root,"
            " in a container that may mount"
        )
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
