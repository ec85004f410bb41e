import uuid

from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.delivery import LostRuns
from gateway.agents.protocol import LogChunk, RunFinished, TaskFinished, TaskStarted
from gateway.agents.server_time import ServerTime
from gateway.jobs.states import JobStatus

SECOND = 1_000_000
RUN = uuid.uuid4()


class Clock:
    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at


@given(
    skew=st.integers(-48 * 3600 * SECOND, 48 * 3600 * SECOND),
    ways=st.lists(
        st.tuples(st.integers(0, 2 * SECOND), st.integers(0, 2 * SECOND)), min_size=1, max_size=20
    ),
)
def test_it_is_off_by_no_more_than_the_way_of_a_message(
    skew: int, ways: list[tuple[int, int]]
) -> None:
    clock = Clock()
    known = ServerTime(clock)
    for there, back in ways:
        sent = clock.at
        clock.at += there
        server_time = clock.at + skew
        clock.at += back
        known.learn(server_time, sent)
        assert abs(known.offset - skew) <= there + back + SECOND // 2


@given(st.lists(st.integers(-400_000, 400_000), max_size=20))
def test_what_is_hardly_noticeable_changes_nothing(jitters: list[int]) -> None:
    known = ServerTime(Clock())
    for jitter in jitters:
        known.learn_late(jitter)
        assert known.offset == 0


def test_all_times_of_reports_are_moved_and_nothing_else() -> None:
    known = ServerTime(Clock())
    known.learn_late(3600 * SECOND)
    items = [
        TaskStarted(RUN, 1, 0, 5),
        LogChunk(RUN, 1, 0, 0, b"x"),
        TaskFinished(RUN, 1, 0, 7, 6, JobStatus.COMPLETED),
        RunFinished(RUN, 1, 8, JobStatus.COMPLETED),
        LostRuns(((RUN, 1),), "died"),
    ]
    moved = known.corrected(items)
    hour = 3600 * SECOND
    assert moved == [
        TaskStarted(RUN, 1, 0, 5 + hour),
        items[1],
        TaskFinished(RUN, 1, 0, 7 + hour, 6 + hour, JobStatus.COMPLETED),
        RunFinished(RUN, 1, 8 + hour, JobStatus.COMPLETED),
        items[4],
    ]
