"""Due times, held against a walk over every minute."""

import datetime
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import moments
from gateway.jobs import recurrence
from gateway.jobs.orders import Recurrence, RecurrenceKind

MINUTE = 60 * moments.SECOND
ZONES = ("UTC", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")


def cron(rule: str, zone: str = "UTC") -> Recurrence:
    return Recurrence(RecurrenceKind.CRON, rule, zone)


def at(text: str) -> int:
    return moments.from_datetime(datetime.datetime.fromisoformat(text))


def test_monday_is_one() -> None:
    due = recurrence.next_due(cron("0 9 * * 1"), at("2026-10-23T00:00:00+00:00"))
    assert due == at("2026-10-26T09:00:00+00:00")


def test_a_skipped_wall_time_is_met_right_after_the_change() -> None:
    dues = recurrence.forecast(
        cron("30 2 * * *", "Europe/Amsterdam"), at("2026-03-28T12:00:00+00:00"), 2
    )
    assert dues == [at("2026-03-29T03:00:00+02:00"), at("2026-03-30T02:30:00+02:00")]


def test_a_repeated_wall_time_is_met_once() -> None:
    dues = recurrence.forecast(
        cron("30 2 * * *", "Europe/Amsterdam"), at("2026-10-24T12:00:00+00:00"), 2
    )
    assert dues == [at("2026-10-25T02:30:00+02:00"), at("2026-10-26T02:30:00+01:00")]


@pytest.mark.parametrize("zone", ZONES)
@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    day=st.integers(1, 28),
    month=st.integers(1, 12),
)
def test_daily_rules_agree_with_a_walk_over_minutes(
    zone: str, minute: int, hour: int, day: int, month: int
) -> None:
    start = moments.from_datetime(datetime.datetime(2026, month, day, 5, 17, tzinfo=datetime.UTC))
    local = zoneinfo.ZoneInfo(zone)
    found = recurrence.next_due(cron(f"{minute} {hour} * * *", zone), start)
    moment = start // MINUTE * MINUTE
    while True:
        moment += MINUTE
        wall = moments.to_datetime(moment).astimezone(local)
        before = moments.to_datetime(moment - MINUTE).astimezone(local)
        skipped = before.replace(tzinfo=None) + datetime.timedelta(minutes=1) < wall.replace(
            tzinfo=None
        )
        wanted = wall.replace(hour=hour, minute=minute, tzinfo=None)
        jumped_over = skipped and before.replace(tzinfo=None) < wanted < wall.replace(tzinfo=None)
        # The second of two equal wall times is not another one.
        met = (wall.hour, wall.minute, wall.fold) == (hour, minute, 0)
        if met or jumped_over:
            break
    assert found == moment


@given(step=st.integers(1, 10_000), start=st.integers(0, 10**9), after=st.integers(0, 2 * 10**9))
def test_intervals_count_from_their_start(step: int, start: int, after: int) -> None:
    rule = Recurrence(RecurrenceKind.INTERVAL, str(step), starts_at=start * moments.SECOND)
    due = recurrence.next_due(rule, after * moments.SECOND)
    assert due is not None
    assert due > after * moments.SECOND or due == start * moments.SECOND
    assert due >= start * moments.SECOND
    assert (due - start * moments.SECOND) % (step * moments.SECOND) == 0
    assert due - max(after, start) * moments.SECOND <= step * moments.SECOND


def test_nothing_is_due_after_the_end() -> None:
    rule = Recurrence(RecurrenceKind.INTERVAL, "60", starts_at=0, ends_at=2 * MINUTE)
    assert recurrence.forecast(rule, -1, 10) == [0, MINUTE, 2 * MINUTE]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (cron("61 * * * *"), "cannot be read"),
        (cron("every day"), "cannot be read"),
        (cron("0 0 * * *", "Mars/Olympus"), "unknown time zone"),
        (cron("0 0 * * *", "../../etc/passwd"), "unknown time zone"),
        (Recurrence(RecurrenceKind.INTERVAL, "soon"), "count of seconds"),
        (Recurrence(RecurrenceKind.INTERVAL, "0"), "one second to a hundred years"),
        (Recurrence(RecurrenceKind.INTERVAL, "10000000000000"), "one second to a hundred years"),
        (Recurrence(RecurrenceKind.INTERVAL, "inf"), "count of seconds"),
        (Recurrence(RecurrenceKind.INTERVAL, "60", ends_at=1), "never due"),
    ],
)
def test_rules_that_cannot_be_read_are_refused(rule: Recurrence, problem: str) -> None:
    with pytest.raises(recurrence.RuleRefused, match=problem):
        recurrence.check(rule, moments.now())
