"""What happens around every request, whichever surface answers it."""

import dataclasses
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Self

import flask
import flask.sessions
import werkzeug.exceptions
from werkzeug.datastructures import Headers

from gateway.observability import logs
from gateway.observability.metrics import Metrics
from gateway.settings import LogRequests
from gateway.web import requests, surfaces
from storage.errors import StoreUnavailable

log = logging.getLogger("gateway")
access = logging.getLogger("gateway.requests")

RETRY_AFTER_SECONDS = 10
"""When to ask again for what the store could not take."""
# In the environ, which is at hand; Flask's own place for such things costs a search each time.
_BEGUN = "gateway.begun"
_MARKS = "gateway.log_marks"


class _NoSessions(flask.sessions.SessionInterface):
    """Our clients know no session: none is made, looked for or stored."""

    _none = flask.sessions.NullSession()

    def open_session(
        self,
        app: flask.Flask,  # noqa: ARG002
        request: flask.Request,  # noqa: ARG002
    ) -> flask.sessions.NullSession:
        """The one session without content, which refuses any."""
        return self._none


class Application(flask.Flask):
    """Flask without what no surface uses, which each request would pay for."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none of ours is a coroutine."""
        return func


def frame(app: flask.Flask, table: dict[str, surfaces.Surface], around: "Frame") -> None:
    """Have every request framed: its id, its place, its figures, its log lines, its errors."""
    _begin_and_end(app, table, around)
    _answer_errors(app, table)


class Frame:
    """What is done before and after each request: its time and id, its figures and log lines."""

    def __init__(self, metrics: Metrics, logged: LogRequests) -> None:
        self._metrics = metrics
        self._logged = logged

    def begin(self) -> None:
        """Note that the present request has begun."""
        environ = requests.present().environ
        environ[_BEGUN] = time.perf_counter()
        environ[_MARKS] = logs.mark(request_id=requests.request_id())

    def end(self, answer: flask.Response, endpoint: str | None) -> flask.Response:
        """Note how the present request is answered; ``endpoint`` is ``surface.operation``."""
        answer.headers[requests.HEADER] = requests.request_id()
        done = _Answered.of(requests.present(), answer, endpoint)
        # One that is held is answered once its outcome is there, or by another run.
        requests.when_answered(lambda: done.note(self._metrics, self._logged))
        return answer

    def leave(self) -> None:
        """Let nothing of the present request stay with the thread."""
        marks = requests.present().environ.pop(_MARKS, None)
        if marks is not None:
            logs.unmark(marks)


def _begin_and_end(app: flask.Flask, table: dict[str, surfaces.Surface], around: Frame) -> None:

    @app.before_request
    def begin() -> flask.Response | None:
        around.begin()
        allowed = requests.present().environ.get(requests.SURFACES)
        if allowed is not None:
            surface = surfaces.of_path(table, requests.present().path)
            if surface is not None and surface.name not in allowed:
                flask.abort(HTTPStatus.NOT_FOUND)
        return None

    @app.after_request
    def end(answer: flask.Response) -> flask.Response:
        return around.end(answer, requests.present().endpoint)

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        around.leave()


def _answer_errors(app: flask.Flask, table: dict[str, surfaces.Surface]) -> None:
    @app.errorhandler(werkzeug.exceptions.HTTPException)
    def refused(error: werkzeug.exceptions.HTTPException) -> flask.Response:
        return _error_answer(table, error)

    @app.errorhandler(StoreUnavailable)
    def without_store(error: StoreUnavailable) -> flask.Response:
        # The views answer for themselves; here the store was wanted to learn who asks.
        log.warning("request %s was refused: %s", requests.request_id(), error)
        return _error_answer(table, _store_unavailable())

    @app.errorhandler(Exception)
    def failed(error: Exception) -> flask.Response:
        log.error("request %s failed", requests.request_id(), exc_info=error)
        return _error_answer(
            table,
            werkzeug.exceptions.InternalServerError(
                "The server failed to answer this; its log has the cause under the request's id."
            ),
        )


_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def is_logged(method: str, status: int, wanted: LogRequests) -> bool:
    """Whether a request has a line in the log."""
    if wanted is LogRequests.ALL or status >= HTTPStatus.BAD_REQUEST:
        return True
    return wanted is LogRequests.CHANGING and method not in _READING


@dataclasses.dataclass(frozen=True)
class _Answered:
    """What is counted and logged of a request; kept apart from it, which may be gone by then."""

    begun: float
    surface: str
    operation: str
    method: str
    path: str
    status: int
    client: str | None
    identity: str

    @classmethod
    def of(cls, request: flask.Request, answer: flask.Response, endpoint: str | None) -> Self:
        """That of the present request."""
        surface, _, operation = (endpoint or "none.none").rpartition(".")
        return cls(
            request.environ.get(_BEGUN, time.perf_counter()),
            surface,
            operation,
            request.method,
            request.path,
            answer.status_code,
            request.remote_addr,
            requests.request_id(),
        )

    def note(self, metrics: Metrics, logged: LogRequests) -> None:
        """Count it and give it its line in the log."""
        seconds = time.perf_counter() - self.begun
        metrics.request(self.surface, self.operation, self.status, seconds)
        if is_logged(self.method, self.status, logged):
            access.info(
                "%s %s %d in %.1f ms from %s",
                self.method,
                self.path,
                self.status,
                seconds * 1000,
                self.client,
                extra={"request_id": self.identity},
            )


def _store_unavailable() -> werkzeug.exceptions.HTTPException:
    return werkzeug.exceptions.ServiceUnavailable(
        "The store cannot be used at present; try again later.", retry_after=RETRY_AFTER_SECONDS
    )


def _error_answer(
    table: dict[str, surfaces.Surface], error: werkzeug.exceptions.HTTPException
) -> flask.Response:
    surface = surfaces.of_path(table, flask.request.path)
    answer = (plain_error if surface is None else surface.error_answer)(error)
    _keep_headers(error, answer.headers)
    return answer


def _keep_headers(error: werkzeug.exceptions.HTTPException, headers: Headers) -> None:
    """What belongs to the status: Allow, Retry-After."""
    for name, value in error.get_headers(flask.request.environ):
        if name not in headers and name != "Content-Type":
            headers[name] = value


def plain_error(error: werkzeug.exceptions.HTTPException) -> flask.Response:
    """A line of text, for paths of no surface and surfaces without a form of their own."""
    return flask.Response(
        f"{error.code} {error.name}: {error.description}\n",
        error.code or 500,
        mimetype="text/plain",
    )
