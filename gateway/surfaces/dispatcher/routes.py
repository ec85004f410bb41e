"""The Dispatcher's services over HTTP: REST in XML and JSON, SOAP, help.

Every route is made from the tables of operations. Paths and query names are compared without
regard to case: ``LowerCasePaths`` stands before Flask, and the rules are written in lower case.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib import parse

import flask
import werkzeug.exceptions

from gateway.surfaces.dispatcher import errors, soap_service
from gateway.surfaces.dispatcher import help as help_pages
from gateway.surfaces.dispatcher.operation import (
    Argument,
    BadArgument,
    Call,
    Operation,
    Place,
    Received,
    Services,
)
from gateway.surfaces.dispatcher.service import ROOT, SERVICES, SURFACE, Service, of_path
from gateway.web import framing, requests, straight, streams
from gateway.web.authentication import Guard, MissingRight
from gateway.wire import (
    header_text,
    json_messages,
    negotiation,
    pieces,
    wcf_json,
    xml,
    xml_messages,
)
from gateway.wire.errors import MessageError
from gateway.wire.messages import ListOf, Message
from gateway.wire.negotiation import Dialect

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PREFIX = f"/{ROOT.lower()}/"
SLASH = "gateway.dispatcher.slash_at_the_end"
"""In the environ when the path had a slash at its end, which it has no longer."""
_PIECE = 1024 * 1024


@dataclass(frozen=True)
class MessageLimits:
    """What a body may hold in either dialect; ``json_size`` and ``content_size`` in bytes.

    The latter is that of a file sent as it is.
    """

    xml: xml.XmlLimits
    json_size: int
    json_depth: int
    json_values: int
    content_size: int


class LowerCasePaths:
    """Lets paths below /Dispatcher match in any case; those with a slash at the end are marked."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Pass the request on with its path in the one spelling of the rules."""
        path = environ.get("PATH_INFO", "")
        if path[: len(_PREFIX)].lower() == _PREFIX:
            environ["PATH_INFO"] = path.lower().rstrip("/")
            environ[SLASH] = path.endswith("/")
        return self._application(environ, start_response)


def blueprint(
    services: Services,
    guard: Guard,
    *,
    enabled: bool,
    public_url: str | None,
    wsdl_public: bool,
    tokens_allowed: bool,
    limits: MessageLimits,
    dates: wcf_json.Dates = wcf_json.DATES,
) -> tuple[flask.Blueprint, Mapping[str, straight.Route]]:
    """The routes of all services, and those among them that do without Flask, by their paths.

    ``dates`` are those of JSON.
    """
    routes = flask.Blueprint(SURFACE, __name__, template_folder="templates")
    posted: dict[str, straight.Route] = {}
    if not enabled:
        for service in SERVICES:
            routes.add_url_rule(
                f"{service.rules}/<path:anything>", view_func=_disabled, methods=_ANY
            )
        return routes, posted
    auth = guard.basic(
        SURFACE,
        lambda challenge: _page(HTTPStatus.UNAUTHORIZED, challenge.reason.value),
        public_url,
    )
    routes.before_request(lambda: _without_slash(public_url))
    for service in SERVICES:
        for operation in service.operations:
            view = _view(service, operation, services, guard, limits, dates)
            routes.add_url_rule(
                f"{service.rules}/{_rule(operation.template)}",
                endpoint=operation.name,
                view_func=auth.login_required(view),
                methods=[operation.verb],
            )
        base = functools.partial(base_url, service, public_url)
        help_pages.add(routes, service, auth, base)
        posted[f"{service.rules}/soap"] = soap_service.add(
            routes,
            service,
            services,
            guard,
            auth,
            base,
            soap_service.Options(
                public_url=public_url,
                wsdl_public=wsdl_public,
                tokens_allowed=tokens_allowed,
                limits=limits.xml,
            ),
        )
    return routes, posted


_ANY = ["GET", "POST", "PUT", "DELETE", "PATCH"]


def base_url(service: Service, public_url: str | None) -> str:
    """The address of a service as clients know it."""
    root = public_url or requests.root_url() + requests.present().script_root
    return root.rstrip("/") + service.path


