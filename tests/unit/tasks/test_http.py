import gzip
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.jobs.states import JobStatus
from gateway.tasks.base import Cancellation, Cancelled, Kept, StopReason, TaskFailed, TaskOutcome
from gateway.tasks.http import HttpSettings
from gateway.tasks.registry import TaskTypes
from tests.unit.tasks.contexts import Log, context


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2])
        self.answer(status, b"hello", {"Location": "/200"} if status == 302 else {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        auth = self.headers.get("Authorization", "")
        self.answer(200, body + f" {self.headers['X-Own']} {auth}".encode(), {})

    def do_PUT(self) -> None:
        self.answer(200, gzip.compress(b"\0" * 10_000_000), {"Content-Encoding": "gzip"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def request(url: str, **settings: Any) -> tuple[TaskOutcome, str]:
    log = Log()
    prepared = context("http", Path(), {"url": url, **settings}, log=log)
    return TaskTypes.load().get("http").run(prepared), log.data.decode()


def test_the_answer_goes_to_the_log(site: str) -> None:
    outcome, log = request(f"{site}/200")
    assert outcome.status is JobStatus.COMPLETED
    assert outcome.outputs == {"http_status": "200"}
    assert log == "HTTP 200 OK\nhello"


def test_an_unexpected_status_fails(site: str) -> None:
    outcome, _ = request(f"{site}/404")
    assert outcome.status is JobStatus.FAILED
    assert outcome.detail == "The server answered with status 404; 200-299 was expected."
    outcome, _ = request(f"{site}/404", expected=["200-204", 404])
    assert outcome.status is JobStatus.COMPLETED


def test_body_headers_and_login_are_sent(site: str) -> None:
    settings = {"method": "POST", "body": "ä", "headers": {"X-Own": "1"}}
    _, log = request(f"{site}/", user="joe", password="pw", **settings)
    assert log.endswith("ä 1 Basic am9lOnB3")


def test_redirects_are_followed_only_when_wanted(site: str) -> None:
    outcome, _ = request(f"{site}/302")
    assert "status 302" in outcome.detail
    outcome, log = request(f"{site}/302", redirects=True)
    assert outcome.status is JobStatus.COMPLETED
    assert "HTTP 200" in log


def test_the_body_is_bounded_and_never_unpacked(site: str) -> None:
    _, log = request(f"{site}/200", max_body=3)
    assert log.endswith("hel\n[body cut after 3 bytes]\n")
    prepared = context("http", Path(), {"url": site, "method": "PUT"}, log=(packed := Log()))
    TaskTypes.load().get("http").run(prepared)
    assert len(packed.data) < 20_000


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::bad/", "http://a b:x/"])
def test_a_request_that_cannot_be_made(url: str) -> None:
    with pytest.raises(TaskFailed, match="The request"):
        request(url)


def test_a_file_of_authorities_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    for file in ("no.pem", "missing.pem"):
        with pytest.raises(TaskFailed, match="authorities"):
            request("https://127.0.0.1:1/", ca_file=str(tmp_path / file))


@pytest.mark.parametrize("timeout", [0.2, None])
def test_a_request_is_left_at_a_timeout_or_abort(silent: str, timeout: float | None) -> None:
    cancellation = Cancellation(timeout)
    if timeout is None:
        threading.Timer(0.2, cancellation.cancel, [StopReason.ABORTED]).start()
    prepared = context("http", Path(), {"url": silent}, cancellation=cancellation)
    with pytest.raises(Cancelled):
        TaskTypes.load().get("http").run(prepared)
    expected = StopReason.ABORTED if timeout is None else StopReason.TIMED_OUT
    assert cancellation.reason is expected


def test_expected_statuses() -> None:
    settings = HttpSettings(url="http://x", expected=("200-204", "418"))
    assert [status for status in (199, 200, 204, 205, 418) if settings.expects(status)] == [
        200,
        204,
        418,
    ]


@pytest.mark.parametrize(
    ("keep", "settings", "answer"),
    [
        (0, {}, None),
        (100, {}, Kept(b"hello", whole=True)),
        (5, {}, Kept(b"hello", whole=True)),
        (3, {}, Kept(b"hel", whole=False)),
        (100, {"expected": ["404"]}, Kept(b"hello", whole=True)),
        (100, {"max_body": 2}, Kept(b"hello", whole=True)),
        (3, {"max_body": 2}, Kept(b"hel", whole=False)),
    ],
)
def test_an_answer_that_is_wanted_is_kept(
    site: str, tmp_path: Path, keep: int, settings: dict[str, Any], answer: Kept | None
) -> None:
    wanted = {"url": f"{site}/200", **settings}
    prepared = context("http", tmp_path, wanted, keep_answer=keep)
    assert TaskTypes.load().get("http").run(prepared).answer == answer
    shown = b"hello"[: settings.get("max_body", 5)]
    assert prepared.log.data.splitlines()[1] == shown  # type: ignore[attr-defined]  # it is the tests' own
