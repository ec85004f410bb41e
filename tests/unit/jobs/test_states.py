"""The table of moves."""

import pytest

from gateway.jobs import states
from gateway.jobs.states import MOVES, JobStatus, MoveRefused, Stage


def test_finished_jobs_never_move() -> None:
    for status in JobStatus:
        if status.finished:
            assert status not in MOVES


def test_no_job_ever_rests_in_pending() -> None:
    # Real clients take every status above 2 as an end (Dispatcher contract 2.7).
    assert all(JobStatus.PENDING not in targets for targets in MOVES.values())


def test_every_moving_status_can_end() -> None:
    def reaches_an_end(status: JobStatus, seen: frozenset[JobStatus]) -> bool:
        return status.finished or any(
            reaches_an_end(following, seen | {status}) for following in MOVES[status] - seen
        )

    assert all(reaches_an_end(status, frozenset()) for status in MOVES)


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        (JobStatus.DISABLED, Stage.SCHEDULED),
        (JobStatus.SCHEDULED, Stage.SCHEDULED),
        (JobStatus.ACTIVE, Stage.ACTIVE),
        (JobStatus.ABORTING, Stage.ACTIVE),
        (JobStatus.ABORTED, Stage.HISTORY),
        (JobStatus.SKIPPED, Stage.HISTORY),
    ],
)
def test_stages_follow_the_console(status: JobStatus, stage: Stage) -> None:
    assert status.stage is stage


def test_a_refused_move_names_both_statuses() -> None:
    with pytest.raises(MoveRefused, match="COMPLETED cannot become ACTIVE"):
        states.check_move(JobStatus.COMPLETED, JobStatus.ACTIVE)
