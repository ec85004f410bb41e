"""Calendar rules: what they mean, and that none of them costs more than it may."""

import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import moments
from gateway.jobs import calendar_rules, recurrence
from gateway.jobs.calendar_rules import CalendarRuleRefused
from gateway.jobs.orders import Recurrence, RecurrenceKind
from tests.unit.jobs import walks

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Far more than any rule takes here, far less than one that is searched to the end of all years.
LONG = 2.0


def at(text: str) -> int:
    return moments.from_datetime(datetime.datetime.fromisoformat(text))


def rule(text: str, zone: str = "UTC", starts: str = "2026-01-05T09:30:00+00:00") -> Recurrence:
    return Recurrence(RecurrenceKind.CALENDAR, text, zone, starts_at=at(starts))


def days(text: str, count: int, after: str = "2026-01-01T00:00:00+00:00") -> list[str]:
    found = recurrence.forecast(rule(text), at(after), count)
    return [moments.to_datetime(due).strftime("%Y-%m-%d %H:%M") for due in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("FREQ=DAILY;INTERVAL=3", ["2026-01-05 09:30", "2026-01-08 09:30"]),
        ("RRULE:FREQ=WEEKLY;INTERVAL=2", ["2026-01-05 09:30", "2026-01-19 09:30"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18", ["2026-01-30 18:30", "2026-02-27 18:30"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["2026-01-30 09:30", "2026-02-27 09:30"]),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", ["2026-11-26 09:30", "2027-11-25 09:30"]),
        ("FREQ=YEARLY", ["2026-01-05 09:30", "2027-01-05 09:30"]),
        ("FREQ=DAILY;COUNT=2", ["2026-01-05 09:30", "2026-01-06 09:30"]),
        ("FREQ=DAILY;UNTIL=20260106", ["2026-01-05 09:30", "2026-01-06 09:30"]),
        ("FREQ=DAILY;UNTIL=20260106T093000Z", ["2026-01-05 09:30", "2026-01-06 09:30"]),
        ("FREQ=DAILY;UNTIL=20260106T092959Z", ["2026-01-05 09:30"]),
        ("FREQ=DAILY;UNTIL=20260106T092959", ["2026-01-05 09:30"]),
    ],
)
def test_what_rules_mean(text: str, wanted: list[str]) -> None:
    assert days(text, 3)[: len(wanted)] == wanted
    if "COUNT" in text or "UNTIL" in text:
        assert days(text, 3) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "NAME=VALUE"),
        ("FREQ=HOURLY", "FREQ=HOURLY is not read"),
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=SECONDLY is not read"),
        ("FREQ=OFTEN", "FREQ is one of"),
        ("BYDAY=MO", "FREQ is one of"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;BYEASTER=1", "no part of a rule"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is 1 to"),
        ("FREQ=DAILY;COUNT=99999999999", "COUNT is 1 to"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20270101", "exclude each other"),
        ("FREQ=DAILY;UNTIL=soon", "UNTIL is written"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR is 0 to 23"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY is 1 to 31"),
        ("FREQ=YEARLY;BYDAY=99MO", "in no year"),
        ("FREQ=MONTHLY;BYDAY=+53MO", "in no month"),
        ("FREQ=MONTHLY;BYDAY=-6MO", "in no month"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=6MO", "in no month"),
        ("FREQ=WEEKLY;BYDAY=2MO", "has a place"),
        ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=2MO", "has a place"),
        ("FREQ=MONTHLY;BYDAY=XX", "no weekday"),
        ("FREQ=MONTHLY;BYSETPOS=1", "goes with another"),
        (
            f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0,10,20,30,40",
            "times on a day",
        ),
        ("FREQ=DAILY;BYMONTH=" + "1," * 300, "longer than"),
    ],
)
def test_what_is_hostile_or_wrong_is_refused_with_a_sentence(text: str, told: str) -> None:
    with pytest.raises(recurrence.RuleRefused, match=told):
        recurrence.check(rule(text), at("2026-01-01T00:00:00+00:00"))


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYSETPOS=300;BYDAY=MO",
    ],
)
def test_a_rule_that_is_never_met_is_refused(text: str) -> None:
    with pytest.raises(recurrence.RuleRefused, match="never due"):
        recurrence.check(rule(text), at("2026-01-01T00:00:00+00:00"))


