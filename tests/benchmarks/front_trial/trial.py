"""Try every case on every candidate and print a table (see README.md)."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
NAMES = ["uvicorn", "hypercorn", "granian-asgi", "waitress", "granian-wsgi", "front"]
POLLS = 2000
RATE_RUNS = 3
RATE_SECONDS = 5


class Server:
    """One candidate, running."""

    def __init__(self, name: str, tls: Path | None = None) -> None:
        self.ports = [free_port(), free_port()]
        program = str(Path(__file__).with_name("servers.py"))
        command = [sys.executable, program, name, *map(str, self.ports)]
        if tls is not None:
            command += ["--tls", str(tls)]
        self.process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._await()

    def _await(self) -> None:
        ends = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < ends:
            with contextlib.suppress(OSError):
                self.get("/")
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("does not start")

    def connect(self, port: int = 0, timeout: float = 5) -> socket.socket:
        return socket.create_connection((HOST, self.ports[port]), timeout)

    def get(self, path: str, port: int = 0, timeout: float = 5) -> bytes:
        connection = http.client.HTTPConnection(HOST, self.ports[port], timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def raw(self, request: bytes, wait: float = 1.0) -> bytes:
        """Send and return what comes until the end or until it has been quiet for ``wait`` s."""
        with self.connect() as connection:
            connection.sendall(request)
            return self.drain(connection, wait)

    @staticmethod
    def drain(connection: socket.socket, wait: float) -> bytes:
        connection.settimeout(wait)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while data := connection.recv(65536):
                received += data
        return received

    def processes(self) -> list[psutil.Process]:
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def memory(self) -> float:
        """Resident memory of all processes in MB."""
        return sum(process.memory_info().rss for process in self.processes()) / 1e6

    def cpu(self) -> float:
        """Seconds of CPU that all processes have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(name: str, tls: Path | None = None) -> Iterator[Server]:
    server = Server(name, tls)
    try:
        yield server
    finally:
        server.stop()


# -- the cases ----------------------------------------------------------------------------------


def two_listeners(name: str) -> str:
    with running(name) as server:
        try:
            server.get("/", 1)
        except OSError:
            return "no: one address"
        return f"yes, {len(server.processes())} process"


def cut_uploads(name: str) -> str:
    """Send a part of a body and leave; say what the application was given."""
    chunked = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"
    stated = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabcde"
    found = []
    with running(name) as server:
        for kind, request in (("chunked", chunked), ("length", stated)):
            for reset in (False, True):
                before = len(json.loads(server.get("/seen")))
                leave(server, request, reset=reset)
                time.sleep(0.3)
                ran = json.loads(server.get("/seen"))[before:]
                if ran:
                    found.append(f"{kind}: app ran with {ran[0]} bytes")
    return "; ".join(dict.fromkeys(found)) or "never reach the app"


def leave(server: Server, request: bytes, *, reset: bool) -> None:
    with server.connect() as connection:
        connection.sendall(request)
        time.sleep(0.1)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def slow_senders(name: str) -> str:
    """As many senders of a byte a second as ``senders``; how long does another request wait?"""
    cells = []
    for senders in (4, 16):
        with running(name) as server:
            slow = [server.connect() for _ in range(senders)]
            for connection in slow:
                connection.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n")
            cells.append(f"{senders}: {longest_wait(server, slow)}")
            for connection in slow:
                connection.close()
    return ", ".join(cells)


def longest_wait(server: Server, slow: list[socket.socket]) -> str:
    longest = 0.0
    for _ in range(3):
        for connection in slow:
            connection.sendall(b"x")
        for _ in range(10):
            begun = time.monotonic()
            try:
                server.get("/", timeout=3)
            except OSError:
                return "not served"
            longest = max(longest, time.monotonic() - begun)
            time.sleep(0.08)
    return f"{longest * 1000:.0f} ms"


def killed(name: str) -> str:
    with running(name) as server:
        others = server.processes()[1:]
        server.process.kill()
        server.process.wait()
        time.sleep(1)
        try:
            server.get("/", timeout=2)
        except OSError:
            return "nothing serves"
        return f"{len([p for p in others if p.is_running()])} orphan goes on serving"


