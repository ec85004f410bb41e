"""Launch windows, against a walk over every minute."""

import datetime
import zoneinfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway import moments
from gateway.jobs import launch_windows, local_time
from gateway.jobs.orders import LaunchWindow

MINUTE = 60 * moments.SECOND
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
windows = st.builds(
    LaunchWindow,
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.booleans(),
)
# Within days of a change in one of the zones.
times = st.sampled_from(
    ["2026-03-28T20:00", "2026-10-24T22:00", "2026-03-07T20:00", "2026-10-03T09:00"]
).flatmap(lambda text: st.integers(0, 3000).map(lambda minutes: at(text) + minutes * MINUTE))


def at(text: str) -> int:
    return moments.from_datetime(datetime.datetime.fromisoformat(text + "+00:00"))


def is_open(window: LaunchWindow, moment: int, zone: datetime.tzinfo) -> bool:
    """By the words of the rule: some day's opening has been, and its closing has not."""
    zone = datetime.UTC if window.utc else zone
    day = moments.to_datetime(moment).astimezone(zone).date()
    for opening_day in (day, day - datetime.timedelta(days=1)):
        if opening_day.weekday() not in window.days:
            continue
        midnight = datetime.datetime.combine(opening_day, datetime.time())
        length = (window.closes - window.opens) % 1440 or 1440
        opens = midnight + datetime.timedelta(minutes=window.opens)
        closes = opens + datetime.timedelta(minutes=length)
        if local_time.moment(opens, zone) <= moment < local_time.moment(closes, zone):
            return True
    return False


@given(windows, times, st.sampled_from(ZONES))
def test_a_run_waits_until_the_first_minute_in_which_the_window_is_open(
    window: LaunchWindow, moment: int, name: str
) -> None:
    zone = zoneinfo.ZoneInfo(name)
    found = launch_windows.opening(window, moment, zone)
    assume(found is None or found - moment < 3 * 1440 * MINUTE)
    walked = range(moment, moment + 3 * 1440 * MINUTE, MINUTE)
    assert found == next((minute for minute in walked if is_open(window, minute, zone)), None)


NIGHT = LaunchWindow(22 * 60, 6 * 60)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        (NIGHT, "2026-01-05T12:00", "2026-01-05T22:00"),
        (NIGHT, "2026-01-05T22:00", "2026-01-05T22:00"),
        (NIGHT, "2026-01-06T05:59", "2026-01-06T05:59"),
        (NIGHT, "2026-01-06T06:00", "2026-01-06T22:00"),
        # It counts on which day it opens: the night from Monday to Tuesday is Monday's.
        (LaunchWindow(1320, 360, frozenset({0})), "2026-01-06T03:00", "2026-01-06T03:00"),
        (LaunchWindow(1320, 360, frozenset({1})), "2026-01-06T03:00", "2026-01-06T22:00"),
        # A whole day.
        (LaunchWindow(0, 0, frozenset({5})), "2026-01-05T12:00", "2026-01-10T00:00"),
    ],
)
def test_openings(window: LaunchWindow, now: str, opens: str) -> None:
    assert launch_windows.opening(window, at(now), datetime.UTC) == at(opens)


def test_a_window_in_an_hour_that_is_skipped_opens_a_week_later() -> None:
    window = LaunchWindow(130, 170, frozenset({6}))
    found = launch_windows.opening(
        window, at("2026-03-28T12:00"), zoneinfo.ZoneInfo("Europe/Berlin")
    )
    assert found == at("2026-04-05T00:10")


@given(windows)
def test_what_is_stored_is_read_back(window: LaunchWindow) -> None:
    assert launch_windows.from_json(launch_windows.as_json(window)) == window


@given(st.integers(0, 1439))
def test_times_of_day_are_read_as_they_are_written(minutes: int) -> None:
    assert launch_windows.minutes(launch_windows.time_of_day(minutes)) == minutes


@pytest.mark.parametrize("text", ["", "22", "25:00", "24:01", "10:60", "-1:00", "10:00:00", "ten"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time of day"):
        launch_windows.minutes(text)
