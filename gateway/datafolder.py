"""The data folder: what lies where in it, and that one process at a time holds it."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import holding, names
from storage.errors import StoreHeld

_PRIVATE = 0o700


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

    @property
    def open_runs(self) -> Path:
        """The same where they belong to another user, who may not enter the data folder."""
        return self.path.with_name(f"{self.path.name}-runs")

    @staticmethod
    def runs_of(runs: Path, agent: str) -> Path:
        """Working folders of runs on a further embedded agent; its name may be no file's name."""
        digest = hashlib.sha256(names.key(agent).encode()).hexdigest()
        return runs / f"agent-{digest[:16]}"

    def create(self) -> None:
        """Make the folder and those in it, closed to other users. Raises OSError."""
        for folder in (self.path, self.backups, self.spool, self.runs):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)

    def close_to_others(self) -> None:
        """Close the folder to other users, also one that was made open before. Raises OSError."""
        self.path.chmod(_PRIVATE)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for the length of a block. Raises StoreHeld, OSError.

        The system gives the lock back when the process ends, however it ends.
        """
        with holding.hold(self.lock, self._held):
            yield

    def _held(self, who: str) -> StoreHeld:
        return StoreHeld(
            f"the data folder {self.path} is in use by {who}: stop it, or name another folder "
            "with --data"
        )