def _without_slash(public_url: str | None) -> flask.Response | None:
    """Send whoever put a slash at the end on to the address without (Dispatcher contract 1.1).

    The target has no scheme and host, which a proxy may have changed.
    """
    request = flask.request
    service = of_path(request.path)
    if service is None or not request.environ.get(SLASH):
        return None
    base = parse.urlsplit(base_url(service, public_url)).path
    rest = request.path.removeprefix(service.rules)
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    answer = _page(HTTPStatus.TEMPORARY_REDIRECT, "The address has no slash at its end.")
    answer.headers["Location"] = f"{base}{parse.quote(rest)}{query}"
    return answer


def error_answer(error: werkzeug.exceptions.HTTPException) -> flask.Response:
    """What Flask or Werkzeug refuse (404, 405, 413 ...), as a page of this surface."""
    answer = _page(error.code or 500, error.description or "")
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _disabled(anything: str) -> flask.Response:
    del anything
    return _page(HTTPStatus.NOT_FOUND, "The Dispatcher Web API is disabled on this server.")


def _rule(template: str) -> str:
    """``what/{WHATTYPE}s`` as a rule of Werkzeug's."""
    literal_lowered = re.sub(r"[^{}]+(?=\{|$)", lambda match: match[0].lower(), template)
    return re.sub(r"\{(\w+)\}", r"<\1>", literal_lowered)


def _view(
    service: Service,
    operation: Operation,
    services: Services,
    guard: Guard,
    limits: MessageLimits,
    dates: wcf_json.Dates,
) -> Callable[..., flask.Response]:
    """One route. The right is checked before the body is read."""

    def view(**path: str) -> flask.Response:
        try:
            arguments = _arguments(operation, path)
            try:
                caller = operation.admit(guard.check, arguments)
            except MissingRight:
                if operation.without_right is None:
                    raise
                return _answer(service, operation, operation.without_right(arguments), dates)
            arguments |= _body(operation, limits, dates)
            result = operation.call(
                Call(
                    caller,
                    services,
                    guard.reach,
                    requests.hold_answer,
                    requests.failure(),
                    idempotency_key=requests.idempotency_key,
                ),
                arguments,
            )
        except errors.KNOWN as error:
            return _problem(error)
        return _answer(service, operation, result, dates)

    return view


def _arguments(operation: Operation, path: Mapping[str, str]) -> dict[str, Any]:
    query: dict[str, str] = {}
    for name, value in requests.present().args.items():
        query.setdefault(name.lower(), value)
    sent: dict[str, Any] = {}
    for argument in operation.arguments:
        if argument.place is Place.PATH:
            sent[argument.name] = _read(argument, path[argument.rest_name])
        elif argument.place is Place.QUERY and argument.rest_name in query:
            sent[argument.name] = _read(argument, query[argument.rest_name])
    return sent | _in_headers(operation)


def _in_headers(operation: Operation) -> dict[str, Any]:
    """The arguments that came in headers; of one with several names all are looked for."""
    wanted = [argument for argument in operation.arguments if argument.place is Place.HEADER]
    given = requests.headers() if wanted else {}
    sent: dict[str, Any] = {}
    for argument in wanted:
        names = (argument.rest_name, *argument.also)
        # Some clients put the star of RFC 8187's parameters after a header's name.
        values = [
            v for n in names for key in (n.lower(), f"{n.lower()}*") for v in given.get(key, ())
        ]
        if len(values) > 1:
            raise BadArgument(f"{argument.rest_name}: is given twice")
        if values:
            sent[argument.name] = _read(argument, _header_text(argument, values[0]))
    return sent


def _header_text(argument: Argument, value: str) -> str:
    try:
        return header_text.decode(value)
    except MessageError as error:
        raise BadArgument(f"{argument.rest_name}: {error.problem}") from None


def _read(argument: Argument, text: str) -> Any:
    """A value of the address, read as the same value in an XML message is."""
    try:
        return argument.content.from_text(text)  # type: ignore[union-attr]  # no bodies come here
    except MessageError as error:
        raise BadArgument(f"{argument.rest_name}: {error.problem}") from None


