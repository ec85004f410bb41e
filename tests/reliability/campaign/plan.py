"""From a seed to a plan: the same seed, the same plan.

What becomes of it still depends on the machine: a kill comes a few milliseconds sooner or later.
"""

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass

LEASE_SECONDS = 3
FIRST_SECONDS = (0.2, 1.5)
PAUSE_SECONDS = (0.1, 1.0)
_HOUR = 3600


class Fault(enum.Enum):
    """What may happen. The values are the beginnings of seeds."""

    SERVER = "server-killed"
    NETWORK = "network-cut"
    RESTORE = "backup-restored"
    AGENT = "agent-killed"
    DISK = "disk-full"
    ALL = "all-killed"
    CLOCK = "clock-jumps"
    SUPERVISOR = "supervisor-killed"


# How long each lasts, in seconds: from less than anybody notices to more than a lease.
_LASTING = {
    Fault.SERVER: (0.0, 1.5),
    Fault.NETWORK: (0.2, 2.0 * LEASE_SECONDS),
    # How long the load goes on after the backup was made.
    Fault.RESTORE: (0.2, 1.5),
    Fault.AGENT: (0.0, 1.5),
    Fault.DISK: (0.3, 1.5 * LEASE_SECONDS),
    Fault.ALL: (0.0, 1.0),
    Fault.CLOCK: (0.5, 1.5),
    Fault.SUPERVISOR: (0.0, 0.5),
}
# The others go well together. A clock that was put back makes a store that was restored look
# as if it came from the future, which is another story.
_APART = (Fault.RESTORE, Fault.CLOCK)


@dataclass(frozen=True)
class Strike:
    """A fault, so many seconds after the one before has passed; ``seconds`` is how long it lasts.

    ``jump`` is how many seconds the clock is put on or back, ``agent`` a number of one.
    """

    fault: Fault
    after: float
    seconds: float
    jump: int
    agent: int

    def __str__(self) -> str:
        told = f"{self.fault.value} +{self.after:.1f} s for {self.seconds:.1f} s"
        return f"{told}, by {self.jump:+} s" if self.fault is Fault.CLOCK else told


@dataclass(frozen=True)
class Plan:
    """What is done in a round. ``clients`` post at the same time, ``load`` is their seed."""

    seed: str
    strikes: tuple[Strike, ...]
    clients: int
    load: float

    @property
    def faults(self) -> frozenset[Fault]:
        """Those that occur in it."""
        return frozenset(strike.fault for strike in self.strikes)


def seeds(rounds: int, master: int) -> Iterator[str]:
    """The seeds of so many rounds; each fault begins one of eight."""
    chance = random.Random(master)
    faults = tuple(Fault)
    for number in range(rounds):
        yield f"{faults[number % len(faults)].value}-{chance.randrange(10**6):06}"


def plan(seed: str) -> Plan:
    """The plan of a seed: ``FAULT-NUMBER``. Raises ValueError for anything else."""
    name, _, number = seed.rpartition("-")
    first = Fault(name)
    chance = random.Random(int(number))
    faults = [first]
    for _ in range(chance.randint(0, 2)):
        faults.append(chance.choice([one for one in Fault if _goes_with(one, faults)]))
    chance.shuffle(faults)
    return Plan(
        seed=seed,
        strikes=tuple(_strike(fault, chance) for fault in faults),
        clients=chance.randint(2, 4),
        load=chance.random(),
    )


def _goes_with(fault: Fault, others: list[Fault]) -> bool:
    return not (fault in _APART and any(one in _APART for one in others))


def _strike(fault: Fault, chance: random.Random) -> Strike:
    return Strike(
        fault=fault,
        after=chance.uniform(*FIRST_SECONDS),
        seconds=chance.uniform(*_LASTING[fault]),
        jump=chance.choice((-1, 1)) * chance.choice((2, 30, 600, _HOUR)),
        agent=chance.randrange(2),
    )
