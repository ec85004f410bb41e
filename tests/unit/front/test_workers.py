from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from gateway.front import workers as workers_module
from gateway.front.gate import Gate
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
        # The answer may be there before its thread is free for the next.
        assert len(alone) <= 2
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


def test_a_thread_is_called_only_when_another_begins_to_wait() -> None:
    async def main() -> None:
        gate = Gate(1)
        workers, release = Workers(8, 100, gate), threading.Event()
        threads: set[int] = set()

        def compute() -> None:
            with gate:
                threads.add(threading.get_ident())

        def wait() -> bool:
            with gate, gate.released():
                return release.wait(20)

        await asyncio.gather(*(workers.run(compute) for _ in range(50)))
        assert len(threads) == 1
        waiting = [workers.run(wait) for _ in range(3)]
        await asyncio.gather(*(workers.run(compute) for _ in range(50)))
        assert len(threads) <= 4
        release.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        workers.stop()

    asyncio.run(main())


def test_no_more_threads_than_allowed_are_called_for_those_that_wait() -> None:
    async def main() -> None:
        gate = Gate(2)
        workers, release = Workers(3, 100, gate), threading.Event()

        def wait() -> bool:
            with gate, gate.released():
                return release.wait(20)

        waiting = [workers.run(wait) for _ in range(10)]
        await asyncio.sleep(0.1)
        release.set()
        assert await asyncio.gather(*waiting) == [True] * 10
        assert await workers.run(abs, -1) == 1
        workers.stop()

    asyncio.run(main())


def test_what_another_thread_does_is_awaited_without_a_thread() -> None:
    async def main() -> None:
        workers = Workers(1, 10)
        outcomes: list[Future[int]] = [Future() for _ in range(20)]
        told = [workers.told(outcome) for outcome in outcomes]
        assert workers.pending == 20
        for number, outcome in enumerate(outcomes):
            threading.Timer(0.01, outcome.set_result, (number,)).start()
        assert await asyncio.gather(*told) == list(range(20))
        failing: Future[int] = Future()
        failing.set_exception(KeyError("no"))
        with pytest.raises(KeyError):
            await workers.told(failing)
        assert workers.pending == 0
        workers.stop()

    asyncio.run(main())


def test_threads_come_and_go_under_load_and_lose_nothing() -> None:
    """Some wait, some fail, some are cancelled; every place in the queue is given back."""

    async def main() -> None:
        gate = Gate(1)
        workers = Workers(4, 10_000, gate)

        def work(number: int) -> int:
            with gate:
                if number % 3 == 0:
                    with gate.released():
                        threading.Event().wait(0.0005)
                if number % 7 == 0:
                    raise ValueError(number)
                return number

        futures = [workers.run(work, number) for number in range(1000)]
        for future in futures[::50]:
            future.cancel()
        found = await asyncio.gather(*futures, return_exceptions=True)
        assert len(found) == 1000
        for number, outcome in enumerate(found):
            if number % 50 == 0:
                assert isinstance(outcome, asyncio.CancelledError)
            elif number % 7 == 0:
                assert isinstance(outcome, ValueError)
            else:
                assert outcome == number
        # Those that were cancelled are done nevertheless, and counted down when they are.
        while workers.pending:
            await asyncio.sleep(0.001)
        workers.stop()

    asyncio.run(main())


def test_a_system_that_allows_no_thread_is_a_busy_server_and_no_dead_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        gate = Gate(1)
        workers = Workers(4, 10, gate)
        start = threading.Thread.start

        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Saturated):
            workers.run(abs, -1)
        assert workers.pending == 0
        monkeypatch.setattr(threading.Thread, "start", start)
        assert await workers.run(abs, -1) == 1
        # With one thread there, a second that cannot be had is not missed.
        monkeypatch.setattr(threading.Thread, "start", refuse)

        def wait() -> int:
            with gate, gate.released():
                return 2

        assert await asyncio.gather(*(workers.run(wait) for _ in range(5))) == [2] * 5
        workers.stop()

    asyncio.run(main())
    assert "no thread can be started" in caplog.text


def test_an_outcome_that_is_given_up_is_no_endless_wait() -> None:
    async def main() -> None:
        workers = Workers(1, 10)
        outcome: Future[int] = Future()
        told = workers.told(outcome)
        outcome.cancel()
        with pytest.raises(RuntimeError, match="given up"):
            await told
        assert workers.pending == 0
        workers.stop()

    asyncio.run(main())
