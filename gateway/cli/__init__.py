"""The command line: ``python app.py ...`` and the console script ``gateway``."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    from gateway.cli import program  # noqa: PLC0415  # so that importing the package stays cheap

    sys.exit(program.run(sys.argv[1:] if arguments is None else arguments))
