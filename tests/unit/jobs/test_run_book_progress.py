"""What comes next in a run book, against a slow statement of the rules."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.run_book_progress import FAILURES, StepState, before, progress
from gateway.jobs.states import JobStatus

ENDS = [status for status in JobStatus if status.finished and status is not JobStatus.PENDING]

shapes = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from(ENDS)), max_size=8
)


def step(
    status: JobStatus = JobStatus.SCHEDULED,
    *,
    begun: bool = False,
    enabled: bool = True,
    parallel: bool = False,
    stops: bool = True,
) -> StepState:
    return StepState(status, begun or status.finished, enabled, parallel, stops)


@given(shapes, st.randoms(use_true_random=False))
def test_a_run_book_ends_with_every_job_begun_in_turn_or_skipped(shape, random) -> None:
    """Jobs end in any order; the rules hold at each moment, and there is an end."""
    steps = [
        step(enabled=enabled, parallel=parallel, stops=stops)
        for enabled, parallel, stops, _ in shape
    ]
    ends = [end for *_, end in shape]
    while True:
        comes = progress(steps)
        if comes.end is not None:
            break
        for place in comes.skip:
            assert not steps[place].begun
            steps[place] = _ended(steps[place], JobStatus.SKIPPED)
        for place in comes.begin:
            assert steps[place].enabled
            assert not any(one.halts for one in steps)
            assert all(one.finished for one in steps[: _first_of_group(steps, place)])
            steps[place] = _with(steps[place], JobStatus.ACTIVE, begun=True)
        running = [i for i, one in enumerate(steps) if one.begun and not one.finished]
        if not comes.skip and not comes.begin:
            assert running, "a run book that waits for nothing would wait for ever"
            place = random.choice(running)
            steps[place] = _ended(steps[place], ends[place])
    assert all(one.finished for one in steps)
    statuses = [one.status for one in steps]
    if JobStatus.ABORTED in statuses:
        assert comes.end is JobStatus.ABORTED
    elif any(one.stops and one.status in FAILURES for one in steps):
        assert comes.end is JobStatus.FAILED_HALTED
    elif not set(statuses) - {JobStatus.COMPLETED, JobStatus.SKIPPED}:
        assert comes.end in (JobStatus.COMPLETED, JobStatus.SKIPPED)
    else:
        assert comes.end not in (JobStatus.COMPLETED, JobStatus.SKIPPED)


@given(shapes)
def test_nothing_begins_while_it_is_aborted(shape) -> None:
    steps = [step(parallel=parallel) for _, parallel, _, _ in shape]
    comes = progress(steps, aborting=True)
    assert not comes.begin
    assert not comes.skip


def test_jobs_side_by_side_begin_together() -> None:
    steps = [step(), step(parallel=True), step()]
    assert progress(steps).begin == (0, 1)
    steps[0] = step(JobStatus.COMPLETED)
    steps[1] = _with(steps[1], JobStatus.ACTIVE, begun=True)
    assert progress(steps).begin == ()
    steps[1] = step(JobStatus.COMPLETED, parallel=True)
    assert progress(steps).begin == (2,)


def test_a_job_on_hold_keeps_those_after_it_waiting() -> None:
    steps = [step(JobStatus.DISABLED), step()]
    comes = progress(steps)
    assert (comes.begin, comes.skip, comes.end) == ((), (), None)


def test_a_failure_that_stops_skips_the_rest() -> None:
    steps = [step(JobStatus.FAILED), step(), step()]
    assert progress(steps).skip == (1, 2)
    steps = [step(JobStatus.FAILED, stops=False), step(), step()]
    assert progress(steps).begin == (1,)


def test_the_job_before_is_that_before_the_group() -> None:
    steps = [
        step(JobStatus.COMPLETED),
        step(JobStatus.SKIPPED, enabled=False),
        step(),
        step(parallel=True),
    ]
    assert before(steps, 3) is JobStatus.COMPLETED
    assert before(steps, 0) is None


def test_an_empty_run_book_is_completed() -> None:
    assert progress([]).end is JobStatus.COMPLETED


def _ended(one: StepState, status: JobStatus) -> StepState:
    return _with(one, status, begun=True)


def _with(one: StepState, status: JobStatus, *, begun: bool) -> StepState:
    return StepState(status, begun, one.enabled, one.parallel, one.stops)


def _first_of_group(steps: list[StepState], place: int) -> int:
    while place > 0 and steps[place].parallel:
        place -= 1
    return place
