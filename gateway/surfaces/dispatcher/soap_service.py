"""The SOAP address of a service: its table of operations, through Spyne."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import flask
import werkzeug.exceptions
from flask_httpauth import HTTPBasicAuth

from gateway.identity.authentication import Challenge
from gateway.identity.username_tokens import UsernameToken
from gateway.surfaces.dispatcher import errors, published, soap, soap_security
from gateway.surfaces.dispatcher.operation import Call, Operation, Place, Sent, Services
from gateway.surfaces.dispatcher.service import SURFACE, Service
from gateway.surfaces.dispatcher.soap_contract import (
    FaultCode,
    SoapAnswer,
    SoapArgument,
    SoapFault,
    SoapOperation,
)
from gateway.surfaces.dispatcher.soap_envelope import Envelope
from gateway.web import authentication, encodings, requests, straight, streams
from gateway.web.authentication import Guard, MissingRight
from gateway.wire import xml

_log = logging.getLogger(__name__)


def build(
    service: Service,
    handle: Callable[..., Any] | None = None,
    limits: xml.XmlLimits = xml.DEFAULT_LIMITS,
    understood: AbstractSet[str] = frozenset(),
) -> soap.SoapService:
    """The service in SOAP; ``handle(operation, context, *arguments)`` does a call.

    Without one it can only publish its WSDL. ``understood`` are header blocks that are looked at.
    """
    return soap.build_soap(
        [_operation(operation, handle) for operation in service.operations],
        name=service.name,
        namespace=service.namespace,
        explain=explain,
        understood=understood,
        limits=limits,
    )


def explain(error: Exception) -> SoapFault | None:
    """An error of the domain as a fault; None for one that is not known."""
    problem = errors.problem(error)
    if problem is None:
        return None
    code = FaultCode.SERVER if problem.passing else FaultCode.CLIENT
    return SoapFault(code, problem.word, problem.sentence)


_WORDS = {403: "AccessDenied", 415: "UnsupportedMediaType"}


def _refusal(error: Exception) -> tuple[SoapFault, int | None]:
    """What stopped a request, as a fault; and its status, if known."""
    if isinstance(error, SoapFault):
        return error, None
    if isinstance(error, werkzeug.exceptions.RequestEntityTooLarge):
        sentence = f"the request is longer than {requests.present().max_content_length} bytes"
        return SoapFault(FaultCode.CLIENT, "RequestTooLong", sentence), error.code
    if isinstance(error, werkzeug.exceptions.HTTPException):
        word = _WORDS.get(error.code or 0, "InvalidRequest")
        return SoapFault(FaultCode.CLIENT, word, error.description or error.name), error.code
    fault = explain(error)
    if fault is None:
        return soap.unexpected(error, "call", requests.request_id()), None
    _log.warning("request %s was refused: %s", requests.request_id(), error)
    return fault, None


@dataclasses.dataclass(frozen=True)
class Options:
    """How the address of a service is served.

    ``tokens_allowed`` tells whether a UsernameToken may stand in place of Basic.
    """

    public_url: str | None
    wsdl_public: bool
    tokens_allowed: bool
    limits: xml.XmlLimits


def add(
    routes: flask.Blueprint,
    service: Service,
    services: Services,
    guard: Guard,
    auth: HTTPBasicAuth,
    base: Callable[[], str],
    options: Options,
) -> straight.Route:
    """Add the address to the routes of the service; ``base`` answers that of the service.

    Answers how messages that are posted there are answered without Flask.
    """

    def handle(operation: Operation, _context: object, *values: Any) -> Any:
        arguments = _named(operation, values)
        try:
            caller = operation.admit(guard.check, arguments)
        except MissingRight:
            if operation.without_right is None:
                raise
            return operation.without_right(arguments)
        return operation.call(
            Call(
                caller,
                services,
                guard.reach,
                requests.hold_answer,
                requests.failure(),
                by_soap=True,
                idempotency_key=requests.idempotency_key,
            ),
            arguments,
        )

    understood = {soap_security.HEADER} if options.tokens_allowed else frozenset[str]()
    soap_side = build(service, handle, options.limits, understood)
    door = _Door(soap_side, guard, options)

    def publish() -> flask.Response:
        query = {name.lower(): value for name, value in flask.request.args.items()}
        if not query:
            return _page(service, base())
        document = published.requested(service, query, f"{base()}/soap")
        if document is None:
            flask.abort(404, "There is no such document; open this address without a query.")
        return encodings.pack(flask.Response(document, content_type="text/xml; charset=utf-8"))

    rule = f"{service.rules}/soap"
    routes.add_url_rule(rule, f"{service.prefix}soap", door.call, methods=["POST"])
    routes.add_url_rule(
        rule,
        f"{service.prefix}wsdl",
        publish if options.wsdl_public else auth.login_required(publish),
        methods=["GET"],
    )
    return straight.Route(SURFACE, f"{SURFACE}.{service.prefix}soap", door.call)


class _Door:
    """Lets requests in, told by Basic or by a UsernameToken, and has them answered."""

    def __init__(self, service: soap.SoapService, guard: Guard, options: Options) -> None:
        self._service = service
        self._guard = guard
        self._options = options

    def call(self) -> flask.Response:
        """Answer the present request; a fault whatever happens, but for HTTP's own 401."""
        try:
            return encodings.pack(self._admitted())
        except Exception as error:  # noqa: BLE001 - it is logged; SOAP clients need a fault
            fault, status = _refusal(error)
            answer = _response(
                self._service.refuse(fault, _content_type(), requests.request_id(), status)
            )
            if fault.retry_after is not None:
                answer.headers["Retry-After"] = str(fault.retry_after)
            return answer

    def _admitted(self) -> flask.Response:
        answer = self._by_token()
        if answer is not None:
            return answer
        challenge = self._guard.identify(SURFACE, self._options.public_url)
        return self._call() if challenge is None else self._challenge(challenge)

    def _by_token(self) -> flask.Response | None:
        """Answer a request whose login stands within the message; None for all others.

        Most that come without one want to be asked for it (Dispatcher contract 1.3): their message
        is not even parsed.
        """
        if not self._options.tokens_allowed or "HTTP_AUTHORIZATION" in requests.present().environ:
            return None
        data = encodings.body()
        if not soap_security.may_hold_token(data):
            return None
        envelope = self._service.receive(data, _content_type())
        token = _token(envelope)
        if token is None:
            return None
        self._admit(token, envelope)
        return self._answer(envelope)

    def _challenge(self, challenge: Challenge) -> flask.Response:
        """The body of a 401: most stacks look at the status only, the others want a fault."""
        fault = SoapFault(
            FaultCode.CLIENT, "FailedAuthentication", challenge.reason.value, status=401
        )
        answer = _response(self._service.refuse(fault, _content_type(), requests.request_id()))
        answer.headers.update(authentication.challenge_headers(challenge))
        return answer

    def _admit(self, token: UsernameToken, envelope: Envelope) -> None:
        """Raises the fault of a token that is not taken."""
        outcome = self._guard.admit(token, SURFACE, self._options.public_url)
        if isinstance(outcome, Challenge):
            raise soap_security.refusal(outcome).of_version(envelope.version)

    def _call(self) -> flask.Response:
        envelope = self._service.receive(encodings.body(), _content_type())
        if self._options.tokens_allowed and envelope.blocks:
            self._compare(envelope)
        return self._answer(envelope)

    def _compare(self, envelope: Envelope) -> None:
        """Refuse a message whose token is not right, or is another's than its HTTP header.

        With Basic a token counts only where it must be understood.
        """
        if not any(
            one.must_understand and one.name == soap_security.HEADER for one in envelope.blocks
        ):
            return
        token = _token(envelope)
        if token is None:
            return
        by_header = self._guard.caller().name
        self._admit(token, envelope)
        if self._guard.caller().name != by_header:
            raise soap_security.different_logins().of_version(envelope.version)

    def _answer(self, envelope: Envelope) -> flask.Response:
        return _response(self._service.answer(envelope, None, requests.request_id()))


