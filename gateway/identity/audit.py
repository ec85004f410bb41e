"""The audit trail: what principals changed, with values that show no secret."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.identity.principals import DEFAULT_TENANT, Caller
from gateway.identity.vault import SECRET_MARKER
from storage import models
from storage.session import Session

PAGE = 100
LONGEST_COMMENT = 4000

# Callers mask what they know to be secret; this catches what they overlook.
_SECRET_KEY = re.compile(
    r"pass_?(word|wd|phrase|code)|pwd|secret|token|credential|verifier|authorization|cookie"
    r"|(private|api|access|encryption)[-_ ]?key",
    re.IGNORECASE,
)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class CommentRefused(ValueError):
    """A comment cannot be kept as it is."""


@dataclass(frozen=True)
class Entry:
    """One change. ``at`` is UTC epoch microseconds; ``principal`` is empty for the machine."""

    id: int
    at: int
    principal: str
    address: str
    surface: str
    request_id: str
    action: str
    object_kind: str
    object_guid: uuid.UUID | None
    object_name: str
    before: Any
    after: Any
    comment: str


def record(
    session: Session,
    caller: Caller,
    at: int,
    action: str,
    object_kind: str,
    object_guid: uuid.UUID | None,
    object_name: str,
    before: Any = None,
    after: Any = None,
    comment: str = "",
    tenant: int = DEFAULT_TENANT,
) -> None:
    """Add an entry, in the unit of work that makes the change.

    ``before`` and ``after`` are JSON values (dicts as a rule) with secrets masked. The comment is
    the caller's where none is given.
    """
    session.execute(
        models.AuditEntry.insert(
            tenant_id=tenant,
            at=at,
            principal_id=None if caller.principal is None else caller.principal.id,
            principal_name=caller.name,
            address=caller.address,
            surface=caller.surface,
            request_id=caller.request_id,
            action=action,
            object_kind=object_kind,
            object_guid=object_guid,
            object_name=object_name,
            before=masked(before),
            after=masked(after),
            comment=comment or caller.comment,
        )
    )


def check_comment(text: str) -> None:
    """Raise CommentRefused for a comment that is too long or that no store can hold."""
    if len(text) > LONGEST_COMMENT:
        raise CommentRefused(f"Comment: is longer than {LONGEST_COMMENT} characters")
    if _UNSTORABLE.search(text):
        raise CommentRefused("Comment: holds a NUL or half of a surrogate pair: leave it out")


def page(
    session: Session,
    older_than: int | None = None,
    size: int = PAGE,
    tenant: int = DEFAULT_TENANT,
) -> list[Entry]:
    """The newest entries first, ``size`` at most; the last one's id asks for the page after."""
    entry = models.AuditEntry
    query = entry.select().where(entry.tenant_id == tenant)
    if older_than is not None:
        query = query.where(entry.id < older_than)
    return [_entry(row) for row in session.rows(query.order_by(entry.id.desc()).limit(size))]


def masked(value: Any) -> Any:
    """The value with the marker in place of all that stands under a key that looks secret.

    None and truth values stay: whether there is a password is no secret.
    """
    if isinstance(value, Mapping):
        return {key: _masked_member(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [masked(member) for member in value]
    return value


def _masked_member(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool) or not _SECRET_KEY.search(key):
        return masked(value)
    return SECRET_MARKER


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        id=row["id"],
        at=row["at"],
        principal=row["principal_name"],
        address=row["address"],
        surface=row["surface"],
        request_id=row["request_id"],
        action=row["action"],
        object_kind=row["object_kind"],
        object_guid=row["object_guid"],
        object_name=row["object_name"],
        before=row["before"],
        after=row["after"],
        comment=row["comment"],
    )
