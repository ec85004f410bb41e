"""What the server says of itself: /healthz, /readyz, /metrics."""

from collections.abc import Callable

import flask

from gateway.observability.health import Health
from gateway.observability.metrics import CONTENT_TYPE, Metrics

SURFACE = "operations"
SEGMENTS = frozenset({"healthz", "readyz", "metrics"})


def blueprint(
    alive: Callable[[], Health], ready: Callable[[], Health], metrics: Metrics
) -> flask.Blueprint:
    """The routes; they need no login and tell nothing of the content."""
    routes = flask.Blueprint(SURFACE, __name__)

    @routes.get("/healthz")
    def healthz() -> flask.Response:
        return _health(alive())

    @routes.get("/readyz")
    def readyz() -> flask.Response:
        return _health(ready())

    @routes.get("/metrics")
    def exposition() -> flask.Response:
        return flask.Response(metrics.text(), content_type=CONTENT_TYPE)

    return routes


def _health(health: Health) -> flask.Response:
    answer = flask.jsonify(health.as_json())
    answer.status_code = health.http_status
    return answer
