import threading

import pytest

from gateway.tasks.base import Cancellation, Cancelled, StopReason


def test_a_timeout_is_a_reason() -> None:
    cancellation = Cancellation(0)
    assert cancellation.remaining == 0
    with pytest.raises(Cancelled):
        cancellation.check()
    assert cancellation.reason is StopReason.TIMED_OUT


def test_the_first_reason_counts() -> None:
    cancellation = Cancellation()
    assert cancellation.remaining is None
    cancellation.check()
    cancellation.cancel(StopReason.ABORTED)
    cancellation.cancel(StopReason.TIMED_OUT)
    assert cancellation.reason is StopReason.ABORTED


def test_who_listens_is_called_once_and_only_while_listening() -> None:
    calls: list[str] = []
    cancellation = Cancellation()
    with cancellation.calling(lambda: calls.append("gone")):
        pass
    with cancellation.calling(lambda: calls.append("there")):
        cancellation.cancel(StopReason.ABORTED)
    with cancellation.calling(lambda: calls.append("late")):
        pass
    assert calls == ["there", "late"]


def test_an_abort_ends_a_wait() -> None:
    cancellation = Cancellation()
    threading.Timer(0.05, cancellation.cancel, [StopReason.ABORTED]).start()
    with pytest.raises(Cancelled):
        cancellation.wait(1000)


def test_a_timeout_ends_a_wait() -> None:
    cancellation = Cancellation(0.05)
    with pytest.raises(Cancelled):
        cancellation.wait(1000)
    Cancellation(1000).wait(0.01)
