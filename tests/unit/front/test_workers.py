from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.front import workers as workers_module
from gateway.front.workers import Saturated, Workers


def test_results_and_exceptions_come_back() -> None:
    async def main() -> None:
        workers = Workers(2, 10)
        assert await workers.admit(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await workers.run(divmod, 1, 0)
        assert workers.pending == 0
        workers.stop()

    asyncio.run(main())


def test_threads_are_started_only_when_needed() -> None:
    async def main() -> None:
        workers = Workers(8, 100)
        alone = {await workers.run(threading.get_ident) for _ in range(20)}
        assert len(alone) == 1
        together = threading.Barrier(8)
        await asyncio.gather(*(workers.run(together.wait, 20) for _ in range(8)))
        workers.stop()

    asyncio.run(main())


def test_a_thread_that_has_worked_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    # lxml keeps element names for as long as their thread lives.
    monkeypatch.setattr(workers_module, "_WORKS_OF_A_THREAD", 3)

    async def main() -> None:
        workers = Workers(1, 100)
        threads = [await workers.run(threading.current_thread) for _ in range(10)]
        assert len(set(map(id, threads))) == 4
        await asyncio.gather(*(workers.run(threading.get_ident) for _ in range(20)))
        assert workers.pending == 0
        workers.stop()

    asyncio.run(main())


def test_what_exceeds_the_queue_is_refused() -> None:
    async def main() -> None:
        workers, release = Workers(1, 2), threading.Event()
        admitted = [workers.admit(release.wait, 20) for _ in range(3)]
        with pytest.raises(Saturated):
            workers.admit(release.wait, 20)
        later = workers.run(release.wait, 20)
        release.set()
        assert await asyncio.gather(*admitted, later) == [True] * 4
        assert await workers.admit(bool) is False
        workers.stop()

    asyncio.run(main())


def test_a_cancelled_wait_leaves_the_thread_usable() -> None:
    async def main() -> None:
        workers, release = Workers(1, 2), threading.Event()
        abandoned = workers.run(release.wait, 20)
        abandoned.cancel()
        release.set()
        assert await workers.run(abs, -1) == 1
        assert workers.pending == 0
        workers.stop()

    asyncio.run(main())
