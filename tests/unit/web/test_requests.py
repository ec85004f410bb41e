"""The caller of a request, and the comment that he sends along."""

import flask
import pytest

from gateway.web import requests


@pytest.mark.parametrize(
    ("sent", "comment"),
    [
        (None, ""),
        (b"  ticket 12 ", "ticket 12"),
        ("für Ada".encode(), "für Ada"),
        ("für Ada".encode("latin-1"), "für Ada"),
        (b"one\ttwo", "one two"),
        (b"x" * 1001, "x" * 1000),
    ],
)
def test_a_comment_is_one_line_of_bounded_length(sent: bytes | None, comment: str) -> None:
    environ = {} if sent is None else {"HTTP_X_AUDIT_COMMENT": sent.decode("latin-1")}
    with flask.Flask("test").test_request_context(environ_overrides=environ):
        assert requests.caller(None, "dispatcher").comment == comment
