"""Requests that are answered without Flask's routing, contexts and hooks, which cost more than a
small call does.

They are framed as all others (``framing.Frame``), and see themselves in ``requests.present``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import flask

from gateway.web import requests
from gateway.web.framing import Frame

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class Route:
    """What answers a POST to a path.

    ``endpoint`` is its name in figures, ``surface.operation``. ``answer`` raises nothing but what
    the front wants to see.
    """

    surface: str
    endpoint: str
    answer: Callable[[], flask.Response]


class StraightRoutes:
    """Answers POST at some paths itself, and passes everything else on."""

    def __init__(
        self,
        application: "WSGIApplication",
        routes: Mapping[str, Route],
        frame: Frame,
        body_bytes: int,
        aside: str = "",
    ) -> None:
        """``aside`` is a key of the environ that a request to be passed on has."""
        self._application = application
        self._routes = routes
        self._frame = frame
        self._body_bytes = body_bytes
        self._aside = aside

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer, or pass on."""
        route = self._routes.get(environ["PATH_INFO"])
        if route is None or not self._is_straight(route, environ):
            return self._application(environ, start_response)
        request = flask.Request(environ)
        request.max_content_length = self._body_bytes
        with requests.presented(request):
            self._frame.begin()
            try:
                answer = self._frame.end(route.answer(), route.endpoint)
                return answer(environ, start_response)
            finally:
                self._frame.leave()

    def _is_straight(self, route: Route, environ: "WSGIEnvironment") -> bool:
        if environ["REQUEST_METHOD"] != "POST" or environ.get(self._aside):
            return False
        allowed = environ.get(requests.SURFACES)
        return allowed is None or route.surface in allowed
