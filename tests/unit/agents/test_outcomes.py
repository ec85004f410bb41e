import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.outcomes import TaskEnd, run_status
from gateway.catalog.definitions import OnFailure
from gateway.jobs.states import JobStatus

DONE, FAILED, SKIPPED, ABORTED, LATE = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.SKIPPED,
    JobStatus.ABORTED,
    JobStatus.TIMED_OUT,
)


@pytest.mark.parametrize(
    ("statuses", "rule", "expected"),
    [
        ([], "stop", DONE),
        ([DONE, SKIPPED], "stop", DONE),
        ([SKIPPED, SKIPPED], "stop", DONE),
        ([FAILED, SKIPPED], "stop", JobStatus.FAILED_HALTED),
        ([DONE, LATE], "stop", JobStatus.FAILED_HALTED),
        ([FAILED, DONE], "continue", JobStatus.COMPLETED_WITH_ERRORS),
        ([LATE, DONE], "continue", JobStatus.COMPLETED_WITH_ERRORS),
        ([FAILED, SKIPPED], "continue", FAILED),
        ([FAILED, LATE], "continue", FAILED),
        ([DONE, ABORTED, SKIPPED], "continue", ABORTED),
        ([FAILED, ABORTED], "stop", ABORTED),
    ],
)
def test_the_rule(statuses: list[JobStatus], rule: str, expected: JobStatus) -> None:
    assert run_status([TaskEnd(status, OnFailure(rule)) for status in statuses]) is expected


_ENDS = st.lists(
    st.builds(
        TaskEnd, st.sampled_from([DONE, FAILED, SKIPPED, LATE]), st.sampled_from(list(OnFailure))
    )
)


@given(_ENDS)
def test_every_run_ends_somehow_and_an_abort_always_counts(ends: list[TaskEnd]) -> None:
    assert run_status(ends).finished
    assert run_status(ends, aborted=True) is ABORTED
    failed = any(end.status in (FAILED, LATE) for end in ends)
    assert (run_status(ends) is DONE) == (not failed)
