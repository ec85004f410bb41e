"""The disk under the store: how often it syncs, and how it is made slower for an experiment."""

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.benchmarks.client import Sample
from tests.benchmarks.figures import Unmeasurable

DELAY_MICROSECONDS = 5000
_SOURCE = Path(__file__).with_name("slow_fsync.c")
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_PAGE = bytes(4096)


def require_real(folder: Path) -> None:
    """Raise Unmeasurable for a folder in memory: nothing is durable there."""
    places = {Path(p.mountpoint): p.fstype for p in psutil.disk_partitions(all=True)}
    here = folder.resolve()
    for place in (here, *here.parents):
        if place in places:
            if places[place] in _IN_MEMORY:
                raise Unmeasurable(f"{folder} lies in memory ({places[place]}): name another one")
            return


def slow_disk(folder: Path) -> dict[str, str]:
    """The environment in which each sync takes 5 ms longer. Raises Unmeasurable."""
    library = folder / "slow_fsync.so"
    if not library.exists():
        _compile(library)
    return {"LD_PRELOAD": str(library), "SLOW_FSYNC_MICROSECONDS": str(DELAY_MICROSECONDS)}


def _compile(library: Path) -> None:
    if sys.platform != "linux":
        raise Unmeasurable("slower syncs are preloaded, which is done on Linux only")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unmeasurable("slower syncs need a C compiler: apt-get install gcc libc6-dev")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unmeasurable(f"the library for slower syncs cannot be made: {done.stderr.strip()}")


def syncs(folder: Path, seconds: float) -> Sample:
    """Appends of 4 KiB, each synced before the next."""
    path = folder / "synced"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    times = [time.perf_counter()]
    try:
        while times[-1] < times[0] + seconds:
            os.write(file, _PAGE)
            os.fdatasync(file)
            times.append(time.perf_counter())
    finally:
        os.close(file)
        path.unlink()
    return Sample.of([1000 * (b - a) for a, b in itertools.pairwise(times)], times[-1] - times[0])


if __name__ == "__main__":
    json.dump(dataclasses.asdict(syncs(Path(sys.argv[1]), float(sys.argv[2]))), sys.stdout)
