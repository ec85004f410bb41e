"""The SOAP service: declared through Spyne, read and written by the compiled message codecs.

Spyne keeps the interface: operations, types, the WSDL, and the functions that are called. It does
not touch a message. Parsing is :func:`gateway.wire.xml.parse`'s, envelopes are
:mod:`~gateway.surfaces.dispatcher.soap_envelope`'s, bodies go through the readers and writers that
REST uses, too, and what Spyne does around a call (contexts, events, protocols) cost more than all
of that together, so its functions are called straight. Its malformed-input crashes are unreachable.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from lxml import etree

from gateway.surfaces.dispatcher import soap_addressing, soap_envelope, soap_models
from gateway.surfaces.dispatcher import spyne_compat as spyne
from gateway.surfaces.dispatcher.soap_contract import (
    FaultCode,
    SoapAnswer,
    SoapFault,
    SoapOperation,
    SoapVersion,
)
from gateway.surfaces.dispatcher.soap_envelope import Envelope
from gateway.wire import negotiation, xml, xml_messages
from gateway.wire.errors import MessageError, WireError
from gateway.wire.messages import ListOf, Member

_log = logging.getLogger(__name__)

_HTTP = "http://schemas.xmlsoap.org/soap/http"

Explain = Callable[[Exception], SoapFault | None]
"""Turns a domain error into a fault, or returns None for an error it does not know."""


@dataclasses.dataclass(frozen=True)
class _Call:
    """What Spyne's functions are called with in place of its own context."""

    context: object


class _Codec:
    """The compiled reader of one operation's request and writer of its response."""

    def __init__(self, operation: SoapOperation, namespace: str) -> None:
        arguments = [Member(each.name, each.content, each.meaning) for each in operation.arguments]
        self._name = operation.name
        self._result = f"{operation.name}Result"
        self._names = [each.name for each in arguments]
        self._read = xml_messages.members_reader(arguments)
        self._write = xml_messages.members_writer(
            () if operation.result is None else (Member(self._result, operation.result, ""),)
        )
        self._content = operation.result
        self._start = f'<{operation.name}Response xmlns="{namespace}">'
        self._end = f"</{operation.name}Response>"

    def arguments(self, entry: etree._Element) -> list[Any]:
        """Read the arguments in their declared order, or raise a Client fault."""
        try:
            xml_messages.refuse_bare_text(entry)
            values = self._read(entry)
        except MessageError as error:
            raise _invalid(str(error.below(self._name))) from None
        return [values[name] for name in self._names]

    def response(self, result: Any) -> Iterable[str]:
        """Write the response element: as one text, or text by text where the result comes so."""
        if isinstance(result, Iterator) and isinstance(self._content, ListOf):
            return self._texts(self._content, result)
        return [f"{self._start}{self._write({self._result: result})}{self._end}"]

    def _texts(self, content: ListOf, items: Iterator[Any]) -> Iterator[str]:
        yield f"{self._start}<{self._result}>"
        yield from xml_messages.item_texts(content, items)
        yield f"</{self._result}>{self._end}"


@dataclasses.dataclass(frozen=True)
class _Method:
    """An operation: how its messages are read and written, and Spyne's function that does it."""

    codec: _Codec
    function: Callable[..., Any]


def _invalid(sentence: str) -> SoapFault:
    return SoapFault(FaultCode.CLIENT, "InvalidMessage", sentence)


def unexpected(error: Exception, operation: str, request_id: str) -> SoapFault:
    """Log a mistake of ours, once, and return the fault that tells the client nothing of it."""
    _log.error(
        "SOAP operation %s failed (request %s)", operation, request_id or "-", exc_info=error
    )
    return SoapFault(
        FaultCode.SERVER,
        "InternalError",
        "the server failed to do this; its log has the cause under the request's id",
    )


