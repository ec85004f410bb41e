"""What calendars say, and what they make of due times."""

import datetime

import pytest
from pydantic import ValidationError

from gateway import moments
from gateway.jobs import calendars, dues
from gateway.jobs.open_days import OpenDays
from gateway.jobs.orders import OnClosed, Recurrence, RecurrenceKind
from gateway.jobs.recurrence import RuleRefused

WORKDAYS = ("mon", "tue", "wed", "thu", "fri")


def at(text: str) -> int:
    return moments.from_datetime(datetime.datetime.fromisoformat(text))


def office(**members: object) -> OpenDays:
    return calendars.content({"zone": "Europe/Berlin", "workdays": WORKDAYS, **members})


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ("2026-12-22T12:00:00+01:00", None),
        ("2026-12-26T12:00:00+01:00", "Saturday"),
        ("2026-12-19T12:00:00+01:00", None),
        ("2026-12-25T12:00:00+01:00", "holiday"),
        ("2028-12-25T12:00:00+01:00", "holiday"),
        ("2026-05-01T12:00:00+02:00", "holiday"),
        ("2026-09-07T12:00:00+02:00", "holiday"),
        ("2026-12-21T23:30:00+01:00", "blackout from 22:00"),
        ("2026-12-22T05:59:59+01:00", "blackout from 22:00"),
        ("2026-12-22T06:00:00+01:00", None),
        ("2026-12-23T06:30:00+01:00", "stocktaking"),
        ("2026-12-23T08:00:00+01:00", None),
    ],
)
def test_when_a_calendar_is_closed(moment: str, reason: str | None) -> None:
    days = office(
        holidays=["12-25", "2026-05-01", "RRULE:FREQ=YEARLY;BYMONTH=9;BYDAY=1MO"],
        extra_workdays=["2026-12-19"],
        blackouts=[
            {"from": "22:00", "to": "06:00"},
            {"from": "2026-12-23T06:00", "to": "2026-12-23T08:00", "reason": "stocktaking"},
        ],
    )
    found = days.closed(at(moment))
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"zone": "Mars/Base"}, "zone: unknown time zone"),
        ({"workdays": ["monday"]}, r"workdays.0: 'monday' is none of"),
        ({"holidays": ["2026-02-30"]}, "holidays.0: day"),
        ({"holidays": ["02-30"]}, "holidays.0: day"),
        ({"holidays": ["RRULE:FREQ=DAILY;COUNT=3"]}, "holidays.0: .* no COUNT"),
        ({"holidays": ["RRULE:FREQ=HOURLY"]}, "holidays.0: FREQ=HOURLY"),
        ({"blackouts": [{"from": "2026-01-02", "to": "2026-01-01"}]}, "not after it begins"),
        ({"blackouts": [{"from": "2026-01-01T00:00Z", "to": "2026-01-02T00:00Z"}]}, "offset"),
        ({"blackouts": [{"from": "25:00", "to": "26:00"}]}, "blackouts.0"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"holidays": ["2026-01-01"] * 2001}, "holidays: .* at most 2000"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_told_with_its_place(
    members: dict[str, object], place: str
) -> None:
    with pytest.raises(calendars.CalendarRefused, match=place):
        office(**members)


def test_what_is_stored_is_read_as_the_same() -> None:
    days = office(holidays=["12-25"], blackouts=[{"from": "22:00", "to": "06:00"}])
    assert calendars.content(calendars.as_json(days)) == days
    with pytest.raises(ValidationError):
        OpenDays.model_validate({})


def rule(text: str, on_closed: OnClosed) -> Recurrence:
    return Recurrence(RecurrenceKind.CRON, text, "Europe/Berlin", on_closed=on_closed)


def told(found: list[dues.Due]) -> list[tuple[str, bool]]:
    return [(moments.to_datetime(due.at).strftime("%m-%d %H:%M"), due.runs) for due in found]


@pytest.mark.parametrize(
    ("on_closed", "wanted"),
    [
        (OnClosed.SKIP, [("12-25 08:00", False), ("12-28 08:00", True)]),
        (OnClosed.NEXT, [("12-25 08:00", False), ("12-28 08:00", True)]),
    ],
)
def test_closed_due_times_are_told_before_what_runs(
    on_closed: OnClosed, wanted: list[tuple[str, bool]]
) -> None:
    days = office(holidays=["12-25"])
    found = dues.forecast(rule("0 9 * * 1-5", on_closed), days, at("2026-12-24T12:00:00Z"), 1)
    assert told(found) == wanted


def test_a_due_time_is_moved_to_the_next_open_day() -> None:
    found = dues.forecast(
        rule("0 9 25 12 *", OnClosed.NEXT),
        office(holidays=["12-25"]),
        at("2026-12-01T00:00:00Z"),
        1,
    )
    assert told(found) == [("12-25 08:00", False), ("12-28 08:00", True)]
    assert found[1].moved_from == found[0].at
    assert "instead: 2026-12-28 08:00:00" in str(found[0].closed)


def test_a_due_time_is_moved_to_the_last_open_day_and_recorded_on_its_own() -> None:
    found = dues.forecast(
        rule("0 9 26,28 12 *", OnClosed.PREVIOUS), office(), at("2026-12-01T00:00:00Z"), 2
    )
    assert told(found) == [("12-25 08:00", True), ("12-26 08:00", False), ("12-28 08:00", True)]
    assert found[0].moved_from == found[1].at


def test_several_moved_to_one_day_are_met_once() -> None:
    found = dues.forecast(rule("0 9 * * *", OnClosed.NEXT), office(), at("2026-12-18T12:00:00Z"), 2)
    # Saturday and Sunday are met on Monday, which is due itself.
    assert told(found) == [
        ("12-19 08:00", False),
        ("12-20 08:00", False),
        ("12-21 08:00", True),
        ("12-22 08:00", True),
    ]


def test_no_open_day_within_reach_is_told() -> None:
    days = office(blackouts=[{"from": "08:00", "to": "10:00"}])
    due = dues.following(rule("0 9 * * *", OnClosed.NEXT), days, at("2026-12-18T12:00:00Z"))
    assert due is not None
    assert "no day within 31 days" in str(due.closed)


@pytest.mark.parametrize("text", ["0 9,10 * * *", "*/5 * * * *"])
def test_only_rules_with_one_time_of_day_can_be_moved(text: str) -> None:
    with pytest.raises(RuleRefused, match="one time of day"):
        dues.check(rule(text, OnClosed.NEXT), office())
    dues.check(rule(text, OnClosed.SKIP), office())


def test_moving_needs_a_calendar() -> None:
    with pytest.raises(RuleRefused, match="goes with a calendar"):
        dues.check(rule("0 9 * * *", OnClosed.NEXT), None)
