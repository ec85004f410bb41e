"""A server that speaks the messages of remote agents, keeps all in memory, and fails as told."""

import collections
import contextlib
import dataclasses
import hashlib
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import moments
from gateway.agents.desk import AgentSession, Refusal
from gateway.agents.messages import (
    ROOT,
    Document,
    EnrolmentAnswer,
    EnrolmentRequest,
    LossRequest,
    PollAnswer,
    PollRequest,
    Problem,
    ReportAnswer,
    ReportRequest,
    ResourceAnswer,
    SessionAnswer,
    SessionRequest,
    TokenAnswer,
)
from tests.unit.agents.memory_desk import MemoryDesk

SOMEBODY = AgentSession(0, uuid.uuid4(), uuid.uuid4())


@dataclasses.dataclass(frozen=True)
class Refused(Exception):
    """An answer without success."""

    status: int
    code: str
    message: str = "no"


@dataclasses.dataclass
class Fault:
    """How the next ``times`` requests to a path fail."""

    path: str
    times: int
    act: Callable[["Handler"], None]


class FakeServer:
    """One server; ``desk`` has what it was told and what it gives out."""

    def __init__(
        self, port: int = 0, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.desk = MemoryDesk()
        self.lock = self.desk.changed
        self.tokens = {"enrolled"}
        self.enrolment_tokens = {"once"}
        self.decision = "waiting"
        self.secret = ""
        self.session: uuid.UUID | None = None
        self.openings: list[SessionRequest] = []
        self.second_agent = False
        self.agent = uuid.uuid4()
        self.polls: list[PollRequest] = []
        self.paths: collections.Counter[str] = collections.Counter()
        self.losses: list[LossRequest] = []
        self.resources: dict[str, bytes] = {}
        self.ranges: list[str] = []
        self.cut_after: int | None = None
        self.skew = 0
        self.renew_seconds = 0.3
        self.longest_wait = 5.0
        self.faults: list[Fault] = []
        self.made_tokens = 0
        self._newest = 0
        self.http = _Http((host, port), Handler, self)
        self.scheme = "http"
        if context is not None:
            self.scheme = "https"
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.http.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.http.cut()
        self._thread.join()

    def fail(self, path: str, act: Callable[["Handler"], None], times: int = 1) -> None:
        self.faults.append(Fault(path, times, act))

    def end_session(self) -> None:
        """What happens when a store is restored, or another agent takes over."""
        with self.lock:
            self.session = None
            self.lock.notify_all()

    def now(self) -> int:
        return moments.now() + self.skew

    # The calls.

    def enrolments(self, body: bytes) -> Document:
        asked = EnrolmentRequest.model_validate_json(body)
        self.secret = asked.secret.get_secret_value()
        if asked.token is not None:
            if asked.token.get_secret_value() not in self.enrolment_tokens:
                raise Refused(401, "unauthenticated", "the token is not known")
            self.decision = "approved"
        return self.decided()

    def decided(self) -> EnrolmentAnswer:
        approved = self.decision == "approved"
        return EnrolmentAnswer(
            enrolment=self.agent,
            state=self.decision,
            code="AB-12",
            agent=self.agent if approved else None,
            token="enrolled" if approved else None,
            retry_after=0.05,
        )

    def sessions(self, body: bytes) -> Document:
        asked = SessionRequest.model_validate_json(body)
        if self.second_agent:
            raise Refused(409, "second_agent", "the agent here is at work elsewhere")
        with self.lock:
            self.openings.append(asked)
            self.session = uuid.uuid4()
            self.lock.notify_all()
            return SessionAnswer(
                agent=self.agent,
                name=asked.facts.name,
                session=self.session,
                incarnation="one",
                renew_seconds=self.renew_seconds,
                longest_wait=self.longest_wait,
                server_time=self.now(),
            )

    def poll(self, body: bytes) -> Document:
        asked = PollRequest.model_validate_json(body)
        desk = self.desk
        with self.lock:
            self._check(asked.session)
            self.polls.append(asked)
            if asked.facts is not None:
                desk.facts = asked.facts
            self._newest += 1
            mine = self._newest
            named = [(one.run, one.attempt) for one in asked.runs]
            refused = [Refusal(*run, "settled meanwhile") for run in named if run in desk.settled]
            self.lock.notify_all()
            told = {(one.run, one.attempt) for one in desk.aborts(SOMEBODY)}
            self.lock.wait_for(
                lambda: bool(
                    refused
                    or mine != self._newest
                    or self.session != asked.session
                    or not told >= {(one.run, one.attempt) for one in desk.aborts(SOMEBODY)}
                    or (asked.places and desk._waiting)
                ),
                asked.wait,
            )
            self._check(asked.session)
            orders = desk.claim(SOMEBODY, asked.places) if asked.places else []
            return PollAnswer(
                orders=tuple(orders),
                aborts=tuple(desk.aborts(SOMEBODY)),
                refused=tuple(refused),
                server_time=self.now(),
            )

    def reports(self, body: bytes) -> Document:
        asked = ReportRequest.model_validate_json(body)
        self._check(asked.session)
        return ReportAnswer(
            refused=tuple(self.desk.report(SOMEBODY, asked.reports)), server_time=self.now()
        )

    def lose(self, body: bytes) -> Document:
        asked = LossRequest.model_validate_json(body)
        self._check(asked.session)
        with self.lock:
            self.losses.append(asked)
            runs = [(one.run, one.attempt) for one in asked.runs]
            if asked.begun:
                self.desk.lost(SOMEBODY, runs, asked.reason)
            else:
                self.desk.give_back(SOMEBODY, runs)
        return Document()

    def token(self, body: bytes) -> Document:
        self.made_tokens += 1
        token = f"made-{self.made_tokens}"
        self.tokens.add(token)
        return TokenAnswer(token=token)

    def resource(self, reference: str) -> tuple[ResourceAnswer, bytes]:
        data = self.resources.get(reference)
        if data is None:
            raise Refused(404, "not_found", f"There is no resource {reference!r}.")
        digest = hashlib.sha256(data).hexdigest()
        return ResourceAnswer(name=reference, size=len(data), sha256=digest), data

    def _check(self, session: uuid.UUID) -> None:
        if session != self.session:
            raise Refused(409, "session_over", "another session was opened")


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: Any, handler: Any, fake: FakeServer) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave, and handshakes that fail, are what the tests are about."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def cut(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: Any) -> None:
        """The tests' output is their own."""

    def _answer(self, body: bytes) -> None:
        fake = self.server.fake
        parts = urllib.parse.urlsplit(self.path)
        path = parts.path.removeprefix(ROOT)
        with fake.lock:
            fake.paths[path] += 1
            fault = next((one for one in fake.faults if path.startswith(one.path)), None)
            if fault is not None:
                fault.times -= 1
                if fault.times == 0:
                    fake.faults.remove(fault)
        if fault is not None:
            fault.act(self)
            return
        try:
            self._call(path, dict(urllib.parse.parse_qsl(parts.query)), body)
        except Refused as error:
            problem = Problem(code=error.code, message=error.message)
            self.send(error.status, problem.model_dump_json().encode())

    def _call(self, path: str, query: dict[str, str], body: bytes) -> None:
        fake = self.server.fake
        if path.startswith("/enrolments"):
            if self.command == "POST":
                return self._say(fake.enrolments(body))
            if self.headers["Authorization"] != f"Bearer {fake.secret}":
                raise Refused(401, "unauthenticated")
            return self._say(fake.decided())
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if token not in fake.tokens:
            raise Refused(401, "unauthenticated", "the token is not known")
        if token.startswith("made-"):
            fake.tokens &= {token}
        calls = {
            "/sessions": fake.sessions,
            "/poll": fake.poll,
            "/reports": fake.reports,
            "/losses": fake.lose,
            "/token": fake.token,
        }
        if path in calls:
            return self._say(calls[path](body))
        answer, data = fake.resource(query["reference"])
        if path == "/resources":
            return self._say(answer)
        return self._content(data)

    def _content(self, data: bytes) -> None:
        fake = self.server.fake
        wanted = self.headers["Range"] or ""
        fake.ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data) if fake.cut_after is None else start + fake.cut_after
        self.wfile.write(data[start:end])
        if end < len(data):
            self.close_connection = True

    def _say(self, document: Document) -> None:
        self.send(200, document.model_dump_json().encode())

    def send(self, status: int, data: bytes, kind: str = "application/json", **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def page(status: int) -> Callable[[Handler], None]:
    """A page for people, as proxies have them."""
    return lambda handler: handler.send(status, b"<html>Bad gateway</html>", "text/html")


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def truncate(handler: Handler) -> None:
    """Promise more than comes."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"server_time": 1')
    hang_up(handler)


def drip(handler: Handler) -> None:
    """Answer to a poll as over a slow link: with nothing to do, a few bytes at a time."""
    data = json.dumps({"server_time": moments.now()}).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    for start in range(0, len(data), 8):
        handler.wfile.write(data[start : start + 8])
        handler.wfile.flush()
        time.sleep(0.02)


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path, str]:
    """A certificate for this address that signs itself: its file, its key, its fingerprint."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file, key_file, f"sha256:{made.fingerprint(hashes.SHA256()).hex()}"


def tls(file: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