class SoapService:
    """A table of operations as SOAP 1.1 and 1.2 on one address. Safe for use by many threads."""

    def __init__(
        self,
        application: Any,
        methods: Mapping[str, _Method],
        explain: Explain,
        understood: AbstractSet[str],
        limits: xml.XmlLimits,
    ) -> None:
        self.name: str = application.name
        self.namespace: str = application.tns
        self._application = application
        self._methods = methods
        self._explain = explain
        self._understood = understood | soap_addressing.UNDERSTOOD
        self._limits = limits

    def call(
        self, data: bytes, content_type: str | None, context: object, request_id: str = ""
    ) -> SoapAnswer:
        """Answer one request; never raises.

        ``context`` is handed to the operation's handler as it is. ``request_id`` is told to
        clients in faults and written to the log beside what went wrong.
        """
        try:
            envelope = self.receive(data, content_type)
        except SoapFault as fault:
            return self.refuse(fault, content_type, request_id)
        except Exception as error:  # noqa: BLE001 - logged; SOAP clients need a fault
            return self.refuse(unexpected(error, "call", request_id), content_type, request_id)
        return self.answer(envelope, context, request_id)

    def receive(self, data: bytes, content_type: str | None) -> Envelope:
        """Read a request as far as its envelope. Raises :class:`SoapFault`."""
        media, charset = negotiation.content_type(content_type)
        if media.startswith("multipart/"):
            raise _attachments()
        try:
            root = xml.parse(data, charset=charset, limits=self._limits)
        except WireError as error:
            raise _invalid(error.sentence) from None
        version = soap_envelope.version_of(root)
        try:
            return soap_envelope.unwrap(root, version, self._understood)
        except SoapFault as fault:
            raise fault.of_version(version) from None

    def answer(self, envelope: Envelope, context: object, request_id: str = "") -> SoapAnswer:
        """Do what a request asks for and answer it; never raises."""
        try:
            addressing = soap_addressing.read(envelope.blocks)
        except SoapFault as fault:
            return self.refuse(fault.of_version(envelope.version), None, request_id)
        name = etree.QName(envelope.entry).localname
        try:
            written = self._done(name, envelope, context)
        except Exception as error:  # noqa: BLE001 - what is not known is logged
            header = "" if addressing is None else addressing.fault_header()
            told = self._told(error, name, request_id).of_version(envelope.version)
            answered = self.refuse(told, None, request_id, header=header)
            wanted = addressing is None or addressing.fault
        else:
            header = "" if addressing is None else addressing.header(self._action(name))
            answered = soap_envelope.answer(envelope.version, written, header)
            wanted = addressing is None or addressing.reply
        return answered if wanted else soap_envelope.nothing()

    def refuse(
        self,
        fault: SoapFault,
        content_type: str | None,
        request_id: str,
        status: int | None = None,
        header: str = "",
    ) -> SoapAnswer:
        """Answer with a fault, in the version of the envelope, or of the Content-Type without one.

        ``status`` None is the fault's own.
        """
        version = fault.version or _supposed_version(content_type)
        return soap_envelope.fault_answer(
            version, fault, self.namespace, request_id, status, header
        )

    def _done(self, name: str, envelope: Envelope, context: object) -> Iterable[str]:
        # By its local name: old stacks leave the namespace out.
        method = self._methods.get(name)
        if method is None:
            problem = f"there is no operation {soap_envelope.shown(name)}"
            raise SoapFault(FaultCode.CLIENT, "UnknownOperation", problem)
        arguments = method.codec.arguments(envelope.entry)
        return method.codec.response(method.function(_Call(context), *arguments))

    def _told(self, error: Exception, operation: str, request_id: str) -> SoapFault:
        if isinstance(error, SoapFault):
            return error
        if isinstance(error, WireError):
            return _invalid(error.sentence)
        return self._explain(error) or unexpected(error, operation, request_id)

    def _action(self, operation: str) -> str:
        """The Action of an answer, as WS-Addressing's default has it for our WSDL."""
        return f"{self.namespace}:{self.name}:{operation}Response"

    def interface_document(self) -> bytes:
        """Return the WSDL as Spyne makes it; :mod:`~gateway.surfaces.dispatcher.wsdl` mends it."""
        document = spyne.Wsdl11(self._application.interface)
        document.build_interface_document("http://localhost/")
        made: bytes = document.get_interface_document()
        return made


def _supposed_version(content_type: str | None) -> SoapVersion:
    """The version as the Content-Type has it, in attachments' parameters, too.

    It counts only where there is no Envelope to tell.
    """
    soap_12 = "application/soap+xml" in (content_type or "").lower()
    return SoapVersion.V12 if soap_12 else SoapVersion.V11


def _attachments() -> SoapFault:
    return SoapFault(
        FaultCode.CLIENT,
        "UnsupportedMediaType",
        "attachments are not supported: send plain XML, with files in Base64, or files by REST",
        status=415,
    )


def build_soap(
    operations: Sequence[SoapOperation],
    *,
    name: str,
    namespace: str,
    explain: Explain = lambda error: None,  # noqa: ARG005
    understood: AbstractSet[str] = frozenset(),
    limits: xml.XmlLimits = xml.DEFAULT_LIMITS,
) -> SoapService:
    """Compile a table of operations into a service.

    ``name`` is the service's in the WSDL, ``namespace`` its target namespace. ``explain`` turns
    domain errors into faults; what it does not know is a Server fault and a logged error.
    ``understood`` are header blocks (``{namespace}name``) that may carry mustUnderstand.
    ``limits`` hold for whole envelopes.
    """
    application = spyne.Application(
        [soap_models.service(operations, name, namespace)],
        tns=namespace,
        name=name,
        in_protocol=spyne.Soap11(),
        out_protocol=spyne.Soap11(),
    )
    # A server of Spyne's would say how messages travel; there is none.
    application.transport = _HTTP
    functions = soap_models.functions(application)
    methods = {
        each.name: _Method(_Codec(each, namespace), functions[each.name]) for each in operations
    }
    return SoapService(application, methods, explain, understood, limits)
