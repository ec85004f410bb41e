"""The routes of the agents' protocol.

Who calls is known, by his token, before a body is read. Every refusal is a ``Problem``.
"""

import dataclasses
import functools
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from http import HTTPStatus
from typing import TypeVar

import flask
import peewee
import pydantic
import werkzeug.exceptions

from gateway.agents import messages, protocol
from gateway.agents.desk import AgentFacts, AgentSession, ResourceContent, SessionOver
from gateway.agents.messages import Document
from gateway.agents.protocol import RunFinished
from gateway.fleet.credentials import AgentCredentials, KnownAgent
from gateway.fleet.enrolment import (
    EnrolmentRefused,
    Enrolments,
    Standing,
    State,
    TooManyWaiting,
)
from gateway.fleet.parked import Errand
from gateway.fleet.reception import Reception, SecondAgent
from gateway.fleet.switchboard import Ask, Switchboard
from gateway.identity import tokens
from gateway.identity.throttle import Throttle
from gateway.surfaces.agents import openapi
from gateway.surfaces.agents.operations import OPERATIONS, Operation, Proof
from gateway.web import framing, requests
from storage.errors import StoreUnavailable

SURFACE = "agents"
SEGMENTS = frozenset({"gateway"})

_KNOWN = "gateway.agent"
_RANGE = re.compile(r"bytes=(\d{1,18})-")
_THROTTLED = "enrolment"
_REQUEST_LIMIT = 8 * 1024 * 1024
MOST_RUNS = 10_000
_LONGEST_TEXT = 255
_MOST_FACTS = 1000

M = TypeVar("M", bound=Document)


@dataclasses.dataclass(frozen=True)
class Services:
    """The parts of the domain that agents come to.

    ``incarnation`` is that of the store, ``renew_seconds`` how often leases are to be renewed,
    ``certificates`` whether only clients with a verified certificate are heard.
    """

    reception: Reception
    switchboard: Switchboard
    enrolments: Enrolments
    credentials: AgentCredentials
    throttle: Throttle
    incarnation: str
    renew_seconds: float
    now: Callable[[], int]
    certificates: bool = False


