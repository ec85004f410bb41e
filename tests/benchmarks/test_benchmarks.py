"""That the measurements can be made and read; what they say is judged by people."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from lxml import etree
from rich.console import Console

from tests.benchmarks import __main__ as program
from tests.benchmarks import (
    bodies,
    client,
    disk,
    figures,
    other_stacks,
    running,
    shop,
    soap_calls,
    uploads,
)
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


@pytest.mark.slow
def test_all_soap_stacks_do_the_same_and_want_the_login() -> None:
    with shop.opened(shop.ROOT / "build") as place, contextlib.ExitStack() as servers:
        contenders, lacks = soap_calls.start(place, servers)
        if lacks:
            pytest.skip(f"scripts/install-interop installs what is lacking: {lacks}")
        assert set(other_stacks.STACKS) < set(contenders)
        ours = contenders[soap_calls.STORELESS]
        for name, contender in contenders.items():
            for call in contender.requests:
                mine, theirs = (
                    list(_told(soap_calls.ask(each.server, each.requests[call])))
                    for each in (ours, contender)
                )
                if call == soap_calls.GET and name != soap_calls.GATEWAY:
                    assert theirs == mine, name
                # Of another job: the same members in the same order.
                assert [member for member, _ in theirs] == [member for member, _ in mine], name
            if name != soap_calls.SPYNE:
                unknown = contender.requests[soap_calls.GET].replace(
                    bodies.credentials().encode(), b"Basic bm9ib2R5Om5vdGhpbmc="
                )
                refused = client.once(contender.server.port, unknown)
                assert refused.startswith(b"HTTP/1.1 401 "), name


def _told(job: etree._Element) -> Iterator[tuple[str, object]]:
    """What a job holds; moments to the second, as not all stacks have more."""
    for element in job.iter():
        name, text = etree.QName(element).localname, element.text or ""
        told = datetime.fromisoformat(text) if name.endswith("DateTime") else text
        yield name, told.replace(microsecond=0) if isinstance(told, datetime) else told


def test_soap_stacks_that_are_not_here_leave_their_rows_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    console = Console(record=True, width=200)
    with shop.opened(shop.ROOT / "build") as place:
        rows = program.measured(console, place, ("soap",), _BRIEF)
    told = console.export_text()
    assert "soap: node soap: not measured: there is no node: apt-get install nodejs" in told
    assert "soap: PHP SoapServer: not measured: there is no php" in told
    assert "soap: gSOAP: not measured: there is no wsdl2h" in told
    assert {row.name.split(", ")[1].split(":")[0] for row in rows} == {
        soap_calls.SPYNE, soap_calls.STORELESS, soap_calls.GATEWAY
    }  # fmt: skip
    assert rows[0].name == f"{soap_calls.GET}, {soap_calls.SPYNE}"
    assert {row.yardstick for row in rows if row.yardstick} <= {row.name for row in rows}


def test_the_client_connects_again_where_the_server_hangs_up() -> None:
    connections: set[tuple[str, int]] = set()

    class Closing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            connections.add(self.client_address)
            self.send_response(200)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_told: object) -> None:
            """Nothing: there are many."""

    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Closing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        wanted = client.Load(connections=2, seconds=0.1, warm_up=0.0)
        sample = client.load(server.server_port, request, wanted)
        server.shutdown()
        thread.join()
    assert sample.wrong == 0
    assert 2 < sample.answers <= len(connections)
