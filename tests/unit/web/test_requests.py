"""The caller of a request, and the comment that he sends along."""

import flask
import pytest
from werkzeug.exceptions import BadRequest

from gateway.web import requests


@pytest.mark.parametrize(
    ("sent", "comment"),
    [
        (None, ""),
        (b"  ticket 12 ", "ticket 12"),
        ("für Ada".encode(), "für Ada"),
        ("für Ada".encode("latin-1"), "für Ada"),
        (b"one\ttwo", "one two"),
        (b" " + "ä".encode() * 1000, "ä" * 1000),
    ],
)
def test_a_comment_is_one_line(sent: bytes | None, comment: str) -> None:
    environ = {} if sent is None else {"HTTP_X_AUDIT_COMMENT": sent.decode("latin-1")}
    with flask.Flask("test").test_request_context(environ_overrides=environ):
        assert requests.caller(None, "dispatcher").comment == comment


@pytest.mark.parametrize("sent", [b"x" * 1001, "ä".encode() * 1001])
def test_a_comment_that_is_too_long_is_refused(sent: bytes) -> None:
    environ = {"HTTP_X_AUDIT_COMMENT": sent.decode("latin-1")}
    with (
        flask.Flask("test").test_request_context(environ_overrides=environ),
        pytest.raises(BadRequest, match="X-Audit-Comment: is longer than 1000 characters"),
    ):
        requests.caller(None, "dispatcher")
