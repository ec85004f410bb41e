"""A hostile message as a value, and as the bytes of a request in which it is kept."""

import base64
import dataclasses
import enum
import uuid

from gateway.surfaces.dispatcher.service import RESOURCES, SCHEDULING, Service
from tests.contract.dispatcher.house import ADMIN, ENVELOPES

S11, S12 = ENVELOPES
TYPES = {S11: "text/xml; charset=utf-8", S12: "application/soap+xml; charset=utf-8"}
XSI = "http://www.w3.org/2001/XMLSchema-instance"


MODULE = uuid.UUID("5cf59e5a-343c-4d85-a83c-8b18e4731041")
"""The only module of the house: messages may name it, but they know no agent to name with it."""


class Login(enum.Enum):
    """Who sends a message: a name and a password, or nobody."""

    ADMINISTRATOR = ADMIN
    READER = ("hostile reader", "a long password")
    WRONG = ("nobody", "not the password")
    NONE = None

    @property
    def header(self) -> tuple[tuple[str, str], ...]:
        """The Authorization header, if there is one."""
        if self.value is None:
            return ()
        return (
            ("Authorization", "Basic " + base64.b64encode(":".join(self.value).encode()).decode()),
        )


@dataclasses.dataclass(frozen=True)
class Message:
    """A request to the SOAP address of a service. Header values hold Latin-1 only."""

    name: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    service: Service = SCHEDULING

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        found = (value for key, value in self.headers if key.lower() == name.lower())
        return next(found, None)

    @property
    def stored_by_right(self) -> bool:
        """Whether an administrator may store something with it: only a file is without conditions.

        Messages of the generator name modules, agents and teams that are not there.
        """
        return b"UploadResource" in self.body.replace(b"\0", b"")

    def written(self) -> bytes:
        """The message as a request of HTTP/1.1."""
        lines = [f"POST {self.service.path}/soap HTTP/1.1", "Host: gateway.test"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}"]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def read(name: str, request: bytes) -> Message:
    """What :meth:`Message.written` wrote."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(each.split(": ", 1)) for each in lines]
    service = RESOURCES if RESOURCES.path in line else SCHEDULING
    kept = [each for each in headers if each[0] not in ("Host", "Content-Length")]
    return Message(name, body, tuple(kept), service)


def typed(namespace: str = S11, login: Login = Login.ADMINISTRATOR) -> tuple[tuple[str, str], ...]:
    """The usual headers of a version of SOAP."""
    return (("Content-Type", TYPES[namespace]), *login.header)


def envelope(
    body: str, namespace: str = S11, *, header: str = "", before: str = "", root: str = ""
) -> str:
    """An envelope with s for its namespace, i for that of xsi:type; ``root`` are attributes."""
    return (
        f'{before}<s:Envelope xmlns:s="{namespace}" xmlns:i="{XSI}" {root}>'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
