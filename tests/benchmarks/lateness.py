"""From due to claimed: how late a job starts, however many others lie in the future."""

import json
from collections.abc import Iterator

from tests.benchmarks import houses
from tests.benchmarks.figures import Effort, Row, alone, compared
from tests.benchmarks.shop import Shop

_FEW = 1_000
_MANY = 100_000
_JOBS = 150
_FEWEST_JOBS = 30
_SPACING_MICROSECONDS = 10_000


def measure(shop: Shop, effort: Effort) -> Iterator[Row]:
    """Due to start with 1,000 and with 100,000 future schedules stored, in process."""
    stored = (_FEW, _MANY)
    folders = [str(_filled(shop, count)) for count in stored]
    arguments = (
        "lateness", *folders, f"--jobs={max(_FEWEST_JOBS, effort.count(_JOBS))}",
        f"--spacing={_SPACING_MICROSECONDS}", f"--rounds={effort.rounds}",
    )  # fmt: skip
    told = json.loads(shop.ask("engine", arguments))
    for label, index in (("p50", 0), ("p99", 1)):
        sleeper = f"a thread that sleeps until then: {label}"
        yield alone(sleeper, [told["timer"][index]], "ms")
        few, many = ([turn[index] for turn in turns] for turns in told["gateways"])
        few_name, many_name = (f"due to claimed, {count:,} schedules: {label}" for count in stored)
        yield compared(few_name, few, "ms", sleeper, [told["timer"][index]] * len(few))
        yield compared(many_name, many, "ms", few_name, few)


def _filled(shop: Shop, schedules: int) -> object:
    house = houses.furnish(shop.place(f"schedules-{schedules}"))
    houses.add_schedules(house, schedules)
    return house.folder
