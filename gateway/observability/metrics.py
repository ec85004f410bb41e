"""Figures for Prometheus. Each ``Metrics`` has a registry of its own; none is global."""

import logging
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    exposition,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

log = logging.getLogger("gateway.observability.metrics")

CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST

Reading = Callable[[], Mapping[str, float]]
"""Answers the present figures, by the value of the gauge's one label."""

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_LATENESS_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)
_RUN_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600)


class Metrics:
    """All figures of one gateway. Times are in seconds, as Prometheus wants them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "gateway_request_seconds",
            "Requests answered, by surface, operation and status",
            ("surface", "operation", "status"),
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        # Found by one look instead of under a lock: there is one for each route and status.
        self._of_surface: dict[str, Counter] = {}
        self._of_request: dict[tuple[str, str, int], Histogram] = {}
        self._accepted = Counter(
            "gateway_jobs_accepted", "Jobs accepted", ("surface",), registry=self.registry
        )
        self._runs = Histogram(
            "gateway_run_seconds",
            "Runs ended, by their status",
            ("status",),
            buckets=_RUN_SECONDS,
            registry=self.registry,
        )
        self._commits = self._histogram(
            "gateway_store_commit_seconds", "Commits of the store's writer", _COMMIT_SECONDS
        )
        self._groups = self._histogram(
            "gateway_store_group_units", "Units of work made durable by one commit", _GROUP_SIZES
        )
        self._lateness = self._histogram(
            "gateway_clock_lateness_seconds", "How late due jobs were claimed", _LATENESS_SECONDS
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, meaning, buckets=buckets, registry=self.registry)

    def request(self, surface: str, operation: str, status: int, seconds: float) -> None:
        """Count a request; ``operation`` is a route's name, never text of the client's."""
        key = (surface, operation, status)
        series = self._of_request.get(key)
        if series is None:
            series = self._of_request[key] = self._requests.labels(surface, operation, str(status))
        series.observe(seconds)

    def accepted(self, surface: str) -> None:
        """Count a job that was accepted."""
        series = self._of_surface.get(surface)
        if series is None:
            series = self._of_surface[surface] = self._accepted.labels(surface)
        series.inc()

    def run_ended(self, status: str, seconds: float) -> None:
        """Count a run that ended."""
        self._runs.labels(status).observe(seconds)

    def committed(self, units: int, seconds: float) -> None:
        """Count a commit that made ``units`` units of work durable."""
        self._groups.observe(units)
        self._commits.observe(seconds)

    def claimed(self, lateness: float) -> None:
        """Count a due job that was claimed ``lateness`` seconds after its time."""
        self._lateness.observe(max(0.0, lateness))

    def gauge(self, name: str, meaning: str, label: str, read: Reading) -> None:
        """Add a figure that is read whenever Prometheus asks: jobs by stage, queue lengths."""
        self.registry.register(_Gauge(f"gateway_{name}", meaning, label, read))

    def text(self) -> bytes:
        """Everything in the format that ``CONTENT_TYPE`` names."""
        return exposition.generate_latest(self.registry)


class _Gauge(Collector):
    """Figures that are read at the moment they are asked for."""

    def __init__(self, name: str, meaning: str, label: str, read: Reading) -> None:
        self._name = name
        self._meaning = meaning
        self._label = label
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._meaning, labels=[self._label])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=[self._label])
        try:
            figures = self._read()
        except Exception:  # one figure that cannot be had must not take the others with it
            log.exception("the figure %s could not be read", self._name)
            return
        for value, figure in figures.items():
            family.add_metric([value], figure)
        yield family
