"""Who acts: principals, and the caller of a request."""

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_TENANT = 1


class PrincipalKind(enum.IntEnum):
    """What a principal is; stored."""

    LOGIN = 0
    AGENT = 1
    SERVICE = 2


class CredentialKind(enum.IntEnum):
    """How a principal proves who it is; stored."""

    PASSWORD = 0
    TOKEN = 1
    KEYTAB = 2
    SOAP_SECRET = 3


@dataclass(frozen=True)
class Principal:
    """Somebody who acts. ``name`` is as it was given when the principal was made."""

    id: int
    guid: uuid.UUID
    tenant: int
    kind: PrincipalKind
    name: str


@dataclass(frozen=True)
class Caller:
    """Who acts in this request, for audit and ownership.

    ``principal`` is None when nobody had to say who they are: no login is defined, or it is the
    machine itself (surface ``cli``). ``address`` is that of the client. ``comment`` is what the
    caller wants to stand beside his changes in the audit trail.
    """

    principal: Principal | None
    address: str
    surface: str
    request_id: str
    comment: str = ""

    @property
    def name(self) -> str:
        """The name of the principal; empty when there is none."""
        return "" if self.principal is None else self.principal.name


MACHINE = Caller(principal=None, address="", surface="cli", request_id="")
"""The machine itself: what the program does at its start, and commands given on the machine."""


def from_row(row: Mapping[str, Any]) -> Principal:
    """The principal in a row of ``storage.models.Principal``."""
    return Principal(
        id=row["id"],
        guid=row["guid"],
        tenant=row["tenant_id"],
        kind=PrincipalKind(row["kind"]),
        name=row["name"],
    )
