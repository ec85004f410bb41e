"""``schedule``, ``calendar`` and ``maintenance``: when jobs recur, and when nothing begins."""

import datetime
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway import moments
from gateway.commands import timings
from gateway.commands.group import CommandGroup, machine
from gateway.control import CommandFailed
from gateway.jobs import calendars, dues, recurrence, schedule_views, schedules
from gateway.jobs.calendars import Calendar, Calendars
from gateway.jobs.clock import Clock
from gateway.jobs.dues import Due
from gateway.jobs.maintenance import Maintenances, Period
from gateway.jobs.open_days import OpenDays
from gateway.jobs.recomputation import Recomputation
from gateway.jobs.service import Jobs
from gateway.jobs.signals import Signals
from gateway.plain import plain
from gateway.settings import Settings
from storage.database import Store

Json = Any

_MOST_LISTED = 10_000


class Gateway(Protocol):
    """The parts that these commands need."""

    @property
    def settings(self) -> Settings:
        """All settings."""

    @property
    def store(self) -> Store:
        """Where everything is kept."""

    @property
    def jobs(self) -> Jobs:
        """What was asked for."""

    @property
    def clock(self) -> Clock:
        """What starts jobs."""

    @property
    def signals(self) -> Signals:
        """What wakes agents."""


class ScheduleCommands(CommandGroup):
    """Looks at schedules, and turns them off and on."""

    def __init__(self, gateway: Gateway, now: Callable[[], int] = moments.now) -> None:
        self._gateway = gateway
        self._now = now

    def schedule_list(self, size: int = 1000) -> Json:
        """The schedules of jobs that have not ended, the newest first."""
        with self._gateway.store.reading(long=True) as session:
            return plain(schedule_views.listed(session, min(size, _MOST_LISTED)))

    def schedule_show(self, schedule: str) -> Json:
        """A schedule (its GUID or its job's) with what happened to it (``events``)."""
        with self._gateway.store.reading() as session:
            found = schedule_views.find(session, schedule)
        return {**plain(found), "events": plain(self._gateway.jobs.events(found.job))}

    def schedule_disable(self, schedule: str, comment: str = "") -> Json:
        """Turn a schedule off; answers it. Due times that pass meanwhile are not owed."""
        return self._steered(schedule, self._gateway.jobs.hold, comment)

    def schedule_enable(self, schedule: str, comment: str = "") -> Json:
        """Turn a schedule on again; answers it."""
        return self._steered(schedule, self._gateway.jobs.resume, comment)

    def schedule_forecast(self, schedule: str, count: int = 10) -> Json:
        """The next ``count`` times that it runs, and what is closed before; ``[{"at", ...}]``."""
        with self._gateway.store.reading() as session:
            zone = schedule_views.find(session, schedule).zone
            found = schedule_views.forecast(session, schedule, self._now(), count)
        return _told(found, zone)

    def schedule_history(self, schedule: str, size: int = 50, before: str | None = None) -> Json:
        """What became of its last due times, before a time (ISO 8601), the newest first."""
        own = self._gateway.settings.zone
        until = None if before is None else timings.moment(before, own)
        with self._gateway.store.reading(long=True) as session:
            return plain(schedule_views.history(session, schedule, min(size, _MOST_LISTED), until))

    def schedule_preview(self, timing: Mapping[str, Any], count: int = 10) -> Json:
        """When a rule would run: as ``schedule_forecast``, of a ``timing`` as of ``job_submit``."""
        now, own = self._now(), self._gateway.settings.zone
        with self._gateway.store.reading() as session:
            rule = timings.recurrence(session, timing, own, now)
            if rule is None:
                raise CommandFailed("rule", "name a rule: --cron, --rrule or --every")
            recurrence.check(rule, now)
            schedules.check(session, rule)
            days = (
                None if rule.calendar is None else calendars.find(session, str(rule.calendar)).days
            )
            found = dues.forecast(rule, days, now, min(count, schedule_views.MOST_FORECAST))
        return _told(found, rule.zone)

    def _steered(self, schedule: str, act: Callable[..., object], comment: str) -> Json:
        caller = machine(comment)
        with self._gateway.store.reading() as session:
            found = schedule_views.find(session, schedule)
        act(found.job, caller, comment)
        with self._gateway.store.reading() as session:
            return plain(schedule_views.find(session, str(found.guid)))


