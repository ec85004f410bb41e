"""What goes wrong in the domain, as the Dispatcher's clients see it.

One table for REST and SOAP: the HTTP status, whose mistake it is, and a word for programs.
Statuses for unknown ids and missing rights are our choice (Dispatcher contract 9).
"""

from dataclasses import dataclass
from http import HTTPStatus

from gateway.catalog.blobs import BlobLost, NoRoom
from gateway.catalog.catalog import DefinitionNotFound
from gateway.catalog.changes import NameTaken
from gateway.catalog.checks import Refused
from gateway.catalog.folders import FolderPathError
from gateway.catalog.resources import (
    ContentMissing,
    ResourceAmbiguous,
    ResourceInUse,
    ResourceNotFound,
)
from gateway.catalog.trees import TreeImpossible
from gateway.fleet.membership import MembershipRefused
from gateway.fleet.removal import AgentOnline
from gateway.fleet.roster import AgentAmbiguous, AgentNotFound
from gateway.fleet.teams import TeamAmbiguous, TeamNotFound
from gateway.identity.audit import CommentRefused
from gateway.jobs.orders import OrderRefused
from gateway.jobs.repeats import KeyRefused, KeyReused
from gateway.jobs.service import JobNotFound, StoreNearlyFull
from gateway.surfaces.dispatcher.mapping import StatusRefused
from gateway.surfaces.dispatcher.operation import BadArgument
from gateway.web.authentication import MissingRight
from gateway.wire.errors import WireError
from storage.errors import StoreUnavailable

# Sentences quote what the client sent, which may be as long as a body.
_LONGEST_SENTENCE = 500


@dataclass(frozen=True)
class Problem:
    """An error to be told. ``word`` is the fault code's detail in SOAP."""

    status: HTTPStatus
    word: str
    sentence: str

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is HTTPStatus.SERVICE_UNAVAILABLE


_TABLE: tuple[tuple[type[Exception], HTTPStatus, str], ...] = (
    (WireError, HTTPStatus.BAD_REQUEST, "InvalidMessage"),
    (OrderRefused, HTTPStatus.BAD_REQUEST, "InvalidJob"),
    (KeyRefused, HTTPStatus.BAD_REQUEST, "InvalidIdempotencyKey"),
    (KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY, "IdempotencyKeyReused"),
    (BadArgument, HTTPStatus.BAD_REQUEST, "InvalidArgument"),
    (StatusRefused, HTTPStatus.BAD_REQUEST, "InvalidStatus"),
    (MissingRight, HTTPStatus.FORBIDDEN, "AccessDenied"),
    (JobNotFound, HTTPStatus.NOT_FOUND, "JobNotFound"),
    (DefinitionNotFound, HTTPStatus.NOT_FOUND, "DefinitionNotFound"),
    (TreeImpossible, HTTPStatus.CONFLICT, "DefinitionIncomplete"),
    (AgentNotFound, HTTPStatus.NOT_FOUND, "AgentNotFound"),
    (TeamNotFound, HTTPStatus.NOT_FOUND, "TeamNotFound"),
    (AgentAmbiguous, HTTPStatus.BAD_REQUEST, "AmbiguousName"),
    (TeamAmbiguous, HTTPStatus.BAD_REQUEST, "AmbiguousName"),
    (MembershipRefused, HTTPStatus.BAD_REQUEST, "InvalidMembership"),
    (CommentRefused, HTTPStatus.BAD_REQUEST, "InvalidArgument"),
    (AgentOnline, HTTPStatus.CONFLICT, "AgentOnline"),
    (ContentMissing, HTTPStatus.BAD_REQUEST, "InvalidArgument"),
    (Refused, HTTPStatus.BAD_REQUEST, "InvalidResource"),
    (FolderPathError, HTTPStatus.BAD_REQUEST, "InvalidResource"),
    (ResourceNotFound, HTTPStatus.NOT_FOUND, "ResourceNotFound"),
    (ResourceAmbiguous, HTTPStatus.CONFLICT, "ResourceAmbiguous"),
    (NameTaken, HTTPStatus.CONFLICT, "NameTaken"),
    (ResourceInUse, HTTPStatus.CONFLICT, "ResourceInUse"),
    (BlobLost, HTTPStatus.SERVICE_UNAVAILABLE, "StoreUnavailable"),
    (NoRoom, HTTPStatus.SERVICE_UNAVAILABLE, "StoreUnavailable"),
    (StoreNearlyFull, HTTPStatus.SERVICE_UNAVAILABLE, "StoreUnavailable"),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "StoreUnavailable"),
)

# What went wrong inside is for the operator's log, not for the wire.
_GENERAL: dict[type[Exception], str] = {
    StoreUnavailable: "the store cannot be written at present; nothing was stored, try again later"
}

KNOWN = tuple(kind for kind, _, _ in _TABLE)


def problem(error: Exception) -> Problem | None:
    """The problem behind an error of the domain or the wire; None for any other error."""
    for kind, status, word in _TABLE:
        if isinstance(error, kind):
            return Problem(status, word, _shortened(_GENERAL.get(type(error), str(error))))
    return None


def _shortened(sentence: str) -> str:
    if len(sentence) <= _LONGEST_SENTENCE:
        return sentence
    return f"{sentence[:_LONGEST_SENTENCE]}..."
