"""Commands about retention: how long ended jobs are kept."""

from typing import Any, Protocol

from gateway import moments
from gateway.commands.group import CommandGroup, machine
from gateway.jobs.retention import Retention, RetentionRule

Json = Any
_DAY = 24 * 3600 * moments.SECOND


class Parts(Protocol):
    """What these commands need of a gateway."""

    @property
    def retention(self) -> Retention:
        """What is kept, and for how long."""


class RetentionCommands(CommandGroup):
    """The commands ``retention``."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    def retention_set(
        self,
        definition: str | None = None,
        days: float | None = None,
        count: int | None = None,
        archive: bool = False,
        comment: str = "",
    ) -> Json:
        """Make a rule."""
        return _rule(
            self._gateway.retention.set(
                definition, days, count, archive=archive, caller=machine(comment), comment=comment
            )
        )

    def retention_list(self) -> Json:
        """All rules."""
        return [_rule(one) for one in self._gateway.retention.rules()]

    def retention_remove(self, definition: str | None = None, comment: str = "") -> None:
        """Drop a rule."""
        self._gateway.retention.remove(definition, machine(comment), comment)

    def retention_run(self, dry: bool = False) -> Json:
        """Remove what the rules let go, now; answers how many jobs."""
        return {"jobs": self._gateway.retention.run(dry=dry)}


def _rule(rule: RetentionRule) -> dict[str, Any]:
    return {
        "definition": rule.definition or "all others",
        "days": None if rule.max_age is None else rule.max_age / _DAY,
        "count": rule.max_count,
        "archive": rule.archive,
    }
