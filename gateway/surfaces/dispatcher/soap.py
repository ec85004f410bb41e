"""The SOAP service, on Spyne, with bodies read and written by the compiled message codecs.

Spyne keeps the interface (operations, types, WSDL), finds the method for a request, calls it and
turns exceptions into faults. It does not touch the XML: parsing is
:func:`gateway.wire.xml.parse`'s, envelopes are :mod:`~gateway.surfaces.dispatcher.soap_envelope`'s,
and the protocols below hand bodies to the readers and writers that REST uses, too. That costs a
third of Spyne's own way and leaves its malformed-input crashes unreachable.

Spyne is called in process with bytes, without its WSGI server.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from lxml import etree

from gateway.surfaces.dispatcher import soap_envelope, soap_models
from gateway.surfaces.dispatcher import spyne_compat as spyne
from gateway.surfaces.dispatcher.soap_contract import (
    FaultCode,
    SoapAnswer,
    SoapFault,
    SoapOperation,
)
from gateway.surfaces.dispatcher.soap_envelope import Envelope, SoapVersion
from gateway.wire import negotiation, xml, xml_messages
from gateway.wire.errors import MessageError, WireError
from gateway.wire.messages import ListOf, Member

_log = logging.getLogger(__name__)

Explain = Callable[[Exception], SoapFault | None]
"""Turns a domain error into a fault, or returns None for an error it does not know."""


@dataclasses.dataclass(frozen=True)
class _Call:
    """What travels with one request through Spyne, as its ``udc``."""

    context: object
    request_id: str


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
            raise _fault(_invalid(str(error.below(self._name)))) from None
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


def _invalid(sentence: str) -> SoapFault:
    return SoapFault(FaultCode.CLIENT, "InvalidMessage", sentence)


def _fault(fault: SoapFault) -> Any:
    """Wrap a fault so that Spyne carries it from where it is raised to where it is written."""
    return spyne.Fault(fault.code.value, fault.message, detail=fault)


class _CompiledBodies:
    """What both protocols override. Mixed in before Spyne's Soap11 and Soap12.

    The request arrives as an Envelope in ``ctx.in_document``; the answer leaves as texts in
    ``ctx.out_document``, written as a fault or as a response, still without its envelope.
    """

    app: Any

    def __init__(self, codecs: dict[str, _Codec]) -> None:
        super().__init__()
        self._codecs = codecs

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:
        """Do nothing: the document has been parsed."""

    def decompose_incoming_envelope(self, ctx: Any, message: Any = None) -> None:  # noqa: ARG002
        """Find the operation by local name: old stacks leave the namespace out."""
        entry = ctx.in_document.entry
        name = etree.QName(entry).localname
        if name not in self._codecs:
            problem = f"there is no operation {soap_envelope.shown(name)}"
            raise _fault(SoapFault(FaultCode.CLIENT, "UnknownOperation", problem))
        ctx.in_body_doc = entry
        ctx.method_request_string = f"{{{self.app.tns}}}{name}"

    def deserialize(self, ctx: Any, message: Any) -> None:  # noqa: ARG002
        """Read the arguments."""
        ctx.in_object = self._codecs[ctx.descriptor.name].arguments(ctx.in_body_doc)

    def serialize(self, ctx: Any, message: Any) -> None:  # noqa: ARG002
        """Write the result."""
        result = ctx.out_object[0] if ctx.out_object else None
        ctx.out_document = self._codecs[ctx.descriptor.name].response(result)

    def create_out_string(self, ctx: Any, charset: str | None = None) -> None:  # noqa: ARG002
        """Hand over what was written."""
        ctx.out_string = ctx.out_document


class _Soap11(_CompiledBodies, spyne.Soap11):  # type: ignore[misc]  # Spyne has no types
    """SOAP 1.1."""


class _Soap12(_CompiledBodies, spyne.Soap12):  # type: ignore[misc]  # Spyne has no types
    """SOAP 1.2."""


class _Application(spyne.Application):  # type: ignore[misc]  # Spyne has no types
    """Spyne's application, with our way of turning exceptions into faults."""

    def __init__(self, explain: Explain, *args: Any, **options: Any) -> None:
        self._explain = explain
        super().__init__(*args, **options)

    def call_wrapper(self, ctx: Any) -> Any:
        """Call the handler; whatever it raises becomes a fault."""
        try:
            return super().call_wrapper(ctx)
        except Exception as error:  # noqa: BLE001 - it is logged, with its traceback
            raise _fault(self._told(error, ctx)) from None

    def _told(self, error: Exception, ctx: Any) -> SoapFault:
        if isinstance(error, SoapFault):
            return error
        if isinstance(error, WireError):
            return _invalid(error.sentence)
        return self._explain(error) or unexpected(error, ctx.descriptor.name, ctx.udc.request_id)


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


