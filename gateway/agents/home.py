"""The folder of a remote agent: who it is, how it is let in, and what lies where.

It is its owner's alone. Runs work elsewhere where their user is another (``gateway.agents.users``).
"""

import contextlib
import dataclasses
import hashlib
import os
import platform
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import platformdirs
import pydantic
from pydantic import BaseModel, ConfigDict, SecretStr

from gateway import holding
from gateway.agents import processes
from gateway.agents.refusals import AgentRefused
from gateway.agents.trust import Trust

APPLICATION = "gateway-agent"

_PRIVATE = 0o700
_MOST_SHOWN = 150
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def default_folder() -> Path:
    """Where an agent's folder is unless told: the system's place for state, or the user's."""
    if processes.POSIX and os.geteuid() == 0:
        return Path("/var/lib") / APPLICATION
    return Path(platformdirs.user_state_dir(APPLICATION, appauthor=False))


class _Kept(BaseModel):
    """The base of what is kept in a file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @pydantic.field_serializer("*", when_used="json")
    def _open(self, value: object) -> object:
        return value.get_secret_value() if isinstance(value, SecretStr) else value


class Identity(_Kept):
    """Who the agent is to its server, and by what it knows the server.

    ``former`` is the token before the present one: it counts until the present one was used.
    ``token_since`` is in epoch microseconds.
    """

    server: str
    agent: uuid.UUID
    token: SecretStr
    token_since: int
    former: SecretStr | None = None
    ca: Path | None = None
    pin: str | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def trust(self) -> Trust:
        """By what the server is known."""
        return Trust(self.ca, self.pin, self.certificate, self.key)


class Asking(_Kept):
    """An enrolment that is not decided yet."""

    server: str
    enrolment: uuid.UUID
    secret: SecretStr


class _LastSession(_Kept):
    session: uuid.UUID


K = TypeVar("K", bound=_Kept)


@dataclasses.dataclass(frozen=True)
class AgentHome:
    """The names of what an agent keeps on disk; ``path`` becomes absolute."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.expanduser().absolute())

    @property
    def cache(self) -> Path:
        """Resources by their SHA-256."""
        return self.path / "cache"

    @property
    def runs(self) -> Path:
        """Working folders of runs."""
        return self.path / "runs"

    @property
    def open_runs(self) -> Path:
        """The same where they belong to another user, who may not enter the agent's folder."""
        return self.path.with_name(f"{self.path.name}-runs")

    def create(self) -> None:
        """Make the folder, closed to other users. Raises OSError."""
        self.path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if processes.POSIX:
            self.path.chmod(_PRIVATE)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for the length of a block. Raises AgentRefused, OSError."""
        with holding.hold(self.path / "agent.lock", self._held):
            yield

    def _held(self, who: str) -> AgentRefused:
        return AgentRefused(
            f"an agent is at work in the folder {self.path} already ({who}): stop it, or give "
            "this one a folder of its own with --folder, where it enrols by itself"
        )

    def identity(self) -> Identity | None:
        """Who the agent is; None before it has enrolled. Raises AgentRefused, OSError."""
        return self._read("agent.json", Identity)

    def keep(self, identity: Identity) -> None:
        """Keep who the agent is; all of it or nothing is on disk. Raises OSError."""
        self._write("agent.json", identity)

    def asking(self) -> Asking | None:
        """The enrolment that is waited for. Raises AgentRefused, OSError."""
        return self._read("enrolment.json", Asking)

    def keep_asking(self, asking: Asking | None) -> None:
        """Keep an enrolment that is waited for, or forget it."""
        if asking is None:
            (self.path / "enrolment.json").unlink(missing_ok=True)
        else:
            self._write("enrolment.json", asking)

    def last_session(self) -> uuid.UUID | None:
        """The session that was opened last from here."""
        kept = self._read("session.json", _LastSession)
        return None if kept is None else kept.session

    def keep_session(self, session: uuid.UUID) -> None:
        """Keep the session that was opened."""
        self._write("session.json", _LastSession(session=session))

    def instance(self) -> str:
        """Tells this folder, on this machine, from all others and from its copies.

        It stays the same when the machine is started anew: the agent takes over at once then.
        """
        there = self.path.stat()
        parts = (_machine_id(), platform.node(), str(self.path), str(there.st_ino))
        digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
        # People read it where a second agent is refused; the rest is for programs.
        shown = f"{platform.node()}:{self.path}".encode("ascii", "replace").decode()
        return f"{shown[:_MOST_SHOWN]} ({digest[:16]})"

    def _read(self, name: str, kind: type[K]) -> K | None:
        path = self.path / name
        try:
            return kind.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except pydantic.ValidationError as error:
            # No word of what is in it: there is a token.
            fault = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, fault["loc"])) or "the whole"
            raise AgentRefused(
                f"{path} is damaged ({place}): restore it, or remove it and enrol anew"
            ) from None

    def _write(self, name: str, kept: _Kept) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=self.path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(kept.model_dump_json(indent=2, exclude_none=True).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(self.path)


def _sync(folder: Path) -> None:
    if processes.POSIX:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _machine_id() -> str:
    for path in _MACHINE_IDS:
        with contextlib.suppress(OSError):
            return path.read_text("ascii").strip()
    return str(uuid.getnode())
