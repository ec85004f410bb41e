"""How a message leaves: as a signed webhook, or as mail."""

import email.message
import email.utils
import enum
import hashlib
import hmac
import json
import smtplib
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

import httpx

TIMEOUT = 15.0
_DETAIL = 300
# Replies of mail servers from here on say that the same will not be taken later either (RFC 5321).
_PERMANENT = 500
# Of the answers that refuse, these may be others later.
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_LONGEST_RETRY_AFTER = 3600.0


class Undelivered(Exception):
    """A message has not arrived. ``final``: to try again is of no use.

    ``retry_after`` is in seconds, where the other side has said so.
    """

    def __init__(self, detail: str, *, final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(detail[:_DETAIL])
        self.final = final
        self.retry_after = retry_after


class Channel(Protocol):
    """Sends one message, and answers what the other side said. Raises Undelivered."""

    def __call__(
        self, target: str, guid: uuid.UUID, content: dict[str, Any], secret: str | None
    ) -> str:
        """Send it."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the header Gateway-Signature says: HMAC-SHA256 over ``timestamp.body``."""
    message = timestamp.encode("ascii") + b"." + body
    return "v1=" + hmac.new(secret.encode("utf-8"), message, hashlib.sha256).hexdigest()


class Webhook:
    """Posts a message as JSON. ``seconds`` is the present time of the epoch."""

    def __init__(self, seconds: Callable[[], float], timeout: float = TIMEOUT) -> None:
        self._seconds = seconds
        # No redirects: a message goes where the rule says, and nowhere else.
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def __call__(
        self, target: str, guid: uuid.UUID, content: dict[str, Any], secret: str | None
    ) -> str:
        """Post it."""
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
        timestamp = str(int(self._seconds()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "dispatcher-gateway",
            "Gateway-Event": str(content.get("event", "")),
            "Gateway-Delivery": str(guid),
            "Gateway-Timestamp": timestamp,
        }
        if secret is not None:
            headers["Gateway-Signature"] = signature(secret, timestamp, body)
        try:
            # What the other side says beside its status is not read: it may be of any length.
            with self._client.stream("POST", target, content=body, headers=headers) as answer:
                return _judged(answer)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Undelivered(f"the address cannot be used: {error}", final=True) from None
        except httpx.HTTPError as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from None

    def close(self) -> None:
        """Close what connections are open."""
        self._client.close()


def _judged(answer: httpx.Response) -> str:
    said = f"{answer.status_code} {answer.reason_phrase}"
    if answer.is_success:
        return said
    later = answer.is_server_error or answer.status_code in _LATER
    raise Undelivered(said, final=not later, retry_after=_retry_after(answer))


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "").strip()
    if not text.isascii() or not text.isdigit():
        return 0.0
    return min(float(text[:9]), _LONGEST_RETRY_AFTER)


class Security(enum.StrEnum):
    """How a connection to a mail server is made safe."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True)
class MailServer:
    """Where mail is given; without a host it is not."""

    host: str = ""
    port: int = 25
    security: Security = Security.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    timeout: float = TIMEOUT
    context: ssl.SSLContext | None = field(default=None, repr=False)


class Mail:
    """Gives messages to a mail server, as plain text."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    def __call__(
        self,
        target: str,
        guid: uuid.UUID,
        content: dict[str, Any],
        secret: str | None,  # noqa: ARG002  (mail is not signed)
    ) -> str:
        """Send it to all addresses."""
        if not self._server.host or not self._server.sender:
            raise Undelivered(
                "no mail server is set: see notifications.smtp_host and notifications.mail_from",
                final=True,
            )
        message = self._message(target, guid, content)
        try:
            refused = self._send(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients) from None
        except smtplib.SMTPResponseException as error:
            raise Undelivered(
                f"{error.smtp_code} {_text(error.smtp_error)}", final=error.smtp_code >= _PERMANENT
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from None
        if refused:
            raise _refusal(refused)
        return "taken by the mail server"

    def _send(self, message: email.message.EmailMessage) -> dict[str, tuple[int, bytes]]:
        server = self._server
        context = server.context or ssl.create_default_context()
        if server.security is Security.TLS:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        with connection:
            if server.security is Security.STARTTLS:
                connection.starttls(context=context)
            if server.user:
                connection.login(server.user, server.password)
            return connection.send_message(message)

    def _message(
        self, target: str, guid: uuid.UUID, content: dict[str, Any]
    ) -> email.message.EmailMessage:
        message = email.message.EmailMessage()
        message["From"] = self._server.sender
        message["To"] = ", ".join(target.split(","))
        message["Subject"] = _one_line(subject(content))
        message["Date"] = email.utils.localtime()
        # The same at each attempt: a mail server that took it twice can tell.
        domain = self._server.sender.rpartition("@")[2].strip("<> ") or "localhost"
        message["Message-ID"] = f"<{guid}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text(content))
        return message


def subject(content: dict[str, Any]) -> str:
    """One line that says it all."""
    job, definition = content.get("job", {}), content.get("definition", {})
    what = job.get("description") or definition.get("name") or "a job"
    words = _WORDS.get(str(content.get("event")), str(content.get("event")))
    status = f" ({job['status']})" if job.get("status") else ""
    return f"{what}: {words}{status}"


_WORDS = {
    "start": "started",
    "success": "succeeded",
    "failure": "failed",
    "late": "started late",
    "missed": "missed",
    "test": "a test",
}


def text(content: dict[str, Any]) -> str:
    """The whole message for people: a member on each line."""
    lines = [subject(content), ""]
    for name, value in content.items():
        if isinstance(value, dict):
            lines += [
                f"{name} {inner}: {one}" for inner, one in value.items() if one not in (None, "")
            ]
        elif isinstance(value, list):
            lines.append(f"{name}: {', '.join(map(str, value))}")
        elif value not in (None, ""):
            lines.append(f"{name}: {value}")
    return "\n".join(_one_line(line) for line in lines) + "\n"


def _one_line(line: str) -> str:
    """Without line breaks, which would begin another header, and halves of surrogate pairs."""
    shown = "".join(one if one.isprintable() else " " for one in line)
    return shown.encode("utf-8", "replace").decode("utf-8")[:500]


def _refusal(refused: dict[str, tuple[int, bytes]]) -> Undelivered:
    said = "; ".join(f"{who}: {code} {_text(words)}" for who, (code, words) in refused.items())
    return Undelivered(said, final=all(code >= _PERMANENT for code, _ in refused.values()))


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words
