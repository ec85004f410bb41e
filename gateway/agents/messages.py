"""What a remote agent and the server say to each other over HTTP, as JSON (``docs/agents.md``).

Everything lies below ``ROOT``. All times are UTC epoch microseconds of the server's clock: an
agent learns from ``server_time`` how far its own is off, and corrects what it reports. Members
that one side does not know are ignored, so that agents and servers of different versions agree.
"""

import uuid
from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.agents.desk import Abort, AgentFacts, Refusal
from gateway.agents.protocol import Report, RunOrder

ROOT = "/gateway/agents/v1"

# How long the server may let an agent wait that asks for runs, in seconds: below the patience of
# usual proxies.
LONGEST_WAIT = 50.0
MOST_REPORTS = 1000

Name = Annotated[str, Field(min_length=1, max_length=255)]


class Document(BaseModel):
    """The base of all messages."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RunAttempt(Document):
    """A run, and which of its attempts."""

    run: uuid.UUID
    attempt: int


class EnrolmentRequest(Document):
    """``POST /enrolments``: let this agent in, at once with a token, else by approval.

    ``secret`` is made by the agent (at least 32 characters); with it, and nothing else, it asks
    later what was decided and gets its own token.
    """

    name: Name
    facts: AgentFacts
    secret: SecretStr = Field(min_length=32, max_length=200)
    token: SecretStr | None = Field(default=None, max_length=200)

    @pydantic.field_serializer("secret", "token", when_used="json")
    def _open(self, value: SecretStr | None) -> str | None:
        return None if value is None else value.get_secret_value()


class EnrolmentAnswer(Document):
    """Also ``GET /enrolments/{enrolment}`` with the agent's secret as bearer token.

    ``state`` is waiting, approved or refused. ``code`` is shown at both ends, for people to
    compare. ``agent`` and ``token`` are there once it is approved; the token is told once more as
    long as the agent has not used it.
    """

    enrolment: uuid.UUID
    state: str
    code: str = ""
    agent: uuid.UUID | None = None
    token: str | None = None
    retry_after: float = 5.0


class SessionRequest(Document):
    """``POST /sessions``: the agent has started.

    ``instance`` tells this machine and the agent's folder from all others, also from copies; it
    stays the same over a start of the machine. ``previous`` is the session that this folder had
    last. Who comes from the same instance with its own last
    session takes over at once; any other is refused (409, ``second_agent``) while the present one
    is heard of.
    """

    facts: AgentFacts
    instance: Annotated[str, Field(min_length=1, max_length=200)]
    previous: uuid.UUID | None = None


class SessionAnswer(Document):
    """The session that all further calls name; ``incarnation`` is that of the server's store.

    Who has runs renews their leases at least every ``renew_seconds``.
    """

    agent: uuid.UUID
    name: str
    session: uuid.UUID
    incarnation: str
    renew_seconds: float
    longest_wait: float = LONGEST_WAIT
    server_time: int


class Told(Document):
    """What every call within a session says first: 409 ``session_over`` if it is over."""

    session: uuid.UUID
    incarnation: str


class PollRequest(Told):
    """``POST /poll``: renew the leases of ``runs``, then wait for runs or aborts.

    ``places`` is for how many more runs there is room. ``runs`` are all that the agent has or has
    yet to report of. ``facts`` are there when they have changed. ``wait`` is in seconds. A newer
    poll of a session answers the older one.
    """

    places: Annotated[int, Field(ge=0, le=10_000)]
    runs: tuple[RunAttempt, ...] = ()
    facts: AgentFacts | None = None
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = LONGEST_WAIT


class PollAnswer(Document):
    """What there is to do; all empty when the time is up."""

    orders: tuple[RunOrder, ...] = ()
    aborts: tuple[Abort, ...] = ()
    refused: tuple[Refusal, ...] = ()
    server_time: int


class ReportRequest(Told):
    """``POST /reports``: what happened, in its order. To send the same again changes nothing."""

    reports: Annotated[tuple[Report, ...], Field(max_length=MOST_REPORTS)]


class ReportAnswer(Document):
    """Stored, but for the attempts that are refused."""

    refused: tuple[Refusal, ...] = ()
    server_time: int


class LossRequest(Told):
    """``POST /losses``: runs that nobody works on any more; those not ``begun`` wait again."""

    runs: tuple[RunAttempt, ...]
    reason: Annotated[str, Field(max_length=1000)]
    begun: bool = True


class ResourceAnswer(Document):
    """``GET /resources?session=&incarnation=&run=&reference=``: what an agent's cache needs.

    The bytes are those of ``GET /resources/content`` with the same query; ``Range`` is honoured.
    """

    name: str
    size: int
    sha256: str
    parse_content: bool = False
    skip_environment: bool = False


class TokenAnswer(Document):
    """``POST /token``: a new token for the agent; the old one ends when the new one is used."""

    token: str


class Problem(Document):
    """Any refusal. ``code`` is for programs, ``message`` for people.

    unauthenticated (401, 403), bad_request (400), too_large (413), not_found (404), session_over,
    second_agent (409), throttled (429), unavailable (503).
    """

    code: str
    message: str