def _body(operation: Operation, limits: MessageLimits, dates: wcf_json.Dates) -> dict[str, Any]:
    for argument in operation.arguments:
        if argument.place is Place.BODY:
            content: type[Message] = argument.content  # type: ignore[assignment]  # by its place
            return {argument.name: _message(content, limits, dates)}
        if argument.place is Place.CONTENT:
            _refuse_wrapped()
            return {argument.name: _File(limits.content_size)}
    return {}


def _refuse_wrapped() -> None:
    """Refuse a body that holds the file in another form: what is around it would be stored, too.

    Clients that send the file as it is and call it multipart/form-data give no boundary.
    """
    request = requests.present()
    encoding = (request.content_encoding or "identity").strip().lower()
    if encoding != "identity":
        flask.abort(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The file came as Content-Encoding {encoding[:40]!r}: send it as it is.",
        )
    if request.mimetype.startswith("multipart/") and "boundary" in request.mimetype_params:
        flask.abort(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The file came in a form (multipart): send it as it is, as the whole body "
            "(curl --data-binary @FILE, Invoke-RestMethod -InFile FILE).",
        )


@dataclass(frozen=True)
class _File:
    """A body that is a file's content; see operation.Content."""

    limit: int

    def announced(self) -> int:
        return requests.announced(self.limit)

    def receive(self) -> Received:
        length, file = requests.content(self.limit)
        return Received(length, _pieces(file))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file's content; it is closed at the end, for to free a large one takes its time, and who
    reads it has given up its turn to compute.
    """
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _message(content: type[Message], limits: MessageLimits, dates: wcf_json.Dates) -> Message:
    header = requests.present().environ.get("CONTENT_TYPE")
    data, charset = requests.body(), negotiation.content_type(header).charset
    if negotiation.body_dialect(header, data) is Dialect.XML:
        return xml_messages.read(content, xml.parse(data, charset=charset, limits=limits.xml))
    value = wcf_json.read(
        data,
        charset=charset,
        max_size=limits.json_size,
        max_depth=limits.json_depth,
        max_values=limits.json_values,
    )
    return json_messages.read(content, value, offsets=dates.read_offset)


def _answer(
    service: Service, operation: Operation, result: Any, dates: wcf_json.Dates
) -> flask.Response:
    environ = requests.present().environ
    dialect = negotiation.answer_dialect(environ.get("HTTP_ACCEPT"), environ.get("CONTENT_TYPE"))
    if isinstance(result, Iterator):
        texts = _list_texts(service, operation, result, dialect, dates)
        return streams.answer(pieces.gathered(texts), dialect.value)
    written = _written(service, operation, result, dialect, dates)
    return flask.Response(written, content_type=dialect.value)


def _list_texts(
    service: Service,
    operation: Operation,
    items: Iterator[Message],
    dialect: Dialect,
    dates: wcf_json.Dates,
) -> Iterator[str]:
    """A list that is too long to be kept, an item at a time."""
    if dialect is Dialect.JSON:
        return json_messages.list_texts(items, dates=dates.write)
    content: type[Message] = operation.answer.content  # type: ignore[union-attr, assignment]  # lists of messages only
    return xml_messages.list_texts(content, items, service.namespace)


def _written(
    service: Service, operation: Operation, result: Any, dialect: Dialect, dates: wcf_json.Dates
) -> bytes:
    content = operation.answer
    if isinstance(content, ListOf):
        if dialect is Dialect.JSON:
            return json_messages.write_list(result, dates=dates.write)
        return xml_messages.write_list(content.content, result, service.namespace)  # type: ignore[arg-type]  # lists of messages only
    if dialect is Dialect.JSON:
        return json_messages.write(result, dates=dates.write)
    return xml_messages.write(result, service.namespace)


def _problem(error: Exception) -> flask.Response:
    problem = errors.problem(error)
    if problem is None:
        raise error
    answer = _page(problem.status, problem.sentence)
    if problem.passing:
        answer.headers["Retry-After"] = str(framing.RETRY_AFTER_SECONDS)
    return answer


def _page(status: int, sentence: str) -> flask.Response:
    """A small page, as the old server answered errors (Dispatcher contract 1.6)."""
    html = flask.render_template(
        "dispatcher/error.html",
        status=int(status),
        phrase=HTTPStatus(status).phrase,
        sentence=sentence,
        request_id=requests.request_id(),
    )
    return flask.Response(html, status=int(status), content_type="text/html; charset=utf-8")
