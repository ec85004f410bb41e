"""The figures: counted in the right place, none shared between two gateways."""

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.observability.metrics import CONTENT_TYPE, Metrics


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_what_happened_is_counted() -> None:
    metrics = Metrics()
    metrics.request("dispatcher", "jobs.post", 201, 0.2)
    metrics.request("dispatcher", "jobs.post", 201, 0.3)
    metrics.accepted("dispatcher")
    metrics.run_ended("COMPLETED", 3)
    metrics.committed(5, 0.001)
    metrics.claimed(-1)

    labels = {"surface": "dispatcher", "operation": "jobs.post", "status": "201"}
    assert sample(metrics, "gateway_request_seconds_count", **labels) == 2
    assert sample(metrics, "gateway_request_seconds_sum", **labels) == 0.5
    assert sample(metrics, "gateway_jobs_accepted_total", surface="dispatcher") == 1
    assert sample(metrics, "gateway_run_seconds_count", status="COMPLETED") == 1
    assert sample(metrics, "gateway_store_group_units_sum") == 5
    assert sample(metrics, "gateway_store_commit_seconds_count") == 1
    assert sample(metrics, "gateway_clock_lateness_seconds_sum") == 0


def test_two_gateways_in_one_process_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.accepted("x")
    assert sample(second, "gateway_jobs_accepted_total", surface="x") is None


def test_gauges_are_read_when_asked_for() -> None:
    metrics = Metrics()
    stages = {"scheduled": 1.0}
    metrics.gauge("jobs", "Jobs by stage", "stage", lambda: stages)
    stages["active"] = 2.0
    assert sample(metrics, "gateway_jobs", stage="active") == 2
    assert sample(metrics, "gateway_jobs", stage="scheduled") == 1


def test_a_figure_that_cannot_be_read_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Mapping[str, float]:
        raise RuntimeError("no store")

    metrics = Metrics()
    metrics.gauge("jobs", "Jobs by stage", "stage", broken)
    metrics.accepted("x")
    assert b"gateway_jobs_accepted_total" in metrics.text()
    assert "gateway_jobs" in caplog.text


def test_a_name_is_taken_once() -> None:
    metrics = Metrics()
    metrics.gauge("jobs", "Jobs by stage", "stage", dict)
    with pytest.raises(ValueError, match="Duplicated"):
        metrics.gauge("jobs", "Jobs by stage", "stage", dict)


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.request("dispatcher", 'a"b\n', 200, 1)
    families = {f.name for f in text_string_to_metric_families(metrics.text().decode())}
    assert {"gateway_request_seconds", "gateway_store_group_units", "python_info"} <= families
    assert CONTENT_TYPE.startswith("text/plain")
