"""Mail, given to a real server: with and without TLS, with a login, refused now and for good."""

import datetime
import email
import email.message
import email.policy
import ssl
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.notifications.channels import Mail, MailServer, Security, Undelivered, subject, text

GUID = uuid.UUID("11111111-2222-3333-4444-555555555555")
CONTENT: dict[str, Any] = {
    "event": "failure",
    "job": {
        "description": "Nightly load",
        "status": "FAILED",
        "reason": "exit code 3",
        "due": None,
    },
    "agents": ["north", "south"],
}


class Box:
    """What a mail server has taken; ``answers`` are its replies to DATA and RCPT."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.data = "250 taken"
        self.recipient = "250 OK"
        self.logins: list[str] = []

    async def handle_RCPT(  # noqa: N802  (the server looks for this name)
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(  # noqa: N802  (as above)
        self, _server: Any, _session: Session, envelope: Envelope
    ) -> str:
        if self.data.startswith("250"):
            self.taken.append(envelope)
        return self.data

    def authenticate(self, *arguments: Any) -> AuthResult:
        login: LoginPassword = arguments[4]
        self.logins.append(login.login.decode())
        return AuthResult(success=login.password == b"right", handled=False)

    def message(self) -> email.message.EmailMessage:
        (envelope,) = self.taken
        assert isinstance(envelope.content, bytes)
        found = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(found, email.message.EmailMessage)
        return found


class _AnyPort(Controller):
    """A server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("mail") / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


Serve = Callable[..., MailServer]


@pytest.fixture
def serve(box: Box, certificate: Path) -> Iterator[Serve]:
    running: list[Controller] = []

    def start(security: Security = Security.NONE, user: str = "", password: str = "") -> MailServer:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        options: dict[str, Any] = {}
        if security is Security.STARTTLS:
            options |= {"tls_context": context, "require_starttls": True}
        if user:
            options |= {
                "authenticator": box.authenticate,
                "auth_required": True,
                "auth_require_tls": security is not Security.NONE,
            }
        controller = _AnyPort(
            box,
            hostname="localhost",
            port=0,
            ssl_context=context if security is Security.TLS else None,
            ready_timeout=20,
            **options,
        )
        controller.start()
        running.append(controller)
        trusting = ssl.create_default_context(cafile=str(certificate))
        return MailServer(
            "localhost",
            controller.port,
            security,
            user,
            password,
            "gateway@example.com",
            10,
            trusting,
        )

    yield start
    for controller in running:
        controller.stop()


def send(server: MailServer, target: str = "a@example.com") -> str:
    return Mail(server)(target, GUID, CONTENT, None)


@pytest.mark.parametrize("security", list(Security))
def test_mail_arrives(serve: Serve, box: Box, security: Security) -> None:
    send(serve(security), "a@example.com,b@example.com")
    message = box.message()
    assert box.taken[0].rcpt_tos == ["a@example.com", "b@example.com"]
    assert message["Subject"] == "Nightly load: failed (FAILED)"
    assert message["Message-ID"] == f"<{GUID}@example.com>"
    assert message["From"] == "gateway@example.com"
    body = message.get_content()
    assert "job reason: exit code 3" in body
    assert "agents: north, south" in body
    assert "due" not in body


def test_a_login_is_given_where_it_is_wanted(serve: Serve, box: Box) -> None:
    send(serve(Security.STARTTLS, "bob", "right"))
    assert box.logins == ["bob"]
    assert len(box.taken) == 1


def test_a_wrong_login_is_final(serve: Serve, box: Box) -> None:
    with pytest.raises(Undelivered) as caught:
        send(serve(Security.STARTTLS, "bob", "wrong"))
    assert caught.value.final
    assert box.taken == []


@pytest.mark.parametrize(
    ("reply", "final"), [("451 come later", False), ("550 never", True), ("452 full", False)]
)
@pytest.mark.parametrize("at", ["data", "recipient"])
def test_a_refusal_is_final_or_not(
    serve: Serve, box: Box, reply: str, final: bool, at: str
) -> None:
    setattr(box, at, reply)
    with pytest.raises(Undelivered, match=reply[:3]) as caught:
        send(serve())
    assert caught.value.final is final


def test_a_server_that_is_not_there_is_tried_again() -> None:
    server = MailServer("localhost", 9, Security.NONE, sender="g@example.com", timeout=5)
    with pytest.raises(Undelivered) as caught:
        send(server)
    assert not caught.value.final


def test_a_server_that_nobody_vouches_for_is_given_nothing(serve: Serve, box: Box) -> None:
    known = serve(Security.TLS)
    stranger = MailServer(known.host, known.port, known.security, sender=known.sender, timeout=10)
    with pytest.raises(Undelivered):
        send(stranger)
    assert box.taken == []


def test_without_a_server_there_is_no_mail() -> None:
    with pytest.raises(Undelivered, match="smtp_host") as caught:
        send(MailServer())
    assert caught.value.final


def test_no_line_of_a_message_becomes_a_header(serve: Serve, box: Box) -> None:
    content = {**CONTENT, "job": {"description": "x\r\nBcc: all@example.com\r\n\r\n\ud800"}}
    Mail(serve())("a@example.com", GUID, content, None)
    message = box.message()
    assert message["Bcc"] is None
    assert box.taken[0].rcpt_tos == ["a@example.com"]
    assert "\n" not in subject(content) or "\r" not in text(content)
