"""Tasks that do not want to end: they fork away, ignore TERM and write without end."""

import enum
import uuid
from typing import Any

from tests.reliability import load

MEGABYTES = 100

# A child in the same group, one in a session of its own whose parent is gone, and the script
# itself: none of them heeds TERM.
_RASCAL = f"""\
trap '' TERM
sleep 300 &
(setsid sh -c 'trap "" TERM; sleep 300 & wait; sleep 300' &)
head -c {MEGABYTES}000000 /dev/zero | tr '\\0' 'x' | fold -w 99
echo written > "$TMPDIR/written-$GATEWAY_JOB"
while :; do sleep 1; done
"""


class Rascal(enum.Enum):
    """The modules."""

    ENDLESS = "endless"
    TIMED = "timed"

    @property
    def guid(self) -> uuid.UUID:
        """The GUID of the module."""
        return uuid.uuid5(uuid.NAMESPACE_URL, self.value)


def modules() -> list[dict[str, Any]]:
    """The modules for a building block."""
    return [
        load.module(Rascal.ENDLESS.guid, "Endless", _RASCAL),
        load.module(Rascal.TIMED.guid, "Timed", _RASCAL, timeout=4.0),
    ]
