"""Cron rules, held against a walk over every minute and against calendars."""

import datetime
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import moments
from gateway.jobs import cron, recurrence
from gateway.jobs.cron import CronRefused
from gateway.jobs.orders import Recurrence, RecurrenceKind
from tests.unit.jobs import walks

NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = datetime.timedelta(days=1)

Day = datetime.datetime
Field = tuple[str, Callable[[int], bool]]


def wall(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def first_dates(rule: str, begin: str, count: int) -> list[str]:
    found, at = [], wall(begin)
    for _ in range(count):
        following = cron.read(rule).after(at)
        assert following is not None
        at = following
        found.append(at.isoformat(sep=" "))
    return found


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("0 9 L * *", ["2026-01-31 09:00:00", "2026-02-28 09:00:00", "2026-03-31 09:00:00"]),
        ("0 9 L-2 * *", ["2026-01-29 09:00:00", "2026-02-26 09:00:00", "2026-03-29 09:00:00"]),
        ("0 9 LW * *", ["2026-01-30 09:00:00", "2026-02-27 09:00:00", "2026-03-31 09:00:00"]),
        # Sundays: the 16th is nearer. Not back into the month before: the 1st is a Thursday,
        # a Sunday, a Sunday.
        ("0 9 15W * *", ["2026-01-15 09:00:00", "2026-02-16 09:00:00", "2026-03-16 09:00:00"]),
        ("0 9 1W * *", ["2026-01-01 09:00:00", "2026-02-02 09:00:00", "2026-03-02 09:00:00"]),
        ("0 9 ? * 5L", ["2026-01-30 09:00:00", "2026-02-27 09:00:00", "2026-03-27 09:00:00"]),
        ("0 9 ? * friL", ["2026-01-30 09:00:00", "2026-02-27 09:00:00", "2026-03-27 09:00:00"]),
        ("0 9 ? * 5#2", ["2026-01-09 09:00:00", "2026-02-13 09:00:00", "2026-03-13 09:00:00"]),
        ("0 9 ? * fri#5", ["2026-01-30 09:00:00", "2026-05-29 09:00:00", "2026-07-31 09:00:00"]),
        ("0 9 * * 1", ["2026-01-05 09:00:00", "2026-01-12 09:00:00", "2026-01-19 09:00:00"]),
        ("0 9 * * 0", ["2026-01-04 09:00:00", "2026-01-11 09:00:00", "2026-01-18 09:00:00"]),
        ("0 9 * * 7", ["2026-01-04 09:00:00", "2026-01-11 09:00:00", "2026-01-18 09:00:00"]),
        # Either suffices where both are given.
        ("0 9 10 * fri", ["2026-01-02 09:00:00", "2026-01-09 09:00:00", "2026-01-10 09:00:00"]),
        # Both must fit where one begins with a star.
        ("0 9 */2 * fri", ["2026-01-09 09:00:00", "2026-01-23 09:00:00", "2026-02-13 09:00:00"]),
        (
            "*/20 59 23 31 dec ?",
            ["2026-12-31 23:59:00", "2026-12-31 23:59:20", "2026-12-31 23:59:40"],
        ),
        ("0 0 29 feb ?", ["2028-02-29 00:00:00", "2032-02-29 00:00:00", "2036-02-29 00:00:00"]),
    ],
)
def test_what_rules_mean(rule: str, wanted: list[str]) -> None:
    assert first_dates(rule, "2025-12-31 23:59:59", 3) == wanted


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("* * * *", "five fields"),
        ("60 * * * *", "minute: '60'"),
        ("* 24 * * *", "hour: '24'"),
        ("* * 0 * *", "day of the month: '0'"),
        ("* * L-31 * *", "never in a month"),
        ("* * 32W * *", "day of the month: '32'"),
        ("* * * 13 *", "month: '13'"),
        ("* * * * 8", "weekday: '8'"),
        ("* * * * fri#6", "'fri#6' is in no month"),
        ("* * * * L", "weekday: 'L'"),
        ("? * * * *", "minute: '?'"),
        ("*/0 * * * *", "step of nothing"),
        ("5-1 * * * *", "ends before it begins"),
        ("1,,2 * * * *", "minute: ''"),
        ("\u0661 * * * *", "minute"),
        ("* " * 300, "longer than"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_field(rule: str, told: str) -> None:
    with pytest.raises(CronRefused, match=told.replace("?", r"\?").replace("(", r"\(")):
        cron.read(rule)


@pytest.mark.parametrize("rule", ["0 0 30 2 *", "0 0 31 4,6,9,11 ?"])
def test_a_rule_that_never_comes_is_found_out(rule: str) -> None:
    assert cron.read(rule).after(wall("2026-01-01")) is None


@given(st.text(alphabet="0123456789*/,-?LW# monfrijan", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rule = cron.read(text)
    except CronRefused:
        return
    begin = wall("2026-01-01")
    found = rule.after(begin)
    assert found is None or found > begin


def number_field(low: int, high: int, most: int) -> st.SearchStrategy[Field]:
    """A list of numbers, or a range with a step; few of them, so that walks stay short."""
    listed = st.sets(st.integers(low, high), min_size=1, max_size=most).map(
        lambda chosen: (",".join(map(str, sorted(chosen))), lambda n: n in chosen)
    )
    step = (high - low + 1) // most
    stepped = st.integers(step, high).map(
        lambda every: (f"*/{every}", lambda n: (n - low) % every == 0)
    )
    return listed | stepped


def month_length(day: Day) -> int:
    following = day.replace(day=28) + 4 * ONE_DAY
    return (following - following.day * ONE_DAY).day


def nearest(wanted: int) -> Callable[[Day], bool]:
    """The working day nearest to a day of the month, found by looking around it."""

    def fits(day: Day) -> bool:
        number = wanted or month_length(day)
        if number > month_length(day):
            return False
        middle = day.replace(day=number)
        around = (middle + distance * ONE_DAY for distance in (0, -1, 1, -2, 2))
        inside = (one for one in around if one.month == day.month and one.weekday() < 5)
        return next(inside).day == day.day

    return fits


month_days = st.one_of(
    st.sampled_from(["*", "?"]).map(lambda text: (text, None)),
    st.integers(1, 31).map(lambda n: (str(n), lambda day: day.day == n)),
    st.integers(0, 30).map(
        lambda n: (f"L-{n}" if n else "L", lambda day: day.day == month_length(day) - n)
    ),
    st.integers(1, 31).map(lambda n: (f"{n}W", nearest(n))),
    st.just(("LW", nearest(0))),
)
week_days = st.one_of(
    st.sampled_from(["*", "?"]).map(lambda text: (text, None)),
    st.integers(1, 7).map(lambda n: (NAMES[n - 1], lambda day: day.isoweekday() == n)),
    st.integers(0, 7).map(lambda n: (str(n), lambda day: day.isoweekday() % 7 == n % 7)),
    st.integers(1, 5).map(lambda n: (f"1-{n}", lambda day: day.isoweekday() <= n)),
    st.integers(1, 7).map(
        lambda n: (
            f"{n}L",
            lambda day: day.isoweekday() == n and (day + 7 * ONE_DAY).month != day.month,
        )
    ),
    st.tuples(st.integers(1, 7), st.integers(1, 5)).map(
        lambda one: (
            f"{one[0]}#{one[1]}",
            lambda day: day.isoweekday() == one[0] and (day.day - 1) // 7 + 1 == one[1],
        )
    ),
)


def met_by(month_day: tuple[str, object], week_day: tuple[str, object], day: Day) -> bool:
    chosen = [one for _, one in (month_day, week_day) if one is not None]
    return not chosen or any(one(day) for one in chosen)  # type: ignore[operator]


def found(rule: str, zone: str, after: int, last: int) -> list[int]:
    repeated = Recurrence(RecurrenceKind.CRON, rule, zone)
    first = recurrence.next_due(repeated, after)
    return [] if first is None else list(recurrence.due_between(repeated, first, last))


@given(
    day=st.sampled_from([(zone, day) for zone, days in walks.CHANGES.items() for day in days]),
    minute=number_field(0, 59, 2),
    hour=number_field(0, 23, 3),
    month_day=month_days,
    week_day=week_days,
    begin=st.integers(0, 2 * 24 * 60),
)
def test_rules_agree_with_a_walk_over_minutes(
    day: tuple[str, str],
    minute: Field,
    hour: Field,
    month_day: tuple[str, object],
    week_day: tuple[str, object],
    begin: int,
) -> None:
    zone, changes = day
    after = walks.noon_before(changes) + begin * walks.MINUTE
    last = after + 3 * walks.DAY

    def matches(at: datetime.datetime) -> bool:
        time_fits = minute[1](at.minute) and hour[1](at.hour)
        return time_fits and met_by(month_day, week_day, at)

    rule = f"{minute[0]} {hour[0]} {month_day[0]} * {week_day[0]}"
    assert found(rule, zone, after, last) == walks.dues(matches, zone, after, last)


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("Europe/Berlin", "2026-03-29T00:30:00+00:00"),
        ("Europe/Berlin", "2026-10-25T00:30:00+00:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:45:00+00:00"),
    ],
)
@pytest.mark.parametrize("rule", [("7,40", {7, 40}), ("*/25", {0, 25, 50})])
def test_rules_with_seconds_agree_with_a_walk_over_seconds(
    zone: str, begin: str, rule: tuple[str, set[int]]
) -> None:
    after = moments.from_datetime(datetime.datetime.fromisoformat(begin))
    last = after + 45 * walks.MINUTE
    text, seconds = rule
    walked = walks.dues(lambda at: at.second in seconds, zone, after, last, moments.SECOND)
    assert found(f"{text} * * * * *", zone, after, last) == walked


@given(month_day=month_days, week_day=week_days, year=st.integers(1999, 2040))
def test_days_agree_with_a_walk_over_days(
    month_day: tuple[str, object], week_day: tuple[str, object], year: int
) -> None:
    rule = cron.read(f"0 0 {month_day[0]} * {week_day[0]}")
    day, walked = wall(f"{year}-01-01"), []
    for _ in range(200):
        day += ONE_DAY
        if met_by(month_day, week_day, day):
            walked.append(day)
    at, computed = wall(f"{year}-01-01"), []
    while (following := rule.after(at)) is not None and following <= day:
        computed.append(following)
        at = following
    assert computed == walked