class CalendarCommands(CommandGroup):
    """Makes and changes calendars, which schedules share."""

    def __init__(self, gateway: Gateway, now: Callable[[], int] = moments.now) -> None:
        self._gateway = gateway
        self._calendars = Calendars(gateway.store, now)
        self._recomputation = Recomputation(gateway.store, gateway.clock.wake_by, now)

    def calendar_list(self) -> Json:
        """All calendars, by name."""
        return [_shown(each) for each in self._calendars.listed()]

    def calendar_show(self, calendar: str) -> Json:
        """A calendar (GUID or name)."""
        with self._gateway.store.reading() as session:
            return _shown(calendars.find(session, calendar))

    def calendar_create(
        self, name: str, content: Mapping[str, Any] | None = None, comment: str = ""
    ) -> Json:
        """Make a calendar; its zone is the server's where ``content`` names none."""
        given = {"zone": str(self._gateway.settings.zone), **(content or {})}
        made = self._calendars.create(name, calendars.content(given), machine(comment))
        return _shown(made)

    def calendar_change(
        self,
        calendar: str,
        name: str | None = None,
        content: Mapping[str, Any] | None = None,
        comment: str = "",
    ) -> Json:
        """Give a calendar these members; the others stay. Answers it, and how many schedules were
        ``recomputed``."""

        def changed(before: Calendar) -> tuple[str, OpenDays]:
            merged = {**calendars.as_json(before.days), **(content or {})}
            return name or before.name, calendars.content(merged)

        after = self._calendars.change(calendar, changed, machine(comment))
        return {**_shown(after), "recomputed": self._recomputation.after_changes()}

    def calendar_delete(self, calendar: str, comment: str = "") -> Json:
        """Delete a calendar that no schedule uses; answers it."""
        return _shown(self._calendars.delete(calendar, machine(comment)))


class MaintenanceCommands(CommandGroup):
    """Begins and ends maintenance."""

    def __init__(self, gateway: Gateway, now: Callable[[], int] = moments.now) -> None:
        self._gateway = gateway
        self._now = now
        self._maintenances = Maintenances(
            gateway.store, gateway.signals.wake, gateway.clock.wake_by, now
        )

    def maintenance_begin(
        self,
        team: str | None = None,
        until: str | None = None,
        reason: str = "",
        comment: str = "",
    ) -> Json:
        """Let nothing begin, on a team's agents or anywhere, until a time (ISO 8601) or the end."""
        zone = self._gateway.settings.zone
        end = None if until is None else timings.moment(until, zone)
        return self._shown(self._maintenances.begin(team, end, reason, machine(comment)))

    def maintenance_end(self, team: str | None = None, comment: str = "") -> Json:
        """Let all begin again; answers the maintenance that has ended."""
        return self._shown(self._maintenances.end(team, machine(comment)))

    def maintenance_list(self) -> Json:
        """The last ones, the newest first; ``on`` says whether it is."""
        return [self._shown(each) for each in self._maintenances.listed()]

    def _shown(self, period: Period) -> Json:
        told = plain(period)
        del told["until"], told["team_id"]
        return {
            **told,
            "until_at": None if period.until is None else _iso(period.until),
            "on": period.on(self._now()),
        }


def _iso(moment: int) -> str:
    return moments.to_datetime(moment).isoformat(timespec="milliseconds")


def _shown(calendar: Calendar) -> Json:
    return {
        "name": calendar.name,
        "guid": str(calendar.guid),
        **calendars.as_json(calendar.days),
        "schedules": calendar.schedules,
    }


def _told(found: list[Due], zone: str) -> Json:
    """Due times with the wall time that clocks in the zone show."""
    own: datetime.tzinfo = recurrence.zone(zone)
    return [
        {
            "at": _iso(due.at),
            "local": moments.to_datetime(due.at).astimezone(own).isoformat(),
            "runs": due.runs,
            "reason": due.closed
            or ("" if due.moved_from is None else f"instead of {_iso(due.moved_from)}"),
        }
        for due in found
    ]
