"""Task type ``script``: writes a text to a private file and has an interpreter run it."""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pydantic

from gateway.tasks import programs
from gateway.tasks.base import TaskContext, TaskFailed, TaskOutcome, TaskType


@dataclasses.dataclass(frozen=True)
class _Interpreter:
    """How an interpreter is called, and what it wants of a script's file.

    ``programs`` are tried in their order; ``options`` stand before the file's name.
    """

    programs: tuple[str, ...]
    options: tuple[str, ...] = ()
    suffix: str = ""
    encoding: str = "utf-8"
    newline: str = "\n"


_POWERSHELL = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File")
_KNOWN = {
    "sh": _Interpreter(("sh",), suffix=".sh"),
    "bash": _Interpreter(("bash",), suffix=".sh"),
    "python": _Interpreter(("python3", "python"), suffix=".py"),
    # Windows PowerShell takes a file without a byte order mark for one in the system's code page.
    "pwsh": _Interpreter(("pwsh",), _POWERSHELL, ".ps1", "utf-8-sig", "\r\n"),
    "powershell": _Interpreter(("powershell",), _POWERSHELL, ".ps1", "utf-8-sig", "\r\n"),
    "cmd": _Interpreter(("cmd",), ("/d", "/c"), ".cmd", "utf-8", "\r\n"),
}
INTERPRETERS = tuple(_KNOWN)

_Program = Annotated[programs.Text, pydantic.Field(min_length=1)]


class ScriptSettings(programs.ProgramSettings):
    """``interpreter`` is a known name (sh, bash, python, pwsh, powershell, cmd) or a command.

    A command is a program's name or a list of it and its options; the script's file and then the
    ``arguments`` are added to it. Line ends of ``text`` become those that the interpreter wants.
    """

    text: programs.Text
    interpreter: _Program | Annotated[tuple[_Program, ...], pydantic.Field(min_length=1)] = "sh"
    arguments: tuple[programs.Text, ...] = ()


class ScriptTask(TaskType[ScriptSettings]):
    """Runs a script; Completed if its exit code is an expected one."""

    name = "script"
    starts_program = True
    Settings = ScriptSettings

    def run(self, context: TaskContext[ScriptSettings]) -> TaskOutcome:
        """Write the file, run the interpreter on it, and remove the file."""
        settings = context.settings
        interpreter = _interpreter(settings.interpreter)
        program = _found(interpreter, context.environment.get("PATH"))
        file = context.folder / f"task-{context.seq}{interpreter.suffix}"
        with _written(file, settings.text, interpreter):
            argv = (program, *interpreter.options, str(file), *settings.arguments)
            return programs.run(context, argv, settings)


def _interpreter(wanted: str | tuple[str, ...]) -> _Interpreter:
    if isinstance(wanted, str):
        return _KNOWN.get(wanted) or _Interpreter((wanted,))
    return _Interpreter((wanted[0],), wanted[1:])


def _found(interpreter: _Interpreter, path: str | None) -> str:
    for program in interpreter.programs:
        if shutil.which(program, path=path):
            return program
    names = " or ".join(repr(program) for program in interpreter.programs)
    raise TaskFailed(f"The interpreter {names} was not found on this machine.")


@contextlib.contextmanager
def _written(file: Path, text: str, interpreter: _Interpreter) -> Iterator[None]:
    lines = text.replace("\r\n", "\n")
    data = lines.replace("\n", interpreter.newline).encode(interpreter.encoding, "surrogatepass")
    # Created anew and readable by its owner alone: the text may hold passwords.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        yield
    finally:
        file.unlink(missing_ok=True)