numbers = st.integers(-400, 400)
lists = st.lists(numbers, min_size=1, max_size=40).map(lambda found: ",".join(map(str, found)))
parts = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                ("BYSECOND", "BYMINUTE", "BYHOUR", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO")
            ),
            lists,
        ),
        st.tuples(st.sampled_from(("BYMONTH", "BYSETPOS", "COUNT")), lists),
        st.tuples(st.just("INTERVAL"), st.integers(0, 1200).map(str)),
        st.tuples(
            st.just("BYDAY"),
            st.lists(
                st.tuples(
                    st.sampled_from(("", "1", "-1", "5", "-53", "+53")), st.sampled_from(WEEKDAYS)
                ).map("".join),
                min_size=1,
                max_size=7,
            ).map(",".join),
        ),
        st.tuples(st.just("WKST"), st.sampled_from(WEEKDAYS)),
        st.tuples(st.just("UNTIL"), st.sampled_from(("20260101", "99991231T235959Z"))),
    ),
    max_size=5,
    unique_by=lambda part: part[0],
)


@given(
    frequency=st.sampled_from(("YEARLY", "MONTHLY", "WEEKLY", "DAILY")),
    chosen=parts,
    after=st.sampled_from(("1970-01-02", "2026-03-29", "2399-12-31", "9990-06-01")),
)
def test_no_rule_takes_long(frequency: str, chosen: list[tuple[str, str]], after: str) -> None:
    text = ";".join((f"FREQ={frequency}", *(f"{name}={value}" for name, value in chosen)))
    begin = at(f"{after}T00:00:00+00:00")
    started = time.thread_time()
    try:
        due = recurrence.next_due(rule(text, "Europe/Berlin", "1970-01-02T00:00:00+00:00"), begin)
    except recurrence.RuleRefused:
        due = None
    assert time.thread_time() - started < LONG
    assert due is None or due > begin


@given(st.text(alphabet="FREQ=DAILYBYMO;,0123456789-+:TZ", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = calendar_rules.read(text)
    except CalendarRuleRefused:
        return
    assert found.daily_times >= 1


@given(
    day=st.sampled_from([(zone, day) for zone, days in walks.CHANGES.items() for day in days]),
    weekdays=st.sets(st.integers(0, 6), min_size=1),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=3),
    minute=st.integers(0, 59),
    begin=st.integers(0, 2 * 24 * 60),
)
def test_rules_agree_with_a_walk_over_minutes(
    day: tuple[str, str], weekdays: set[int], hours: set[int], minute: int, begin: int
) -> None:
    zone, changes = day
    after = walks.noon_before(changes) + begin * walks.MINUTE
    last = after + 3 * walks.DAY
    names = ",".join(WEEKDAYS[one] for one in weekdays)
    text = (
        f"FREQ=WEEKLY;BYDAY={names};BYHOUR={','.join(map(str, hours))};BYMINUTE={minute};BYSECOND=0"
    )
    repeated = rule(text, zone, "2000-01-03T00:00:00+00:00")
    walked = walks.dues(
        lambda at: at.weekday() in weekdays and at.hour in hours and at.minute == minute,
        zone,
        after,
        last,
    )
    first = recurrence.next_due(repeated, after)
    found = [] if first is None else list(recurrence.due_between(repeated, first, last))
    assert found == walked


@given(
    text=st.sampled_from(
        (
            "FREQ=DAILY;INTERVAL=7",
            "FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,SA;WKST=SU",
            "FREQ=MONTHLY;INTERVAL=5",
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=2MO,-1FR;BYSETPOS=1",
            "FREQ=YEARLY;INTERVAL=4",
            "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
        )
    ),
    start=st.integers(0, 1500),
    after=st.integers(0, 3000),
)
def test_a_search_that_begins_late_finds_what_one_from_the_start_finds(
    text: str, start: int, after: int
) -> None:
    begin = datetime.datetime.fromisoformat("2024-01-31T09:30") + datetime.timedelta(days=start)
    wall = begin + datetime.timedelta(days=after)
    plain = calendar_rules.read(text)
    # COUNT has it counted from the start, one by one.
    counted = calendar_rules.read(f"{text};COUNT=9999")
    assert plain.after(begin, wall) == counted.after(begin, wall)
