"""That the measurements can be made and read; what they say is judged by people."""

import json
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from tests.benchmarks import __main__ as program
from tests.benchmarks import client, disk, figures, running, shop, uploads
from tests.benchmarks.figures import Effort, Row
from tests.benchmarks.yardsticks import Kind

_BRIEF = Effort(seconds=0.1, rounds=1, scale=0.002)


def test_a_measurement_is_a_table_and_a_list_of_rows(tmp_path: Path) -> None:
    # Not in tmp_path itself: that may lie in memory.
    with shop.opened(shop.ROOT / "build") as place:
        rows = list(running.measure_noop(place, _BRIEF))
    rated, ours = rows[0], rows[1]
    assert ours.yardstick == rated.name
    assert ours.ratio == pytest.approx(ours.value / rated.value)
    assert all(row.value > 0 for row in rows)

    console = Console(record=True, width=200)
    figures.show(console, "jobs", rows)
    assert ours.name in console.export_text()

    written = tmp_path / "bench.json"
    figures.write(written, rows)
    read = json.loads(written.read_text())
    assert [set(row) for row in read] == [{"name", "value", "unit", "yardstick", "ratio"}] * 4


def test_an_upload_is_measured_beside_what_others_do() -> None:
    with shop.opened(shop.ROOT / "build") as place:
        rows = {row.name: row for row in uploads.measure(place, _BRIEF)}
    for name in ("accepts", "GET jobs"):
        beside = rows[f"{name}, beside an upload: p99"]
        assert beside.yardstick == f"{name}, no upload: p99"
        assert min(beside.value, rows[f"an upload beside {name}"].value) > 0
        assert rows[f"memory of the server, grown beside {name}"].unit == "MiB"


def test_a_figure_that_cannot_be_had_is_told_and_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unmeasurable(_place: shop.Shop, _effort: Effort) -> list[Row]:
        raise figures.Unmeasurable("there is no compiler")

    monkeypatch.setattr(program, "GROUPS", {"slow-disk": unmeasurable})
    console = Console(record=True, width=200)
    with shop.opened(shop.ROOT / "build") as place:
        assert program.measured(console, place, ("slow-disk",), _BRIEF) == []
    assert "slow-disk: not measured: there is no compiler" in console.export_text()


def test_wrong_answers_end_the_measurement() -> None:
    with shop.opened(shop.ROOT / "build") as place, place.yardstick(Kind.FLASK) as server:
        request = b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with pytest.raises(figures.BenchmarkError, match="404"):
            place.load(server, request, client.Load(connections=2, seconds=0.1, warm_up=0.0))
    assert server.process.poll() is not None


def test_memory_is_no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Partition:
        mountpoint = str(tmp_path)
        fstype = "tmpfs"

    monkeypatch.setattr(psutil, "disk_partitions", lambda **_wanted: [Partition()])
    with pytest.raises(figures.Unmeasurable, match="lies in memory"):
        disk.require_real(tmp_path / "below")


@pytest.mark.parametrize(
    ("percent", "value"), [(50, 2.0), (99, 4.0), (25, 1.0), (100, 4.0), (0, 1.0)]
)
def test_percentiles_are_by_nearest_rank(percent: float, value: float) -> None:
    assert client.percentile([4.0, 1.0, 3.0, 2.0], percent) == value
