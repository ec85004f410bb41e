"""Commands that explain: why a job or a schedule did what it did, or does nothing."""

import datetime
import uuid
from typing import Any, Protocol

from gateway import moments
from gateway.commands.group import CommandGroup
from gateway.control import CommandFailed
from gateway.jobs.explanations.explainer import JobExplainer
from gateway.plain import plain
from gateway.settings import Settings

Json = Any


class Parts(Protocol):
    """What these commands need of a gateway."""

    @property
    def settings(self) -> Settings:
        """The settings, for the zone of local times."""

    @property
    def job_explainer(self) -> JobExplainer:
        """Who explains."""


class ExplanationCommands(CommandGroup):
    """The commands ``job explain`` and ``schedule explain``. ``at`` is ISO 8601, or the present."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    def job_explain(self, job: str, at: str | None = None) -> Json:
        """Why a job ran, waits or did not run: ``{"summary", "status", "conditions", ...}``."""
        return plain(self._gateway.job_explainer.job(_guid(job), self._moment(at)))

    def schedule_explain(self, schedule: str, at: str | None = None) -> Json:
        """Why a schedule made a job or not, with that job's own explanation under ``made``."""
        return plain(self._gateway.job_explainer.schedule(_guid(schedule), self._moment(at)))

    def _moment(self, text: str | None) -> int | None:
        if text is None:
            return None
        try:
            value = datetime.datetime.fromisoformat(text)
            if value.tzinfo is None:
                value = value.replace(tzinfo=self._gateway.settings.zone)
            found = moments.from_datetime(value)
        except (ValueError, OverflowError) as error:
            raise CommandFailed(
                "time", f"{text!r} is no time: write it as 2030-12-31T23:59, with an offset or not"
            ) from error
        if not moments.EARLIEST <= found <= moments.LATEST:
            raise CommandFailed("time", f"{text!r} is not between 1970 and the year 9999")
        return found


def _guid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text.strip())
    except ValueError as error:
        raise CommandFailed("id", f"{text!r} is no id; 'job list' shows them") from error
