"""A data folder with a gateway in it, and the command line in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import program


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]

MODULE = "11111111-1111-4111-8111-111111111111"
BLOCK = {
    "format": "urn:dispatcher-gateway:building-block:1",
    "modules": [
        {
            "guid": MODULE,
            "name": "Hello",
            "folder": "Demo",
            "parameters": [
                {"name": "Who", "default": "World"},
                {"name": "Pass", "type": "password", "default": "hunter2"},
            ],
            "tasks": [
                {
                    "guid": "21111111-1111-4111-8111-111111111111",
                    "name": "Say",
                    "type": "script",
                    "settings": {"interpreter": "sh", "text": "echo Hello $[Who]; printf rest"},
                }
            ],
        }
    ],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def block(tmp_path: Path) -> Path:
    path = tmp_path / "block.json"
    path.write_text(json.dumps(BLOCK))
    return path


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command just as it is given."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = program.run(arguments)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def gateway(bare: Run, data: Path) -> Run:
    """Runs commands on an initialised data folder."""

    def run(*arguments: str) -> Outcome:
        return bare(*arguments, "--data", str(data))

    assert run("init").code == 0
    return run
