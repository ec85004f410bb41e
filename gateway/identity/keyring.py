"""The keys that seal secrets: a file beside the store, never in it."""

import base64
import contextlib
import json
import logging
import os
import secrets
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.identity import errors

log = logging.getLogger(__name__)

KEY_BYTES = 32
ID_BYTES = 4
_VERSION = 1


@dataclass(frozen=True)
class Key:
    """A key for AES-256-GCM; ``id`` is eight hex digits."""

    id: str
    material: bytes = field(repr=False)


@dataclass(frozen=True)
class _Content:
    """What the file holds; ``stamp`` tells one state of the file from another."""

    active: str
    keys: Mapping[str, Key] = field(repr=False)
    stamp: tuple[int, int, int]


class Keyring:
    """The keys of one file. The active one seals; the others only open what they sealed.

    The file is read again when another process has replaced it, so that gateways which share it
    follow a rotation. Its methods raise KeyFileError when the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        """Read an existing file."""
        self.path = path
        self._lock = threading.Lock()
        self._content = _read(path)
        _warn_when_readable(path)

    def __repr__(self) -> str:
        return f"Keyring({str(self.path)!r})"

    @property
    def active(self) -> Key:
        """The key that seals."""
        content = self._present()
        return content.keys[content.active]

    def find(self, key_id: str) -> Key | None:
        """The key of that id, or None."""
        return self._present().keys.get(key_id)

    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the active one last."""
        content = self._present()
        return (*(key for key in content.keys if key != content.active), content.active)

    def add(self) -> Key:
        """Make a new key the active one; on disk when this returns."""
        key = _new_key()
        with self._lock:
            content = _read(self.path)
            self._content = _write(self.path, key.id, {**content.keys, key.id: key})
        return key

    def drop(self, ids: Iterable[str]) -> None:
        """Forget keys, but never the active one; what they sealed can no longer be opened."""
        with self._lock:
            content = _read(self.path)
            dropped = set(ids) - {content.active}
            kept = {name: key for name, key in content.keys.items() if name not in dropped}
            self._content = _write(self.path, content.active, kept)

    def _present(self) -> _Content:
        content = self._content
        if content.stamp != _stamp(self.path):
            with self._lock:
                content = self._content = _read(self.path)
        return content


def create(path: Path) -> Keyring:
    """Write a new file with one key; FileExistsError when there is one."""
    key = _new_key()
    if path.exists():
        raise FileExistsError(f"{path} exists")
    _write(path, key.id, {key.id: key})
    return Keyring(path)


def _new_key() -> Key:
    return Key(secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES))


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise errors.KeyFileError(
            f"the key file {path} cannot be read ({error.strerror}): restore it from your backup"
        ) from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> _Content:
    # The stamp first: what is replaced in between is then read once more, not overlooked.
    stamp = _stamp(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _parsed(document, stamp)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        # Without the cause: the JSON reader's error carries what it read, which is the keys.
        raise errors.KeyFileError(
            f"the key file {path} is damaged or not a key file: restore it from your backup"
        ) from None


def _parsed(document: Any, stamp: tuple[int, int, int]) -> _Content:
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']}")
    keys = {key_id: _key(key_id, text) for key_id, text in document["keys"].items()}
    if document["active"] not in keys:
        raise ValueError("the active key is not among the keys")
    return _Content(document["active"], keys, stamp)


def _key(key_id: str, text: str) -> Key:
    material = base64.b64decode(text, validate=True)
    if len(material) != KEY_BYTES or len(bytes.fromhex(key_id)) != ID_BYTES:
        raise ValueError(f"key {key_id} has not the right length")
    return Key(key_id, material)


def _write(path: Path, active: str, keys: Mapping[str, Key]) -> _Content:
    document = {
        "version": _VERSION,
        "active": active,
        "keys": {
            key_id: base64.b64encode(key.material).decode("ascii") for key_id, key in keys.items()
        },
    }
    _replace(path, json.dumps(document, indent=2).encode("ascii"))
    return _Content(active, dict(keys), _stamp(path))


def _replace(path: Path, data: bytes) -> None:
    """Put a new file in the place of the old one, whole or not at all, readable by us alone."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise errors.KeyFileError(
            f"the key file {path} cannot be written: {error.strerror}"
        ) from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # The new name must be as durable as what is sealed next. Windows syncs no folders.
    if os.name != "posix":
        return
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _warn_when_readable(path: Path) -> None:
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("others may read the key file %s: run 'chmod 600 %s'", path, path)