def _token(envelope: Envelope) -> UsernameToken | None:
    try:
        return soap_security.username_token(envelope.blocks)
    except SoapFault as fault:
        raise fault.of_version(envelope.version) from None


def _content_type() -> str | None:
    sent: str | None = requests.present().environ.get("CONTENT_TYPE")
    return sent


def _page(service: Service, base: str) -> flask.Response:
    """What people see who open the address of a service."""
    text = flask.render_template("dispatcher/soap.html", base=base, service=service)
    return flask.Response(text, content_type="text/html; charset=utf-8")


def _response(answer: SoapAnswer) -> flask.Response:
    if answer.pieces is not None:
        return streams.answer(answer.pieces, answer.content_type)
    return flask.Response(answer.body, answer.status, content_type=answer.content_type)


def _named(operation: Operation, values: Sequence[Any]) -> dict[str, Any]:
    """The arguments by their names in the handler; a file's content as it may come by REST."""
    return {
        argument.name: Sent(value or b"") if argument.place is Place.CONTENT else value
        for argument, value in zip(operation.arguments, values, strict=True)
    }


def _operation(operation: Operation, handle: Callable[..., Any] | None) -> SoapOperation:
    return SoapOperation(
        name=operation.name,
        handler=functools.partial(handle or _nothing, operation),
        arguments=tuple(
            SoapArgument(argument.soap_name, argument.content, argument.meaning)
            for argument in operation.arguments
        ),
        result=operation.answer,
        documentation=operation.meaning,
    )


def _nothing(operation: Operation, *_values: Any) -> Any:
    raise LookupError(f"{operation.name} is only described here")
