"""How a command ends: its exit code, and what went wrong as one line on stderr."""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import click

WRONG_USE = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 1


class Told(Protocol):
    """What there is to say of an error that somebody has foreseen."""

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""

    @property
    def exit_code(self) -> int:
        """With what the process ends."""


def run(
    root: click.Command,
    arguments: Sequence[str],
    describe: Callable[[Exception], Told | None],
) -> int:
    """Run one command; its exit code. ``describe`` knows the errors that can be explained."""
    try:
        code = root.main(list(arguments), prog_name="gateway", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _say(error.format_message(), WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return _BROKEN_PIPE
    except Exception as error:
        known = describe(error)
        if known is None:
            raise
        return _say(known.sentence, known.exit_code)
    return code if isinstance(code, int) else 0


def _say(sentence: str, exit_code: int) -> int:
    lines = [" ".join(line.split()) for line in sentence.splitlines()]
    with contextlib.suppress(BrokenPipeError):
        print("\n".join(f"gateway: {line}" for line in lines), file=sys.stderr)  # noqa: T201
    return exit_code


def _forget_output() -> None:
    # Whoever read the output has left; Python would complain once more when it ends.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
