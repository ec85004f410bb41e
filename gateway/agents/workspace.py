"""The folders in which runs work: private, one for each run, gone after it."""

import shutil
import tempfile
import threading
from pathlib import Path

_PREFIX = "run-"


def mark(folder: Path) -> str:
    """The mark of the agent whose runs work in this folder; no two live agents share one."""
    return str(folder.resolve())


class Workspace:
    """A folder of the agent's own that holds the folders of its runs."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def mark(self) -> str:
        """What tells this agent's processes from those of others on the machine: its folder."""
        return mark(self._root)

    def prepare(self) -> None:
        """Make the folder, and remove what an agent that died has left in it; raises OSError."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._root.glob(f"{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)

    def room(self) -> "Room":
        """A folder for a new run."""
        return Room(self._root)


class Room:
    """The folder of one run. Most runs need none, so it is made when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._path: Path | None = None

    def path(self) -> Path:
        """The folder, readable by its owner alone; raises OSError if it cannot be made."""
        with self._lock:
            if self._path is None:
                self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._root))
            return self._path

    def remove(self) -> None:
        """Remove the folder with all that is in it, as far as that is allowed."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
