"""As which user of the machine tasks run, where it is not the agent's own.

The supervisor itself becomes that user before it takes a run, so all that tasks do (programs,
files, downloads) is done with his rights and no others; the agent, which has the token, stays out
of his reach.
"""

import contextlib
import dataclasses
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.platform != "win32":
    import pwd

_PROBE_SECONDS = 60.0
_PROBE = """
import os, sys
folder, uid, gid, *groups = sys.argv[1:]
os.setgroups([int(group) for group in groups])
os.setgid(int(gid))
os.setuid(int(uid))
os.mkdir(folder + "/.entered")
os.rmdir(folder + "/.entered")
"""
_OWNERS_ALONE = 0o700
_PASSABLE = 0o711


class UserRefused(Exception):
    """Tasks cannot run as this user; the sentence says why."""


@dataclasses.dataclass(frozen=True)
class TaskUser:
    """A user of the machine. ``other``: he is not the one that this process runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str
    other: bool

    @property
    def environment(self) -> dict[str, str]:
        """What a login gives him."""
        names = ("HOME", "USER", "LOGNAME", "SHELL")
        return dict(zip(names, (self.home, self.name, self.name, self.shell), strict=True))

    def become(self) -> None:
        """Be him from here on, for good. Raises OSError."""
        if self.other and sys.platform != "win32":
            os.setgroups(self.groups)
            os.setgid(self.gid)
            os.setuid(self.uid)

    def own(self, folder: Path) -> None:
        """Make the folder his, empty but for what he has left himself. Raises OSError.

        The folders above it that are made for it can be passed by all, and listed by nobody.
        """
        if not self.other:
            return
        for parent in _missing(folder.parent):
            parent.mkdir(mode=_PASSABLE)
            parent.chmod(_PASSABLE)
        if folder.is_symlink():
            raise UserRefused(f"{folder} is a symbolic link, and is to be a folder")
        folder.mkdir(mode=_OWNERS_ALONE, exist_ok=True)
        for left in folder.iterdir():
            if left.lstat().st_uid != self.uid:
                shutil.rmtree(left, ignore_errors=True)
        os.chown(folder, self.uid, self.gid, follow_symlinks=False)

    def check(self, folder: Path) -> None:
        """Whether he can work in the folder. Raises UserRefused, OSError."""
        if not self.other or getattr(sys, "frozen", False):
            return
        ids = (self.uid, self.gid, *self.groups)
        found = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROBE, str(folder), *map(str, ids)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        if found.returncode:
            last = (found.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            raise UserRefused(
                f"the user {self.name} must be able to work in the folder {folder}, and is not "
                f"({last}): choose one below a folder that all may enter, such as /var/lib"
            )


def task_user(name: str) -> TaskUser:
    """The user of this name. Raises UserRefused if there is none, or tasks cannot run as him."""
    if sys.platform == "win32":
        raise UserRefused("tasks run as another user on Linux and macOS only")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UserRefused(f"there is no user {name!r} on this machine") from None
    own = os.geteuid()
    if own not in (0, entry.pw_uid):
        raise UserRefused(
            f"only root can run tasks as another user: start as root, or as {name} himself, "
            "without this option"
        )
    return TaskUser(
        name=entry.pw_name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)),
        home=entry.pw_dir,
        shell=entry.pw_shell or "/bin/sh",
        other=own != entry.pw_uid,
    )


# Loaded before the supervisor becomes him: he may not be able to read where they lie.
_LOADED_LATER = (
    *("httpx", "anyio._backends._asyncio", "re2", "jsonpath_rfc9535"),
    *("encodings.idna", "encodings.ascii", "encodings.latin_1"),
)


def load_all() -> None:
    """Load what tasks otherwise load when they first need it."""
    from gateway.tasks import http  # noqa: PLC0415  (it loads much that others do not need)

    for name in _LOADED_LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    http.usual_authorities()


def _missing(folder: Path) -> list[Path]:
    """The folders on the way to this one that are not there, the outermost first."""
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing[::-1]
