"""SOAP envelopes, 1.1 and 1.2: taken apart on the way in, written on the way out.

The version is that of the Envelope's namespace, not of the Content-Type: real stacks send 1.1
envelopes to 1.2 ports and the reverse.
"""

import dataclasses
import enum
from collections.abc import Set as AbstractSet

from lxml import etree

from gateway.surfaces.dispatcher import messages
from gateway.surfaces.dispatcher.soap_contract import FaultCode, SoapAnswer, SoapFault
from gateway.wire import xml_messages
from gateway.wire.xml_messages import escape


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


# --- reading ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Envelope:
    """A request: its version and the element in the Body that names the operation."""

    version: SoapVersion
    entry: etree._Element


_references = etree.XPath("boolean(//@href[starts-with(., '#')])")

# Header blocks for others, or for nobody, need not be understood here.
_OURS = {
    SoapVersion.V11: ("actor", {"", "http://schemas.xmlsoap.org/soap/actor/next"}),
    SoapVersion.V12: (
        "role",
        {
            "",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
            "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
        },
    ),
}


def version_of(root: etree._Element) -> SoapVersion:
    """Return the version of a parsed document.

    Raises :class:`SoapFault`: VersionMismatch for an Envelope of another namespace, Client for
    anything that is no Envelope.
    """
    name = etree.QName(root)
    for version in SoapVersion:
        if name.localname == "Envelope" and name.namespace == version.namespace:
            return version
    if name.localname == "Envelope":
        raise SoapFault(
            FaultCode.VERSION_MISMATCH,
            "VersionMismatch",
            f"an Envelope of namespace {name.namespace!r} is not known; use SOAP 1.1 or 1.2",
        )
    raise _malformed(f"the document is a {name.localname}, not a SOAP Envelope")


def unwrap(
    root: etree._Element, version: SoapVersion, understood: AbstractSet[str] = frozenset()
) -> Envelope:
    """Check an envelope and return what matters of it.

    ``understood`` are the header blocks, as ``{namespace}name``, that somebody has looked at.
    Raises :class:`SoapFault` for headers that must be understood and are not, a Body without
    exactly one element, and references between elements (SOAP encoding).
    """
    _check_headers(root, version, understood)
    body = root.find(f"{{{version.namespace}}}Body")
    entries = [] if body is None else list(body.iterchildren("*"))
    if len(entries) != 1:
        raise _malformed(f"the SOAP Body must hold one element, the operation, not {len(entries)}")
    if entries[0].tag == f"{{{version.namespace}}}Fault":
        raise _malformed("the SOAP Body holds a Fault, which is no request")
    if _references(root):
        raise _malformed("references between elements (href) are not supported; write values out")
    return Envelope(version, entries[0])


def _malformed(message: str) -> SoapFault:
    return SoapFault(FaultCode.CLIENT, "InvalidEnvelope", message)


def _check_headers(
    root: etree._Element, version: SoapVersion, understood: AbstractSet[str]
) -> None:
    header = root.find(f"{{{version.namespace}}}Header")
    if header is None:
        return
    attribute, ours = _OURS[version]
    for block in header.iterchildren("*"):
        must = block.get(f"{{{version.namespace}}}mustUnderstand", "").strip() in ("1", "true")
        target = block.get(f"{{{version.namespace}}}{attribute}", "").strip()
        if must and target in ours and block.tag not in understood:
            raise SoapFault(
                FaultCode.MUST_UNDERSTAND,
                "MustUnderstand",
                f"the header {block.tag} must be understood and is not; leave it out",
            )


# --- writing ------------------------------------------------------------------------------


def wrap(version: SoapVersion, body: str) -> bytes:
    """Put an envelope round written XML."""
    text = (
        f'{xml_messages.DECLARATION}<soap:Envelope xmlns:soap="{version.namespace}">'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )
    return text.encode("utf-8")


def answer(version: SoapVersion, body: str) -> SoapAnswer:
    """Return the answer of an operation that went well."""
    return SoapAnswer(200, version.content_type, wrap(version, body))


def fault_answer(
    version: SoapVersion, fault: SoapFault, request_id: str = "", status: int | None = None
) -> SoapAnswer:
    """Return a fault as an answer, with its typed detail.

    The status is 500 for every SOAP 1.1 fault, as its HTTP binding demands, and for SOAP 1.2
    400 where the sender is to blame (SOAP 1.2 part 2, 7.5.2.2), unless another one is given.
    """
    write = _fault_11 if version is SoapVersion.V11 else _fault_12
    sender = version is SoapVersion.V12 and fault.code is FaultCode.CLIENT
    return SoapAnswer(
        status or (400 if sender else 500),
        version.content_type,
        wrap(version, write(fault, _detail(fault, request_id))),
        fault.reason,
    )


_write_detail = xml_messages.members_writer(messages.DispatcherFault.members)


def _detail(fault: SoapFault, request_id: str) -> str:
    if fault.code in (FaultCode.VERSION_MISMATCH, FaultCode.MUST_UNDERSTAND):
        return ""  # The detail is for faults of the Body only (SOAP 1.1, 4.4).
    members = _write_detail(
        {"Code": fault.reason, "Message": fault.message, "RequestId": request_id or None}
    )
    name = messages.DispatcherFault.wire_name
    return f'<{name} xmlns="{messages.NAMESPACE}">{members}</{name}>'


def _fault_11(fault: SoapFault, detail: str) -> str:
    wrapped = f"<detail>{detail}</detail>" if detail else ""
    return (
        f"<soap:Fault><faultcode>soap:{fault.code.value}</faultcode>"
        f"<faultstring>{escape(fault.message)}</faultstring>{wrapped}</soap:Fault>"
    )


_CODES_12 = {FaultCode.CLIENT: "Sender", FaultCode.SERVER: "Receiver"}


def _fault_12(fault: SoapFault, detail: str) -> str:
    wrapped = f"<soap:Detail>{detail}</soap:Detail>" if detail else ""
    return (
        f"<soap:Fault><soap:Code><soap:Value>soap:{_CODES_12.get(fault.code, fault.code.value)}"
        f"</soap:Value>{_subcode(fault)}</soap:Code><soap:Reason>"
        f'<soap:Text xml:lang="en">{escape(fault.message)}</soap:Text></soap:Reason>'
        f"{wrapped}</soap:Fault>"
    )


def _subcode(fault: SoapFault) -> str:
    if fault.code not in _CODES_12:
        return ""
    return (
        f'<soap:Subcode><soap:Value xmlns:tns="{messages.NAMESPACE}">tns:{fault.reason}'
        "</soap:Value></soap:Subcode>"
    )
