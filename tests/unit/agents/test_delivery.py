import threading
import uuid
from collections.abc import Sequence

import pytest

from gateway.agents import delivery
from gateway.agents.delivery import Delivery, LostRuns
from gateway.agents.desk import AgentSession, Refusal
from gateway.agents.ledger import Attempt
from gateway.agents.protocol import LogChunk, Report
from storage.errors import StoreUnavailable
from tests.unit.agents.memory_desk import MemoryDesk, eventually

SESSION = AgentSession(1, uuid.uuid4(), uuid.uuid4())
RUN = uuid.uuid4()


def chunk(index: int, size: int = 1) -> LogChunk:
    return LogChunk(RUN, 1, 0, index, bytes(size))


class HeldDesk(MemoryDesk):
    """Takes reports only while it is open, and notes the order of all that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.told: list[object] = []

    def report(self, session: AgentSession, reports: Sequence[Report]) -> list[Refusal]:
        self.open.wait(30)
        self.told.append(len(reports))
        return super().report(session, reports)

    def lost(self, session: AgentSession, runs: Sequence[Attempt], reason: str) -> None:
        self.told.append(reason)
        super().lost(session, runs, reason)


def started(desk: MemoryDesk) -> tuple[Delivery, list[Refusal]]:
    refusals: list[Refusal] = []
    begun = Delivery(desk, SESSION)
    begun.start(refusals.append)
    return begun, refusals


def test_reports_gather_while_the_desk_is_busy_and_losses_keep_their_place() -> None:
    desk = HeldDesk()
    begun, _ = started(desk)
    begun.put([chunk(0)])
    eventually(lambda: bool(threading.active_count()))
    for index in range(1, 10):
        begun.put([chunk(index)])
    begun.put([LostRuns(((uuid.uuid4(), 1),), "died")])
    begun.put([chunk(10)])
    desk.open.set()
    assert begun.close(30)
    counts = [told for told in desk.told if isinstance(told, int)]
    assert sum(counts) == 11
    assert desk.told[-2:] == ["died", 1]
    assert [report.index for report in desk.records[RUN, 1].chunks] == list(range(11))


def test_who_reports_too_much_waits() -> None:
    desk = HeldDesk()
    begun, _ = started(desk)
    begun.put([chunk(0, delivery.MAX_WAITING_BYTES)])
    late = threading.Thread(target=begun.put, args=([chunk(1)],))
    late.start()
    late.join(0.2)
    assert late.is_alive()
    desk.open.set()
    late.join(30)
    assert not late.is_alive()
    assert begun.close(30)


def test_what_the_store_never_takes_is_given_up_at_the_end() -> None:
    desk = MemoryDesk()

    def full(_reports: object) -> None:
        raise StoreUnavailable("the disk is full")

    desk.obstacle = full
    begun, _ = started(desk)
    begun.put([chunk(0)])
    assert not begun.close(0.3)


def test_refusals_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = MemoryDesk()
    desk.refused.add((RUN, 1))
    begun, refusals = started(desk)
    for index in range(3):
        begun.put([chunk(index)])
    assert begun.close(30)
    assert [(refusal.run, refusal.attempt) for refusal in refusals] == [(RUN, 1)]
    assert caplog.text.count("refused and dropped") == 1


def test_runs_that_were_never_begun_are_given_back() -> None:
    desk = MemoryDesk()
    begun, _ = started(desk)
    begun.put([LostRuns(((RUN, 1),), "no place", begun=False)])
    assert begun.close(30)
    assert desk.given_back == [(RUN, 1)]
    assert desk.records[RUN, 1].lost is None


def test_who_waits_for_room_is_released_when_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "MAX_WAITING_BYTES", 1000)
    desk = HeldDesk()
    begun, _ = started(desk)
    begun.put([chunk(0, 2000)])
    waiting = threading.Thread(target=begun.put, args=([chunk(1)],))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    begun.give_up()
    waiting.join(30)
    assert not waiting.is_alive()
    desk.open.set()
    assert not begun.close(0)
