"""Wall times in zones, against a walk over every minute."""

import datetime
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import moments
from gateway.jobs import local_time

MINUTE = 60 * moments.SECOND
# Ordinary ones, and those whose changes are odd: half an hour, a whole day, by night and noon.
ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns"),
    *("Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Pacific/Kiritimati"),
    *("Africa/Casablanca", "America/Havana", "Asia/Tehran", "Pacific/Kwajalein"),
)
# Days around changes, so that chance meets them.
CHANGES = (
    *("2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04"),
    *("2011-12-30", "1993-08-21"),
)
walls = st.one_of(
    st.builds(
        lambda day, minutes: clock(day) + datetime.timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-600, 2000),
    ),
    st.integers(0, 40 * 365 * 1440).map(
        lambda minutes: clock("1995-01-01") + datetime.timedelta(minutes=minutes)
    ),
)


def clock(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def walked(wall: datetime.datetime, zone: datetime.tzinfo) -> int:
    """The first minute, of all in which any clock may show the time, whose clock is there."""
    at = local_time.earliest(wall)
    while moments.to_datetime(at).astimezone(zone).replace(tzinfo=None) < wall:
        at += MINUTE
    return at


@given(walls, st.sampled_from(ZONES))
def test_a_wall_time_is_met_when_the_clock_first_shows_it_or_a_later_one(
    wall: datetime.datetime, name: str
) -> None:
    zone = zoneinfo.ZoneInfo(name)
    assert local_time.moment(wall, zone) == walked(wall, zone)


@pytest.mark.parametrize(
    ("zone", "wall", "utc"),
    [
        # Skipped: right after the change. Repeated: the first time.
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-03T15:30"),
        # A day that was none.
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00"),
        ("Asia/Kathmandu", "2026-01-01T12:00", "2026-01-01T06:15"),
    ],
)
def test_what_daylight_saving_skips_and_repeats(zone: str, wall: str, utc: str) -> None:
    found = local_time.moment(datetime.datetime.fromisoformat(wall), zoneinfo.ZoneInfo(zone))
    assert moments.to_datetime(found).replace(tzinfo=None) == datetime.datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    ("facts", "otherwise", "zone"),
    [
        ({"time_zone": "Asia/Tokyo"}, "Europe/Berlin", "Asia/Tokyo"),
        ({}, "Europe/Berlin", "Europe/Berlin"),
        ({"time_zone": None}, "Europe/Berlin", "Europe/Berlin"),
        ({"time_zone": "../../etc/passwd"}, "Europe/Berlin", "Europe/Berlin"),
        ({"time_zone": "Nowhere/Land"}, "also nowhere", "UTC"),
    ],
)
def test_the_zone_of_an_agent(facts: dict[str, object], otherwise: str, zone: str) -> None:
    assert str(local_time.zone_of(facts, otherwise)) == zone
