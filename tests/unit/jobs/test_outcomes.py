"""How the ends of runs become the end of their job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs import outcomes
from gateway.jobs.states import MOVES, JobStatus

ENDS = sorted(status for status in MOVES[JobStatus.ABORTING])
C, E, F, H, A, X, S = (
    JobStatus.COMPLETED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.FAILED,
    JobStatus.FAILED_HALTED,
    JobStatus.ABORTED,
    JobStatus.CANCELED,
    JobStatus.SKIPPED,
)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((C, C), C),
        ((C, S), C),
        ((S, S), S),
        ((C, F), E),
        ((C, H), E),
        ((C, X), E),
        ((E, F), E),
        ((F, H), H),
        ((F, X), F),
        ((C, A), A),
        ((F, A), A),
    ],
)
def test_the_published_rule(ends: tuple[JobStatus, ...], expected: JobStatus) -> None:
    assert outcomes.of_runs(ends) is expected


@given(st.lists(st.sampled_from(ENDS), min_size=1))
def test_a_job_is_completed_only_when_all_runs_are(ends: list[JobStatus]) -> None:
    completed = outcomes.of_runs(ends) is C
    assert completed == (set(ends) <= {C, S} and C in ends)


@given(st.lists(st.sampled_from(ENDS), min_size=1), st.randoms())
def test_the_order_of_runs_does_not_matter(ends: list[JobStatus], random: object) -> None:
    shuffled = list(ends)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert outcomes.of_runs(ends) is outcomes.of_runs(shuffled)
