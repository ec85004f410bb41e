"""Rules: whom to tell of which events, of which jobs, and by which channel."""

import enum
import re
import urllib.parse
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import moments, names
from gateway.catalog import changes
from gateway.fleet import roster, teams
from gateway.identity import audit
from gateway.identity.principals import Caller
from gateway.identity.vault import Vault
from storage import models
from storage.database import Store
from storage.session import Row, Session, WritingSession

_RULE = models.NotificationRule
_DEFINITION = models.Definition

MOST = 1000
_LONGEST_NAME = 255
_LONGEST_TARGET = 2000
_LONGEST_SECRET = 1000
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}")
PURPOSE = "notification secret"


class Event(enum.StrEnum):
    """What is told."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    LATE = "late"
    MISSED = "missed"


class Channel(enum.IntEnum):
    """How it is told; stored."""

    WEBHOOK = 0
    MAIL = 1


class Scope(enum.IntEnum):
    """Of which jobs; stored."""

    EVERYWHERE = 0
    DEFINITION = 1
    TEAM = 2


class RuleNotFound(LookupError):
    """There is no notification rule of this name."""


class RuleRefused(ValueError):
    """A rule like this makes no sense; the message says why."""


@dataclass(frozen=True)
class Rule:
    """One rule. ``target`` is a URL or mail addresses parted by commas."""

    id: int
    guid: uuid.UUID
    name: str
    scope: Scope
    scope_id: int
    events: frozenset[Event]
    channel: Channel
    target: str
    secret: uuid.UUID | None
    enabled: bool


class Interest:
    """Whether anybody is to be told anything at all: so that nobody pays who has no rules."""

    def __init__(self) -> None:
        self.any = False


class Rules:
    """Makes, changes and deletes rules; each change is audited, secrets are sealed."""

    def __init__(self, store: Store, vault: Vault, now: Callable[[], int] = moments.now) -> None:
        self._store = store
        self._vault = vault
        self._now = now

    def create(
        self,
        name: str,
        events: Sequence[str],
        channel: Channel,
        target: str,
        caller: Caller,
        *,
        definition: str | None = None,
        team: str | None = None,
        secret: str | None = None,
        comment: str = "",
    ) -> Rule:
        """A rule for a definition, a team, or all jobs.

        Raises RuleRefused, TeamNotFound, TeamAmbiguous, CommentRefused.
        """
        audit.check_comment(comment)
        wanted = name.strip()
        if not wanted or len(wanted) > _LONGEST_NAME or not wanted.isprintable():
            raise RuleRefused(f"a name has 1 to {_LONGEST_NAME} printable characters")
        chosen = _events(events)
        place = _target(channel, target)
        if definition is not None and team is not None:
            raise RuleRefused("a rule is for a definition or for a team, not for both")
        if secret is not None and (channel is not Channel.WEBHOOK or not secret):
            raise RuleRefused("a secret signs webhooks, and is not empty")
        if secret is not None and len(secret) > _LONGEST_SECRET:
            raise RuleRefused(f"a secret has at most {_LONGEST_SECRET} characters")

        def work(session: WritingSession) -> Rule:
            changes.one_at_a_time(session, 1)
            present = listed(session)
            if names.key(wanted) in {names.key(one.name) for one in present}:
                raise RuleRefused(f"there is a notification rule {wanted!r} already")
            if len(present) >= MOST:
                raise RuleRefused(f"there are {MOST} notification rules already")
            scope, scope_id = _scope(session, definition, team)
            now, guid = self._now(), moments.new_guid()
            sealed = None if secret is None else self._vault.seal(session, now, PURPOSE, secret)
            session.execute(
                _RULE.insert(
                    guid=guid,
                    tenant_id=1,
                    name=wanted,
                    name_key=names.key(wanted),
                    scope_kind=scope,
                    scope_id=scope_id,
                    events=sorted(chosen),
                    channel=channel,
                    target=place,
                    secret_guid=sealed,
                    enabled=True,
                    created_at=now,
                )
            )
            made = find(session, wanted)
            audit.record(
                session, caller, now, "create", "notification rule", guid, wanted, None,
                shown(made), comment,
            )  # fmt: skip
            notice(session)
            return made

        return self._store.unit_of_work(work)

    def set_enabled(self, name: str, enabled: bool, caller: Caller, comment: str = "") -> Rule:
        """Have a rule count again, or no more. Raises RuleNotFound, CommentRefused."""
        return self._change(
            name, "enable" if enabled else "disable", {"enabled": enabled}, caller, comment
        )

    def delete(self, name: str, caller: Caller, comment: str = "") -> Rule:
        """Tell nobody any more; what is on its way still goes. RuleNotFound, CommentRefused."""
        return self._change(name, "delete", {"deleted_at": self._now()}, caller, comment)

    def load(self) -> None:
        """Learn whether there are rules, of which another process may have made some."""
        self._store.unit_of_work(notice)

    def _change(
        self, name: str, action: str, values: dict[str, Any], caller: Caller, comment: str
    ) -> Rule:
        audit.check_comment(comment)

        def work(session: WritingSession) -> Rule:
            changes.one_at_a_time(session, 1)
            found = find(session, name)
            session.execute(_RULE.update(**values).where(_RULE.id == found.id))
            audit.record(
                session, caller, self._now(), action, "notification rule", found.guid,
                found.name, None, None, comment,
            )  # fmt: skip
            notice(session)
            return found

        return self._store.unit_of_work(work)


def notice(session: WritingSession) -> None:
    """Let the interest of this process follow the rules, once they are durable."""
    interest = session.kept(Interest)
    present = any(one.enabled for one in listed(session))

    def follow() -> None:
        interest.any = present

    session.after_commit(follow)


def listed(session: Session) -> list[Rule]:
    """All rules, by name."""
    query = _RULE.select().where(_RULE.deleted_at.is_null()).order_by(_RULE.name_key)
    return [_rule(row) for row in session.rows(query)]


def by_id(session: Session, rule_id: int) -> Rule | None:
    """A rule, also one that was deleted; None for none."""
    row = session.first(_RULE.select().where(_RULE.id == rule_id))
    return None if row is None else _rule(row)


def find(session: Session, name: str) -> Rule:
    """The rule of this name or GUID. Raises RuleNotFound."""
    key = names.key(name)
    for one in listed(session):
        if key in (names.key(one.name), str(one.guid)):
            return one
    raise RuleNotFound(f"there is no notification rule {name.strip()!r}")


def shown(rule: Rule) -> dict[str, Any]:
    """A rule as people see it: without what may be secret in a URL."""
    return {
        "events": sorted(rule.events),
        "channel": rule.channel.name.lower(),
        "target": shown_target(rule.target),
        "scope": rule.scope.name.lower(),
        "scope_id": rule.scope_id or None,
        "signed": rule.secret is not None,
    }


def shown_target(target: str) -> str:
    """A URL without its credentials and query, which are often secrets; mail addresses as such."""
    if "://" not in target:
        return target
    parts = urllib.parse.urlsplit(target)
    host = parts.netloc.rpartition("@")[2]
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"


def _events(given: Sequence[str]) -> frozenset[Event]:
    try:
        found = frozenset(Event(one.strip().lower()) for one in given)
    except ValueError as error:
        raise RuleRefused(f"{error}: choose of {', '.join(Event)}") from None
    if not found:
        raise RuleRefused(f"a rule is for at least one event of {', '.join(Event)}")
    return found


def _target(channel: Channel, target: str) -> str:
    place = target.strip()
    if not place or len(place) > _LONGEST_TARGET or not place.isprintable():
        raise RuleRefused(f"a target has 1 to {_LONGEST_TARGET} printable characters")
    if channel is Channel.WEBHOOK:
        try:
            parts = urllib.parse.urlsplit(place)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.fragment:
            raise RuleRefused("a webhook's target is an address such as https://host/path")
        return place
    addresses = [one.strip() for one in place.split(",")]
    for one in addresses:
        if not _ADDRESS.fullmatch(one) or not one.isascii():
            raise RuleRefused(f"{one!r} is no mail address such as night@example.com")
    return ",".join(addresses)


def _scope(session: Session, definition: str | None, team: str | None) -> tuple[Scope, int]:
    if team is not None:
        return Scope.TEAM, teams.find(session, team).id
    if definition is None:
        return Scope.EVERYWHERE, 0
    guid = roster.as_guid(definition)
    living = _DEFINITION.select(_DEFINITION.id).where(_DEFINITION.deleted_at.is_null())
    condition = (
        _DEFINITION.name_key == names.key(definition) if guid is None else _DEFINITION.guid == guid
    )
    found = session.rows(living.where(condition))
    if len(found) != 1:
        problem = "there is no" if not found else f"{len(found)} are called so, not one"
        raise RuleRefused(f"{problem} definition {definition.strip()!r}")
    return Scope.DEFINITION, int(found[0]["id"])


def _rule(row: Row) -> Rule:
    return Rule(
        row["id"],
        row["guid"],
        row["name"],
        Scope(row["scope_kind"]),
        row["scope_id"],
        frozenset(map(Event, row["events"])),
        Channel(row["channel"]),
        row["target"],
        row["secret_guid"],
        bool(row["enabled"]),
    )
