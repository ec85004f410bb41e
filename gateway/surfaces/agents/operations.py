"""The operations of the agents' protocol: one table, of which routes and OpenAPI are made."""

import enum
from dataclasses import dataclass

from gateway.agents import messages
from gateway.agents.messages import Document


class Proof(enum.Enum):
    """What a call has to show."""

    NOTHING = "nothing"
    AGENT = "the agent's token"
    ENROLMENT = "the secret of the request"


@dataclass(frozen=True)
class Operation:
    """One of them. ``query`` are the names of query parameters, all required."""

    name: str
    method: str
    path: str
    summary: str
    request: type[Document] | None = None
    answer: type[Document] | None = None
    proof: Proof = Proof.AGENT
    query: tuple[str, ...] = ()


_OF_A_RUN = ("session", "incarnation", "run", "reference")

OPERATIONS = (
    Operation(
        "enrol", "POST", "/enrolments", "Ask to be let in",
        messages.EnrolmentRequest, messages.EnrolmentAnswer, Proof.NOTHING,
    ),
    Operation(
        "enrolment", "GET", "/enrolments/{enrolment}", "Ask what was decided",
        answer=messages.EnrolmentAnswer, proof=Proof.ENROLMENT,
    ),
    Operation(
        "open_session", "POST", "/sessions", "Say that the agent has started",
        messages.SessionRequest, messages.SessionAnswer,
    ),
    Operation(
        "poll", "POST", "/poll", "Renew leases, and wait for runs and aborts",
        messages.PollRequest, messages.PollAnswer,
    ),
    Operation(
        "report", "POST", "/reports", "Tell what happened",
        messages.ReportRequest, messages.ReportAnswer,
    ),
    Operation(
        "lose", "POST", "/losses", "Tell of runs that are no longer under way",
        messages.LossRequest, Document,
    ),
    Operation(
        "resource", "GET", "/resources", "Ask for a resource of a run",
        answer=messages.ResourceAnswer, query=_OF_A_RUN,
    ),
    Operation(
        "content", "GET", "/resources/content", "Fetch the bytes of a resource of a run",
        query=_OF_A_RUN,
    ),
    Operation(
        "rotate", "POST", "/token", "Ask for a new token",
        Document, messages.TokenAnswer,
    ),
)  # fmt: skip
