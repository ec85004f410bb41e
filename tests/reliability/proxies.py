"""A plain HTTP proxy, as stands between networks: whatever goes through it is counted."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OWN = frozenset({"proxy-connection", "connection", "transfer-encoding", "content-length"})
_PATIENCE_SECONDS = 90.0


class Proxy:
    """A proxy that runs; ``passed`` are the paths that were asked for."""

    def __init__(self, server: ThreadingHTTPServer, passed: list[str]) -> None:
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        self.passed = passed


@contextlib.contextmanager
def running(delay: float = 0.0, lost: int = 0) -> Iterator[Proxy]:
    """A proxy for the length of a block.

    Each request is held up by so many seconds on its way, and each answer, too. Of each ``lost``
    answers one never comes back.
    """
    passed: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        """Hands each request on, and the answer back."""

        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            target = urlsplit(self.path)
            passed.append(target.path)
            time.sleep(delay)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {n: v for n, v in self.headers.items() if n.lower() not in _OWN}
            there = http.client.HTTPConnection(str(target.netloc), timeout=_PATIENCE_SECONDS)
            with contextlib.closing(there), contextlib.suppress(OSError):
                path = target.path + (f"?{target.query}" if target.query else "")
                there.request(self.command, path, body, headers)
                answer = there.getresponse()
                content = answer.read()
                time.sleep(delay)
                if lost and len(passed) % lost == 0:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _OWN:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_error(502)

        do_GET = do_POST = do_PUT = _pass  # noqa: N815  # what the library calls

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Proxy(server, passed)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
