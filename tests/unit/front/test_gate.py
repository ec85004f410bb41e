from __future__ import annotations

import threading

import pytest

from gateway.front.gate import Gate


class Crowd:
    """Threads that note how many of them are inside together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1


def run_all(count: int, target: object) -> None:
    threads = [threading.Thread(target=target) for _ in range(count)]  # type: ignore[arg-type]  # any callable
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_no_more_than_its_width_are_inside() -> None:
    gate, crowd = Gate(3), Crowd()

    def visit() -> None:
        for _ in range(50):
            with gate, crowd:
                threading.Event().wait(0.0001)

    run_all(12, visit)
    assert 1 <= crowd.most <= 3


def test_all_can_wait_together_while_released() -> None:
    gate, together = Gate(1), threading.Barrier(8)

    def visit() -> None:
        with gate, gate.released():
            together.wait(20)

    run_all(8, visit)
    assert not together.broken


def test_a_turn_is_taken_back_after_waiting() -> None:
    gate, crowd = Gate(2), Crowd()

    def visit() -> None:
        for _ in range(50):
            with gate:
                with gate.released():
                    pass
                with crowd:
                    threading.Event().wait(0.0001)

    run_all(8, visit)
    assert crowd.most <= 2


def test_entering_twice_takes_one_turn() -> None:
    gate = Gate(1)
    with gate, gate, gate.released():
        inside = threading.Event()

        def visit() -> None:
            with gate:
                inside.set()

        run_all(1, visit)
        assert inside.is_set()


def test_released_without_a_turn_gives_none_away() -> None:
    gate, crowd = Gate(1), Crowd()
    for _ in range(3):
        with gate.released():
            pass

    def visit() -> None:
        with gate, crowd:
            threading.Event().wait(0.001)

    run_all(4, visit)
    assert crowd.most == 1


def test_an_exception_gives_the_turn_back() -> None:
    gate = Gate(1)
    for _ in range(2):
        with pytest.raises(KeyError), gate, gate.released():
            raise KeyError
    with gate:
        pass


def test_a_gate_that_lets_nobody_in_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Gate(0)


def test_who_gives_way_lets_another_in_first() -> None:
    gate, order = Gate(1), list[str]()
    begun = threading.Event()

    def other() -> None:
        begun.set()
        with gate:
            order.append("other")

    thread = threading.Thread(target=other)
    with gate:
        thread.start()
        assert begun.wait(20)
        for _ in range(1000):
            gate.give_way()
            if order:
                break
        order.append("first")
    thread.join(20)
    assert order == ["other", "first"]


def test_who_holds_no_turn_gives_none_away() -> None:
    gate = Gate(1)
    with gate:
        thread = threading.Thread(target=gate.give_way)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