class _Refused(Exception):
    """A call is refused with this status and problem."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = messages.Problem(code=code, message=message)
        self.retry_after = retry_after


def blueprint(services: Services) -> flask.Blueprint:
    """All routes."""
    routes = flask.Blueprint(SURFACE, __name__)
    views = _Views(services)
    for operation in OPERATIONS:
        routes.add_url_rule(
            messages.ROOT + operation.path.replace("{", "<").replace("}", ">"),
            endpoint=operation.name,
            view_func=functools.partial(_answered, views, operation),
            methods=[operation.method],
        )
    described = flask.json.dumps(openapi.document())

    @routes.get(f"{messages.ROOT}/openapi.json")
    def openapi_json() -> flask.Response:
        return flask.Response(described, mimetype="application/json")

    return routes


def error_answer(error: werkzeug.exceptions.HTTPException) -> flask.Response:
    """What belongs to no route, or was refused before one: a ``Problem``, too."""
    status = HTTPStatus(error.code or 500)
    code = _CODES.get(
        status, "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
    )
    return _problem(status, messages.Problem(code=code, message=error.description or error.name))


_CODES = {
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "bad_request",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}


def _problem(status: HTTPStatus, problem: messages.Problem) -> flask.Response:
    return flask.Response(problem.model_dump_json(), status, mimetype="application/json")


def _answered(views: "_Views", operation: Operation, **places: str) -> flask.Response:
    try:
        views.admit(operation)
        view: Callable[..., flask.Response] = getattr(views, operation.name)
        return view(**places)
    except _Refused as refused:
        answer = _problem(refused.status, refused.problem)
        if refused.status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"
        if refused.retry_after is not None:
            answer.headers["Retry-After"] = str(refused.retry_after)
        return answer
    except SessionOver as over:
        return _problem(
            HTTPStatus.CONFLICT, messages.Problem(code="session_over", message=str(over))
        )
    except SecondAgent as second:
        return _problem(
            HTTPStatus.CONFLICT, messages.Problem(code="second_agent", message=str(second))
        )
    except (peewee.DataError, OverflowError, UnicodeError):
        # What fits a message need not fit the store: a NUL in a text, a number beyond 64 bits.
        return _problem(
            HTTPStatus.BAD_REQUEST,
            messages.Problem(code="bad_request", message="a value is one that no store can hold"),
        )
    except StoreUnavailable:
        answer = _problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            messages.Problem(code="unavailable", message="the store cannot be used at present"),
        )
        answer.headers["Retry-After"] = str(framing.RETRY_AFTER_SECONDS)
        return answer


class _Views:
    """One method for each operation, by its name."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def admit(self, operation: Operation) -> None:
        """Find out who calls. Raises _Refused."""
        environ = requests.present().environ
        if self._services.certificates and environ.get("gateway.client_certificate") is None:
            raise _Refused(
                HTTPStatus.FORBIDDEN, "unauthenticated", "a client certificate is required here"
            )
        if operation.proof is Proof.AGENT:
            token = tokens.of_bearer(environ.get("HTTP_AUTHORIZATION"))
            known = None if token is None else self._services.credentials.authenticate(token)
            if known is None:
                raise _Refused(
                    HTTPStatus.UNAUTHORIZED,
                    "unauthenticated",
                    "the token is no agent's, or was revoked",
                )
            environ[_KNOWN] = known

    def enrol(self) -> flask.Response:
        """Ask to be let in."""
        address = requests.present().remote_addr or ""
        wait = self._services.throttle.seconds_to_wait(_THROTTLED, address)
        if wait is not None:
            raise _Refused(
                HTTPStatus.TOO_MANY_REQUESTS, "throttled", "too many failures: come later", wait
            )
        asked = _read(messages.EnrolmentRequest)
        token = None if asked.token is None else asked.token.get_secret_value()
        secret = asked.secret.get_secret_value()
        try:
            standing = self._services.enrolments.ask(
                _storable(asked.name), _fitting(asked.facts), secret, token, address
            )
        except EnrolmentRefused as refused:
            self._services.throttle.failed(_THROTTLED, address)
            raise _Refused(HTTPStatus.UNAUTHORIZED, "unauthenticated", str(refused)) from None
        except TooManyWaiting:
            raise _Refused(
                HTTPStatus.TOO_MANY_REQUESTS, "throttled", "too many agents wait to be let in", 60
            ) from None
        return _said(_standing(standing))

    def enrolment(self, enrolment: str) -> flask.Response:
        """Ask what was decided."""
        secret = tokens.of_bearer(requests.present().environ.get("HTTP_AUTHORIZATION"))
        guid = _guid("enrolment", enrolment)
        standing = None if secret is None else self._services.enrolments.standing(guid, secret)
        if standing is None:
            raise _Refused(
                HTTPStatus.UNAUTHORIZED,
                "unauthenticated",
                "no request of this secret waits or was decided lately",
            )
        return _said(_standing(standing))

    def open_session(self) -> flask.Response:
        """Begin a session."""
        asked, known, services = _read(messages.SessionRequest), _known(), self._services
        session = services.reception.open_remote(
            known.id, _fitting(asked.facts), _storable(asked.instance), asked.previous
        )
        services.switchboard.release(known.id)
        return _said(
            messages.SessionAnswer(
                agent=known.guid,
                name=known.name,
                session=session.session,
                incarnation=services.incarnation,
                renew_seconds=services.renew_seconds,
                server_time=services.now(),
            )
        )

    def poll(self) -> flask.Response:
        """Wait for work."""
        come = requests.come()
        if come is None:
            asked = _read(messages.PollRequest)
            come = self._services.switchboard.poll(
                self._session(asked),
                Ask(
                    asked.places,
                    tuple((one.run, one.attempt) for one in asked.runs),
                    None if asked.facts is None else _fitting(asked.facts),
                    asked.wait,
                ),
            )
            if requests.park(come):
                return flask.Response(status=HTTPStatus.NO_CONTENT)
        errand = _errand(come)
        return _said(
            messages.PollAnswer(
                orders=errand.orders,
                aborts=errand.aborts,
                refused=errand.refused,
                server_time=self._services.now(),
            )
        )

    def report(self) -> flask.Response:
        """Take in what happened."""
        asked, services = _read(messages.ReportRequest), self._services
        session = self._session(asked)
        refused = services.reception.report(session, asked.reports)
        ended = sum(isinstance(report, RunFinished) for report in asked.reports)
        services.switchboard.ended(session, ended)
        return _said(messages.ReportAnswer(refused=tuple(refused), server_time=services.now()))

    def lose(self) -> flask.Response:
        """Settle runs that nobody works on."""
        asked, reception = _read(messages.LossRequest), self._services.reception
        session = self._session(asked)
        runs = [(one.run, one.attempt) for one in asked.runs]
        if asked.begun:
            reception.lost(session, runs, _storable(asked.reason))
        else:
            reception.give_back(session, runs)
        return _said(Document())

    def resource(self) -> flask.Response:
        """Describe a resource of a run."""
        found = self._resource()
        return _said(
            messages.ResourceAnswer(
                name=found.name,
                size=found.size,
                sha256=found.sha256,
                parse_content=found.parse_content,
                skip_environment=found.skip_environment,
            )
        )

    def content(self) -> flask.Response:
        """Send the bytes of a resource, from where the agent wants them."""
        found = self._resource()
        header = requests.present().headers.get("Range")
        match = None if header is None else _RANGE.fullmatch(header.strip())
        start = 0 if match is None else int(match[1])
        if start > found.size:
            raise _Refused(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                "bad_request",
                f"the resource has {found.size} bytes",
            )
        answer = flask.Response(
            _from(found, start),
            HTTPStatus.OK if match is None else HTTPStatus.PARTIAL_CONTENT,
            mimetype="application/octet-stream",
        )
        answer.content_length = found.size - start
        answer.headers["Accept-Ranges"] = "bytes"
        if match is not None:
            last = max(start, found.size) - 1
            answer.headers["Content-Range"] = f"bytes {start}-{last}/{found.size}"
        return answer

    def rotate(self) -> flask.Response:
        """Give the agent a new token."""
        _read(Document)
        return _said(messages.TokenAnswer(token=self._services.credentials.rotate(_known())))

    def _resource(self) -> ResourceContent:
        query = requests.present().args
        session = self._told(_guid("session", query.get("session", "")), query.get("incarnation"))
        try:
            return self._services.reception.resource(
                session, _guid("run", query.get("run", "")), query.get("reference", "")
            )
        except LookupError as error:
            words = str(error.args[0] if error.args else error)
            raise _Refused(HTTPStatus.NOT_FOUND, "not_found", words) from None

    def _session(self, told: messages.Told) -> AgentSession:
        return self._told(told.session, told.incarnation)

    def _told(self, session: uuid.UUID, incarnation: str | None) -> AgentSession:
        """The session that a call names. Raises SessionOver for one of another store."""
        known = _known()
        if incarnation != self._services.incarnation:
            self._services.reception.refuse_restored(known.id, session)
            raise SessionOver("the server's store was restored since: what was begun is over")
        return AgentSession(known.id, known.guid, session)


