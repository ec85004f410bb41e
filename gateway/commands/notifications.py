"""Commands about notifications: their rules, what is on its way, and what came of it."""

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from gateway import moments
from gateway.commands.group import CommandGroup, machine
from gateway.notifications import outbox, rules
from gateway.notifications.outbox import Message, NotificationNotFound
from gateway.notifications.rules import Channel, Rule, RuleRefused, Rules
from storage.database import Store

Json = Any


class Parts(Protocol):
    """What these commands need of a gateway."""

    @property
    def store(self) -> Store:
        """Where everything is kept."""

    @property
    def notification_rules(self) -> Rules:
        """Whom to tell of what."""


class NotificationCommands(CommandGroup):
    """The commands ``notification``."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    def notification_create(
        self,
        name: str,
        events: Sequence[str],
        webhook: str | None = None,
        mail: str | None = None,
        definition: str | None = None,
        team: str | None = None,
        secret: str | None = None,
        comment: str = "",
    ) -> Json:
        """Make a rule."""
        if (webhook is None) is (mail is None):
            raise RuleRefused("a rule tells by a webhook or by mail: give one of them")
        made = self._gateway.notification_rules.create(
            name,
            events,
            Channel.MAIL if webhook is None else Channel.WEBHOOK,
            webhook or mail or "",
            machine(comment),
            definition=definition,
            team=team,
            secret=secret,
            comment=comment,
        )
        return _rule(made)

    def notification_list(self) -> Json:
        """All rules."""
        with self._gateway.store.reading() as session:
            return [_rule(one) for one in rules.listed(session)]

    def notification_enable(self, name: str, enabled: bool, comment: str = "") -> Json:
        """Have a rule count, or not."""
        return _rule(
            self._gateway.notification_rules.set_enabled(name, enabled, machine(comment), comment)
        )

    def notification_delete(self, name: str, comment: str = "") -> Json:
        """Delete a rule."""
        return _rule(self._gateway.notification_rules.delete(name, machine(comment), comment))

    def notification_test(self, name: str) -> Json:
        """Send a message by a rule that tells of nothing."""
        now = moments.now()
        content = {"event": "test", "at": moments.to_datetime(now).isoformat()}

        with self._gateway.store.reading() as session:
            rule = rules.find(session, name)
        guid = self._gateway.store.unit_of_work(
            lambda session: outbox.enter(session, rule, "test", content, now)
        )
        return {"guid": str(guid)}

    def notification_log(self, failed: bool = False, most: int = 50) -> Json:
        """The last messages with the attempts to deliver them."""
        with self._gateway.store.reading() as session:
            found = outbox.latest(session, most, failed=failed)
            named = {one.rule_id: rules.by_id(session, one.rule_id) for one in found}
            return [
                _message(one, named[one.rule_id])
                | {
                    "log": [
                        {
                            "at": _iso(attempt.at),
                            "seconds": attempt.took / moments.SECOND,
                            "ok": attempt.ok,
                            "detail": attempt.detail,
                        }
                        for attempt in outbox.attempts(session, one.id)
                    ]
                }
                for one in found
            ]

    def notification_retry(self, message: str) -> Json:
        """Try a message once more that was given up."""
        try:
            guid = uuid.UUID(message.strip())
        except ValueError:
            raise NotificationNotFound(f"{message!r} is no GUID of a message") from None
        self._gateway.store.unit_of_work(lambda session: outbox.again(session, guid, moments.now()))
        return {"guid": str(guid)}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        **rules.shown(rule),
        "enabled": rule.enabled,
        "guid": str(rule.guid),
    }


def _message(message: Message, rule: Rule | None) -> dict[str, Any]:
    return {
        "created": _iso(message.created_at),
        "rule": "" if rule is None else rule.name,
        "event": message.event,
        "job": (message.content.get("job") or {}).get("guid"),
        "state": message.state.name.lower(),
        "attempts": message.attempts,
        "next": None if message.next_at is None else _iso(message.next_at),
        "guid": str(message.guid),
    }


def _iso(moment: int) -> str:
    return moments.to_datetime(moment).isoformat(timespec="seconds")
