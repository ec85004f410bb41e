"""The SOAP address of a service: its table of operations, through Spyne."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flask
import werkzeug.exceptions
from flask_httpauth import HTTPBasicAuth

from gateway.surfaces.dispatcher import errors, soap
from gateway.surfaces.dispatcher.operation import Call, Operation, Place, Sent, Services
from gateway.surfaces.dispatcher.service import Service
from gateway.surfaces.dispatcher.soap_contract import (
    FaultCode,
    SoapAnswer,
    SoapArgument,
    SoapFault,
    SoapOperation,
)
from gateway.web import requests, streams
from gateway.web.authentication import Guard, MissingRight
from gateway.wire import xml

_log = logging.getLogger(__name__)


def build(
    service: Service,
    handle: Callable[..., Any] | None = None,
    limits: xml.XmlLimits = xml.DEFAULT_LIMITS,
) -> soap.SoapService:
    """The service in SOAP; ``handle(operation, context, *arguments)`` does a call.

    Without one it can only publish its WSDL.
    """
    return soap.build_soap(
        [_operation(operation, handle) for operation in service.operations],
        name=service.name,
        namespace=service.namespace,
        explain=explain,
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
    """What stopped a request before its envelope was read, as a fault; and its status, if known."""
    if isinstance(error, werkzeug.exceptions.RequestEntityTooLarge):
        sentence = f"the request is longer than {flask.request.max_content_length} bytes"
        return SoapFault(FaultCode.CLIENT, "RequestTooLong", sentence), error.code
    if isinstance(error, werkzeug.exceptions.HTTPException):
        word = _WORDS.get(error.code or 0, "InvalidRequest")
        return SoapFault(FaultCode.CLIENT, word, error.description or error.name), error.code
    fault = explain(error)
    if fault is None:
        return soap.unexpected(error, "call", requests.request_id()), None
    _log.warning("request %s was refused: %s", requests.request_id(), error)
    return fault, None


def add(
    routes: flask.Blueprint,
    service: Service,
    services: Services,
    guard: Guard,
    auth: HTTPBasicAuth,
    describe: Callable[[Mapping[str, str]], bytes | None],
    *,
    wsdl_public: bool,
    limits: xml.XmlLimits,
) -> None:
    """Add the address to the routes of the service.

    ``describe`` answers the published document that a query (names in lower case) asks for.
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

    soap_side = build(service, handle, limits)

    def call() -> flask.Response:
        content_type = flask.request.headers.get("Content-Type")
        _refuse_encoded(flask.request.content_encoding)
        return _response(soap_side.call(requests.body(), content_type, None, requests.request_id()))

    call_with_login = auth.login_required(call)

    def call_or_refuse() -> flask.Response:
        try:
            answer: flask.Response = call_with_login()
        except Exception as error:  # noqa: BLE001 - it is logged; SOAP clients need a fault
            fault, status = _refusal(error)
            content_type = flask.request.headers.get("Content-Type")
            return _response(soap_side.refuse(fault, content_type, requests.request_id(), status))
        return answer

    def publish() -> flask.Response:
        query = {name.lower(): value for name, value in flask.request.args.items()}
        document = describe(query)
        if document is None:
            flask.abort(405, valid_methods=["POST"])
        return flask.Response(document, content_type="text/xml; charset=utf-8")

    rule = f"{service.rules}/soap"
    routes.add_url_rule(rule, f"{service.prefix}soap", call_or_refuse, methods=["POST"])
    routes.add_url_rule(
        rule,
        f"{service.prefix}wsdl",
        publish if wsdl_public else auth.login_required(publish),
        methods=["GET"],
    )


def _refuse_encoded(encoding: str | None) -> None:
    if encoding and encoding.strip().lower() != "identity":
        raise werkzeug.exceptions.UnsupportedMediaType(
            "bodies with a Content-Encoding are not supported; send plain XML"
        )


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
