"""``python -m tests.hostile``: hostile messages, as many as asked (docs/hostile-messages.md)."""

import argparse
import itertools
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway import memory
from tests.hostile import campaign, generator, house, messages, rules
from tests.hostile.messages import Message

ROOT = Path(__file__).parents[2]
_SHOWN = 20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--messages", type=int, default=5000, metavar="N", help="how many to send")
    parser.add_argument("--seed", type=int, metavar="S", help="the same messages as with that seed")
    parser.add_argument(
        "--coverage", action="store_true", help="N runs that are guided by coverage instead"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="one kept message again")
    parser.add_argument(
        "--keep", type=Path, default=ROOT / "build" / "hostile", metavar="FOLDER",
        help="where messages that break a rule are kept",
    )  # fmt: skip
    return parser.parse_args()


def generated(count: int, seed: int, keep: Path) -> int:
    """Send messages of a seed; the exit code."""
    print(f"seed {seed}: {count} messages", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, house.furnished(Path(folder)) as target:
        generator.seeds()
        memory.settle()
        sent = itertools.islice(generator.messages(seed), count)
        report = campaign.run(target, sent, count)
    statuses = ", ".join(f"{status}: {times}" for status, times in sorted(report.statuses.items()))
    seconds, name = report.slowest
    print(f"{report.count} answered in {time.monotonic() - started:.0f} s ({statuses})")
    print(f"slowest {name}: {seconds * 1000:.0f} ms of CPU")
    print(
        f"memory {report.memory_early / 2**20:.1f} MiB after a quarter,"
        f" {report.memory_late / 2**20:.1f} MiB at the end"
    )
    for message, _found in report.failures[:_SHOWN]:
        _kept(message, keep)
    problems = report.problems(of_memory=count >= campaign.ENOUGH_FOR_MEMORY)
    for problem in problems[:_SHOWN]:
        print(f"BROKEN {problem}"[:500])
    return 1 if problems else 0


def _kept(message: Message, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / f"{re.sub(r'[^A-Za-z0-9.-]', '_', message.name)[:80]}.bin"
    file.write_bytes(message.written())
    print(f"kept: python -m tests.hostile --replay {file}")


def replayed(file: Path) -> int:
    """Send a kept message once more and show all of it; the exit code."""
    message = messages.read(file.stem, file.read_bytes())
    with tempfile.TemporaryDirectory() as folder, house.furnished(Path(folder)) as target:
        answer = target.ask(message)
        report = campaign.run(target, [message], 1)
    print(f"{answer.status} {answer.headers}\n{answer.body[:4000].decode('utf-8', 'replace')}")
    print(f"{answer.seconds * 1000:.0f} ms of CPU, {rules.MOST_SECONDS * 1000:.0f} are allowed")
    problems = report.problems(of_memory=False)
    print("\n".join(problems) or "no rule is broken")
    return 1 if problems else 0


def guided(count: int, seed: int, keep: Path) -> int:
    """Fuzz by coverage in a process of its own, which libFuzzer ends; the exit code."""
    keep.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-m", "tests.hostile.guided"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *program,
                *(f"-runs={count}", f"-seed={seed % 2**31 or 1}", "-timeout=60", "-verbosity=1"),
                *(f"-artifact_prefix={keep}/", "-print_final_stats=1", folder),
            ],
            cwd=ROOT,
            check=False,
        )
    if done.returncode:
        print(f"kept in {keep}: python -m tests.hostile.guided FILE")
    return done.returncode


def main() -> int:
    """Do what is asked for; the exit code."""
    memory.share_heaps()
    given = _arguments()
    if given.replay is not None:
        return replayed(given.replay)
    seed = secrets.randbits(31) if given.seed is None else given.seed
    run = guided if given.coverage else generated
    return run(given.messages, seed, given.keep)


if __name__ == "__main__":
    sys.exit(main())
