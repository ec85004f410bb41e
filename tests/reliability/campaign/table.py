"""Rounds as lines of a table."""

from tests.reliability.campaign.rounds import Round

_COLUMNS = ("accepted", "refused", "jobs", "failed", "again", "marked", "missed", "late")
_SEED = 26
_WIDTH = 9

HEAD = f"{'seed':<{_SEED}}" + "".join(f"{name:>{_WIDTH}}" for name in _COLUMNS) + "  seconds  kept"


def line(done: Round) -> str:
    """A round as a line, with what was done in it below."""
    counts = done.outcome.counts
    figures = "".join(f"{counts.get(name, '-'):>{_WIDTH}}" for name in _COLUMNS)
    kept = "NO" if done.outcome.broken else "yes"
    strikes = "; ".join(map(str, done.plan.strikes))
    return f"{done.plan.seed:<{_SEED}}{figures}{done.seconds:>9.1f}  {kept}\n    {strikes}"


def broken(done: Round) -> str:
    """What was not kept in a round, and how to play it again."""
    again = f"play it again: python -m tests.reliability.campaign --seed {done.plan.seed}"
    return "\n".join([*(f"    {one}" for one in done.outcome.broken), f"    {again}"])
