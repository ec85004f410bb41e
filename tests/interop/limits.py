"""What a client's own stack cannot do, whatever the server does; and how that is seen.

Each is proved anew in every run: the client must fail in that step, and with these words. One that
no longer fails fails the test.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Limit:
    """``reason`` tells people, ``proof`` is a pattern of what the client tells of its failure."""

    reason: str
    proof: str


_ONLY_500 = Limit(
    "pysimplesoap reads faults with the status 500 only, where SOAP 1.2 wants 400 for the "
    "sender's; and it looks for a faultcode, which SOAP 1.2 does not have",
    r"HTTPError 400",
)
_ONLY_200_AND_500 = Limit(
    "suds reads faults with the status 200 or 500 only, where SOAP 1.2 wants 400 for the sender's",
    r"^Exception\(\(400, ",
)

LIMITS: Mapping[tuple[str, str], Limit] = {
    ("suds", "1.2 unknown-id"): _ONLY_200_AND_500,
    ("suds", "1.2 malformed"): _ONLY_200_AND_500,
    ("pysimplesoap", "1.2 unknown-id"): _ONLY_500,
    ("pysimplesoap", "1.2 malformed"): _ONLY_500,
}
"""By stack and step; a step as ``1.2 get`` is of that version only."""


def of(stack: str, version: str, step: str) -> Limit | None:
    """The known limit of a cell of the table."""
    return LIMITS.get((stack, f"{version} {step}")) or LIMITS.get((stack, step))
