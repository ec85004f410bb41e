"""A wall clock that jumps, for a server alone.

libfaketime lies to the server; the clock that measures durations stays true, as it does on a
machine whose clock is set.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


@dataclass(frozen=True)
class WallClock:
    """The wall clock as a server sees it."""

    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a server needs to see it."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: int) -> None:
        """Set the clock so many seconds off the true time, in one step."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+}\n")
        fresh.replace(self.file)


def _library() -> Path:
    found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])]
    if not found:
        pytest.fail("libfaketime is missing: scripts/install-test-packages installs faketime")
    return found[0]