def _errand(come: "Future[Errand]") -> Errand:
    try:
        return come.result()
    except CancelledError:
        # The server stops: whoever waits asks again, elsewhere or later.
        return Errand()


def _known() -> KnownAgent:
    known: KnownAgent = requests.present().environ[_KNOWN]
    return known


def _standing(standing: Standing) -> messages.EnrolmentAnswer:
    return messages.EnrolmentAnswer(
        enrolment=standing.enrolment,
        state=_STATES[standing.state],
        code=standing.code,
        agent=standing.agent,
        token=standing.token,
    )


_STATES: Mapping[State, str] = {
    State.WAITING: "waiting",
    State.APPROVED: "approved",
    State.REFUSED: "refused",
}


def _read(model: type[M]) -> M:
    """The message in the body. Raises _Refused, and BodyPending for the front."""
    try:
        length, stream = requests.content(_REQUEST_LIMIT)
        del length
        return model.model_validate_json(stream.read())
    except werkzeug.exceptions.RequestEntityTooLarge as error:
        raise _Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", error.description or "too large"
        ) from None
    except pydantic.ValidationError as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, "bad_request", protocol.first_fault(error)) from None
    except (ValueError, RecursionError):
        raise _Refused(HTTPStatus.BAD_REQUEST, "bad_request", "the body is no JSON") from None


def _storable(text: str) -> str:
    """Raise _Refused for a text that no store can hold."""
    if any(one == "\0" or "\ud800" <= one <= "\udfff" for one in text):
        raise _Refused(
            HTTPStatus.BAD_REQUEST, "bad_request", "a text holds a NUL or half of a surrogate pair"
        )
    return text


def _fitting(facts: AgentFacts) -> AgentFacts:
    """Raise _Refused for facts that nobody could keep or use."""
    if not 1 <= facts.max_runs <= MOST_RUNS:
        raise _Refused(
            HTTPStatus.BAD_REQUEST,
            "bad_request",
            f"facts.max_runs: is a number from 1 to {MOST_RUNS}",
        )
    for text in (facts.name, facts.boot_id, facts.console_user, facts.version, facts.platform):
        if len(_storable(text)) > _LONGEST_TEXT:
            raise _Refused(
                HTTPStatus.BAD_REQUEST, "bad_request", f"facts: longer than {_LONGEST_TEXT}"
            )
    if max(map(len, (facts.addresses, facts.capabilities, facts.mac_addresses))) > _MOST_FACTS:
        raise _Refused(HTTPStatus.BAD_REQUEST, "bad_request", "facts: a list is too long")
    return facts


def _guid(name: str, text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise _Refused(
            HTTPStatus.BAD_REQUEST, "bad_request", f"{name}: is no GUID: {text[:100]!r}"
        ) from None


def _said(message: Document) -> flask.Response:
    return flask.Response(message.model_dump_json(), mimetype="application/json")


def _from(found: ResourceContent, start: int) -> Iterator[bytes]:
    """The bytes from an offset on."""
    left = start
    for chunk in found.chunks:
        if left >= len(chunk):
            left -= len(chunk)
            continue
        yield chunk[left:] if left else chunk
        left = 0
