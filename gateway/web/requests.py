"""The present request: its id, its client, its caller."""

import re
import uuid

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.front import body as front_body
from gateway.identity.principals import Caller, Principal

HEADER = "X-Request-Id"
_ENVIRON = "gateway.request_id"
_FIT = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def request_id() -> str:
    """The id of this request: the front's, the client's own if it is fit, or a new one."""
    environ = flask.request.environ
    known = environ.get(_ENVIRON)
    if known is None:
        sent = flask.request.headers.get(HEADER, "")
        known = environ[_ENVIRON] = sent if _FIT.match(sent) else uuid.uuid4().hex
    return str(known)


def body() -> bytes:
    """The whole body, at most ``MAX_CONTENT_LENGTH`` bytes.

    Nothing before this call may have an effect: under our front the request is run again when its
    body has arrived. Raises RequestEntityTooLarge, and BodyPending for the front.
    """
    request = flask.request
    limit = request.max_content_length
    if limit is not None:
        # A length that is stated and too long is refused here, in the surface's own dialect.
        if (request.content_length or 0) > limit:
            raise RequestEntityTooLarge(f"The body is longer than {limit} bytes.")
        front_body.allow(request.environ, limit)
    return request.get_data(cache=False)


def peer() -> str:
    """The address at the other end of the connection, never one from a header."""
    environ = flask.request.environ
    return str(environ.get("gateway.peer") or environ.get("REMOTE_ADDR") or "")


def forwarded() -> bool:
    """Whether the front has seen, and dropped, headers that a proxy adds."""
    return "gateway.forwarded" in flask.request.environ


def caller(principal: Principal | None, surface: str) -> Caller:
    """Who acts in this request."""
    return Caller(principal, flask.request.remote_addr or "", surface, request_id())