class _InProcess(spyne.ServerBase):  # type: ignore[misc]  # Spyne has no types
    """Spyne's server, called with a parsed envelope."""

    transport = "http://schemas.xmlsoap.org/soap/http"

    def call(self, envelope: Envelope, call: _Call) -> Iterable[str]:
        """Return the written response element, or raise the fault as :class:`SoapFault`.

        It is one text in a list, or an iterator of many.
        """
        context = spyne.MethodContext(self, spyne.MethodContext.SERVER)
        context.in_document = envelope
        context.udc = call
        try:
            return self._run(context)
        finally:
            context.close()

    def _run(self, context: Any) -> Iterable[str]:
        context = self.generate_contexts(context)[0]
        if context.in_error is None:
            self.get_in_object(context)
        if context.in_error is None:
            self.get_out_object(context)
        error = context.in_error or context.out_error
        if error is not None:
            raise _told_by_spyne(error, context)
        self.get_out_string(context)
        written: Iterable[str] = context.out_string
        return written


def _told_by_spyne(error: Any, context: Any) -> SoapFault:
    if isinstance(error.detail, SoapFault):
        return error.detail
    # Nothing of Spyne's own is known to get here. If it does, it is a mistake of ours.
    return unexpected(error, context.method_request_string or "call", context.udc.request_id)


class SoapService:
    """A table of operations as SOAP 1.1 and 1.2 on one address. Safe for use by many threads."""

    def __init__(
        self,
        name: str,
        namespace: str,
        servers: Mapping[SoapVersion, _InProcess],
        understood: AbstractSet[str],
        limits: xml.XmlLimits,
    ) -> None:
        self.name = name
        self.namespace = namespace
        self._servers = servers
        self._understood = understood
        self._limits = limits

    def call(
        self, data: bytes, content_type: str | None, context: object, request_id: str = ""
    ) -> SoapAnswer:
        """Answer one request; never raises.

        ``context`` is handed to the operation's handler as it is. ``request_id`` is told to
        clients in faults and written to the log beside what went wrong.
        """
        media, charset = negotiation.content_type(content_type)
        if media.startswith("multipart/"):
            return self.refuse(_attachments(), content_type, request_id, status=415)
        version = _supposed_version(content_type)
        try:
            root = xml.parse(data, charset=charset, limits=self._limits)
            version = soap_envelope.version_of(root)
            envelope = soap_envelope.unwrap(root, version, self._understood)
            body = self._servers[version].call(envelope, _Call(context, request_id))
        except SoapFault as fault:
            return self._fault(version, fault, request_id)
        except WireError as error:
            return self._fault(version, _invalid(error.sentence), request_id)
        except Exception as error:  # noqa: BLE001 - logged; SOAP clients need a fault
            told = unexpected(error, "call", request_id)
            return self._fault(version, told, request_id)
        return soap_envelope.answer(version, body)

    def refuse(
        self, fault: SoapFault, content_type: str | None, request_id: str, status: int | None
    ) -> SoapAnswer:
        """Answer a request whose envelope has not been read; None is the fault's own status."""
        version = _supposed_version(content_type)
        return self._fault(version, fault, request_id, status)

    def _fault(
        self, version: SoapVersion, fault: SoapFault, request_id: str, status: int | None = None
    ) -> SoapAnswer:
        return soap_envelope.fault_answer(version, fault, self.namespace, request_id, status)

    def interface_document(self) -> bytes:
        """Return the WSDL as Spyne makes it; :mod:`~gateway.surfaces.dispatcher.wsdl` mends it."""
        document = spyne.Wsdl11(self._servers[SoapVersion.V11].app.interface)
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
        FaultCode.CLIENT, "UnsupportedMediaType", "attachments are not supported; send plain XML"
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
    codecs = {operation.name: _Codec(operation, namespace) for operation in operations}
    service = soap_models.service(operations, name, namespace)

    def server(protocol: type[_CompiledBodies]) -> _InProcess:
        return _InProcess(
            _Application(
                explain,
                [service],
                tns=namespace,
                name=name,
                in_protocol=protocol(codecs),
                out_protocol=protocol(codecs),
            )
        )

    servers = {SoapVersion.V11: server(_Soap11), SoapVersion.V12: server(_Soap12)}
    return SoapService(name, namespace, servers, understood, limits)
