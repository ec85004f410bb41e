"""What all changes of the catalog have in common."""

import enum
from collections.abc import Sequence

from gateway.identity.principals import Caller
from storage import models
from storage.session import Session

_SHOWN_USERS = 20


class Change(enum.StrEnum):
    """What storing an object did, or would do, to the catalog."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return self in (Change.CREATED, Change.UPDATED)


class NameTaken(ValueError):
    """Another object of the kind has this name in the same folder."""

    def __init__(self, kind: str, name: str, folder: str) -> None:
        place = f"in the folder {folder!r}" if folder else "at the top"
        super().__init__(
            f"there is another {kind} {name!r} {place}: rename one of them or move it elsewhere"
        )


class InUse(ValueError):
    """An object cannot be deleted, since others refer to it; ``users`` name them."""

    def __init__(self, kind: str, name: str, users: Sequence[str]) -> None:
        self.users = tuple(users)
        shown = ", ".join(self.users[:_SHOWN_USERS])
        more = len(self.users) - _SHOWN_USERS
        shown += f" and {more} more" if more > 0 else ""
        super().__init__(
            f"the {kind} {name!r} is in use by {shown}: take it out of there before it is deleted"
        )


def one_at_a_time(session: Session, tenant: int) -> None:
    """Let this unit of work be the only one that changes the tenant's catalog.

    SQLite has one writer anyway. The lock is of the kind that rows which refer to the tenant do
    not wait for.
    """
    if session.postgres:
        table = models.Tenant
        query = table.select(table.id).where(table.id == tenant)
        lock = "FOR NO KEY UPDATE"
        session.rows(query.for_update(lock))  # type: ignore[arg-type]  # the stub knows flags only


def author(caller: Caller) -> int | None:
    """The id of the principal who makes a change, None for the machine itself."""
    return None if caller.principal is None else caller.principal.id