def encoded_slash(name: str) -> str:
    with running(name) as server:
        answer = server.raw(b"GET /raw/a%2Fb{c} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    found = answer.rpartition(b"\r\n")[2].decode() if b"Content" in answer else ""
    body = re.search(rb"/raw/[^\r\n]*", answer)
    found = body.group().decode() if body else answer[:20].decode()
    return "kept" if found == "/raw/a%2Fb{c}" else f"lost: {found}"


def header_case(name: str) -> str:
    with running(name) as server:
        answer = server.raw(
            b"pOST /locked HTTP/1.1\r\n\r\n".replace(b"pOST", b"POST").replace(
                b"\r\n\r\n", b"\r\nhOST: h\r\ncontent-LENGTH: 0\r\nConnection: close\r\n\r\n"
            )
        )
    names = re.findall(rb"www-authenticate", answer, re.IGNORECASE)
    return f"answer: {names[0].decode()}" if names else "no answer"


def http_1_0(name: str) -> str:
    with running(name) as server:
        plain = server.raw(b"GET / HTTP/1.0\r\n\r\n")
        stream = server.raw(b"GET /stream HTTP/1.0\r\n\r\n")
    length = "with" if b"content-length: 18" in plain.lower() else "without"
    form = "chunked (!)" if b"chunked" in stream.lower() else "not chunked"
    whole = "whole" if b"012" in stream or b"\r\n1\r\n" in stream else "broken"
    return f"{length} length; stream {form}, {whole}"


def expect_continue(name: str) -> str:
    head = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with running(name) as server:
        refused = server.raw(head % b"/locked", 0.7)
        with server.connect() as connection:
            connection.sendall(head % b"/echo")
            first = server.drain(connection, 0.7)
            connection.sendall(b"abcde")
            last = server.drain(connection, 0.7)
    works = first.startswith(b"HTTP/1.1 100") and b" 200 " in last
    early = "100 before 401" if refused.startswith(b"HTTP/1.1 100") else "401 at once"
    return f"{'works' if works else 'no 100'}; {early}"


def long_polls(name: str) -> str:
    with running(name) as server:
        before = server.memory()
        polls = []
        for number in range(POLLS):
            polls.append(server.connect())
            polls[-1].sendall(b"GET /poll HTTP/1.1\r\nHost: h\r\n\r\n")
            if number % 100 == 99:
                time.sleep(0.05)
        time.sleep(1)
        grown, busy = server.memory() - before, server.cpu()
        time.sleep(3)
        busy = (server.cpu() - busy) / 3
        try:
            begun = time.monotonic()
            server.get("/", timeout=3)
            other = f"another is served in {(time.monotonic() - begun) * 1000:.0f} ms"
        except OSError:
            other = "another is not served"
        for poll in polls:
            poll.close()
    return f"+{grown:.0f} MB, {busy:.1%} CPU, {other}"


def client_certificates(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        make_certificates(Path(folder))
        try:
            with running(name, Path(folder)) as server:
                known = https(server, Path(folder), certificate=True)
                unknown = https(server, Path(folder), certificate=False)
        except RuntimeError:
            return "no"
    if known and not unknown:
        return "yes"
    return f"no (with one: {known}, without: {unknown})"


def https(server: Server, folder: Path, *, certificate: bool) -> bool:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
    connection = http.client.HTTPSConnection(HOST, server.ports[1], timeout=3, context=context)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def make_certificates(folder: Path) -> None:
    """Write a self-signed certificate that is server, client and authority in one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trial")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (folder / "server.pem").write_bytes(certificate)
    (folder / "ca.pem").write_bytes(certificate)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.key").write_bytes(private)


def rate(name: str) -> str:
    if shutil.which("wrk") is None:
        return "no wrk"
    with running(name) as server:
        idle = server.memory()
        runs = [wrk(server.ports[0]) for _ in range(RATE_RUNS)]
        loaded = server.memory()
    speeds = sorted(speed for speed, _ in runs)
    tail = statistics.median(tail for _, tail in runs)
    return (
        f"{statistics.median(speeds):,.0f}/s ({speeds[0]:,.0f}-{speeds[-1]:,.0f}), "
        f"p99 {tail:.0f} ms; {idle:.0f} to {loaded:.0f} MB"
    )


def wrk(port: int) -> tuple[float, float]:
    command = ["wrk", "-t1", "-c32", f"-d{RATE_SECONDS}", "--latency", f"http://{HOST}:{port}/"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    tail, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed).groups()  # type: ignore[union-attr]  # wrk prints it
    speed = re.search(r"Requests/sec:\s+([\d.]+)", printed).group(1)  # type: ignore[union-attr]  # wrk prints it
    return float(speed), float(tail) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


CASES: dict[str, Callable[[str], str]] = {
    "several listeners": two_listeners,
    "cut uploads": cut_uploads,
    "slow senders, longest wait of another": slow_senders,
    "SIGKILL of the main process": killed,
    "%2F and {} in the path": encoded_slash,
    "header names": header_case,
    "HTTP/1.0": http_1_0,
    "Expect: 100-continue": expect_continue,
    f"{POLLS:,} idle long polls": long_polls,
    "client certificates on one listener only": client_certificates,
    "Flask at 32 connections; memory": rate,
}


def attempt(case: Callable[[str], str], name: str) -> str:
    try:
        return case(name)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        return f"failed: {error!r}"


def main() -> None:
    """Print one row for each case, one column for each candidate."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    names = sys.argv[1:] or NAMES
    print("| case |", " | ".join(names), "|")
    print("|---|", "---|" * len(names), sep="")
    for title, case in CASES.items():
        print("|", title, "|", " | ".join(attempt(case, name) for name in names), "|", flush=True)


if __name__ == "__main__":
    main()
