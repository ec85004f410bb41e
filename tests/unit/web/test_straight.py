"""Requests that do without Flask: which they are, and that they leave nothing behind."""

import flask
import pytest
import werkzeug.test

from gateway.observability.metrics import Metrics
from gateway.settings import LogRequests
from gateway.web import requests
from gateway.web.framing import Frame
from gateway.web.straight import Route, StraightRoutes

PATH = "/place/soap"


class Desk:
    """Routes before an application that says where a request went."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.metrics = Metrics()
        frame = Frame(self.metrics, LogRequests.ALL)
        route = Route("place", "place.call", self._answer)
        passed = flask.Response("passed on")
        self.served = StraightRoutes(passed, {PATH: route}, frame, 100, "aside")

    def _answer(self) -> flask.Response:
        if self.error is not None:
            raise self.error
        request = requests.present()
        return flask.Response(f"{request.method} {requests.body().decode()}")

    def ask(self, method: str = "POST", path: str = PATH, **environ: object) -> str:
        client = werkzeug.test.Client(self.served)
        answer = client.open(path, method=method, data=b"body", environ_overrides=environ)
        return answer.get_data(as_text=True)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_post_to_the_path_is_answered_and_framed(desk: Desk) -> None:
    client = werkzeug.test.Client(desk.served)
    answer = client.post(PATH, data=b"body", headers={"X-Request-Id": "mine"})
    assert answer.get_data(as_text=True) == "POST body"
    assert answer.headers["X-Request-Id"] == "mine"
    figures = desk.metrics.text().decode()
    assert 'operation="call",status="200",surface="place"' in figures


@pytest.mark.parametrize(
    ("method", "path", "environ"),
    [
        ("GET", PATH, {}),
        ("PUT", PATH, {}),
        ("POST", f"{PATH}/", {}),
        ("POST", "/place", {}),
        ("POST", PATH, {"aside": True}),
        ("POST", PATH, {"gateway.surfaces": frozenset({"other"})}),
    ],
)
def test_everything_else_is_passed_on(
    desk: Desk, method: str, path: str, environ: dict[str, object]
) -> None:
    assert desk.ask(method, path, **environ) == "passed on"


def test_a_listener_that_has_the_surface_has_the_path(desk: Desk) -> None:
    assert desk.ask(**{"gateway.surfaces": frozenset({"place"})}) == "POST body"


def test_nothing_stays_of_a_request_that_failed(desk: Desk) -> None:
    desk.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        desk.ask()
    with pytest.raises(RuntimeError, match="outside of request context"):
        requests.present()
    desk.error = None
    assert desk.ask() == "POST body"
