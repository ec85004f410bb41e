"""What a SOAP operation is, what can go wrong in it, and what is answered: plain values.

Nothing here knows Spyne, so that the table of operations can be read by the REST side, the help
page and the tests.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterator
from typing import Any

from gateway.wire.messages import Content


@dataclasses.dataclass(frozen=True)
class SoapArgument:
    """One argument of an operation; absent ones arrive as None, or () for lists."""

    name: str
    content: Content
    meaning: str = ""


@dataclasses.dataclass(frozen=True)
class SoapOperation:
    """One operation, document/literal wrapped.

    ``handler`` is called with the context that was given to ``SoapService.call`` and then the
    arguments in their declared order. It returns a value of ``result`` (None if there is no
    result; for a list of any length an iterator of its items), or raises :class:`SoapFault` or an
    error that the service was told how to explain.
    Each operation may answer the one fault of the contract, ``DispatcherFault``.
    """

    name: str
    handler: Callable[..., Any]
    arguments: tuple[SoapArgument, ...] = ()
    result: Content | None = None
    documentation: str = ""


class FaultCode(enum.Enum):
    """Whose mistake a fault is. The values are SOAP 1.1's words."""

    CLIENT = "Client"
    SERVER = "Server"
    VERSION_MISMATCH = "VersionMismatch"
    MUST_UNDERSTAND = "MustUnderstand"


_LONGEST_MESSAGE = 1000


class SoapVersion(enum.Enum):
    """The two versions: what people call each, its Envelope's namespace, its Content-Type."""

    V11 = (
        "1.1",
        "http://schemas.xmlsoap.org/soap/envelope/",
        "text/xml; charset=utf-8",
    )
    V12 = (
        "1.2",
        "http://www.w3.org/2003/05/soap-envelope",
        "application/soap+xml; charset=utf-8",
    )

    def __init__(self, label: str, namespace: str, content_type: str) -> None:
        self.label = label
        self.namespace = namespace
        self.content_type = content_type
        self.envelope = f"{{{namespace}}}Envelope"
        self.header = f"{{{namespace}}}Header"
        self.body = f"{{{namespace}}}Body"
        self.must_understand = f"{{{namespace}}}mustUnderstand"


class SoapFault(Exception):
    """An answer that says what went wrong.

    ``reason`` is a CamelCase word for programs, such as JobNotFound; ``message`` a sentence for
    people, shown to the client as it is, but for one that quotes too much and is cut. ``standard``
    is the code of another specification, as namespace and name, that its clients look for.
    ``version`` is that of the envelope that is answered, where one was read; ``status`` that of
    HTTP, where it is not the usual one; ``retry_after`` are seconds to wait.
    """

    def __init__(
        self,
        code: FaultCode,
        reason: str,
        message: str,
        *,
        standard: tuple[str, str] | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        long = len(message) > _LONGEST_MESSAGE
        self.message = f"{message[:_LONGEST_MESSAGE]}..." if long else message
        self.standard = standard
        self.status = status
        self.retry_after = retry_after
        self.version: SoapVersion | None = None

    def of_version(self, version: SoapVersion) -> "SoapFault":
        """The same fault, to be answered in this version."""
        self.version = version
        return self


@dataclasses.dataclass(frozen=True)
class SoapAnswer:
    """What goes back over HTTP. ``fault`` is the reason word of a fault, else None.

    An answer that may be too long to be kept has ``pieces`` instead of a body.
    """

    status: int
    content_type: str
    body: bytes
    fault: str | None = None
    pieces: Iterator[bytes] | None = None
