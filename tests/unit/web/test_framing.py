"""What frames every request: which of them have a line in the log."""

import flask
import pytest

from gateway.settings import LogRequests
from gateway.web import framing

REFUSED, CHANGING, ALL = LogRequests.REFUSED, LogRequests.CHANGING, LogRequests.ALL


@pytest.mark.parametrize(
    ("method", "status", "wanted"),
    [
        ("GET", 200, {ALL}),
        ("HEAD", 200, {ALL}),
        ("POST", 200, {CHANGING, ALL}),
        ("PUT", 307, {CHANGING, ALL}),
        ("GET", 404, {REFUSED, CHANGING, ALL}),
        ("POST", 401, {REFUSED, CHANGING, ALL}),
        ("POST", 503, {REFUSED, CHANGING, ALL}),
    ],
)
def test_which_requests_are_logged(method: str, status: int, wanted: set[LogRequests]) -> None:
    assert {each for each in LogRequests if framing.is_logged(method, status, each)} == wanted


def test_no_session_is_kept_and_none_can_be_written() -> None:
    app = framing.Application("test")

    @app.get("/")
    def view() -> str:
        with pytest.raises(RuntimeError, match="session"):
            flask.session["user"] = "somebody"
        return str(len(flask.session))

    answer = app.test_client().get("/", headers={"Cookie": "session=forged"})
    assert (answer.text, answer.headers.get("Set-Cookie")) == ("0", None)
