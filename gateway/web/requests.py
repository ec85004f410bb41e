"""The present request: its id, its client, its caller."""

import contextlib
import contextvars
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from http import HTTPStatus
from typing import IO, Any

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.front import body as front_body
from gateway.front import bridge, held
from gateway.identity.principals import Caller, Principal

HEADER = "X-Request-Id"
COMMENT_HEADER = "X-Audit-Comment"
MOST_COMMENT = 1000
_ENVIRON = "gateway.request_id"
_KEY_ENVIRON = "HTTP_IDEMPOTENCY_KEY"
_COMMENT_ENVIRON = "HTTP_X_AUDIT_COMMENT"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
SURFACES = "gateway.surfaces"
"""In the environ the names of the surfaces that the listener has, where it has not all."""
_FIT = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


# The request that is answered without Flask (``web.straight``), where one is.
_STRAIGHT: contextvars.ContextVar[flask.Request | None] = contextvars.ContextVar(
    "straight", default=None
)


@contextlib.contextmanager
def presented(request: flask.Request) -> Iterator[None]:
    """Make this the present request for the length of a block that Flask knows nothing of."""
    token = _STRAIGHT.set(request)
    try:
        yield
    finally:
        _STRAIGHT.reset(token)


def request_id() -> str:
    """The id of this request: the front's, the client's own if it is fit, or a new one."""
    request = present()
    environ = request.environ
    known = environ.get(_ENVIRON)
    if known is None:
        sent = request.headers.get(HEADER, "")
        known = environ[_ENVIRON] = sent if _FIT.match(sent) else uuid.uuid4().hex
    return str(known)


def present() -> flask.Request:
    """The present request itself, for who asks it more than once: a proxy looks it up each time."""
    straight = _STRAIGHT.get()
    if straight is not None:
        return straight
    request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined]
    return request


def root_url() -> str:
    """The address at which this client reaches us, such as ``http://machine:8080``.

    Werkzeug gives none for names with an underscore, which machines with Windows have. Raises
    BadRequest for a Host that is no name and port: what is written from it is believed.
    """
    request = present()
    host = request.headers.get("Host", request.host)
    if not _HOST.match(host):
        flask.abort(HTTPStatus.BAD_REQUEST, "The Host of the request is no name of a host.")
    return f"{request.scheme}://{host.removesuffix(_DEFAULT_PORTS.get(request.scheme, ''))}"


def body() -> bytes:
    """The whole body, at most ``MAX_CONTENT_LENGTH`` bytes.

    Nothing before this call may have an effect: under our front the request is run again when its
    body has arrived. Raises RequestEntityTooLarge, and BodyPending for the front.
    """
    request = present()
    limit = request.max_content_length
    if limit is not None:
        received = _received(request, limit)
        if received is not None:
            # It is here, within the limit: nothing has to watch how it is read.
            complete: bytes = request.environ["wsgi.input"].read()
            return complete
    return request.get_data(cache=False)


def announced(limit: int) -> int:
    """The length of the body that is to come, as the client has said it; 0 if it has not, or if the
    body is here.

    Raises RequestEntityTooLarge for more than ``limit``.
    """
    request = present()
    if request.environ.get(front_body.RECEIVED) is not None:
        return 0
    length = request.content_length or 0
    _refuse_longer(length, limit)
    return length


def content(limit: int) -> tuple[int, IO[bytes]]:
    """The body as a file, and its length, at most ``limit`` bytes: for a route with its own limit.

    Nothing before this call may have an effect, as with ``body``. Raises RequestEntityTooLarge, and
    BodyPending for the front.
    """
    request = present()
    received = _received(request, limit)
    if received is not None:
        return received, request.environ["wsgi.input"]
    request.max_content_length = limit
    return request.content_length or 0, request.stream


def _received(request: flask.Request, limit: int) -> int | None:
    """How long the body that is here is; None where no front has looked after it.

    Raises RequestEntityTooLarge, and BodyPending for the front where it is not here yet.
    """
    received: int | None = request.environ.get(front_body.RECEIVED)
    # One that is stated, or has turned out, to be too long is refused in the surface's dialect.
    _refuse_longer(max(request.content_length or 0, received or 0), limit)
    front_body.allow(request.environ, limit)
    return received


def _refuse_longer(length: int, limit: int) -> None:
    if length > limit:
        raise RequestEntityTooLarge(f"The body is longer than {limit} bytes.")


def headers() -> dict[str, list[str]]:
    """All headers by their names in lower case without hyphens, each byte a character.

    One that was sent several times has a second, empty value: what the first was is not known.
    """
    environ = present().environ
    repeated = environ.get(bridge.REPEATED, ())
    found: dict[str, list[str]] = {}
    for variable, value in environ.items():
        if variable.startswith("HTTP_"):
            name = variable[5:].replace("_", "").lower()
            found.setdefault(name, []).extend([value, ""] if variable in repeated else [value])
    return found


def idempotency_key() -> str | None:
    """The key by which the client knows this request again, as it was sent; None without one.

    Of a header that was sent twice nothing is known: it is answered as a key that is none.
    """
    environ = present().environ
    if _KEY_ENVIRON in environ.get(bridge.REPEATED, ()):
        return ""
    sent = environ.get(_KEY_ENVIRON)
    return None if sent is None else str(sent).strip()


def hold_answer(outcome: "Future[Any]") -> None:
    """Have the answer to this request sent only once this has come about; see ``front.held``."""
    held.hold(present().environ, outcome)


def park(outcome: "Future[Any]") -> bool:
    """Whether this request now waits for the outcome, and is run again then; see ``front.held``."""
    return held.park(present().environ, outcome)


def come() -> "Future[Any] | None":
    """What came of that for which an earlier run of this request was parked."""
    return held.come(present().environ)


def when_answered(call: Callable[[], None]) -> None:
    """Call when the present answer may be sent: now, or once what it is held for is there.

    Never for an answer that is dropped because that failed. The call comes from any thread.
    """
    held.when_answered(present().environ, call)


def failure() -> Exception | None:
    """What the outcome was with which the answer of an earlier run was held, if it was an error."""
    return held.failure(present().environ)


def peer() -> str:
    """The address at the other end of the connection, never one from a header."""
    environ = present().environ
    return str(environ.get("gateway.peer") or environ.get("REMOTE_ADDR") or "")


def forwarded() -> bool:
    """Whether the front has seen, and dropped, headers that a proxy adds."""
    return "gateway.forwarded" in present().environ


def caller(principal: Principal | None, surface: str) -> Caller:
    """Who acts in this request, with what he wants to stand beside it in the audit trail.

    Raises BadRequest for more than may stand there: cut short it could say something else.
    """
    sent = present().environ.get(_COMMENT_ENVIRON)
    comment = "" if sent is None else _comment(sent)
    return Caller(principal, present().remote_addr or "", surface, request_id(), comment)


def _comment(sent: str) -> str:
    """A comment in one line: UTF-8, or Latin-1 where it is not that."""
    data = sent.encode("latin-1", "replace")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    shown = "".join(one if one.isprintable() else " " for one in text).strip()
    if len(shown) > MOST_COMMENT:
        flask.abort(
            HTTPStatus.BAD_REQUEST,
            f"{COMMENT_HEADER}: is longer than {MOST_COMMENT} characters; nothing was done.",
        )
    return shown
