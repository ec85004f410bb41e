"""What a task is given, for tests of a task type alone."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.tasks.base import Cancellation, ResourceContent, TaskContext
from gateway.tasks.registry import TaskTypes


@dataclasses.dataclass
class Log:
    data: bytes = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def line(self, text: str) -> None:
        self.write(f"{text}\n".encode())


@dataclasses.dataclass
class Programs:
    """Remembers what is run, with the text of a file that is named there; answers ``code``."""

    code: int = 0
    argv: Sequence[str] = ()
    folder: Path | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: dict[str, tuple[bytes, int]] = dataclasses.field(default_factory=dict)

    def run(self, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
        self.argv, self.folder, self.environment = argv, folder, environment
        for path in map(Path, argv):
            if path.is_file() and folder in path.parents:
                self.files[path.name] = (path.read_bytes(), path.stat().st_mode & 0o777)
        return self.code


@dataclasses.dataclass
class Resources:
    content: ResourceContent | None = None

    @contextlib.contextmanager
    def open(self, reference: str) -> Iterator[ResourceContent]:
        assert self.content is not None
        yield self.content


class Parameters:
    def __init__(self, **values: str) -> None:
        self.values = values

    def known(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str) -> str:
        return self.values[name]

    def set(self, name: str, value: str) -> str:
        self.values[name] = value
        return value


def context(kind: str, folder: Path, settings: Mapping[str, Any], **parts: Any) -> TaskContext[Any]:
    values = {
        "settings": TaskTypes.load().settings(kind, settings),
        "seq": 0,
        "make_folder": lambda: folder,
        "log": Log(),
        "cancellation": Cancellation(30),
        "environment": {"PATH": os.environ["PATH"]},
        "programs": Programs(),
        "resources": Resources(),
        "parameters": Parameters(),
        **parts,
    }
    return TaskContext(**values)
