"""What a client program tells of its calls: one fact a line, ``step<TAB>key<TAB>value``.

In a value a backslash, line feed, carriage return and tab are written ``\\\\``, ``\\n``, ``\\r``
and ``\\t``. The key ``failed`` tells that the step could not be done, and why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

FAILED = "failed"
_ESCAPE = re.compile(r"\\(.)")
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


@dataclass
class Facts:
    """What was told of one step: the values of each key, in their order."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def one(self, key: str) -> str:
        """The only value of a key."""
        told = self.all(key)
        assert len(told) == 1, f"{key} was told {len(told)} times: {self.values}"
        return told[0]

    def all(self, key: str) -> list[str]:
        """All values of a key."""
        return self.values.get(key, [])


@dataclass(frozen=True)
class Report:
    """All that a client told, by step, and what else it wrote."""

    steps: Mapping[str, Facts]
    rest: str

    def failure(self, step: str) -> str | None:
        """Why a step could not be done; None where the client told nothing like it."""
        facts = self.steps.get(step)
        if facts is None:
            return f"the client told nothing of it; it wrote: {self.rest[-2000:]}"
        return "; ".join(facts.all(FAILED)) or None if FAILED in facts.values else None


def read(output: str) -> Report:
    """The report in what a client has written."""
    steps: dict[str, Facts] = {}
    rest: list[str] = []
    for line in output.splitlines():
        parts = line.split("\t")
        if len(parts) != 3:
            rest.append(line)
            continue
        step, key, value = parts
        meant = _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[0]), value)
        steps.setdefault(step, Facts()).values.setdefault(key, []).append(meant)
    return Report(steps, "\n".join(rest))
