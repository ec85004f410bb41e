import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.outcomes import FAILURES, OF_VERDICT, End, combined
from gateway.catalog.definitions import OnFailure, Verdict
from gateway.jobs.states import JobStatus

DONE, PARTLY, FAILED, HALTED, SKIPPED, ABORTED, LATE = (
    JobStatus.COMPLETED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.FAILED,
    JobStatus.FAILED_HALTED,
    JobStatus.SKIPPED,
    JobStatus.ABORTED,
    JobStatus.TIMED_OUT,
)


@pytest.mark.parametrize(
    ("statuses", "rule", "expected"),
    [
        ([], "stop", DONE),
        ([DONE, SKIPPED], "stop", DONE),
        ([SKIPPED, SKIPPED], "stop", SKIPPED),
        ([FAILED, SKIPPED], "stop", HALTED),
        ([DONE, LATE], "stop", HALTED),
        ([DONE, HALTED], "stop", HALTED),
        ([FAILED, DONE], "continue", PARTLY),
        ([LATE, DONE], "continue", PARTLY),
        ([HALTED, DONE], "continue", PARTLY),
        ([FAILED, PARTLY], "continue", PARTLY),
        ([PARTLY, DONE], "stop", PARTLY),
        ([PARTLY, SKIPPED], "stop", PARTLY),
        ([FAILED, SKIPPED], "continue", FAILED),
        ([HALTED, SKIPPED], "continue", FAILED),
        ([FAILED, LATE], "continue", FAILED),
        ([DONE, ABORTED, SKIPPED], "continue", ABORTED),
        ([FAILED, ABORTED], "stop", ABORTED),
        # Modules that no project has a rule for.
        ([FAILED, DONE], None, PARTLY),
        ([HALTED, SKIPPED], None, HALTED),
    ],
)
def test_the_rule(statuses: list[JobStatus], rule: str | None, expected: JobStatus) -> None:
    on_failure = None if rule is None else OnFailure(rule)
    assert combined([End(status, on_failure) for status in statuses]) is expected


_ENDS = st.lists(
    st.builds(
        End,
        st.sampled_from([DONE, PARTLY, FAILED, HALTED, SKIPPED, LATE]),
        st.sampled_from([*OnFailure, None]),
    )
)


@given(_ENDS)
def test_every_run_ends_somehow_and_an_abort_always_counts(ends: list[End]) -> None:
    status = combined(ends)
    assert status.finished
    assert combined(ends, aborted=True) is ABORTED
    spoilt = any(end.status in FAILURES or end.status is PARTLY for end in ends)
    assert (status in (DONE, SKIPPED)) == (not spoilt)


@given(_ENDS)
def test_the_order_of_ends_does_not_matter(ends: list[End]) -> None:
    assert combined(ends) is combined(ends[::-1])


def test_every_verdict_is_a_status() -> None:
    assert set(OF_VERDICT) == set(Verdict)
